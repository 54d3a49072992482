# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""The toymaker's room: all still objects, and the light."""

from __future__ import annotations

import math
import random

import bpy
import materials as m
from mathutils import Vector
from shapes import Builder, Point, circle, look_at

BACK, LEFT, RIGHT, FRONT, TOP = 3.0, -3.1, 3.3, -6.0, 4.2
WALNUT, OAK, PINE = ((0.26, 0.13, 0.06), (0.1, 0.045, 0.02)), ((0.6, 0.36, 0.17), (0.32, 0.16, 0.06)), (
    (0.72, 0.5, 0.27), (0.5, 0.3, 0.13))  # fmt: skip
BOOKS = [(0.5, 0.07, 0.05), (0.06, 0.2, 0.32), (0.62, 0.4, 0.08), (0.09, 0.27, 0.16), (0.7, 0.62, 0.48),
         (0.3, 0.08, 0.22), (0.75, 0.25, 0.1), (0.1, 0.36, 0.42)]  # fmt: skip


def build(scene: bpy.types.Scene, chance: random.Random, side: int) -> None:
    """side: 1, or -1 for the mirrored room with other walls."""
    make = Builder(scene)
    brick = m.bricks((0.5, 0.19, 0.11), (0.28, 0.1, 0.07), (0.42, 0.38, 0.34))
    paper = m.wallpaper((0.11, 0.27, 0.27), (0.14, 0.33, 0.32), (0.62, 0.46, 0.2))
    white = m.paint((0.75, 0.7, 0.6))
    back, sides = (brick, paper) if side == 1 else (paper, brick)
    floor = m.planks((0.5, 0.28, 0.14), (0.27, 0.13, 0.06))
    make.sheet([(LEFT, FRONT, 0), (RIGHT, FRONT, 0), (RIGHT, BACK, 0), (LEFT, BACK, 0)], [(0, 1, 2, 3)], floor)
    window = -1.45 * side
    _back_wall(make, back, window)
    for x, facing in ((LEFT, 1), (RIGHT, -1)):
        corners = [(-5, 0, 0), (5, 0, 0), (5, TOP, 0), (-5, TOP, 0)]
        make.sheet(corners, [(0, 1, 2, 3)], sides, (x, -1.5, 0), (math.pi / 2, 0, facing * math.pi / 2))
        make.box((0.03, 9, 0.16), (x + 0.015 * facing, -1.5, 0.08), white)
    make.box((RIGHT - LEFT, 0.03, 0.16), ((LEFT + RIGHT) / 2, BACK - 0.015, 0.08), white)
    _window(make, window, white)
    _bookshelf(make, chance, 0.95 * side)
    _rug(make)
    _armchair(make, (2.35 * side, 1.35, 0), -0.75 * side)
    _floor_lamp(make, (2.75 * side, 2.45, 0))
    _trunk(make, (window, 2.45, 0))
    _near_table(make, side)
    _plant(make, chance, (1.5 * side, -1.45, 0))
    _blocks(make, chance, (-2.35 * side, 1.35, 0))
    _pictures(make, side)
    _bunting(make, side)
    _light(make, scene, window, side)


def _back_wall(make: Builder, material: bpy.types.Material, x: float) -> None:
    left, right, low, high = x - 0.8, x + 0.8, 1.1, 2.55
    xs, zs = (LEFT, left, right, RIGHT), (0, low, high, TOP)
    points = [(x, z, 0.0) for z in zs for x in xs]
    faces = [(j * 4 + i, j * 4 + i + 1, j * 4 + i + 5, j * 4 + i + 4) for j in range(3) for i in range(3)]
    make.sheet(points, [face for face in faces if face[0] != 5], material, (0, BACK, 0), (math.pi / 2, 0, 0))


