# SPDX-License-Identifier: Apache-2.0
"""The image models: one row for each kind of checkpoint (`weights.kinds.KINDS`). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reangle.image_models.memory import WHOLE, ImageTier
from reangle.weights.identity import split_checkpoints
from reangle.weights.kinds import Kind
from reangle.weights.model_class import load_model_class
from reangle.weights.registry import kind_of

if TYPE_CHECKING:
    from reangle.image_models.base import ImageModel

IMAGE_MODELS: dict[str, str] = {
    "flux-fill": "reangle.image_models.flux_fill:FluxFill",
    "flux": "reangle.image_models.flux_controlnet:FluxControlNet",
    "flux2-klein": "reangle.image_models.flux2_klein:Flux2Klein",
}
"""Name of the kind -> "module:Class" of the ImageModel that opens it."""


def image_model_class(kind: Kind | None) -> type[ImageModel]:
    """Import the class for a kind of checkpoint. Raises UserError if the kind is no image model."""
    return load_model_class(IMAGE_MODELS, kind, "image")


def open_image_model(
    checkpoint: str, tier: ImageTier = WHOLE, prompts: Sequence[str] = (), device: str | None = None
) -> ImageModel:
    """Open a stage's checkpoint: the model's folder, and after it those of what runs beside it.

    prompts: all that the model will be asked to paint; tiers that save memory read them first and then drop the text
    encoder. Raises UserError for a checkpoint that cannot be opened.
    """
    folder, *beside = map(Path, split_checkpoints(checkpoint))
    return image_model_class(kind_of(folder)).open(folder, device, tier=tier, prompts=prompts, beside=beside)
