# SPDX-License-Identifier: Apache-2.0
"""How long a job will take, asked before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .camera_path import MAX_SIDE
from .fields import Range, check_fields
from .job import JobRequest


@dataclass(frozen=True)
class EstimateRequest:
    """A request whose files need not be uploaded. frames, width, height: of the clip as it will be used, where the
    client knows them and the request leaves them open; 0 is unknown."""

    request: JobRequest
    frames: Annotated[int, Range(minimum=0)] = 0
    width: Annotated[int, Range(minimum=0, maximum=MAX_SIDE)] = 0
    height: Annotated[int, Range(minimum=0, maximum=MAX_SIDE)] = 0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class StageEstimate:
    """One stage of a job. stage: its title. seconds: 0 if it is cached. cached: an earlier job made it."""

    stage: str
    seconds: Annotated[float, Range(minimum=0)]
    cached: bool

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Estimate:
    """What a job will take once it begins: the number that its status shows first as `eta_s`. wait_s: until the jobs
    that are in the queue now are done; None while that is unknown. guessed: the clip's size is unknown, and a usual one
    stands in for it."""

    seconds: Annotated[float, Range(minimum=0)]
    stages: tuple[StageEstimate, ...]
    wait_s: float | None = None
    guessed: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
