# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""The moving objects: a train, a hopping robot, a ball, a balloon on a string, a paper plane and a spinning top."""

from __future__ import annotations

import math

import bpy
import materials as m
from room import PINE, WALNUT
from shapes import Builder, Point, keep_every_frame

FRAMES, FPS = 49, 24
TRACK_CENTRE, TRACK_A, TRACK_B = (0.0, 1.0), 1.72, 1.0
RED, CREAM, TEAL, GOLD, NAVY = (
    (0.66, 0.08, 0.05),
    (0.82, 0.7, 0.5),
    (0.08, 0.38, 0.4),
    (0.8, 0.52, 0.12),
    (0.07, 0.13, 0.3),
)


def build(scene: bpy.types.Scene, side: int) -> None:
    """side: 1, or -1 for the other room, where all motion is mirrored."""
    make = Builder(scene)
    track = _Track(side)
    _rails(make, track)
    _train(make, track)
    _robot(make, side)
    _ball(make, side)
    _balloon(make, side)
    _plane(make, side)
    _top(make, side)


class _Track:
    """An ellipse, traversed at constant speed."""

    def __init__(self, side: int) -> None:
        self.side = side
        steps = 720
        angles = [2 * math.pi * i / steps for i in range(steps + 1)]
        self.points = [(TRACK_A * math.cos(a), TRACK_B * math.sin(a)) for a in angles]
        self.lengths = [0.0]
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:], strict=False):
            self.lengths.append(self.lengths[-1] + math.hypot(x1 - x0, y1 - y0))

    def at(self, length: float) -> tuple[float, float]:
        length %= self.lengths[-1]
        low = max(i for i, known in enumerate(self.lengths) if known <= length)
        low = min(low, len(self.points) - 2)
        share = (length - self.lengths[low]) / (self.lengths[low + 1] - self.lengths[low])
        (x0, y0), (x1, y1) = self.points[low], self.points[low + 1]
        return TRACK_CENTRE[0] + self.side * (x0 + share * (x1 - x0)), TRACK_CENTRE[1] + y0 + share * (y1 - y0)

    def pose(self, length: float, span: float) -> tuple[Point, float]:
        """Position and heading of a wagon whose axles are `span` apart."""
        (x0, y0), (x1, y1) = self.at(length - span / 2), self.at(length + span / 2)
        return ((x0 + x1) / 2, (y0 + y1) / 2, 0.0), math.atan2(y1 - y0, x1 - x0)


def _rails(make: Builder, track: _Track) -> None:
    wood, steel = m.wood(*WALNUT), m.paint((0.4, 0.4, 0.42))
    total = track.lengths[-1]
    for index in range(64):
        (x, y, _), heading = track.pose(total * index / 64, 0.1)
        make.box((0.05, 0.3, 0.022), (x, y, 0.024), wood, (0, 0, heading), 0.004)
    for offset in (-0.1, 0.1):
        line = []
        for index in range(128):
            (x, y, _), heading = track.pose(total * index / 128, 0.05)
            line.append((x - offset * math.sin(heading), y + offset * math.cos(heading), 0.046))
        make.tube(line, 0.012, steel, closed=True)


def _wheels(car: Builder, xs: tuple[float, ...], radius: float) -> None:
    wheel, hub = m.paint((0.1, 0.1, 0.12)), m.paint(GOLD)
    for x in xs:
        for y in (-0.1, 0.1):
            car.cone(radius, radius, 0.03, (x, y, 0.06 + radius), wheel, (math.pi / 2, 0, 0))
            car.cone(radius * 0.45, radius * 0.45, 0.036, (x, y, 0.06 + radius), hub, (math.pi / 2, 0, 0))


