# SPDX-License-Identifier: Apache-2.0
"""A camera at a video model's size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from reangle.contract import CameraPath


@dataclass(frozen=True)
class ModelView:
    """The camera's picture inside the model's, as large as fits; the model's extends beyond it where aspects differ.

    width, height: of the camera. model_width, model_height: of the model. inner_width, inner_height: of the camera's
    picture inside the model's, centred; they differ from the model's by even numbers, so that the centre stays.
    """

    width: int
    height: int
    model_width: int
    model_height: int
    inner_width: int
    inner_height: int

    @classmethod
    def of(cls, width: int, height: int, model_width: int, model_height: int) -> ModelView:
        scale = min(model_width / width, model_height / height)
        inner = (
            whole - 2 * round((whole - side * scale) / 2)
            for side, whole in ((width, model_width), (height, model_height))
        )
        inner_width, inner_height = (max(2, side) for side in inner)
        return cls(width, height, model_width, model_height, inner_width, inner_height)

    @property
    def rim(self) -> tuple[int, int]:
        """Columns to the left of the camera's picture and rows above it."""
        return (self.model_width - self.inner_width) // 2, (self.model_height - self.inner_height) // 2

    def path(self, path: CameraPath) -> CameraPath:
        """The same camera at the model's size."""
        x, y = self.rim
        model_from_camera = np.array(
            [[self.inner_width / self.width, 0, x], [0, self.inner_height / self.height, y], [0, 0, 1]]
        )
        K = model_from_camera @ np.asarray(path.K)
        return replace(path, width=self.model_width, height=self.model_height, K=K.tolist())

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The camera's picture, height x width x 3 uint8, cut from the model's."""
        x, y = self.rim
        inner = picture[y : y + self.inner_height, x : x + self.inner_width]
        shrinks = self.width <= self.inner_width and self.height <= self.inner_height
        way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return cv2.resize(np.ascontiguousarray(inner), (self.width, self.height), interpolation=way)

    def paste(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A height x width x 3 image padded with black to the model's size, and a bool mask of its pixels."""
        x, y = self.rim
        shrinks = self.inner_width <= self.width and self.inner_height <= self.height
        way = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        whole = np.zeros((self.model_height, self.model_width, 3), np.uint8)
        within = np.zeros(whole.shape[:2], bool)
        inner = slice(y, y + self.inner_height), slice(x, x + self.inner_width)
        whole[inner] = cv2.resize(picture, (self.inner_width, self.inner_height), interpolation=way)
        within[inner] = True
        return whole, within
