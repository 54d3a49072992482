# SPDX-License-Identifier: Apache-2.0
"""The video models: one row for each kind of checkpoint (`weights.checkpoints.KINDS`). Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reangle.weights.checkpoints import Kind
from reangle.weights.model_class import load_model_class

if TYPE_CHECKING:
    from reangle.video_models.base import VideoModel

VIDEO_MODELS: dict[str, str] = {
    "cogvideox": "reangle.video_models.cogvideox:CogVideoX",
}
"""Name of the kind -> "module:Class" of the VideoModel that opens it."""


def video_model_class(kind: Kind | None) -> type[VideoModel]:
    """Import the class for a kind of checkpoint. Raises UserError if the kind is no video model."""
    return load_model_class(VIDEO_MODELS, kind, "video")
