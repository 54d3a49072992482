# SPDX-License-Identifier: Apache-2.0
"""Single images: size from the header, pixels as straight 8-bit RGB and alpha."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from reangle.errors import UserError
from reangle.media.exr import exr_size, read_exr_image
from reangle.media.framing import Framing
from reangle.media.sniff import Kind

# JPEG start-of-frame markers: C0 to CF without DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(name: str, path: Path, kind: Kind) -> tuple[int, int]:
    """(width, height) from the header, without decoding. Raises UserError for a damaged header."""
    if kind == "exr":
        return exr_size(path, name)
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if kind == "png" and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    at = 2
    while kind == "jpeg" and at + 9 <= len(head) and head[at] == 0xFF:
        if head[at + 1] in _JPEG_FRAMES:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    raise _damaged(name)


def read_working_image(name: str, path: Path, kind: Kind, framing: Framing) -> tuple[np.ndarray, np.ndarray | None]:
    """One image at the working size: H x W x 3 uint8 RGB, and H x W uint8 alpha or None."""
    if kind == "exr":
        colour, alpha = read_exr_image(path, name)
        colour = np.nan_to_num(colour, nan=0.0, posinf=65504.0, neginf=0.0)
        if alpha is not None:
            # EXR colour is multiplied by alpha; PNG colour is not.
            colour = colour / np.where(alpha > 1e-4, alpha, 1)[..., None]
            alpha = np.rint(255 * np.clip(framing.apply(alpha), 0, 1)).astype(np.uint8)
        colour = framing.apply(colour)
        return linear_to_srgb(colour), alpha
    pixels = _decode(name, path)
    if pixels.dtype == np.uint16:
        pixels = np.rint(framing.apply(pixels.astype(np.float32)) / 257).clip(0, 255).astype(np.uint8)
    else:
        pixels = framing.apply(pixels)
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), None
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    return np.ascontiguousarray(pixels[..., 2::-1]), alpha


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 = white, to sRGB uint8 (IEC 61966-2-1)."""
    light = np.clip(linear, 0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def _decode(name: str, path: Path) -> np.ndarray:
    """BGR(A) or grey, 8 or 16 bit."""
    try:
        # From bytes: on Windows, OpenCV cannot open paths outside the system's code page.
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _damaged(name) from error
    if pixels is None:
        raise _damaged(name)
    return pixels


def _damaged(name: str) -> UserError:
    return UserError(f"The image {name} is damaged or cut short.", advice="Render or copy it again.")
