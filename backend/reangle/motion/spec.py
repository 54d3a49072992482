# SPDX-License-Identifier: Apache-2.0
"""Declares stage `learn`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath, PreviewSettings
from reangle.folders import CameraFolder, DecodedClip, FilledFolder, GeometryFolder, LoraFolder, StartFolder
from reangle.motion.settings import LearningSettings
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LearnParams:
    """path: the camera whose warp is learned from, or None for the clip itself and its warps to preset moves.

    preview: how the clip is warped, as the artist sees it in stage `warp`. caption: what the clip shows. warps: whether
    the preset moves are used. masked: whether the loss ignores what was not seen.
    """

    path: CameraPath | None = None
    preview: PreviewSettings = PreviewSettings()
    caption: str = ""
    learning: LearningSettings = LearningSettings()
    warps: bool = True
    masked: bool = True


LEARN = StageSpec(
    kind="learn",
    version=5,
    params=LearnParams,
    reads={"decode": DecodedClip, "camera": CameraFolder, "geometry": GeometryFolder},
    may_read={"learn": LoraFolder, "fill": FilledFolder, "start": StartFolder},
    writes=LoraFolder,
    silence_s=900.0,  # loading large weights from a slow disk reports nothing
    run="reangle.motion.stage:learn_motion",
)
LearnContext = StageContext[LearnParams, LoraFolder]
