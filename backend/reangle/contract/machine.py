# SPDX-License-Identifier: Apache-2.0
"""The machine that the backend runs on, and the room that its data folder takes there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .fields import Length, Range, check_fields

Bytes = Annotated[int, Range(minimum=0)]
CleanKind = Literal["artifacts", "blobs", "unfinished", "logs"]
"""artifacts: finished stages. blobs: uploaded files. unfinished: what interrupted stages would resume from. logs: of
jobs."""


@dataclass(frozen=True)
class Device:
    """What models run on: a graphics card, or the processor. memory_free, memory_total: bytes; 0 while unknown."""

    name: str
    is_gpu: bool = False
    memory_free: Bytes = 0
    memory_total: Bytes = 0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class StoragePart:
    """One part of the data folder. name: blobs, artifacts, models, unfinished, logs or other. size: bytes. removable:
    bytes that `POST /v1/storage/clean` would remove now."""

    name: str
    label: str
    size: Bytes
    removable: Bytes = 0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Storage:
    """The data folder. folder: its path on the backend's machine. free, total: bytes of its disk. measured: Unix time.
    note: why less can be removed than the artist may expect, or ""."""

    folder: str
    free: Bytes
    total: Bytes
    parts: tuple[StoragePart, ...] = ()
    measured: float = 0.0
    note: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def used(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def part(self, name: str) -> StoragePart:
        """The part of this name; an empty one if the backend has none."""
        return next((part for part in self.parts if part.name == name), StoragePart(name, name, 0))


@dataclass(frozen=True)
class CleanRequest:
    """What to remove. Files that a queued or running job needs stay in any case, and results that no client has
    fetched. days: logs that were written to since stay, too."""

    what: Annotated[tuple[CleanKind, ...], Length(1, 4)]
    days: Annotated[int, Range(minimum=0, maximum=3650)] = 14

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Cleaned:
    """What was removed. removed: parts with the bytes that were removed as their size. storage: what is left."""

    removed: tuple[StoragePart, ...]
    storage: Storage

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def size(self) -> int:
        """Bytes removed."""
        return sum(part.size for part in self.removed)
