# SPDX-License-Identifier: Apache-2.0
"""Declares the stages `fill`, `finish` and `deliver`."""

from __future__ import annotations

from typing import Any

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath
from reangle.folders import (
    DecodedClip,
    FilledFolder,
    FinishedFolder,
    GeneratedFolder,
    GeometryFolder,
    PreciseWarp,
    ResultFolder,
    StartFolder,
    WarpFolder,
)
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FillParams:
    """path: the new camera. painted: whether the stage's checkpoint, an image model, paints what no frame shows, and
    does not continue it from around. prompt: what the clip shows, for that model. seed: of its noise.
    """

    path: CameraPath
    painted: bool = False
    prompt: str = ""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FinishParams:
    """path: the new camera. exact_where_seen: whether known pixels of the warp replace generated ones. fill_share: in
    that case, share of the preview's fill, or of what was painted into the starting image, in all other pixels, 0 to 1;
    the rest is generated.
    """

    path: CameraPath
    exact_where_seen: bool = True
    fill_share: float = 0.0


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DeliverParams:
    """path: the new camera. title, engine, settings, seed: of the job, for the manifest. frame_format: as in
    `contract.PreviewSettings`; all but the default need the input `warp-16`.
    """

    path: CameraPath
    title: str
    engine: str
    settings: dict[str, Any]
    seed: int
    frame_format: str = "png"


FILL = StageSpec(
    kind="fill",
    version=2,
    params=FillParams,
    reads={"warp": WarpFolder},
    writes=FilledFolder,
    silence_s=900.0,  # an image model's weights load and paint without a report
    run="reangle.finishing.stage:fill",
)
FillContext = StageContext[FillParams, FilledFolder]

FINISH = StageSpec(
    kind="finish",
    version=4,
    params=FinishParams,
    reads={"warp": WarpFolder, "fill": FilledFolder, "generate": GeneratedFolder},
    may_read={"start": StartFolder},
    writes=FinishedFolder,
    run="reangle.finishing.stage:finish",
)
FinishContext = StageContext[FinishParams, FinishedFolder]

DELIVER = StageSpec(
    kind="deliver",
    version=7,
    params=DeliverParams,
    reads={"decode": DecodedClip, "geometry": GeometryFolder, "warp": WarpFolder},
    may_read={"fill": FilledFolder, "finish": FinishedFolder, "start": StartFolder, "warp-16": PreciseWarp},
    writes=ResultFolder,
    run="reangle.finishing.stage:deliver",
)
DeliverContext = StageContext[DeliverParams, ResultFolder]