def _window(make: Builder, x: float, white: bpy.types.Material) -> None:
    for dx, dz, size in ((-0.8, 0, (0.09, 0.14, 1.55)), (0.8, 0, (0.09, 0.14, 1.55)), (0, 0.74, (1.7, 0.14, 0.09)),
                         (0, 0, (0.04, 0.05, 1.45)), (0, 0.15, (1.6, 0.05, 0.04))):  # fmt: skip
        make.box(size, (x + dx, BACK, 1.83 + dz), white, bevel=0.008)
    make.box((1.85, 0.3, 0.06), (x, BACK - 0.07, 1.08), white, bevel=0.01)
    view = [(-1.6, 0, 0), (1.6, 0, 0), (1.6, 2.2, 0), (-1.6, 2.2, 0)]
    make.sheet(view, [(0, 1, 2, 3)], m.evening(2.2), (x, BACK + 0.9, 0.75), (math.pi / 2, 0, 0))
    cloth = m.tartan((0.5, 0.1, 0.07), (0.22, 0.04, 0.05), (0.8, 0.6, 0.3), 0.8)
    for edge in (-1, 1):

        def fold(u: float, v: float, edge: int = edge) -> Point:
            gather = 1 - 0.35 * math.exp(-((v - 0.42) ** 2) / 0.02)
            return (edge * (0.72 + 0.44 * u * gather), 0.05 * math.sin(u * 26) * (0.6 + 0.4 * v), 2.0 * v)

        make.grid(fold, 60, 14, cloth, (x, BACK - 0.16, 0.78))
    rod = m.paint((0.35, 0.2, 0.08))
    make.tube([(x - 1.3, BACK - 0.16, 2.8), (x + 1.3, BACK - 0.16, 2.8)], 0.022, rod)
    for edge in (-1.3, 1.3):
        make.ball(0.05, (x + edge, BACK - 0.16, 2.8), rod)
    clay = m.stripes([(0.6, 0.24, 0.1), (0.75, 0.5, 0.28)], 14, "Z")
    make.cone(0.07, 0.1, 0.16, (x + 0.45, BACK - 0.1, 1.19), clay)
    make.ball(0.1, (x + 0.45, BACK - 0.1, 1.38), m.stripes([(0.1, 0.3, 0.1), (0.25, 0.5, 0.18)], 16), (0.9, 0.9, 1.5))


def _bookshelf(make: Builder, chance: random.Random, x: float) -> None:
    width, depth, height, levels = 1.75, 0.34, 2.3, 5
    walnut = m.wood(*WALNUT)
    cloth = m.book_cloth(BOOKS)
    y = BACK - depth / 2 - 0.02
    make.box((width, 0.02, height), (x, BACK - 0.02, height / 2), m.wood(*OAK))
    for edge in (-1, 1):
        make.box((0.05, depth, height), (x + edge * width / 2, y, height / 2), walnut, bevel=0.005)
    step = (height - 0.12) / levels
    for level in range(levels + 1):
        shelf = 0.1 + level * step
        make.box((width + (0.12 if level == levels else 0), depth + 0.02, 0.04), (x, y, shelf), walnut, bevel=0.005)
        if level == levels:
            break
        at, end = x - width / 2 + 0.06, x + width / 2 - 0.06
        gap = chance.uniform(0.3, 0.75) * (end - at) + at
        while at < end - 0.06:
            thick, tall = chance.uniform(0.035, 0.075), chance.uniform(0.6, 0.9) * (step - 0.05)
            if gap is not None and at > gap:
                _ornament(make, chance, (at + 0.14, y - 0.05, shelf + 0.02))
                at, gap = at + 0.3, None
                continue
            lean = chance.uniform(0.08, 0.16) if chance.random() < 0.08 else 0.0
            room = thick + abs(lean) * tall
            deep = chance.uniform(0.2, 0.27)
            where = (at + room / 2, BACK - 0.06 - deep / 2, shelf + 0.02 + tall / 2)
            make.box((thick, deep, tall), where, cloth, (0, lean, 0), bevel=0.006)
            at += room + 0.004
    _globe(make, (x - 0.45, y, height + 0.0))
    for index, (size, turn) in enumerate(((0.34, 0.2), (0.3, -0.1), (0.26, 0.35))):
        make.box((size, size * 0.7, 0.06), (x + 0.42, y, height + 0.05 + index * 0.062), cloth, (0, 0, turn), 0.006)