def _train(make: Builder, track: _Track) -> None:
    speed = 0.95 / FPS
    start = track.lengths[-1] * 0.59
    spacing = 0.52
    for number in range(4):
        car = make.group()
        if number == 0:
            red, green = m.paint(RED), m.paint((0.07, 0.28, 0.18))
            car.box((0.46, 0.24, 0.05), (0, 0, 0.13), m.paint(NAVY), bevel=0.01)
            car.cone(
                0.1,
                0.1,
                0.3,
                (0.07, 0, 0.26),
                m.stripes([(0.07, 0.28, 0.18), (0.07, 0.28, 0.18), (0.7, 0.45, 0.1)], 10, "Z"),
                (0, math.pi / 2, 0),
            )
            car.box((0.17, 0.23, 0.26), (-0.14, 0, 0.28), red, bevel=0.012)
            car.box((0.22, 0.28, 0.03), (-0.14, 0, 0.425), m.paint(CREAM), bevel=0.01)
            for y in (-0.117, 0.117):
                car.box((0.09, 0.006, 0.09), (-0.14, y, 0.33), m.paint((0.85, 0.72, 0.42)))
            car.cone(0.03, 0.05, 0.13, (0.15, 0, 0.41), green)
            car.cone(0.035, 0.0, 0.06, (0.03, 0, 0.38), m.paint(GOLD))
            car.cone(0.13, 0.05, 0.1, (0.26, 0, 0.12), red, (0, math.pi / 2, 0))
            _wheels(car, (-0.14, 0.02, 0.15), 0.055)
        else:
            look = (
                m.stripes([TEAL, CREAM], 9, "X"),
                m.checks(GOLD, RED, 14),
                m.stripes([NAVY, GOLD, NAVY, CREAM], 6, "X"),
            )
            car.box((0.42, 0.24, 0.04), (0, 0, 0.12), m.wood(*PINE), bevel=0.01)
            car.box((0.38, 0.23, 0.16), (0, 0, 0.22), look[number - 1], bevel=0.01)
            if number == 1:
                for x in (-0.11, 0.0, 0.11):
                    car.ball(0.07, (x, 0, 0.31), m.stripes([(0.7, 0.3, 0.08), (0.85, 0.6, 0.2)], 5))
            elif number == 2:
                car.box((0.2, 0.16, 0.14), (-0.06, 0, 0.37), m.stripes([CREAM, TEAL], 12, "Z"), (0, 0, 0.2), 0.01)
                car.ball(0.07, (0.12, 0, 0.36), m.checks(CREAM, NAVY, 20))
            else:
                car.box((0.4, 0.27, 0.03), (0, 0, 0.315), m.paint(RED), bevel=0.01)
            _wheels(car, (-0.12, 0.12), 0.045)
        car.cone(0.012, 0.012, 0.12, (-0.27, 0, 0.12), m.paint((0.1, 0.1, 0.1)), (0, math.pi / 2, 0))

        def run(frame: int, number: int = number) -> tuple[Point, Point]:
            place, heading = track.pose(start + speed * frame - spacing * number, 0.3)
            return place, (0.0, 0.0, heading)

        previous = [0.0]

        def unwrapped(frame: int, run=run, previous=previous) -> tuple[Point, Point]:
            place, (_, _, heading) = run(frame)
            if frame:
                heading += 2 * math.pi * round((previous[0] - heading) / (2 * math.pi))
            previous[0] = heading
            return place, (0.0, 0.0, heading)

        keep_every_frame(car.handle, unwrapped, FRAMES)


def _robot(make: Builder, side: int) -> None:
    body = make.group()
    tin, dark, brass = m.paint((0.28, 0.45, 0.5), (0.4, 0.24, 0.12), 7), m.paint((0.06, 0.07, 0.09)), m.paint(GOLD)
    body.box((0.34, 0.26, 0.36), (0, 0, 0.42), tin, bevel=0.03)
    body.box((0.22, 0.02, 0.16), (0, -0.135, 0.45), m.checks(CREAM, RED, 16), bevel=0.006)
    for index, colour in enumerate((RED, GOLD, TEAL)):
        body.cone(0.022, 0.022, 0.02, (-0.07 + 0.07 * index, -0.14, 0.31), m.paint(colour), (math.pi / 2, 0, 0))
    body.cone(0.06, 0.06, 0.07, (0, 0, 0.62), dark)
    head = body.group((0, 0, 0.77))
    head.box((0.3, 0.24, 0.24), (0, 0, 0), m.paint(CREAM, (0.55, 0.36, 0.2), 6), bevel=0.04)
    for edge in (-1, 1):
        head.cone(0.052, 0.052, 0.03, (edge * 0.07, -0.125, 0.03), dark, (math.pi / 2, 0, 0))
        head.cone(0.026, 0.026, 0.034, (edge * 0.07, -0.128, 0.03), m.paint((0.95, 0.85, 0.5)), (math.pi / 2, 0, 0))
        head.cone(0.035, 0.035, 0.04, (edge * 0.165, 0, 0), brass, (0, math.pi / 2, 0))
    head.box((0.14, 0.02, 0.03), (0, -0.12, -0.07), m.stripes([(0.05, 0.05, 0.05), CREAM], 40, "X"))
    head.cone(0.012, 0.012, 0.14, (0, 0, 0.18), dark)
    head.ball(0.04, (0, 0, 0.27), m.paint(RED))
    bands = m.stripes([(0.1, 0.1, 0.12), (0.5, 0.5, 0.52)], 28, "Z")
    arms = []
    for edge in (-1, 1):
        arm = body.group((edge * 0.2, 0, 0.54))
        arm.cone(0.035, 0.035, 0.28, (edge * 0.03, 0, -0.14), bands)
        arm.ball(0.055, (edge * 0.03, 0, -0.3), m.paint(RED))
        arms.append((arm, edge))
        body.cone(0.05, 0.05, 0.2, (edge * 0.1, 0, 0.14), bands)
        body.box((0.14, 0.22, 0.07), (edge * 0.1, -0.02, 0.045), m.paint(RED), bevel=0.02)

    def hop(frame: int) -> float:
        return abs(math.sin(frame * math.pi / 16))

    def walk(frame: int) -> tuple[Point, Point]:
        share = frame / (FRAMES - 1)
        x = side * (-0.62 + 1.15 * share)
        return (x, 0.85 + 0.15 * math.sin(3 * share), 0.02 + 0.3 * hop(frame)), (
            0,
            0.06 * math.sin(frame * math.pi / 8),
            side * (0.55 - 0.9 * share),
        )

    keep_every_frame(body.handle, walk, FRAMES)
    keep_every_frame(head.handle, lambda f: ((0, 0, 0.77), (0, 0, 0.35 * math.sin(f * math.pi / 24))), FRAMES)
    for arm, edge in arms:
        keep_every_frame(arm.handle, lambda f, e=edge: ((e * 0.2, 0, 0.54), (0, -e * (0.15 + 1.7 * hop(f)), 0)), FRAMES)


