# SPDX-License-Identifier: Apache-2.0
"""Camera moves: their names, labels, amounts and easings, and the camera's pose over the time of a move.

A move is added to the source camera's own pose at each frame, so a moving source is followed and moves add up when
the result of one is the source of the next. The focus point lies on the camera's axis at the focus depth; left, right,
up and down say where the camera goes. A static view is a move that is held at its end; the second camera of a stereo
pair is always held.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cache
from math import atan2, cos, dist, hypot, isfinite, pi, radians, sin, tan
from types import MappingProxyType
from typing import Literal, NamedTuple

from .camera_path import Matrix3, Matrix4
from .errors import UserError

Unit = Literal["degrees", "percent"]
Vector = tuple[float, float, float]

LEVEL_UP: Vector = (0.0, -1.0, 0.0)
"""Up in the axes of a camera that is level."""


@dataclass(frozen=True)
class MoveKind:
    """What people read about a kind of move.

    number: of its item in Blender's menus; never changed or reused.
    unit: of the amount: degrees, or percent of the focus depth. default: the amount offered. maximum: the largest one.
    always_held: it has no start and no easing: the camera is at the whole amount all the time.
    """

    number: int
    label: str
    unit: Unit
    default: float
    maximum: float
    help: str
    always_held: bool = False


_ORBIT = "Around the focus point, about the camera's own {} axis, always looking at it"
_ARC = "Around the focus point at constant height, about the vertical"
_CRANE = "Straight {}, tilting to keep the focus point in place"
_TRUCK = "Sideways to the {} without turning"
_STEREO = (
    "The second camera of a stereo pair, to the {} of the clip's: parallel to it, with a shifted lens that keeps the "
    "focus point in place. 3.3 % is the common rule of a thirtieth"
)

KINDS: Mapping[str, MoveKind] = MappingProxyType(
    {
        "orbit-left": MoveKind(0, "Orbit Left", "degrees", 10, 180, _ORBIT.format("vertical")),
        "orbit-right": MoveKind(1, "Orbit Right", "degrees", 10, 180, _ORBIT.format("vertical")),
        "orbit-up": MoveKind(2, "Orbit Up", "degrees", 10, 90, _ORBIT.format("horizontal")),
        "orbit-down": MoveKind(3, "Orbit Down", "degrees", 10, 90, _ORBIT.format("horizontal")),
        "arc-left": MoveKind(4, "Arc Left", "degrees", 10, 180, _ARC),
        "arc-right": MoveKind(5, "Arc Right", "degrees", 10, 180, _ARC),
        "dolly-in": MoveKind(6, "Dolly In", "percent", 20, 95, "Straight towards the focus point"),
        "dolly-out": MoveKind(7, "Dolly Out", "percent", 20, 400, "Straight away from the focus point"),
        "dolly-zoom-in": MoveKind(
            8, "Dolly Zoom In", "percent", 20, 95, "Towards the focus point while the lens widens to keep its size"
        ),
        "dolly-zoom-out": MoveKind(
            9, "Dolly Zoom Out", "percent", 20, 400, "Away from the focus point while the lens narrows to keep its size"
        ),
        "crane-up": MoveKind(10, "Crane Up", "percent", 15, 400, _CRANE.format("up")),
        "crane-down": MoveKind(11, "Crane Down", "percent", 15, 400, _CRANE.format("down")),
        "truck-left": MoveKind(12, "Truck Left", "percent", 15, 400, _TRUCK.format("left")),
        "truck-right": MoveKind(13, "Truck Right", "percent", 15, 400, _TRUCK.format("right")),
        "roll-left": MoveKind(14, "Roll Left", "degrees", 10, 180, "Leans to the left about the viewing axis"),
        "roll-right": MoveKind(15, "Roll Right", "degrees", 10, 180, "Leans to the right about the viewing axis"),
        "handheld": MoveKind(16, "Handheld", "degrees", 1, 15, "Sways like a hand-held camera, within the amount"),
        "stereo-left": MoveKind(17, "Stereo Left", "percent", 3.3, 50, _STEREO.format("left"), always_held=True),
        "stereo-right": MoveKind(18, "Stereo Right", "percent", 3.3, 50, _STEREO.format("right"), always_held=True),
    }
)


@dataclass(frozen=True)
class Easing:
    """How a move starts and ends.

    number: of its item in Blender's menus; never changed or reused. progress: the share of the amount at a time from 0
    to 1.
    """

    number: int
    label: str
    progress: Callable[[float], float]


EASINGS: Mapping[str, Easing] = MappingProxyType(
    {
        "linear": Easing(0, "Linear", lambda time: time),
        "smooth": Easing(1, "Smooth", lambda time: time * time * (3 - 2 * time)),
        "ease-in": Easing(2, "Ease In", lambda time: time * time),
        "ease-out": Easing(3, "Ease Out", lambda time: time * (2 - time)),
    }
)
DEFAULT_EASING = "smooth"
COMMAND_LINE_EASING = "linear"
"""Default on the command line, where commands written for version 0.1.0 keep their result."""


@dataclass(frozen=True)
class Move:
    """A move over a clip, from the source pose at time 0 to its whole amount at time 1.

    kind: a key of KINDS. amount: in the unit of its kind, 0 to its maximum. easing: a key of EASINGS.
    held: a static view, the whole amount at every time. seed, sways: for handheld: which shake, and about how many
    sways there are over the clip. Raises UserError for anything else.
    """

    kind: str
    amount: float
    _: KW_ONLY
    easing: str = DEFAULT_EASING
    held: bool = False
    seed: int = 0
    sways: float = 5.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"There is no camera move {self.kind!r}.", advice=f"Choose one of {', '.join(KINDS)}.")
        kind = KINDS[self.kind]
        if not 0 <= self.amount <= kind.maximum:
            raise UserError(
                f"{kind.label} by {self.amount:g} is outside 0 to {kind.maximum:g} ({kind.unit}).",
                advice="Choose another amount.",
            )
        if self.easing not in EASINGS:
            raise UserError(f"There is no easing {self.easing!r}.", advice=f"Choose one of {', '.join(EASINGS)}.")
        if self.sways <= 0:
            raise UserError("Handheld needs more than 0 sways.", advice="Choose about one sway a second.")


class MovedCamera(NamedTuple):
    """source_from_camera: 4 x 4, rigid, OpenCV axes; `world_from_source @ source_from_camera` is the camera's pose.
    lens_factor: multiplies the source's focal length. shift: of the picture to the right, in focal lengths: added to
    the x of the principal point."""

    source_from_camera: Matrix4
    lens_factor: float
    shift: float = 0.0


def move_times(count: int) -> list[float]:
    """The times of a clip's frames: from 0 to 1 in even steps; a single frame is at 1."""
    return [index * (1 / (count - 1)) for index in range(count - 1)] + [1.0] if count > 1 else [1.0]