def _ornament(make: Builder, chance: random.Random, at: Point) -> None:
    x, y, z = at
    pick = chance.randrange(3)
    colour = chance.choice(BOOKS)
    if pick == 0:
        make.ball(0.1, (x, y, z + 0.1), m.stripes([colour, (0.8, 0.7, 0.5)], 6))
    elif pick == 1:
        make.cone(0.05, 0.09, 0.16, (x, y, z + 0.08), m.stripes([colour, (0.72, 0.68, 0.6)], 18, "Z"))
        make.cone(0.09, 0.045, 0.07, (x, y, z + 0.195), m.paint(colour))
    else:
        make.box((0.17, 0.1, 0.17), (x, y, z + 0.085), m.checks(colour, (0.8, 0.72, 0.55), 18), (0, 0, 0.4), 0.01)


def _globe(make: Builder, at: Point) -> None:
    x, y, z = at
    brass = m.paint((0.55, 0.36, 0.12))
    make.cone(0.13, 0.09, 0.03, (x, y, z + 0.03), brass)
    make.cone(0.02, 0.02, 0.12, (x, y, z + 0.09), brass)
    world = m.Shader("globe")
    land = world.noise(6, world.place(), 5, 0.6)
    colour = world.ramp(land, [(0.5, (0.1, 0.3, 0.45)), (0.52, (0.72, 0.6, 0.35)), (0.62, (0.4, 0.42, 0.2))])
    make.ball(0.19, (x, y, z + 0.33), world.matte(colour), turn=(0.4, 0, 1.0))
    ring = [
        (x, y + 0.21 * math.cos(a), z + 0.33 + 0.21 * math.sin(a)) for a in (i * math.pi / 24 - 1.2 for i in range(34))
    ]
    make.tube(ring, 0.012, brass)


def _rug(make: Builder) -> None:
    points = [*circle(2.05, 96, 0.012), (0, 0, 0.012)]
    faces = [(i, (i + 1) % 96, 96) for i in range(96)]
    colours = [(0.42, 0.07, 0.06), (0.07, 0.14, 0.24), (0.62, 0.46, 0.25), (0.3, 0.06, 0.08), (0.55, 0.2, 0.08)]
    make.sheet(points, faces, m.rug(2.05, colours), (0, 0.95, 0))


def _armchair(make: Builder, at: Point, turn: float) -> None:
    chair = make.group(at, (0, 0, turn))
    cloth = m.tartan((0.1, 0.24, 0.3), (0.05, 0.13, 0.2), (0.7, 0.5, 0.22), 0.75)
    legs = m.wood(*WALNUT)
    chair.box((0.8, 0.8, 0.24), (0, 0, 0.3), cloth, bevel=0.06)
    chair.box((0.62, 0.66, 0.16), (0, -0.06, 0.47), cloth, bevel=0.065)
    chair.box((0.8, 0.2, 0.9), (0, 0.36, 0.68), cloth, (-0.16, 0, 0), 0.09)
    for edge in (-1, 1):
        chair.box((0.19, 0.78, 0.46), (edge * 0.42, -0.02, 0.42), cloth, bevel=0.085)
        for y in (-0.32, 0.32):
            chair.cone(0.025, 0.04, 0.2, (edge * 0.34, y, 0.1), legs)
    cushion = m.checks((0.75, 0.42, 0.1), (0.78, 0.66, 0.42), 11)
    chair.ball(0.25, (0.05, 0.16, 0.72), cushion, (1, 0.42, 0.9), (-0.3, 0.2, 0.15))


def _floor_lamp(make: Builder, at: Point) -> None:
    x, y, _ = at
    brass = m.paint((0.5, 0.33, 0.12))
    make.cone(0.19, 0.16, 0.04, (x, y, 0.02), brass)
    make.tube([(x, y, 0.03), (x, y, 1.62)], 0.018, brass)
    shade = m.Shader("shade")
    z = shade.node("SeparateXYZ", {0: shade.place()}).outputs[2]
    lit = shade.ramp(
        shade.math("ADD", shade.math("MULTIPLY", z, 2.2), 0.5), [(0.0, (1, 0.66, 0.28)), (1, (0.8, 0.4, 0.13))]
    )
    weave = shade.ramp(shade.noise(50, shade.place(), 0), [(0.3, (0.78, 0.76, 0.74)), (0.7, (1, 1, 1))])
    shade_material = shade.glow(shade.mix(1.0, lit, weave, "MULTIPLY"), 1.1)
    item = make.cone(0.27, 0.17, 0.36, (x, y, 1.72), shade_material)
    item.visible_shadow = False


