# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads single pictures in a thread, to be drawn: PNG and the OpenEXR that Reangle writes by itself, other files by
OpenImageIO, which most Blenders bring. Blender's own reader may only run in the main thread."""

from __future__ import annotations

import importlib
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from . import exr
from .errors import UserError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}
"""Numbers in a pixel, by the PNG's kind of colour: grey, RGB, and both with alpha."""


def read_picture(path: Path) -> np.ndarray:
    """H x W x 4 float32, sRGB-encoded, 0 to 1, from the lowest row up. Raises UserError if it cannot be read."""
    try:
        if path.suffix.lower() == ".png":
            pixels = decode_png(path.read_bytes())
        elif path.suffix.lower() == ".exr":
            pixels = srgb_encoded(exr.read_colour(path))
        else:
            pixels = _by_openimageio(path)
    except (OSError, ValueError, struct.error, zlib.error, IndexError) as error:
        raise UserError(f"{path.name} cannot be read: {error}.", advice="Choose a PNG sequence.") from error
    picture = np.ones((*pixels.shape[:2], 4), np.float32)
    picture[..., :3] = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., :1]
    return np.ascontiguousarray(picture[::-1])


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 = white, to sRGB, 0 to 1."""
    light = np.clip(linear, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def decode_png(data: bytes) -> np.ndarray:
    """H x W x 1 to 4 float32, 0 to 1, from the top row down. Raises ValueError for what it does not read."""
    if data[:8] != _SIGNATURE:
        raise ValueError("it is no PNG")
    at, packed = 8, bytearray()
    width = height = bits = colour = interlaced = 0
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    if bits not in (8, 16) or colour not in _SAMPLES or interlaced:
        raise ValueError("it is a PNG with a palette, interlaced, or of less than 8 bits")
    samples = _SAMPLES[colour]
    pixel = samples * bits // 8
    rows = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, 1 + width * pixel)
    values = _without_filter(rows[:, 0], rows[:, 1:].reshape(height, width, pixel))
    if bits == 8:
        return values.astype(np.float32) / np.float32(255)
    return values.view(">u2").astype(np.float32).reshape(height, width, samples) / np.float32(65535)


def _without_filter(kinds: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """The bytes of the pixels. A pixel's filter needs those left of it, above it and left above it, so all pixels of
    one diagonal are worked out at once.

    kinds: the filter of each row. raw: H x W x bytes of a pixel.
    """
    height, width, pixel = raw.shape
    # Diagonal d holds pixel (d - y, y) at place y after an empty one; two empty diagonals are before.
    diagonals = np.zeros((width + height + 1, height + 1, pixel), np.int16)
    inside = _unskewed(diagonals, height, width)
    inside[...] = raw
    present = set(kinds.tolist())
    masks = {kind: (kinds == kind)[:, None] for kind in present}
    for d in range(width + height - 1):
        low, high = max(0, d - width + 1), min(height, d + 1)
        left = diagonals[d + 1, low + 1 : high + 1]
        above, corner = diagonals[d + 1, low:high], diagonals[d, low:high]
        guess: Any = np.int16(0)
        for kind in present:
            if kind == 0:
                continue
            one = _guess(kind, left, above, corner)
            guess = one if len(present) == 1 else np.where(masks[kind][low:high], one, guess)
        here = diagonals[d + 2, low + 1 : high + 1]
        here += guess
        here &= 255
    return np.ascontiguousarray(inside.astype(np.uint8))


def _guess(kind: int, left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    if kind == 1:
        return left
    if kind == 2:
        return above
    if kind == 3:
        return (left + above) >> 1
    if kind != 4:
        raise ValueError(f"it has a row with the unknown filter {kind}")
    by_left, by_above = above - corner, left - corner
    distance = np.abs(by_left + by_above)
    by_left, by_above = np.abs(by_left), np.abs(by_above)
    return np.where((by_left <= by_above) & (by_left <= distance), left, np.where(by_above <= distance, above, corner))


def _unskewed(diagonals: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels, H x W x bytes, as a view of the diagonals."""
    along, place, byte = diagonals.strides
    shape, strides = (height, width, diagonals.shape[2]), (along + place, along, byte)
    return np.lib.stride_tricks.as_strided(diagonals[2:, 1:], shape, strides)


def _by_openimageio(path: Path) -> np.ndarray:
    try:
        reader: Any = importlib.import_module("OpenImageIO")
    except ImportError:
        raise ValueError(f"this Blender has no reader of {path.suffix} files that may run beside it") from None
    picture = reader.ImageBuf(str(path))
    pixels = picture.get_pixels(reader.FLOAT) if not picture.has_error else None
    if pixels is None:
        raise ValueError(picture.geterror() or "it is damaged")
    return np.asarray(pixels, np.float32)
