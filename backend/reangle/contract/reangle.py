# SPDX-License-Identifier: Apache-2.0
"""Settings of the engine that learns a clip's motion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reangle.contract.names import WireModel


class ReangleSettings(WireModel):
    """Settings of engine `reangle`; None takes what suits the chosen weights.

    suite: a suite's name, or a folder with a video checkpoint. caption: what the clip shows, for the video model.
    shared_steps: of learning from the clip and its warps to preset moves, once for all cameras of a clip;
    path_steps: of each camera's own; 0 leaves a phase out. rank, alpha, rate: of the LoRA and its learning.
    sampling_steps, guidance, dynamic_guidance: of generation. warp_guidance: share of the steps in which what was seen
    is held to the warp. exact_where_seen: the result shows the clip's own pixels wherever the camera saw them;
    fill_share: how much of the preview's fill is then mixed into the rest, which a weak model wants.
    """

    suite: Annotated[str, Field(min_length=1, max_length=1024)] = "mini"
    caption: Annotated[str, Field(max_length=2000)] = ""
    shared_steps: Annotated[int | None, Field(ge=0, le=100_000)] = None
    path_steps: Annotated[int | None, Field(ge=0, le=100_000)] = None
    rank: Annotated[int | None, Field(ge=1, le=1024)] = None
    alpha: Annotated[float | None, Field(gt=0, le=4096)] = None
    rate: Annotated[float | None, Field(gt=0, le=1)] = None
    sampling_steps: Annotated[int | None, Field(ge=1, le=1000)] = None
    guidance: Annotated[float | None, Field(ge=1, le=50)] = None
    dynamic_guidance: bool | None = None
    warp_guidance: Annotated[float | None, Field(ge=0, le=1)] = None
    fill_share: Annotated[float | None, Field(ge=0, le=1)] = None
    exact_where_seen: bool = True