def move_camera(move: Move, time: float, focus_depth: float, up: Vector = LEVEL_UP) -> MovedCamera:
    """The moved camera at a time.

    time: 0 to 1. focus_depth: along the source camera's axis, in the geometry's unit, above 0. up: the world's vertical
    in the source camera's axes, of any length; arc and crane use it. Raises UserError for a focus depth that is not
    above 0, and for arc and crane of a camera that looks straight up or down.
    """
    if not (isfinite(focus_depth) and focus_depth > 0):
        raise UserError("The focus depth must be above zero.", advice="Place the focus in front of the camera.")
    if move.kind == "handheld":
        return MovedCamera(_sway(move, 1.0 if move.held else time, focus_depth), 1.0)
    progress = 1.0 if move.held or KINDS[move.kind].always_held else EASINGS[move.easing].progress(time)
    shape, _, direction = move.kind.rpartition("-")
    amount = (-1 if direction in ("left", "up", "out") else 1) * move.amount
    match shape:
        case "orbit" if direction in ("left", "right"):
            # About y, which points down, a positive angle takes a camera that looks at the focus to the left.
            return MovedCamera(_around_focus(_turn_y(radians(-amount * progress)), focus_depth), 1.0)
        case "orbit":
            return MovedCamera(_around_focus(_turn_x(radians(amount * progress)), focus_depth), 1.0)
        case "arc":
            turn = _turn(_unit(up), radians(amount * progress))
            return MovedCamera(_around_focus(turn, focus_depth), 1.0)
        case "crane":
            return MovedCamera(_crane(-amount / 100 * progress * focus_depth, focus_depth, up), 1.0)
        case "roll":
            return MovedCamera(_rigid(_turn((0.0, 0.0, 1.0), radians(amount * progress)), (0.0, 0.0, 0.0)), 1.0)
        case "stereo":
            step = amount / 100
            return MovedCamera(_rigid(_STILL, (step * focus_depth, 0.0, 0.0)), 1.0, step)
        case _:
            travel = amount / 100 * progress
            step = (travel * focus_depth, 0.0, 0.0) if shape == "truck" else (0.0, 0.0, travel * focus_depth)
            return MovedCamera(_rigid(_STILL, step), 1 - travel if shape == "dolly-zoom" else 1.0)