def _trunk(make: Builder, at: Point) -> None:
    x, y, _ = at
    oak, iron = m.wood(*OAK), m.paint((0.16, 0.15, 0.16), (0.25, 0.13, 0.07))
    make.box((1.25, 0.6, 0.46), (x, y, 0.25), oak, bevel=0.012)
    make.box((1.29, 0.64, 0.1), (x, y, 0.52), oak, bevel=0.025)
    for dx in (-0.45, 0, 0.45):
        make.box((0.07, 0.66, 0.575), (x + dx, y, 0.29), iron, bevel=0.006)
    bear = make.group((x - 0.22, y - 0.06, 0.57), (0, 0, 0.25))
    fur, light, dark = m.paint((0.45, 0.24, 0.1), scale=22), m.paint((0.7, 0.5, 0.3)), m.paint((0.03, 0.02, 0.02))
    bear.ball(0.17, (0, 0, 0.17), fur, (1, 0.85, 1.05))
    bear.ball(0.13, (0, -0.02, 0.42), fur)
    bear.ball(0.06, (0, -0.13, 0.39), light, (1, 0.8, 0.8))
    bear.ball(0.02, (0, -0.18, 0.41), dark)
    bear.box(
        (0.16, 0.02, 0.06), (0, -0.13, 0.3), m.stripes([(0.65, 0.08, 0.06), (0.85, 0.8, 0.7)], 20, "X"), bevel=0.01
    )
    for edge in (-1, 1):
        bear.ball(0.05, (edge * 0.1, 0, 0.53), fur, (1, 0.6, 1))
        bear.ball(0.017, (edge * 0.05, -0.12, 0.46), dark)
        bear.ball(0.065, (edge * 0.18, -0.06, 0.22), fur, (0.8, 0.9, 1.6), (0.5, edge * 0.5, 0))
        bear.ball(0.075, (edge * 0.11, -0.2, 0.07), fur, (0.9, 1.6, 0.9))
        bear.ball(0.05, (edge * 0.12, -0.31, 0.08), light, (1, 0.35, 1))
    drum = m.stripes([(0.65, 0.1, 0.07), (0.8, 0.66, 0.4)], 12)
    make.cone(0.16, 0.16, 0.22, (x + 0.34, y, 0.68), drum)
    make.cone(0.165, 0.165, 0.03, (x + 0.34, y, 0.79), m.paint((0.8, 0.74, 0.6)))


def _near_table(make: Builder, side: int) -> None:
    x, y = -0.95 * side, -1.7
    make.cone(0.56, 0.56, 0.045, (x, y, 0.7), m.wood(*PINE, 1.2, (0.7, 7, 7)))
    make.cone(0.05, 0.05, 0.66, (x, y, 0.34), m.wood(*WALNUT))
    make.cone(0.3, 0.22, 0.05, (x, y, 0.03), m.wood(*WALNUT))
    cloth = m.book_cloth(BOOKS)
    for index, (size, turn) in enumerate(((0.34, 0.5), (0.3, 0.2), (0.26, 0.75))):
        where = (x + 0.2 * side - 0.33 * side, y + 0.2, 0.75 + index * 0.058)
        make.box((size, size * 0.72, 0.055), where, cloth, (0, 0, turn * side), 0.006)
    make.cone(
        0.05, 0.055, 0.12, (x + 0.3 * side, y + 0.22, 0.783), m.stripes([(0.12, 0.32, 0.4), (0.8, 0.75, 0.65)], 22, "Z")
    )
    pencil = m.stripes([(0.8, 0.5, 0.08), (0.7, 0.4, 0.05)], 3)
    for turn in (0.3, 1.1):
        make.cone(0.008, 0.008, 0.2, (x + 0.18 * side, y - 0.1 + 0.1 * turn, 0.731), pencil, (math.pi / 2, 0, turn))


