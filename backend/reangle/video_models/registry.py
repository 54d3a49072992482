# SPDX-License-Identifier: Apache-2.0
"""The video models: one row for each kind of checkpoint (`weights.kinds.KINDS`). Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reangle.weights.kinds import Kind
from reangle.weights.model_class import load_model_class

if TYPE_CHECKING:
    from reangle.video_models.base import VideoModel

VIDEO_MODELS: dict[str, str] = {
    "cogvideox": "reangle.video_models.cogvideox:CogVideoX",
    "wan2.2-ti2v": "reangle.video_models.wan_first_frame:WanFirstFrame",
    "wan-vace": "reangle.video_models.wan_vace:WanVace",
}
"""Name of the kind -> "module:Class" of the VideoModel that opens it."""


def video_model_class(kind: Kind | None) -> type[VideoModel]:
    """Import the class for a kind of checkpoint. Raises UserError if the kind is no video model."""
    return load_model_class(VIDEO_MODELS, kind, "video")
