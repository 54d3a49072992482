# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves as functions of time. A static view is a move that is held at its end.

All matrices are world_from_camera with OpenCV axes. The focus point lies on the camera's axis at the focus depth;
left, right, up and down say where the camera goes. A moving source camera is followed: the move is added to its pose at
each frame, and moves add up when the result of one is the source of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from .errors import UserError

Easing = Literal["linear", "smooth", "ease-in", "ease-out"]
Unit = Literal["degrees", "fraction"]

CV_UP = (0.0, -1.0, 0.0)
"""Up in the geometry's world if its first camera is level."""


@dataclass(frozen=True)
class MoveKind:
    """What the artist reads about a kind of move.

    unit: of the amount: degrees, or fraction of the focus depth. default, limit: amount offered, and the largest one.
    """

    label: str
    unit: Unit
    default: float
    limit: float
    description: str


_ORBIT = "Round the focus point, about the camera's own {} axis, looking at it all the time"
_ARC = "Round the focus point at constant height, about the vertical"
KINDS: Mapping[str, MoveKind] = MappingProxyType(
    {
        "orbit-left": MoveKind("Orbit Left", "degrees", 10, 180, _ORBIT.format("vertical")),
        "orbit-right": MoveKind("Orbit Right", "degrees", 10, 180, _ORBIT.format("vertical")),
        "orbit-up": MoveKind("Orbit Up", "degrees", 10, 90, _ORBIT.format("horizontal")),
        "orbit-down": MoveKind("Orbit Down", "degrees", 10, 90, _ORBIT.format("horizontal")),
        "arc-left": MoveKind("Arc Left", "degrees", 10, 180, _ARC),
        "arc-right": MoveKind("Arc Right", "degrees", 10, 180, _ARC),
        "dolly-in": MoveKind("Dolly In", "fraction", 0.2, 0.95, "Straight towards the focus point"),
        "dolly-out": MoveKind("Dolly Out", "fraction", 0.2, 4, "Straight away from the focus point"),
        "dolly-zoom-in": MoveKind(
            "Dolly Zoom In", "fraction", 0.2, 0.95, "Towards the focus point while the lens widens to keep its size"
        ),
        "dolly-zoom-out": MoveKind(
            "Dolly Zoom Out", "fraction", 0.2, 4, "Away from the focus point while the lens narrows to keep its size"
        ),
        "crane-up": MoveKind("Crane Up", "fraction", 0.15, 4, "Straight up, tilting to keep the focus point in place"),
        "crane-down": MoveKind(
            "Crane Down", "fraction", 0.15, 4, "Straight down, tilting to keep the focus point in place"
        ),
        "truck-left": MoveKind("Truck Left", "fraction", 0.15, 4, "Sideways to the left without turning"),
        "truck-right": MoveKind("Truck Right", "fraction", 0.15, 4, "Sideways to the right without turning"),
        "roll-left": MoveKind("Roll Left", "degrees", 10, 180, "Leans to the left about the viewing axis"),
        "roll-right": MoveKind("Roll Right", "degrees", 10, 180, "Leans to the right about the viewing axis"),
        "handheld": MoveKind("Handheld", "degrees", 1, 15, "Sways like a camera in the hand, within the amount"),
    }
)


@dataclass(frozen=True)
class Move:
    """A move over the clip, from the source pose at time 0 to its whole amount at time 1.

    amount: in the unit of its kind, 0 to its limit. held: a static view, the whole amount at every time.
    seed, sways: of handheld: which shake, and about how many sways there are over the clip.
    Raises UserError for unknown kinds and amounts out of range.
    """

    kind: str
    amount: float
    easing: Easing = "smooth"
    held: bool = False
    seed: int = 0
    sways: float = 5.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"There is no move {self.kind!r}.", advice=f"Choose one of {', '.join(KINDS)}.")
        kind = KINDS[self.kind]
        if not 0 <= self.amount <= kind.limit:
            raise UserError(
                f"{kind.label} by {self.amount:g} is outside 0 to {kind.limit:g} ({kind.unit}).",
                advice="Choose another amount.",
            )
        if self.easing not in _EASINGS:
            raise UserError(f"There is no easing {self.easing!r}.", advice=f"Choose one of {', '.join(_EASINGS)}.")
        if self.sways <= 0:
            raise UserError("Handheld needs more than 0 sways.", advice="Choose about one sway a second.")


@dataclass(frozen=True, eq=False)
class MovedCamera:
    """world_from_camera: n x 4 x 4 float64, rigid. lens_factor: n, multiplies the source's lens (and K's fx and fy)."""

    world_from_camera: np.ndarray
    lens_factor: np.ndarray


_EASINGS = {
    "linear": lambda t: t,
    "smooth": lambda t: t * t * (3 - 2 * t),
    "ease-in": lambda t: t * t,
    "ease-out": lambda t: t * (2 - t),
}
EASINGS: tuple[str, ...] = tuple(_EASINGS)


