# SPDX-License-Identifier: Apache-2.0
"""The interface of an image model that fills the holes of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np


@dataclass(frozen=True)
class FillSettings:
    """steps: of sampling. guidance: how closely the picture follows the prompt, for models that were trained so."""

    steps: int = 50
    guidance: float = 30.0


class ImageModel(Protocol):
    """A diffusion model that fills holes, its weights opened from a checkpoint's folder."""

    @classmethod
    def open(cls, folder: Path, device: str | None = None) -> Self:
        """Open a checkpoint: bfloat16 on a GPU, float32 on a CPU.

        device: None takes the GPU if there is one. Raises UserError if the folder cannot be opened as this model.
        """
        ...

    @property
    def multiple(self) -> int:
        """Pixels that both sides of a picture are a multiple of."""
        ...

    def fill(self, picture: np.ndarray, hole: np.ndarray, prompt: str, settings: FillSettings, seed: int) -> np.ndarray:
        """The whole image, generated again, H x W x 3 uint8, sides of `multiple`; known pixels may change a little.

        hole: H x W bool, True where to fill.
        """
        ...


def inpaint(
    model: ImageModel, picture: np.ndarray, hole: np.ndarray, prompt: str, settings: FillSettings, seed: int = 0
) -> np.ndarray:
    """The picture with its hole filled; known pixels come back untouched.

    picture: H x W x 3 uint8 of any size. hole: H x W bool, True where to fill.
    """
    height, width = hole.shape
    below, right = -height % model.multiple, -width % model.multiple
    padded = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    made = model.fill(padded, np.pad(hole, ((0, below), (0, right))), prompt, settings, seed)
    return np.where(hole[..., None], made[:height, :width], picture)
