# SPDX-License-Identifier: Apache-2.0
"""OpenEXR: colour images in, depth in and out."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from reangle.contract import MAX_SIDE
from reangle.errors import UserError

_DEPTH_NAMES = ("Z", "DEPTH", "V", "Y", "R")
"""Last part of a depth channel's name, most certain first. Blender writes "Z", "ViewLayer.Depth.Z" or, from a File
Output node, a single "V" or "Y"."""


def exr_size(path: Path, name: str) -> tuple[int, int]:
    """(width, height) of an EXR's picture, read from its header alone. Raises UserError if it is not an EXR."""
    _, _, width, height = _window(_open(path, name, header_only=True).parts[0].header, "displayWindow")
    return width, height


def read_exr_channels(path: Path, name: str = "") -> dict[str, np.ndarray]:
    """Every channel of every part, full name -> H x W of the whole picture; 0 where only a region was rendered.

    Blender 4.5 writes one part with long channel names, Blender 5 several parts with short ones: both come out as
    "ViewLayer.Depth.Z". Raises UserError if the file cannot be read.
    """
    name = name or path.name
    parts = _open(path, name, header_only=False).parts
    # Of a truncated file OpenEXR only warns, and leaves out the parts it could not read.
    if len(parts) != len(_open(path, name, header_only=True).parts) or not all(part.channels for part in parts):
        raise _damaged(name)
    channels: dict[str, np.ndarray] = {}
    for part in parts:
        prefix = part.header.get("name", "")
        for key, channel in part.channels.items():
            full = key if not prefix or key.startswith(prefix) or "." in key else f"{prefix}.{key}"
            channels.setdefault(full, _whole_picture(channel.pixels, part.header, name))
    return channels


def read_exr_depth(path: Path, name: str = "") -> np.ndarray:
    """The depth channel as H x W float32, exactly as stored (Blender's background is 1e10).

    Raises UserError, naming the channels there are, if none is depth.
    """
    channels = read_exr_channels(path, name)
    for last in _DEPTH_NAMES:
        keys = [key for key in sorted(channels) if key.rsplit(".", 1)[-1].upper() == last]
        if last == "Z":
            # Beside an X, a Z belongs to a normal, a position or a motion vector.
            keys = [key for key in keys if f"{key[:-1]}{'X' if key[-1] == 'Z' else 'x'}" not in channels]
        # A colour image's V, Y or R is depth only if its layer is named so or the file has nothing else.
        named = [key for key in keys if "depth" in key.rpartition(".")[0].lower()]
        if keys and (last in ("Z", "DEPTH") or len(channels) == 1 or _is_grey(channels)):
            return channels[keys[0]].astype(np.float32)
        if named and last != "R":
            return channels[named[0]].astype(np.float32)
    raise UserError(
        f"{name or path.name} has no depth channel; it has {', '.join(sorted(channels))}.",
        advice="Enable the Z pass of the view layer and render to OpenEXR MultiLayer.",
    )


def read_exr_image(path: Path, name: str = "") -> tuple[np.ndarray, np.ndarray | None]:
    """Colour as H x W x 3 float32 linear, as stored, and alpha as H x W float32 or None.

    Of several layers, reads the one named Combined, else the first. Raises UserError if there is no R, G, B or Y.
    """
    channels = read_exr_channels(path, name)
    layers = sorted({key.rpartition(".")[0] for key in channels}, key=lambda layer: ("Combined" not in layer, layer))
    for layer in layers:
        prefix = f"{layer}." if layer else ""
        rgb = [channels.get(f"{prefix}{letter}") for letter in "RGB"]
        if any(channel is None for channel in rgb):
            rgb = [channels.get(f"{prefix}Y")] * 3
        if all(channel is not None for channel in rgb):
            alpha = channels.get(f"{prefix}A")
            colour = np.stack([np.asarray(channel, np.float32) for channel in rgb], axis=-1)
            return colour, None if alpha is None else alpha.astype(np.float32)
    raise UserError(
        f"{name or path.name} has no colour; its channels are {', '.join(sorted(channels))}.",
        advice="Give images with R, G and B channels as the clip, and depth as geometry files.",
    )


def write_exr_depth(path: Path, depth: np.ndarray) -> None:
    """Write H x W float32 as a one-part EXR; never leaves an incomplete file.

    The channel is "Z". Blender shows a single Z as black, so "V", Blender's name for a grey image, repeats the
    values; compression makes the copy nearly free.
    """
    header: Mapping[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    pixels = np.ascontiguousarray(depth, np.float32)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with OpenEXR.File(dict(header), {"Z": pixels, "V": pixels}, num_threads=0) as file:
            file.write(str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path, name: str, *, header_only: bool) -> OpenEXR.File:
    try:
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)
    except (RuntimeError, ValueError, OSError) as error:
        raise _damaged(name) from error


def _window(header: Mapping[str, Any], which: str) -> tuple[int, int, int, int]:
    """(left, top, width, height)."""
    (left, top), (right, bottom) = header[which]
    return int(left), int(top), int(right - left + 1), int(bottom - top + 1)


def _whole_picture(pixels: np.ndarray, header: Mapping[str, Any], name: str) -> np.ndarray:
    """The data window at its place in the display window."""
    left, top, width, height = _window(header, "displayWindow")
    data_left, data_top, data_width, data_height = _window(header, "dataWindow")
    if (data_left, data_top, data_width, data_height) == (left, top, width, height):
        return pixels
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UserError(
            f"{name} is {width} x {height}; at most {MAX_SIDE} a side can be read.", advice="Render it again."
        )
    x, y = data_left - left, data_top - top
    picture = np.zeros((height, width), pixels.dtype)
    inside = pixels[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    picture[max(0, y) : max(0, y) + inside.shape[0], max(0, x) : max(0, x) + inside.shape[1]] = inside
    return picture


def _damaged(name: str) -> UserError:
    return UserError(f"{name} is not a whole OpenEXR image.", advice="Render or copy it again.")


def _is_grey(channels: Mapping[str, np.ndarray]) -> bool:
    if not {"R", "G", "B"} <= set(channels) or len(channels) > 4:
        return False
    return bool(np.array_equal(channels["R"], channels["G"]) and np.array_equal(channels["R"], channels["B"]))
