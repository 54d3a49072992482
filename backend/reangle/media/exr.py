# SPDX-License-Identifier: Apache-2.0
"""OpenEXR: colour images and depth, in and out."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from reangle.contract import MAX_SIDE
from reangle.errors import UserError
from reangle.media.exr_colour import from_luminance, primaries_name, to_bt709
from reangle.media.exr_layers import STEREO, depth_channels, is_planar, layers_of, picture_layers
from reangle.media.framing import square_size, with_square_pixels

_DEEP = ("deepscanline", "deeptile")


@dataclass(frozen=True)
class ExrHeader:
    """What an EXR's header says of its picture.

    width, height: with square pixels. pixel_aspect: width of a stored pixel by its height. layer: the picture's, "" if
    its channels have plain names; None if the file has no colour. notes: for the artist.
    """

    width: int
    height: int
    pixel_aspect: float
    layer: str | None
    notes: tuple[str, ...]


def read_exr_header(path: Path, name: str) -> ExrHeader:
    """Raises UserError if the file is no EXR or only has deep data."""
    parts = _flat_parts(_open(path, name, header_only=True), name)
    owners: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        for full in _full_names(part):
            owners.setdefault(full, part.header)
    layers = picture_layers(list(owners), _views([part.header for part in parts]))
    layer = layers[0] if layers else None
    letters = {} if layer is None else layers_of(list(owners))[layer]
    header = owners[next(iter(letters.values()))] if letters else parts[0].header
    notes = []
    if len(layers) > 1:
        named = ", ".join(_shown(one) for one in layers[:6]) + (", ..." if len(layers) > 6 else "")
        notes.append(f"The EXR has several layers with colour ({named}); {_shown(layers[0])} is used as the picture.")
    chromaticities = _chromaticities(header)
    if chromaticities is not None and to_bt709(chromaticities) is not None:
        notes.append(f"The EXR has {primaries_name(chromaticities)} primaries; its colours are converted to BT.709.")
    _, _, width, height = _window(header, "displayWindow")
    aspect = _pixel_aspect(header)
    return ExrHeader(*square_size(width, height, aspect), aspect, layer, tuple(notes))


def read_exr_channels(path: Path, name: str = "") -> dict[str, np.ndarray]:
    """Every channel of every part, full name -> H x W of the whole picture; 0 where only a region was rendered.

    Blender 4.5 writes one part with long channel names, Blender 5 several parts with short ones: both come out as
    "ViewLayer.Depth.Z", in the file's order. Raises UserError if the file cannot be read.
    """
    return {full: pixels for full, (pixels, _) in _read(path, name or path.name).items()}


def read_exr_depth(path: Path, name: str = "") -> np.ndarray:
    """The depth channel as H x W float32, exactly as stored (Blender's background is 1e10).

    A picture with pixels that are not square comes out as `read_exr_header` measures it: pixels are repeated. Raises
    UserError, naming the channels there are, if none is planar depth.
    """
    name = name or path.name
    read = _read(path, name)
    views = _views([header for _, header in read.values()])
    found = depth_channels(list(read), is_grey=partial(_is_grey, read), views=views)
    if found:
        pixels, header = read[found[0]]
        return with_square_pixels(pixels.astype(np.float32), _pixel_aspect(header))
    bent = any(not is_planar(key, views) for key in read)
    raise UserError(
        f"{name} has no depth channel; it has {', '.join(sorted(read))}.",
        advice="Enable the Z pass of the view layer and render to OpenEXR MultiLayer."
        + (
            " Mist, Denoising Depth, inverse depth and the like are not distances along the camera's axis."
            if bent
            else ""
        ),
    )


def depth_note(path: Path, name: str = "") -> str:
    """Which of several depth layers `read_exr_depth` takes, for the artist; "" if there is one. Reads the header."""
    parts = _flat_parts(_open(path, name, header_only=True), name)
    names = [full for part in parts for full in _full_names(part)]
    found = depth_channels(names, is_grey=lambda _: False, views=_views([part.header for part in parts]))
    if len(found) < 2:
        return ""
    return f"The EXR has several depth channels ({', '.join(found[:6])}); {found[0]} is used."


def read_exr_image(path: Path, name: str = "") -> tuple[np.ndarray, np.ndarray | None]:
    """Colour as H x W x 3 float32 linear with BT.709 primaries, and alpha as H x W float32 or None.

    Of several layers it reads the one that `read_exr_header` names. Raises UserError if there is no R, G, B or Y.
    """
    name = name or path.name
    read = _read(path, name)
    layers = picture_layers(list(read), _views([header for _, header in read.values()]))
    if not layers:
        raise UserError(
            f"{name} has no colour; its channels are {', '.join(sorted(read))}.",
            advice="Give images with R, G and B channels as the clip, and depth as geometry files.",
        )
    letters = layers_of(list(read))[layers[0]]
    channels = {letter: np.asarray(read[full][0], np.float32) for letter, full in letters.items()}
    chromaticities = _chromaticities(read[next(iter(letters.values()))][1])
    if {"R", "G", "B"} <= set(channels):
        colour = np.stack([channels[letter] for letter in "RGB"], axis=-1)
    elif {"RY", "BY"} <= set(channels):
        colour = from_luminance(channels["Y"], channels["RY"], channels["BY"], chromaticities)
    else:
        return np.stack([channels["Y"]] * 3, axis=-1), channels.get("A")
    matrix = to_bt709(chromaticities)
    return colour if matrix is None else colour @ matrix.T, channels.get("A")


def write_exr_colour(path: Path, colour: np.ndarray) -> None:
    """Write H x W x 3 float16, linear light with BT.709 primaries, as a one-part EXR; whole or not at all."""
    _write_whole(path, {"RGB": np.ascontiguousarray(colour, np.float16)})


def write_exr_depth(path: Path, depth: np.ndarray) -> None:
    """Write H x W float32 as a one-part EXR; never leaves an incomplete file.

    The channel is "Z". Blender shows a single Z as black, so "V", Blender's name for a grey image, repeats the
    values; compression makes the copy nearly free.
    """
    pixels = np.ascontiguousarray(depth, np.float32)
    _write_whole(path, {"Z": pixels, "V": pixels})


def _write_whole(path: Path, channels: Mapping[str, np.ndarray]) -> None:
    header: Mapping[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with OpenEXR.File(dict(header), dict(channels), num_threads=0) as file:
            file.write(str(temporary))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path, name: str, *, header_only: bool) -> OpenEXR.File:
    try:
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)
    except (RuntimeError, ValueError, OSError) as error:
        raise _damaged(name) from error


def _flat_parts(file: OpenEXR.File, name: str) -> list[Any]:
    """The parts without deep ones. Raises UserError if there are no others."""
    parts = [part for part in file.parts if _storage(part) not in _DEEP]
    if not parts:
        raise UserError(
            f"{name} is a deep EXR, with several samples a pixel, which cannot be read.",
            advice="Flatten it (DeepToImage in Nuke) or render it without deep data.",
        )
    return parts


def _storage(part: Any) -> str:
    return str(getattr(part.header.get("type"), "name", ""))


def _full_names(part: Any) -> list[str]:
    """The channels' names with the part's before them, by the header alone."""
    return [_full_name(channel.name, part.header) for channel in part.header["channels"]]


def _full_name(key: str, header: Mapping[str, Any]) -> str:
    prefix = header.get("name", "")
    full = key if not prefix or "." in key else f"{prefix}.{key}"
    view = str(header.get("view", ""))
    layer, dot, letter = full.rpartition(".")
    # Blender 5 names channels of all views alike and the parts by view.
    return f"{layer}.{view}.{letter}" if view and dot and not layer.endswith(view) else full


def _views(headers: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """The names of the file's views, the main one first. headers: of its parts."""
    named = [str(view) for header in headers for view in (*header.get("multiView", ()), header.get("view", "")) if view]
    return tuple(dict.fromkeys(named)) or STEREO


def _read(path: Path, name: str) -> dict[str, tuple[np.ndarray, Mapping[str, Any]]]:
    """Full name -> (H x W of the whole picture, its part's header) of every channel that is not deep."""
    # Deep parts are told by the header, because reading them takes long.
    headers = _open(path, name, header_only=True)
    _flat_parts(headers, name)
    file = _open(path, name, header_only=False)
    # Of a truncated file OpenEXR only warns, and leaves out the parts it could not read.
    if len(file.parts) != len(headers.parts) or not all(part.channels for part in file.parts):
        raise _damaged(name)
    channels: dict[str, tuple[np.ndarray, Mapping[str, Any]]] = {}
    for part in _flat_parts(file, name):
        for key, channel in part.channels.items():
            pixels = channel.pixels
            if (channel.xSampling, channel.ySampling) != (1, 1):
                pixels = _full_sampling(pixels, channel.xSampling, channel.ySampling, part.header)
            whole = _whole_picture(pixels, part.header, name)
            channels.setdefault(_full_name(key, part.header), (whole, part.header))
    return channels


def _full_sampling(pixels: np.ndarray, x: int, y: int, header: Mapping[str, Any]) -> np.ndarray:
    """Chroma of every second pixel, interpolated to every pixel of the data window."""
    _, _, width, height = _window(header, "dataWindow")
    columns, rows = np.arange(width) / x, np.arange(height) / y
    wide = np.stack([np.interp(columns, np.arange(pixels.shape[1]), row) for row in pixels.astype(np.float32)])
    below = np.minimum(rows.astype(int) + 1, len(wide) - 1)
    above = np.minimum(rows.astype(int), len(wide) - 1)
    share = (rows - above)[:, None].clip(0, 1).astype(np.float32)
    return (wide[above] * (1 - share) + wide[below] * share).astype(np.float32)


def _chromaticities(header: Mapping[str, Any]) -> tuple[float, ...] | None:
    values = header.get("chromaticities")
    return None if values is None or len(values) != 8 else tuple(float(value) for value in values)


def _pixel_aspect(header: Mapping[str, Any]) -> float:
    """1 if the header's is no sensible one."""
    aspect = float(header.get("pixelAspectRatio", 1.0))
    return aspect if 0.1 <= aspect <= 10 and abs(aspect - 1) > 1e-3 else 1.0


def _shown(layer: str) -> str:
    return layer or "plain R, G, B"


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


def _is_grey(read: Mapping[str, tuple[np.ndarray, Mapping[str, Any]]], layer: str) -> bool:
    """Whether the layer has R, G and B, and these hold the same values."""
    letters = layers_of(list(read)).get(layer, {})
    if not {"R", "G", "B"} <= set(letters):
        return False
    red, green, blue = (read[letters[letter]][0] for letter in "RGB")
    return np.array_equal(red, green, equal_nan=True) and np.array_equal(red, blue, equal_nan=True)
