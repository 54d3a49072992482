# SPDX-License-Identifier: Apache-2.0
"""Declares stage `generate`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath, PreviewSettings
from reangle.folders import (
    CameraFolder,
    DecodedClip,
    FilledFolder,
    GeneratedFolder,
    GeometryFolder,
    LoraFolder,
    StartFolder,
)
from reangle.runtime.stage import STRICT, StageContext, StageSpec
from reangle.video_models.settings import SamplingSettings


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GenerateParams:
    """path: the new camera. preview: as in stage `learn`. caption: what the clip shows. warp_guidance: share of the
    sampling steps, from the noisy end, in which seen latents are replaced with the warp's, 0 to 1. anchors: frames of
    the output for which there are the files `anchors`, in order.
    """

    path: CameraPath
    preview: PreviewSettings = PreviewSettings()
    caption: str = ""
    sampling: SamplingSettings = SamplingSettings()
    warp_guidance: float = 0.0
    anchors: tuple[int, ...] = ()
    seed: int = 42


GENERATE = StageSpec(
    kind="generate",
    version=10,
    params=GenerateParams,
    reads={"decode": DecodedClip, "camera": CameraFolder, "geometry": GeometryFolder, "fill": FilledFolder},
    may_read={"learn": LoraFolder, "start": StartFolder},
    writes=GeneratedFolder,
    files=("anchors",),
    silence_s=900.0,  # loading large weights from a slow disk reports nothing
    run="reangle.generation.stage:generate",
)
GenerateContext = StageContext[GenerateParams, GeneratedFolder]
