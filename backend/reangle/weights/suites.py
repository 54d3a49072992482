# SPDX-License-Identifier: Apache-2.0
"""Suites: weights that belong together, one checkpoint for each role."""

from __future__ import annotations

from dataclasses import dataclass

from reangle.errors import UserError
from reangle.weights.checkpoints import (
    CHECKPOINTS,
    COGVIDEOX_5B,
    DEPTH_ANYTHING_SMALL,
    DUST3R_LARGE,
    FLUX2_KLEIN_4B,
    FLUX_FILL_DEV,
    MINI_DEPTH,
    MINI_IMAGE,
    MINI_VIDEO,
    WAN_22_5B,
    WAN_VACE_1_3B,
    WAN_VACE_14B,
    Checkpoint,
)
from reangle.weights.kinds import Role


@dataclass(frozen=True)
class Suite:
    """label: for menus. title: what it is for, as one phrase. geometry: depth and cameras of a clip. image: fills holes
    of a first frame. video: frames from a first frame, for the engine `reangle`. inpainting: frames from a warped clip,
    for the engine `inpaint`. Each suite has one of these two.
    """

    name: str
    label: str
    title: str
    geometry: Checkpoint
    image: Checkpoint
    video: Checkpoint | None = None
    inpainting: Checkpoint | None = None

    @property
    def checkpoints(self) -> dict[Role, Checkpoint]:
        found: dict[Role, Checkpoint | None] = {
            "geometry": self.geometry,
            "video": self.video,
            "inpainting": self.inpainting,
            "image": self.image,
        }
        return {role: known for role, known in found.items() if known is not None}

    @property
    def main(self) -> Checkpoint:
        """The video model, of either role."""
        known = self.video or self.inpainting
        assert known is not None
        return known

    @property
    def parts(self) -> tuple[Checkpoint, ...]:
        """All of its checkpoints, with what runs beside them."""
        return tuple(part for known in self.checkpoints.values() for part in (known, *known.beside))


MINI = Suite(
    "mini", "Mini", "Small weights that come with Reangle, for any machine", MINI_DEPTH, MINI_IMAGE, video=MINI_VIDEO
)
WAN_5B = Suite(
    "wan2.2-5b",
    "Wan 2.2 5B",
    "Large published weights, all free for commercial work; learns the clip's motion",
    DEPTH_ANYTHING_SMALL,
    FLUX2_KLEIN_4B,
    video=WAN_22_5B,
)
COGVIDEOX = Suite(
    "cogvideox-5b",
    "CogVideoX 5B",
    "Large published weights, those of the method's paper",
    DUST3R_LARGE,
    FLUX_FILL_DEV,
    video=COGVIDEOX_5B,
)
VACE_SMALL = Suite(
    "wan-vace-1.3b",
    "Wan VACE 1.3B",
    "Published weights, all free for commercial work; fills the warped clip and learns nothing",
    DEPTH_ANYTHING_SMALL,
    FLUX2_KLEIN_4B,
    inpainting=WAN_VACE_1_3B,
)
VACE_LARGE = Suite(
    "wan-vace-14b",
    "Wan VACE 14B",
    "The same with ten times the weights, for large graphics cards",
    DEPTH_ANYTHING_SMALL,
    FLUX2_KLEIN_4B,
    inpainting=WAN_VACE_14B,
)

SUITES = (MINI, WAN_5B, COGVIDEOX, VACE_SMALL, VACE_LARGE)
"""In the order in which they are listed."""


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


def suites_of(known: Checkpoint) -> tuple[Suite, ...]:
    """The suites that a checkpoint belongs to."""
    return tuple(suite for suite in SUITES if known in suite.parts)
