# SPDX-License-Identifier: Apache-2.0
"""All jobs of a backend, and what a client asks of one that it sent before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .fields import Range, check_fields
from .job import JobStatus
from .names import JobId


@dataclass(frozen=True)
class JobList:
    """The newest jobs first. last: number of this state; ask next with since=last to wait for another one."""

    jobs: tuple[JobStatus, ...]
    last: Annotated[int, Range(minimum=0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class RetryRequest:
    """Run the request of an earlier job once more; finished stages are reused. id: of the new job, made by the client,
    so that sending this twice is one job. seed: in place of the request's; None keeps that."""

    id: JobId
    seed: Annotated[int, Range(minimum=0, maximum=2**63 - 1)] | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class DeletedJob:
    """A job that is no longer in the list. artifacts: how many stage outputs went with it; size: their bytes. What
    other jobs need has stayed."""

    id: JobId
    artifacts: Annotated[int, Range(minimum=0)]
    size: Annotated[int, Range(minimum=0)]

    def __post_init__(self) -> None:
        check_fields(self)
