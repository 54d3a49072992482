# SPDX-License-Identifier: Apache-2.0
"""Crop and resize from the clip's size to the working size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_ASPECT_TOLERANCE = 0.01
"""Rounding a size to whole pixels changes its aspect by less than this."""


@dataclass(frozen=True)
class Framing:
    """Turns an upright source image into a working image: crop, then resize.

    crop: (left, top, width, height) in pixels of the upright source with square pixels. width, height: the result.
    """

    source_width: int
    source_height: int
    crop: tuple[float, float, float, float]
    width: int
    height: int

    @property
    def crops(self) -> bool:
        return (self.crop[2], self.crop[3]) != (self.source_width, self.source_height)

    @property
    def note(self) -> str:
        """One line for the artist; "" if nothing is cropped."""
        if not self.crops:
            return ""
        lost = 100 * (1 - self.crop[2] * self.crop[3] / (self.source_width * self.source_height))
        return (
            f"{self.width} x {self.height} has another aspect than {self.source_width} x {self.source_height}: "
            f"{lost:.0f} % of the picture is cropped at its edges."
        )

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Crop and resize an upright image (H x W or H x W x C; 8, 16 bit, float) of any size with the source's aspect.

        Shrinking averages areas; enlarging is Lanczos.
        """
        height, width = image.shape[:2]
        x_scale, y_scale = width / self.source_width, height / self.source_height
        left, top = round(self.crop[0] * x_scale), round(self.crop[1] * y_scale)
        right, bottom = left + round(self.crop[2] * x_scale), top + round(self.crop[3] * y_scale)
        image = image[top:bottom, left:right]
        if image.shape[:2] == (self.height, self.width):
            return np.ascontiguousarray(image)
        shrinks = self.width <= image.shape[1] and self.height <= image.shape[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
        return cv2.resize(np.ascontiguousarray(image), (self.width, self.height), interpolation=method)


def plan_framing(source_width: int, source_height: int, width: int | None, height: int | None) -> Framing:
    """Fill width x height with the middle of the source; None keeps the source's size."""
    if width is None or height is None:
        width, height = source_width, source_height
    target_aspect, source_aspect = width / height, source_width / source_height
    crop_width, crop_height = source_width, source_height
    if abs(target_aspect / source_aspect - 1) > _ASPECT_TOLERANCE:
        if target_aspect < source_aspect:
            crop_width = max(1, round(source_height * target_aspect))
        else:
            crop_height = max(1, round(source_width / target_aspect))
    left, top = (source_width - crop_width) // 2, (source_height - crop_height) // 2
    return Framing(source_width, source_height, (left, top, crop_width, crop_height), width, height)


def square_size(width: int, height: int, pixel_aspect: float) -> tuple[int, int]:
    """(width, height) with square pixels: one of the two grows."""
    if pixel_aspect >= 1:
        return max(1, round(width * pixel_aspect)), height
    return width, max(1, round(height / pixel_aspect))


def with_square_pixels(values: np.ndarray, pixel_aspect: float) -> np.ndarray:
    """... x H x W repeated, never blended, to the size with square pixels."""
    height, width = values.shape[-2:]
    new_width, new_height = square_size(width, height, pixel_aspect)
    if (new_width, new_height) == (width, height):
        return values
    columns = ((np.arange(new_width) + 0.5) * width / new_width).astype(int)
    rows = ((np.arange(new_height) + 0.5) * height / new_height).astype(int)
    return np.ascontiguousarray(values[..., rows, :][..., columns])
