# SPDX-License-Identifier: Apache-2.0
"""Types of a generated scene: solids in a room, each with its texture and motion, and one lamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPHERE, BOX, CYLINDER, TORUS, CONE = range(5)
"""Kinds of solids. Each fills [-1, 1]^3 of its own axes (y down): a sphere of radius 1; a box; a cylinder of radius 1
along y; a torus of outer radius 1 around y; a cone along y with its tip at y = -1."""

PLAIN, CHECKS, STRIPES, NOISE, TILES, DOTS, WOOD, HILLS = range(8)
"""Kinds of textures; all are functions of a point in metres, so no solid needs UV coordinates."""

TEXTURE = (
    "kind",
    "period",
    "red",
    "green",
    "blue",
    "other_red",
    "other_green",
    "other_blue",
    "shift_x",
    "shift_y",
    "shift_z",
    "axis",
    "grain",
    "shine",
)
"""Columns of a texture row: kind; length of one period in metres; two linear colours in 0..1; offset in metres; axis of
stripes and grain (0, 1, 2); strength of fine variation in 0..1; strength of the highlight in 0..1."""


@dataclass(frozen=True)
class Camera:
    """A camera over T frames, at width x height pixels.

    K: T x 3 x 3 in pixels, pixel centres at +0.5. world_from_camera: T x 4 x 4, rigid, x right, y down, z forward.
    """

    width: int
    height: int
    K: np.ndarray
    world_from_camera: np.ndarray

    @property
    def count(self) -> int:
        return len(self.K)

    def cropped(self, height: int) -> Camera:
        """The middle rows of the same view."""
        K = self.K.copy()
        K[:, 1, 2] -= (self.height - height) / 2
        return Camera(self.width, height, K, self.world_from_camera)


@dataclass(frozen=True)
class Scene:
    """N solids over T frames inside a box-shaped room. The world has y down and the floor at y = 0; units are metres.

    kinds: N. minor: N, a torus's tube radius as a share of the outer radius. world_from_solid: T x N x 3 x 4, with the
    solid's half sizes in it. sizes: N x 3, half sizes in metres. objects: N, from 1 up; solids of one object share it.
    textures: (N + 6) x len(TEXTURE), last the room's faces -x, +x, ceiling, floor, -z, +z.
    room: x0, x1, y0 (< 0), y1 (= 0), z0, z1. open_air: the room's walls and ceiling are sky: they cast and
    receive no shadow. lamp: x, y, z, radius, strength, ambient strength. moving: which objects move, indexed by object
    (0: the room).
    """

    seed: int
    fps: float
    kinds: np.ndarray
    minor: np.ndarray
    world_from_solid: np.ndarray
    sizes: np.ndarray
    objects: np.ndarray
    textures: np.ndarray
    room: np.ndarray
    open_air: bool
    lamp: np.ndarray
    moving: np.ndarray
    source: Camera
    targets: dict[str, Camera]
    camera_words: str
    caption: str

    @property
    def count(self) -> int:
        return len(self.world_from_solid)

    @property
    def prompt(self) -> str:
        """Token and words for the source camera's move, and the caption."""
        return prompt(self.camera_words, self.caption)


def prompt(camera_words: str, caption: str) -> str:
    """A prompt in the form of Reangle-A-Video: a token for the camera's move, the move in words, the caption."""
    token = "CAMERA_" + camera_words.upper().replace(" ", "_")
    return f"{token} Camera movement {camera_words}, {caption}"


@dataclass(frozen=True)
class Frames:
    """Rendered frames of a camera. rgb: T x h x w x 3 uint8. depth: T x h x w float32, planar z in metres.

    objects: T x h x w uint8, 0 for the room.
    """

    rgb: np.ndarray
    depth: np.ndarray
    objects: np.ndarray
