# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Downloads of published weights by the backend. They run beside the jobs, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .fields import Length, Pattern, Range, check_fields
from .job import FINAL_STATES, JobError, JobState

WeightsName = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", "a name of weights or of a suite")]


@dataclass(frozen=True)
class DownloadRequest:
    """name: of weights, or of a suite, whose missing parts are meant.

    accepted_licences: each licence that restricts commercial work, in the words of `PartInfo.licence`, as a person has
    read and accepted it; without it the backend refuses. commercial_only: refuse such weights in any case.
    """

    name: WeightsName
    accepted_licences: Annotated[tuple[Annotated[str, Length(1, 300)], ...], Length(0, 20)] = ()
    commercial_only: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class DownloadStatus:
    """Where the download of one checkpoint stands; a new request for it replaces the old status.

    name, label, licence: as in `PartInfo`. requested: Unix time. file: the one at work. here, size: bytes that are on
    this machine and bytes in all; size is an estimate until the hub has answered. bytes_per_s, eta_s: None while
    unknown.
    """

    name: WeightsName
    label: str
    licence: str
    state: JobState
    requested: float
    file: str = ""
    here: Annotated[int, Range(minimum=0)] = 0
    size: Annotated[int, Range(minimum=0)] = 0
    bytes_per_s: float | None = None
    eta_s: float | None = None
    error: JobError | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def progress(self) -> float:
        """0 to 1."""
        return min(1.0, self.here / self.size) if self.size else 0.0


@dataclass(frozen=True)
class Downloads:
    """All downloads, the latest request last. last: number of this state; ask next with since=last."""

    downloads: tuple[DownloadStatus, ...]
    last: int

    def __post_init__(self) -> None:
        check_fields(self)