def move_camera(
    move: Move,
    times: np.ndarray,
    world_from_source: np.ndarray,
    focus_depth: float,
    up: tuple[float, float, float] = CV_UP,
) -> MovedCamera:
    """The moved camera at each time.

    times: n in 0..1. world_from_source: 4 x 4, or n x 4 x 4 for a moving source. focus_depth: along the source's axis,
    in the geometry's unit, above 0. up: vertical direction in the geometry's world, for arc and crane.
    Raises UserError for a focus depth that is not above 0, and for arc and crane that look straight along `up`.
    """
    if not (np.isfinite(focus_depth) and focus_depth > 0):
        raise UserError("The focus depth must be above zero.", advice="Place the focus in front of the camera.")
    times = np.asarray(times, np.float64)
    source = np.broadcast_to(np.asarray(world_from_source, np.float64), (len(times), 4, 4))
    progress = np.ones_like(times) if move.held else _EASINGS[move.easing](times)
    shape, _, direction = move.kind.rpartition("-")
    factor = np.ones_like(times)
    if move.kind == "handheld":
        return MovedCamera(source @ _sway(move, times, focus_depth), factor)
    sign = -1.0 if direction in ("left", "up", "out") else 1.0
    amount = sign * move.amount * progress
    if shape in ("orbit", "arc"):
        world_from_camera = _around_focus(shape, direction, np.radians(amount), source, focus_depth, up)
    elif shape == "crane":
        world_from_camera = _crane(-amount * focus_depth, source, focus_depth, up)
    elif shape == "roll":
        world_from_camera = source @ _rotations((0, 0, 1), np.radians(amount))
    else:
        axis = 0 if shape == "truck" else 2
        step = np.tile(np.eye(4), (len(times), 1, 1))
        step[:, axis, 3] = amount * focus_depth
        world_from_camera = source @ step
        if shape == "dolly-zoom":
            factor = 1 - amount
    return MovedCamera(world_from_camera, factor)


def _rotations(axes: np.ndarray | tuple[float, float, float], angles: np.ndarray) -> np.ndarray:
    """n x 4 x 4 rotations about unit axes (3, or n x 3) by angles (n) in radians, right-handed (Rodrigues)."""
    axes = np.broadcast_to(np.asarray(axes, np.float64), (len(angles), 3))
    x, y, z = axes.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    matrices = np.tile(np.eye(4), (len(angles), 1, 1))
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    matrices[:, :3, :3] += sine * cross + (1 - cosine) * (cross @ cross)
    return matrices


def _about_points(rotations: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The same rotations, n x 4 x 4, with points (n x 3) in place of the origin."""
    moved = rotations.copy()
    moved[:, :3, 3] = points - np.einsum("nij,nj->ni", rotations[:, :3, :3], points)
    return moved


def _around_focus(
    shape: str, direction: str, angles: np.ndarray, source: np.ndarray, depth: float, up: tuple[float, float, float]
) -> np.ndarray:
    focus = source[:, :3, 3] + depth * source[:, :3, 2]
    if direction in ("up", "down"):
        # About the camera's x axis, which points right, a positive angle takes a camera that looks at the focus down.
        turns = _rotations(source[:, :3, 0], angles)
    elif shape == "orbit":
        turns = _rotations(source[:, :3, 1], -angles)
    else:
        turns = _rotations(_level(source, up)[0], angles)
    return _about_points(turns, focus) @ source


def _level(source: np.ndarray, up: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Unit up (3), and the level direction to the right (n x 3) of each camera."""
    upward = np.asarray(up, np.float64)
    length = np.linalg.norm(upward)
    right = np.cross(source[:, :3, 2], upward)
    lengths = np.linalg.norm(right, axis=1, keepdims=True)
    if not (np.isfinite(length) and length > 0) or lengths.min() < 1e-6 * length:
        raise UserError(
            "The camera looks straight up or down, where arc and crane have no direction.", advice="Use an orbit."
        )
    return upward / length, right / lengths


def _crane(heights: np.ndarray, source: np.ndarray, depth: float, up: tuple[float, float, float]) -> np.ndarray:
    upward, right = _level(source, up)
    to_focus = depth * source[:, :3, 2]
    above = np.cross(right, to_focus)
    along = heights[:, None] * upward
    moved = to_focus - along
    tilt = np.arctan2((moved * above).sum(1) / depth, (moved * to_focus).sum(1) / depth)
    craned = _rotations(right, tilt) @ source
    craned[:, :3, 3] = source[:, :3, 3] + along
    return craned


def _sway(move: Move, times: np.ndarray, depth: float) -> np.ndarray:
    """n x 4 x 4 of smooth noise, the identity at time 0: turns within the amount, shifts within half of its reach."""
    random = np.random.default_rng(move.seed)
    weights = np.array([0.5, 0.3, 0.2])
    pace = np.pi * 2 * move.sways * np.array([0.5, 1.0, 2.1]) * random.uniform(0.8, 1.2, (6, 3))
    phase = random.uniform(0, 2 * np.pi, (6, 3))
    moments = np.ones_like(times) if move.held else times
    waves = np.sin(pace[:, :, None] * moments + phase[:, :, None]) - np.sin(phase)[:, :, None]
    # A difference of two sines reaches 2, so half the weighted sum stays within 1.
    noise = np.einsum("k,ckn->cn", weights, waves) / 2
    angle = np.radians(move.amount)
    sway = np.tile(np.eye(4), (len(times), 1, 1))
    for axis, row, strength in (((0, 1, 0), 0, 1.0), ((1, 0, 0), 1, 1.0), ((0, 0, 1), 2, 0.5)):
        sway = sway @ _rotations(axis, strength * angle * noise[row])
    sway[:, :3, 3] = 0.5 * np.tan(angle) * depth * noise[3:].T
    return sway