_STILL: Matrix3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def _rigid(rotation: Matrix3, position: Vector) -> Matrix4:
    (a, b, c), (d, e, f), (g, h, i) = rotation
    x, y, z = position
    return ((a, b, c, x), (d, e, f, y), (g, h, i, z), (0.0, 0.0, 0.0, 1.0))


def _turn_x(angle: float) -> Matrix3:
    return ((1.0, 0.0, 0.0), (0.0, cos(angle), -sin(angle)), (0.0, sin(angle), cos(angle)))


def _turn_y(angle: float) -> Matrix3:
    return ((cos(angle), 0.0, sin(angle)), (0.0, 1.0, 0.0), (-sin(angle), 0.0, cos(angle)))


def _turn(axis: Vector, angle: float) -> Matrix3:
    """Right-handed rotation about a unit axis; angle in radians."""
    x, y, z = axis
    s, c = sin(angle), cos(angle)
    t = 1 - c
    return (
        (t * x * x + c, t * x * y - s * z, t * x * z + s * y),
        (t * x * y + s * z, t * y * y + c, t * y * z - s * x),
        (t * x * z - s * y, t * y * z + s * x, t * z * z + c),
    )


def _around_focus(rotation: Matrix3, depth: float) -> Matrix4:
    """The rotation about the focus point (0, 0, depth) in place of the camera's centre."""
    (_, _, x), (_, _, y), (_, _, z) = rotation
    return _rigid(rotation, (0 - x * depth, 0 - y * depth, depth - z * depth))


def _cross(first: Vector, second: Vector) -> Vector:
    (a, b, c), (d, e, f) = first, second
    return (b * f - c * e, c * d - a * f, a * e - b * d)


def _dot(first: Vector, second: Vector) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


def _unit(up: Vector) -> Vector:
    """Up with length 1. Raises UserError where the camera's axis is vertical."""
    length = dist(up, (0, 0, 0))
    if not (isfinite(length) and length > 0 and hypot(up[0], up[1]) >= 1e-6 * length):
        raise UserError(
            "The camera looks straight up or down, where arc and crane have no direction.", advice="Use an orbit."
        )
    return (up[0] / length, up[1] / length, up[2] / length)


def _crane(height: float, depth: float, up: Vector) -> Matrix4:
    upward = _unit(up)
    sideways = _cross((0.0, 0.0, 1.0), upward)
    length = dist(sideways, (0, 0, 0))
    right = (sideways[0] / length, sideways[1] / length, sideways[2] / length)
    to_focus = (0.0, 0.0, depth)
    above = _cross(right, to_focus)
    rise = (height * upward[0], height * upward[1], height * upward[2])
    moved = (-rise[0], -rise[1], depth - rise[2])
    tilt = atan2(_dot(moved, above) / depth, _dot(moved, to_focus) / depth)
    return _rigid(_turn(right, tilt), rise)


@cache
def _waves(seed: int, sways: float) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Pace and phase of three sines for each of six channels: three turns and three shifts."""
    draw = random.Random(seed)
    paces = (0.5, 1.0, 2.1)
    return tuple(
        tuple((2 * pi * sways * pace * draw.uniform(0.8, 1.2), draw.uniform(0, 2 * pi)) for pace in paces)
        for _ in range(6)
    )


def _sway(move: Move, time: float, depth: float) -> Matrix4:
    """Smooth noise, no motion at time 0: turns within the amount, shifts within half of its reach at the focus."""
    # A difference of two sines reaches 2, so half the weighted sum stays within 1.
    noise = [
        sum(
            weight * (sin(pace * time + phase) - sin(phase))
            for weight, (pace, phase) in zip((0.5, 0.3, 0.2), channel, strict=True)
        )
        / 2
        for channel in _waves(move.seed, move.sways)
    ]
    angle = radians(move.amount)
    rotation = _STILL
    for axis, turn in (
        ((0.0, 1.0, 0.0), angle * noise[0]),
        ((1.0, 0.0, 0.0), angle * noise[1]),
        ((0.0, 0.0, 1.0), 0.5 * angle * noise[2]),
    ):
        rotation = _product(rotation, _turn(axis, turn))
    reach = 0.5 * tan(angle) * depth
    return _rigid(rotation, (reach * noise[3], reach * noise[4], reach * noise[5]))


def _product(first: Matrix3, second: Matrix3) -> Matrix3:
    columns: list[Vector] = list(zip(*second, strict=True))
    a, b, c = columns
    rows = [(_dot(row, a), _dot(row, b), _dot(row, c)) for row in first]
    return (rows[0], rows[1], rows[2])
