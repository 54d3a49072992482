# SPDX-License-Identifier: Apache-2.0
"""Declares stage `generate`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath
from reangle.folders import DecodedClip, FilledFolder, GeneratedFolder, GeometryFolder, LoraFolder
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, config=STRICT)
class SamplingSettings:
    """Defaults are the paper's: 50 steps, guidance 6 that grows from 1 as the noise goes (dynamic)."""

    steps: int = 50
    guidance: float = 6.0
    dynamic_guidance: bool = True


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GenerateParams:
    """path: the new camera. caption: what the clip shows. warp_guidance: share of the sampling steps, from the noisy
    end, in which latents that were seen are held to the warp, 0 to 1.
    """

    path: CameraPath
    caption: str = ""
    sampling: SamplingSettings = SamplingSettings()
    warp_guidance: float = 0.0
    seed: int = 42


GENERATE = StageSpec(
    kind="generate",
    version=3,
    params=GenerateParams,
    reads={"decode": DecodedClip, "geometry": GeometryFolder, "fill": FilledFolder},
    may_read={"learn": LoraFolder},
    writes=GeneratedFolder,
    silence_s=900.0,  # loading large weights from a slow disk reports nothing
    run="reangle.generation.stage:generate",
)
GenerateContext = StageContext[GenerateParams, GeneratedFolder]
