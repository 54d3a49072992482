# SPDX-License-Identifier: Apache-2.0
"""Suites: weights that belong together, one checkpoint for each role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reangle.weights.checkpoints import (
    COGVIDEOX,
    DEPTH_ANYTHING,
    DUST3R,
    FLUX_FILL,
    NOT_COMMERCIAL,
    Checkpoint,
    Kind,
)

Role = Literal["geometry", "video", "image"]


@dataclass(frozen=True)
class Suite:
    """geometry: depth and cameras of a clip. video: frames from a first frame. image: what a first frame lacks."""

    name: str
    title: str
    geometry: Checkpoint
    video: Checkpoint
    image: Checkpoint

    @property
    def checkpoints(self) -> dict[Role, Checkpoint]:
        return {"geometry": self.geometry, "video": self.video, "image": self.image}


def _mini(role: Role, kind: Kind, title: str, *, restriction: str = "", limits: str = "") -> Checkpoint:
    return Checkpoint(
        name=f"mini-{role}",
        kind=kind,
        title=title,
        licence="Apache-2.0",
        commercial_ok=not restriction,
        restriction=restriction,
        limits=limits,
        size=0,
        hub="",
        files=(),
        shipped=f"mini/{role}",
    )


MINI = Suite(
    name="mini",
    title="small weights that come with Reangle",
    geometry=_mini(
        "geometry",
        "dust3r",
        "Reangle mini geometry",
        restriction=f"but needs DUSt3R's code, CC BY-NC-SA 4.0, {NOT_COMMERCIAL}",
        limits="This is a small network of 10 million weights, trained on generated scenes: the layout of rooms, "
        "grounds and big shapes is about right, thin things and fine relief are not. Depth Anything, DUSt3R or depth "
        "from files give more.",
    ),
    video=_mini(
        "video",
        "cogvideox",
        "Reangle mini video",
        limits="This is a small network of 6 million weights, trained on generated scenes for three hours: it keeps "
        "the first frame and follows a moving camera roughly, and blurs what moves; where the camera stands still it "
        "is no better than the first frame repeated.",
    ),
    image=_mini(
        "image",
        "flux-fill",
        "Reangle mini image",
        limits="This is a small network, trained on generated scenes for 47 minutes: it fills holes with about the "
        "right colours, less well than OpenCV's inpainting.",
    ),
)

COGVIDEOX_5B = Suite(
    name="cogvideox-5b",
    title="published weights of full size",
    geometry=DUST3R,
    video=COGVIDEOX,
    image=FLUX_FILL,
)

SUITES = (MINI, COGVIDEOX_5B)

CHECKPOINTS: tuple[Checkpoint, ...] = (
    *(checkpoint for suite in SUITES for checkpoint in suite.checkpoints.values()),
    *DEPTH_ANYTHING,
)

PROVIDERS: dict[str, tuple[Checkpoint, ...]] = {
    "mini": (MINI.geometry,),
    "dust3r": (DUST3R,),
    "depth-anything": DEPTH_ANYTHING,
}
"""The checkpoints that each learned geometry provider offers, the one that is offered first in front."""


def suite_named(name: str) -> Suite | None:
    """The suite of this name, upper and lower case aside."""
    return next((suite for suite in SUITES if suite.name == name.casefold()), None)


def known_checkpoint(name: str) -> Checkpoint | None:
    """The registered checkpoint of this name, upper and lower case aside.

    Its own name, its hub name, SUITE/ROLE such as mini/video, or a suite's name alone for that suite's geometry.
    """
    wanted = name.casefold()
    for known in CHECKPOINTS:
        if wanted in (known.name.casefold(), known.hub.casefold()) and wanted:
            return known
    suite_name, _, role = wanted.partition("/")
    suite = suite_named(suite_name)
    return {"": suite.geometry, **suite.checkpoints}.get(role) if suite else None


def place_of(known: Checkpoint) -> tuple[str, str]:
    """Suite and role of a checkpoint; "", "" for one that is in no suite."""
    places = ((suite.name, role) for suite in SUITES for role, one in suite.checkpoints.items() if one is known)
    return next(places, ("", ""))
