# SPDX-License-Identifier: Apache-2.0
"""Paint the hole of a picture of any size with an image model; known pixels come back untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
import torch

from reangle.image_models.base import Canvas, ImageModel
from reangle.starting.sampling import Sampling, Scores, Trace, sample


@dataclass(frozen=True)
class WorkingView:
    """The picture as the model sees it: shrunk to about the pixels that it was trained on, then continued at its lower
    and right rim to sides that it takes. Small pictures are not enlarged.
    """

    width: int
    height: int
    inner_width: int
    inner_height: int
    multiple: int

    @classmethod
    def of(cls, width: int, height: int, model: ImageModel) -> WorkingView:
        factor = min(1.0, sqrt(model.pixels / (width * height)))
        inner_width, inner_height = (max(model.multiple, round(side * factor)) for side in (width, height))
        return cls(width, height, inner_width, inner_height, model.multiple)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the model's picture."""
        return _up(self.inner_width, self.multiple), _up(self.inner_height, self.multiple)

    def canvas(self, picture: np.ndarray, hole: np.ndarray, prompt: str) -> Canvas:
        """picture: H x W x 3 uint8. hole: H x W bool, where a shrunk pixel is known only if all its pixels are."""
        inner = self.inner_width, self.inner_height
        small = (
            picture if inner == (self.width, self.height) else cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
        )
        holes = cv2.resize(hole.astype(np.float32), inner, interpolation=cv2.INTER_AREA) > 0
        width, height = self.size
        below, right = height - self.inner_height, width - self.inner_width
        padded = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return Canvas(padded, np.pad(holes, ((0, below), (0, right)), mode="edge"), prompt)

    def cut(self, made: np.ndarray) -> np.ndarray:
        """The picture's part of what the model made, any scale of `size`; n x h x w x 3."""
        height, width = made.shape[1:3]
        full_width, full_height = self.size
        return made[
            :, : round(height * self.inner_height / full_height), : round(width * self.inner_width / full_width)
        ]

    def enlarge(self, made: np.ndarray) -> np.ndarray:
        """H x W x 3 uint8, of what the model made."""
        inner = self.cut(made[None])[0]
        if inner.shape[:2] == (self.height, self.width):
            return inner
        return cv2.resize(inner, (self.width, self.height), interpolation=cv2.INTER_CUBIC)

    def enlarge_change(self, change: np.ndarray) -> np.ndarray:
        """H x W x 3 float32, of a change of what the model made, h x w x 3."""
        inner = self.cut(change[None])[0].astype(np.float32)
        return cv2.resize(inner, (self.width, self.height), interpolation=cv2.INTER_CUBIC)


def paint(
    model: ImageModel,
    picture: np.ndarray,
    hole: np.ndarray,
    prompt: str,
    sampling: Sampling,
    seed: int = 0,
    *,
    guidance: float | None = None,
    scores: Scores | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> tuple[np.ndarray, Trace]:
    """The picture with its hole painted, and what guidance did.

    picture: H x W x 3 uint8 of any size. hole: H x W bool, True where to paint. guidance: see `ImageModel.conditions`;
    None is what suits the model. scores: of pictures of this one's aspect at any size.
    """
    view = WorkingView.of(hole.shape[1], hole.shape[0], model)
    random = torch.Generator().manual_seed(seed)
    asked = model.usual_guidance if guidance is None else guidance
    conditions = model.conditions(view.canvas(picture, hole, prompt), asked, random)
    judged = None if scores is None else lambda made: scores(view.cut(made))
    latents, trace = sample(model, conditions, *view.size, sampling, seed, judged, report)
    made = view.enlarge(model.decode(latents)[0])
    return np.where(hole[..., None], made, picture), trace


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
