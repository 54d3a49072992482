# SPDX-License-Identifier: Apache-2.0
"""Suites: weights that belong together, one checkpoint for each role."""

from __future__ import annotations

from dataclasses import dataclass

from reangle.errors import UserError
from reangle.weights.checkpoints import (
    CHECKPOINTS,
    COGVIDEOX_5B,
    DUST3R_LARGE,
    FLUX_FILL_DEV,
    MINI_DEPTH,
    MINI_IMAGE,
    MINI_VIDEO,
    Checkpoint,
    Role,
)


@dataclass(frozen=True)
class Suite:
    """geometry: depth and cameras of a clip. video: frames from a first frame. image: fills holes of a first frame."""

    name: str
    title: str
    geometry: Checkpoint
    video: Checkpoint
    image: Checkpoint

    @property
    def checkpoints(self) -> dict[Role, Checkpoint]:
        return {"geometry": self.geometry, "video": self.video, "image": self.image}

    @property
    def parts(self) -> tuple[Checkpoint, ...]:
        """All of its checkpoints, with what runs beside them."""
        return tuple(part for known in self.checkpoints.values() for part in (known, *known.beside))


MINI = Suite("mini", "small weights that come with Reangle", MINI_DEPTH, MINI_VIDEO, MINI_IMAGE)
FULL_SIZE = Suite("cogvideox-5b", "published weights of full size", DUST3R_LARGE, COGVIDEOX_5B, FLUX_FILL_DEV)

SUITES = (MINI, FULL_SIZE)


def suite_named(name: str) -> Suite | None:
    """The suite of this name, ignoring case."""
    return next((suite for suite in SUITES if suite.name == name.casefold()), None)


def known_checkpoint(name: str) -> Checkpoint | None:
    """The registered checkpoint of this name, ignoring case.

    Its own name, its hub name, SUITE/ROLE such as mini/video, or a suite's name alone for that suite's geometry.
    """
    wanted = name.casefold()
    for known in CHECKPOINTS:
        if wanted and wanted in (name.casefold() for name in (known.name, known.hub, *known.former_hubs)):
            return known
    suite_name, _, role = wanted.partition("/")
    suite = suite_named(suite_name)
    return {"": suite.geometry, **suite.checkpoints}.get(role) if suite else None


def published_parts(name: str) -> tuple[Checkpoint, ...]:
    """The weights that a suite's name or a checkpoint's name stands for, what runs beside them included, without those
    that come with Reangle.

    Raises UserError for an unknown name.
    """
    suite, known = suite_named(name), known_checkpoint(name)
    if suite is None and known is None:
        names = ", ".join([*(one.name for one in SUITES), *(one.name for one in CHECKPOINTS if one.hub)])
        raise UserError(f"Reangle knows no weights {name!r}.", advice=f"Name one of: {names}.")
    chosen = suite.parts if suite else (known, *(known.beside if known else ()))
    return tuple(one for one in chosen if one is not None and not one.shipped)


def suite_of(known: Checkpoint) -> Suite | None:
    """The suite that a checkpoint belongs to."""
    return next((suite for suite in SUITES if known in suite.parts), None)
