# SPDX-License-Identifier: Apache-2.0
"""The PNG files that stages write and read: packed several times as fast as by an ordinary zlib, at about its size.

The format is that of the W3C's PNG Specification, third edition. Files of other programs are OpenCV's business.
"""

from __future__ import annotations

import struct

import numba
import numpy as np
from isal import isal_zlib

from reangle.kernels import KERNEL

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_SUB, _UP = 1, 2
_EVERY = 8
"""Rows that are looked at to choose the filter."""
_DATA = 33
"""Where the chunk of pixels starts, after the signature and the header."""


def encode_png(image: np.ndarray) -> bytes:
    """A PNG of 8 or 16 bits: H x W grey or H x W x 3 RGB, uint8 or uint16.

    Each row is written as its difference from the row above, or each pixel as that from the one before, whichever is
    less (section 9.2). Raises ValueError for another array.
    """
    is_rgb = image.ndim == 3 and image.shape[2] == 3
    if image.dtype not in (np.uint8, np.uint16) or not (is_rgb or image.ndim == 2) or not image.size:
        raise ValueError(f"PNG takes H x W or H x W x 3 of uint8 or uint16, not {image.shape} of {image.dtype}")
    height, width = image.shape[:2]
    step = image.dtype.itemsize * (3 if is_rgb else 1)
    # PNG has the high byte first.
    values = np.ascontiguousarray(image, image.dtype.newbyteorder(">")).view(np.uint8).reshape(height, width * step)
    filtered = np.empty((height, 1 + width * step), np.uint8)
    if _differs_less_across(values, step):
        filtered[:, 0] = _SUB
        filtered[:, 1 : 1 + step] = values[:, :step]
        np.subtract(values[:, step:], values[:, :-step], out=filtered[:, 1 + step :])
    else:
        filtered[:, 0] = _UP
        filtered[0, 1:] = values[0]
        np.subtract(values[1:], values[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, _RGB if is_rgb else _GREY, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", isal_zlib.compress(filtered, 1)), (b"IEND", b"")
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _differs_less_across(values: np.ndarray, step: int) -> bool:
    rows = values[1::_EVERY].astype(np.int16)
    above = values[::_EVERY][: len(rows)]
    return bool(np.abs(rows[:, step:] - rows[:, :-step]).sum() < np.abs(rows - above).sum())


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))


def decode_png(data: bytes) -> np.ndarray | None:
    """The image of `encode_png`; None for other PNG files, and for what is damaged."""
    try:
        length, kind = struct.unpack_from(">I4s", data, _DATA)
        (check,) = struct.unpack_from(">I", data, _DATA + 8 + length)
    except struct.error:
        return None
    if kind != b"IDAT" or not data.endswith(_chunk(b"IEND", b"")) or len(data) != _DATA + length + 24:
        return None
    header, packed = data[16:29], memoryview(data)[_DATA + 8 : _DATA + 8 + length]
    if data[:_DATA] != _SIGNATURE + _chunk(b"IHDR", header) or isal_zlib.crc32(packed, isal_zlib.crc32(kind)) != check:
        return None
    width, height, bits, colours, *rest = struct.unpack(">IIBBBBB", header)
    if bits not in (8, 16) or colours not in (_GREY, _RGB) or any(rest):
        return None
    step = bits // 8 * (3 if colours == _RGB else 1)
    try:
        unpacked = isal_zlib.decompress(packed, bufsize=height * (1 + width * step))
    except isal_zlib.error:  # pyright: ignore[reportGeneralTypeIssues] - declared as a plain variable
        return None
    if len(unpacked) != height * (1 + width * step):
        return None
    filtered = np.frombuffer(unpacked, np.uint8).reshape(height, 1 + width * step)
    filters = filtered[:, 0]
    if not ((filters == _SUB).all() or (filters == _UP).all()):
        return None
    values = _unfiltered(filtered, step)
    shape = (height, width, 3) if colours == _RGB else (height, width)
    if bits == 8:
        return values.reshape(shape)
    return values.view(">u2").astype(np.uint16).reshape(shape)


@numba.njit(**KERNEL)
def _unfiltered(filtered, step):
    height, width = filtered.shape[0], filtered.shape[1] - 1
    values = np.empty((height, width), np.uint8)
    if filtered[0, 0] == _UP:
        values[0] = filtered[0, 1:]
        for y in range(1, height):
            for x in range(width):
                values[y, x] = filtered[y, x + 1] + values[y - 1, x]
    else:
        for y in range(height):
            for x in range(step):
                values[y, x] = filtered[y, x + 1]
            for x in range(step, width):
                values[y, x] = filtered[y, x + 1] + values[y, x - step]
    return values