def _plant(make: Builder, chance: random.Random, at: Point) -> None:
    x, y, _ = at
    make.cone(
        0.17, 0.25, 0.42, (x, y, 0.21), m.stripes([(0.2, 0.34, 0.42), (0.75, 0.68, 0.55), (0.3, 0.46, 0.5)], 9, "Z")
    )
    make.cone(0.23, 0.23, 0.02, (x, y, 0.4), m.paint((0.09, 0.05, 0.03)))
    leaf = m.Shader("leaf")
    u, v, _ = leaf.node("SeparateXYZ", {0: leaf.place()}).outputs
    vein = leaf.math("SINE", leaf.math("MULTIPLY", leaf.math("ADD", v, leaf.math("ABSOLUTE", u)), 95.0))
    green = leaf.ramp(vein, [(0.4, (0.05, 0.2, 0.06)), (0.75, (0.13, 0.36, 0.1)), (0.97, (0.4, 0.55, 0.2))])
    leaf_material = leaf.matte(
        leaf.mix(leaf.ramp(leaf.math("ABSOLUTE", u), [(0.006, (1, 1, 1)), (0.012, (0, 0, 0))]), green, (0.5, 0.62, 0.3))
    )
    stalk = m.paint((0.12, 0.3, 0.08))
    for index in range(11):
        angle = index * 2.4 + chance.uniform(-0.3, 0.3)
        lean, size = chance.uniform(0.35, 0.95), chance.uniform(0.3, 0.42)
        tall = chance.uniform(0.2, 0.62)
        tip = (x + 0.2 * lean * math.cos(angle), y + 0.2 * lean * math.sin(angle), 0.42 + tall)
        make.tube([(x, y, 0.38), ((x * 2 + tip[0]) / 3, (y * 2 + tip[1]) / 3, 0.4 + tall * 0.6), tip], 0.009, stalk)

        def blade(a: float, b: float, size: float = size) -> Point:
            wide = 0.42 * size * math.sin(math.pi * min(1.0, b * 0.94 + 0.06)) ** 0.8
            return ((a - 0.5) * 2 * wide, size * b, -0.5 * size * b * b + 0.12 * size * abs(a - 0.5))

        make.grid(blade, 8, 12, leaf_material, tip, (0.95 - lean * 0.7, 0, angle - math.pi / 2))


def _blocks(make: Builder, chance: random.Random, at: Point) -> None:
    x, y, _ = at
    palette = [(0.65, 0.12, 0.08), (0.1, 0.3, 0.5), (0.75, 0.5, 0.1), (0.14, 0.4, 0.22), (0.8, 0.68, 0.48)]
    rows = ((0, 0, 0), (0.28, 0.05, 0), (-0.27, 0.03, 0), (0.14, 0.02, 1), (-0.14, 0.05, 1), (0.01, 0.03, 2))
    for index, (dx, dy, level) in enumerate(rows):
        look = m.checks(palette[index % 5], palette[(index + 2) % 5], 8.05) if index % 2 else m.stripes(
            [palette[index % 5], palette[(index + 3) % 5]], 8, "Z")  # fmt: skip
        make.box(
            (0.25, 0.25, 0.25), (x + dx, y + dy, 0.125 + level * 0.25), look, (0, 0, chance.uniform(-0.3, 0.3)), 0.015
        )
    make.cone(0.14, 0.0, 0.26, (x, y + 0.03, 0.88), m.stripes([(0.65, 0.12, 0.08), (0.8, 0.68, 0.48)], 8))


