# SPDX-License-Identifier: Apache-2.0
"""Declares stage `start`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath, PreviewSettings
from reangle.contract.starts import Judge, PromptEdit
from reangle.folders import CameraFolder, DecodedClip, FilledFolder, GeometryFolder, StartFolder, WarpFolder
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PaintSettings:
    """How an image model is sampled, as in `sampling.Sampling`. steps: None for what suits the model."""

    steps: int | None = None
    candidates: int = 10
    fresh_noise: float = 0.8
    guided_from: float = 0.0
    guided_to: float = 0.15


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StartParams:
    """path: the new camera, its first frame alone. preview: how the clip is warped. prompt: what the clip shows.
    paints: whether an image model paints what the warp hides, or the preview's own fill stays. judge: of candidates.
    carry: whether what was painted into the parent's starting image is shown. edit: a change by words.
    """

    path: CameraPath
    preview: PreviewSettings = PreviewSettings()
    prompt: str = ""
    paints: bool = False
    judge: Judge = "none"
    carry: bool = True
    paint: PaintSettings = PaintSettings()
    edit: PromptEdit | None = None
    seed: int = 42


START = StageSpec(
    kind="start",
    version=4,
    params=StartParams,
    reads={
        "decode": DecodedClip,
        "camera": CameraFolder,
        "geometry": GeometryFolder,
        "warp": WarpFolder,
        "fill": FilledFolder,
    },
    may_read={"start": StartFolder},
    writes=StartFolder,
    files=("image",),
    silence_s=900.0,  # loading large weights from a slow disk reports nothing
    run="reangle.starting.stage:start",
)
StartContext = StageContext[StartParams, StartFolder]
