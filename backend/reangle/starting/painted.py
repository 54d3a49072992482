# SPDX-License-Identifier: Apache-2.0
"""Paint what a starting image hides, judged against the views before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.evaluation.agreement.views import Judge
from reangle.image_models.base import ImageModel
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling, Trace
from reangle.starting.scene import Begun
from reangle.starting.spec import PaintSettings

THUMBNAIL = 160
"""Width of a candidate's thumbnail in pixels."""


@dataclass(frozen=True, eq=False)
class Painted:
    """picture: H x W x 3 uint8. thumbnails: n x h x w x 3 uint8, the last guided step's candidates, the best first."""

    picture: np.ndarray
    trace: Trace
    thumbnails: np.ndarray | None = None


def paint_start(
    begun: Begun,
    model: ImageModel,
    judge: Judge | None,
    prompt: str,
    settings: PaintSettings,
    seed: int,
    report: Callable[[float], None] = lambda share: None,
) -> Painted:
    """The starting image: the warp bit for bit where it is known, painted elsewhere. judge: None guides nothing."""
    keeping = _Keeping(judge) if judge is not None else None
    picture, trace = paint(
        model,
        begun.warped,
        ~begun.known,
        prompt,
        Sampling(
            settings.steps or model.usual_steps,
            settings.candidates,
            settings.fresh_noise,
            settings.guided_from,
            settings.guided_to,
        ),
        seed,
        scores=keeping,
        report=report,
    )
    return Painted(picture, trace, keeping.thumbnails() if keeping is not None else None)


class _Keeping:
    """A judge's scores, with the last step's candidates."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        scores = self._judge.scores(pictures)
        self._last = pictures, scores
        return scores

    def thumbnails(self) -> np.ndarray | None:
        if self._last is None:
            return None
        pictures, scores = self._last
        return np.stack([_small(pictures[index]) for index in np.argsort(-scores, kind="stable")])


def _small(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    size = THUMBNAIL, max(1, round(THUMBNAIL * height / width))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if width > THUMBNAIL else cv2.INTER_CUBIC)