def _pictures(make: Builder, side: int) -> None:
    frame = m.wood(*PINE)
    looks = [
        m.stripes([(0.75, 0.35, 0.12), (0.8, 0.68, 0.45), (0.12, 0.32, 0.38)], 7),
        m.checks((0.7, 0.2, 0.1), (0.8, 0.7, 0.5), 7),
        m.paint((0.1, 0.25, 0.4), (0.8, 0.6, 0.3), 7),
    ]
    wall, facing = (LEFT, 1) if side == 1 else (RIGHT, -1)
    for index, (y, z, size) in enumerate(((-0.9, 1.9, 0.62), (0.35, 1.6, 0.5), (1.75, 1.85, 0.7))):
        make.box((0.05, size, size * 1.25), (wall + 0.02 * facing, y, z), frame, bevel=0.01)
        make.box((0.02, size - 0.1, size * 1.25 - 0.1), (wall + 0.045 * facing, y, z), looks[index])
    other = RIGHT if side == 1 else LEFT
    for index, (y, z, size) in enumerate(((0.2, 1.75, 0.6), (1.3, 1.7, 0.5))):
        make.box((0.05, size * 1.3, size), (other - 0.02 * facing, y, z), frame, bevel=0.01)
        make.box((0.02, size * 1.3 - 0.1, size - 0.1), (other - 0.045 * facing, y, z), looks[index + 1])
    clock = make.group((-0.27 * side, BACK - 0.03, 2.2), (math.pi / 2, 0, 0))
    clock.cone(0.24, 0.24, 0.06, (0, 0, 0), m.wood(*WALNUT))
    clock.cone(0.2, 0.2, 0.01, (0, 0, 0.035), m.paint((0.8, 0.75, 0.62)))
    ink = m.paint((0.05, 0.04, 0.04))
    for hour in range(12):
        angle = hour * math.pi / 6
        clock.box((0.014, 0.035, 0.008), (0.165 * math.sin(angle), 0.165 * math.cos(angle), 0.043), ink, (0, 0, -angle))
    clock.box((0.016, 0.11, 0.008), (-0.035, 0.04, 0.045), ink, (0, 0, 0.7))
    clock.box((0.01, 0.15, 0.008), (0.05, 0.05, 0.05), ink, (0, 0, -0.8))


def _bunting(make: Builder, side: int) -> None:
    colours = [(0.68, 0.12, 0.08), (0.78, 0.55, 0.14), (0.12, 0.38, 0.42), (0.78, 0.68, 0.5), (0.14, 0.3, 0.5)]
    cloths = [m.stripes([colour, m.scaled(colour, 0.45, 0.4)], 16, "X") for colour in colours]
    start, end = Vector((LEFT * side + 0.1 * side, 2.2, 3.0)), Vector((2.9 * side, 2.5, 2.95))
    line = [start.lerp(end, t) - Vector((0, 0, 1.15 * t * (1 - t))) for t in (i / 40 for i in range(41))]
    make.tube([tuple(point) for point in line], 0.008, m.paint((0.7, 0.62, 0.5)))  # type: ignore[misc]
    for index in range(1, 40, 2):
        a, b = line[index] + (line[index - 1] - line[index]) * 0.4, line[index] + (line[index + 1] - line[index]) * 0.4
        low = (a + b) / 2 - Vector((0, 0.0, 0.24))
        points = [tuple(point - line[index]) for point in (a, b, low)]
        make.sheet(points, [(0, 1, 2)], cloths[index // 2 % 5], tuple(line[index]))  # type: ignore[arg-type]


def _light(make: Builder, scene: bpy.types.Scene, window: float, side: int) -> None:
    def area(at: Point, to: Point, size: float, energy: float, colour: m.Colour) -> None:
        data = bpy.data.lights.new("area", "AREA")
        data.energy, data.color, data.size = energy, colour, size
        lamp = bpy.data.objects.new("area", data)
        lamp.matrix_world = look_at(Vector(at), Vector(to))
        lamp.visible_camera = False
        scene.collection.objects.link(lamp)

    area((1.6 * side, -1.9, 4.4), (-0.2 * side, 1.2, 0), 1.6, 190, (1.0, 0.78, 0.54))
    area((window, BACK - 0.35, 1.95), (window * 0.3, -0.6, 0.2), 1.3, 70, (0.52, 0.7, 1.0))
    glow = bpy.data.lights.new("lamp", "POINT")
    glow.energy, glow.color, glow.shadow_soft_size = 48, (1.0, 0.6, 0.28), 0.14
    bulb = bpy.data.objects.new("lamp", glow)
    bulb.location = (2.75 * side, 2.45, 1.75)
    scene.collection.objects.link(bulb)
    scene.world = bpy.data.worlds.new("world")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs[0].default_value = (0.72, 0.78, 1.0, 1.0)
    background.inputs[1].default_value = 0.34
