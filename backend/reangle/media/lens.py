# SPDX-License-Identifier: Apache-2.0
"""The focal length that a camera wrote into its file, as of a full frame: EXIF and QuickTime metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import ExifTags, Image

PLAUSIBLE_MM = (5.0, 1500.0)
_MOVIE_KEY = "focal_length.35mm_equivalent"
"""End of the key: phones write com.apple.quicktime.camera.focal_length.35mm_equivalent."""


def focal_of_movie(*metadata: Mapping[str, str]) -> float | None:
    """Millimetres by the metadata of a movie or its streams, None if they do not say."""
    for one in metadata:
        for key, value in one.items():
            if key.lower().endswith(_MOVIE_KEY):
                return _plausible(value)
    return None


def focal_of_image(path: Path) -> float | None:
    """Millimetres by the EXIF of a JPEG or PNG, None if it does not say or cannot be read."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return _plausible(image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.FocalLengthIn35mmFilm))
    except Exception:  # Pillow raises errors of many kinds for damaged EXIF
        return None


def _plausible(value: object) -> float | None:
    """0 stands for unknown."""
    try:
        focal = float(str(value))
    except ValueError:
        return None
    return focal if PLAUSIBLE_MM[0] <= focal <= PLAUSIBLE_MM[1] else None
