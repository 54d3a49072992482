# SPDX-License-Identifier: Apache-2.0
"""The image model that completes views of the static scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from reangle.finishing.fill import Painter
from reangle.finishing.spec import FillContext
from reangle.image_models.base import ImageModel
from reangle.image_models.device_memory import in_image_tier
from reangle.image_models.memory import ImageTier
from reangle.image_models.registry import open_image_model
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling


def in_painting_tier(context: FillContext, work: Callable[[Painter], None]) -> None:
    """Do the stage's work with its image model in the free memory; it is opened when there is a hole to paint."""
    params = context.params

    def in_tier(tier: ImageTier) -> None:
        @cache
        def opened() -> ImageModel:
            return open_image_model(context.checkpoint, tier, [params.prompt])

        def painted(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
            model = opened()
            return paint(model, picture, hole, params.prompt, Sampling.plain(model.usual_steps), params.seed)[0]

        work(painted)

    in_image_tier(context, context.checkpoint, 1, in_tier)
