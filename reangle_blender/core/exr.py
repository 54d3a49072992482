# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads depth and colour of results: OpenEXR files as the backend writes them. Blender's Python has no reader of its
own that may run in a thread."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import UserError

CHANNEL = "Z"

_MAGIC = 20000630
_TILED_DEEP_OR_PARTS = 0x200 | 0x800 | 0x1000
_LINES = {0: 1, 2: 1, 3: 16}
"""Rows in a block, by compression: none, ZIP of single rows, ZIP."""
_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


@dataclass(frozen=True)
class _Header:
    """channels: name -> type, in the file's order. end: where the table of blocks begins."""

    width: int
    height: int
    top: int
    compression: int
    channels: dict[str, np.dtype]
    end: int


def read_depth(path: Path) -> np.ndarray:
    """Channel Z of a file, H x W float32, planar z. Raises UserError if the file is missing, damaged, or has none."""
    try:
        return _read(path.read_bytes(), CHANNEL)
    except (OSError, ValueError, struct.error, zlib.error, IndexError) as error:
        raise UserError(
            f"The depth {path} cannot be read: {error}.", advice="Fetch the result again in the Results panel."
        ) from error


def read_colour(path: Path) -> np.ndarray:
    """H x W x 3 float32, linear light. Raises OSError, ValueError, or an error of struct or zlib."""
    data = path.read_bytes()
    return np.stack([_read(data, name) for name in "RGB"], axis=-1)


def _read(data: bytes, channel: str) -> np.ndarray:
    header = _header(data)
    if channel not in header.channels:
        raise ValueError(f"it has no channel {channel}")
    pixel = sum(kind.itemsize for kind in header.channels.values())
    before = header.width * sum(kind.itemsize for name, kind in header.channels.items() if name < channel)
    kind = header.channels[channel]
    depth = np.empty((header.height, header.width), np.float32)
    lines = _LINES[header.compression]
    for start in struct.unpack_from(f"<{-(-header.height // lines)}Q", data, header.end):
        y, size = struct.unpack_from("<ii", data, start)
        first = y - header.top
        count = min(lines, header.height - first)
        rows = _unpacked(data[start + 8 : start + 8 + size], count * header.width * pixel)
        # A row has all values of one channel, then all of the next.
        values = rows.reshape(count, header.width * pixel)[:, before : before + header.width * kind.itemsize]
        depth[first : first + count] = np.ascontiguousarray(values).view(kind)
    return depth


def _unpacked(block: bytes, size: int) -> np.ndarray:
    """The bytes of a block; one that would not become smaller is stored as it is."""
    if len(block) == size:
        return np.frombuffer(block, np.uint8)
    packed = np.frombuffer(zlib.decompress(block), np.uint8)
    if len(packed) != size:
        raise ValueError("a block is incomplete")
    steps = packed.copy()
    steps[1:] -= 128
    whole = np.cumsum(steps, dtype=np.uint8)
    rows = np.empty(size, np.uint8)
    half = (size + 1) // 2
    rows[0::2], rows[1::2] = whole[:half], whole[half:]
    return rows


def _header(data: bytes) -> _Header:
    magic, version = struct.unpack_from("<iI", data)
    if magic != _MAGIC:
        raise ValueError("it is no OpenEXR file")
    if version & _TILED_DEEP_OR_PARTS:
        raise ValueError("it has tiles or several parts")
    at, found = 8, dict[str, bytes]()
    while data[at]:
        name_end = data.index(b"\0", at)
        type_end = data.index(b"\0", name_end + 1)
        (size,) = struct.unpack_from("<i", data, type_end + 1)
        found[data[at:name_end].decode()] = data[type_end + 5 : type_end + 5 + size]
        at = type_end + 5 + size
    if not {"dataWindow", "compression", "channels"} <= found.keys():
        raise ValueError("its header is incomplete")
    left, top, right, bottom = struct.unpack("<4i", found["dataWindow"])
    compression = found["compression"][0]
    if compression not in _LINES:
        raise ValueError(f"its compression, number {compression}, is not one that Reangle writes")
    return _Header(right - left + 1, bottom - top + 1, top, compression, _channels(found["channels"]), at + 1)


def _channels(data: bytes) -> dict[str, np.dtype]:
    at, channels = 0, dict[str, np.dtype]()
    while data[at]:
        end = data.index(b"\0", at)
        (kind,) = struct.unpack_from("<i", data, end + 1)
        channels[data[at:end].decode()] = _TYPES[kind]
        at = end + 17  # type, four bytes of flags, and sampling in x and y
    return channels
