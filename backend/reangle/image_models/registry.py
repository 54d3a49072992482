# SPDX-License-Identifier: Apache-2.0
"""The image models: one row for each kind of checkpoint (`weights.checkpoints.KINDS`). Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reangle.weights.checkpoints import Kind
from reangle.weights.model_class import load_model_class

if TYPE_CHECKING:
    from reangle.image_models.base import ImageModel

IMAGE_MODELS: dict[str, str] = {
    "flux-fill": "reangle.image_models.flux_fill:FluxFill",
}
"""Name of the kind -> "module:Class" of the ImageModel that opens it."""


def image_model_class(kind: Kind | None) -> type[ImageModel]:
    """Import the class for a kind of checkpoint. Raises UserError if the kind is no image model."""
    return load_model_class(IMAGE_MODELS, kind, "image")