def _ball(make: Builder, side: int) -> None:
    radius = 0.2
    ball = make.group()
    ball.ball(radius, (0, 0, 0), m.stripes([RED, CREAM, NAVY, CREAM, GOLD, CREAM], 1))

    def roll(frame: int) -> tuple[Point, Point]:
        way = 1.75 * frame / (FRAMES - 1)
        return (side * (1.25 - way), -0.42 - 0.12 * way, radius + 0.012), (
            math.pi / 2 - 0.25,
            -side * way / radius,
            0.3,
        )

    keep_every_frame(ball.handle, roll, FRAMES)


def _balloon(make: Builder, side: int) -> None:
    hook = (0.35 * side, 1.75, 4.0)
    swing = make.group(hook)
    envelope = m.stripes([RED, CREAM, TEAL, CREAM, GOLD, CREAM], 2)

    def skin(u: float, v: float) -> Point:
        around, up = 2 * math.pi * u, math.pi * v
        radius = 0.33 * math.sin(up) * (1 - 0.28 * math.cos(up))
        return radius * math.cos(around), radius * math.sin(around), -0.4 * math.cos(up) + 0.06

    swing.grid(skin, 48, 32, envelope, (0, 0, -1.78))
    swing.tube([(0, 0, 0), (0, 0, -1.32)], 0.006, m.paint((0.6, 0.55, 0.45)))
    basket = m.checks((0.5, 0.3, 0.12), (0.28, 0.15, 0.06), 34)
    swing.cone(0.075, 0.1, 0.14, (0, 0, -2.4), basket)
    for angle in (0.8, 2.4, 4.0, 5.6):
        x, y = math.cos(angle), math.sin(angle)
        swing.tube([(0.095 * x, 0.095 * y, -2.33), (0.13 * x, 0.13 * y, -2.06)], 0.005, m.paint((0.35, 0.22, 0.1)))

    def sway(frame: int) -> tuple[Point, Point]:
        phase = 2 * math.pi * frame / 40
        return hook, (0.05 * math.sin(phase + 0.9), 0.2 * side * math.cos(phase), 0.25 * math.sin(phase * 0.5))

    keep_every_frame(swing.handle, sway, FRAMES)


def _plane(make: Builder, side: int) -> None:
    paper = m.stripes([(0.8, 0.78, 0.7), (0.8, 0.78, 0.7), (0.8, 0.78, 0.7), (0.25, 0.4, 0.62)], 22, "Y")
    plane = make.group()
    points = [
        (0.3, 0, 0),
        (-0.26, 0.02, 0.02),
        (-0.26, 0.21, 0.05),
        (-0.26, -0.02, 0.02),
        (-0.26, -0.21, 0.05),
        (-0.26, 0, -0.09),
    ]
    plane.sheet(points, [(0, 2, 1), (0, 3, 4), (0, 1, 5), (0, 5, 3)], paper)

    def fly(frame: int) -> Point:
        t = frame / (FRAMES - 1)
        return side * (-2.35 + 4.1 * t), -0.15 + 2.3 * t, 1.45 + 0.5 * math.sin(2.6 * t + 0.2) - 0.1 * t

    def bank(frame: int) -> tuple[Point, Point]:
        (x0, y0, z0), (x1, y1, z1) = fly(frame), fly(frame + 1)
        heading = math.atan2(y1 - y0, x1 - x0)
        climb = math.atan2(z1 - z0, math.hypot(x1 - x0, y1 - y0))
        return (x0, y0, z0), (0.35 * side * math.sin(frame * 0.16), -climb, heading)

    keep_every_frame(plane.handle, bank, FRAMES)


def _top(make: Builder, side: int) -> None:
    top = make.group()
    look = m.stripes([RED, GOLD, TEAL, CREAM], 3)
    top.cone(0.012, 0.16, 0.13, (0, 0, 0.075), look)
    top.cone(0.16, 0.05, 0.06, (0, 0, 0.17), look)
    top.cone(0.014, 0.014, 0.13, (0, 0, 0.25), m.wood(*WALNUT))
    top.ball(0.024, (0, 0, 0.32), m.paint(RED))

    def spin(frame: int) -> tuple[Point, Point]:
        lean = 0.13
        slow = frame * 0.22
        where = (side * (-0.78 + 0.05 * math.cos(slow)), -1.72 + 0.05 * math.sin(slow), 0.728)
        return where, (lean * math.cos(slow), lean * math.sin(slow), -frame * 0.62)

    keep_every_frame(top.handle, spin, FRAMES)
