# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Procedural materials of the sample's room. All are matte, because gloss differs from camera to camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bpy

Colour = tuple[float, float, float]
Socket = Any
"""A node's output, or a number, or a colour."""


def scaled(colour: Colour, factor: float, offset: float = 0.0) -> Colour:
    red, green, blue = (channel * factor + offset for channel in colour)
    return red, green, blue


class Shader:
    """A node tree under construction. Inputs are sockets, numbers or colours; results are sockets."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def node(self, kind: str, inputs: Mapping[Any, Socket] | None = None, **settings: Any) -> Any:
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for key, value in settings.items():
            setattr(node, key, value)
        for key, value in (inputs or {}).items():
            self.put(node.inputs[key], value)
        return node

    def put(self, socket: Any, value: Socket) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, tuple) and socket.type == "RGBA" and len(value) == 3:
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def place(self, scale: tuple[float, float, float] = (1, 1, 1), turn: tuple[float, float, float] = (0, 0, 0)) -> Any:
        """The point in the object's own space, in metres, so that a moving object carries its texture."""
        coordinates = self.node("TexCoord").outputs["Object"]
        return self.node("Mapping", {"Vector": coordinates, "Scale": scale, "Rotation": turn}).outputs[0]

    def math(self, operation: str, *values: Socket) -> Any:
        return self.node("Math", dict(enumerate(values)), operation=operation).outputs[0]

    def mix(self, share: Socket, a: Socket, b: Socket, blend: str = "MIX") -> Any:
        node = self.node("Mix", data_type="RGBA", blend_type=blend)
        for index, value in ((0, share), (6, a), (7, b)):
            self.put(node.inputs[index], value)
        return node.outputs[2]

    def noise(self, scale: float, vector: Socket, detail: float = 3.0, roughness: float = 0.5) -> Any:
        values = {"Vector": vector, "Scale": scale, "Detail": detail, "Roughness": roughness}
        return self.node("TexNoise", values).outputs[0]

    def ramp(self, value: Socket, stops: Sequence[tuple[float, Colour]], interpolation: str = "LINEAR") -> Any:
        node = self.node("ValToRGB", {0: value})
        node.color_ramp.interpolation = interpolation
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1.0)
        return node.outputs[0]

    def matte(self, colour: Socket, height: Socket | None = None, depth_m: float = 0.01) -> bpy.types.Material:
        """Finish as a diffuse surface; height 0 to 1 bumps it by depth_m."""
        shader = self.node("BsdfDiffuse", {"Color": colour, "Roughness": 0.3})
        if height is not None:
            bump = self.node("Bump", {"Height": height, "Strength": 0.6, "Distance": depth_m})
            self.put(shader.inputs["Normal"], bump.outputs[0])
        return self.finish(shader.outputs[0])

    def glow(self, colour: Socket, strength: float) -> bpy.types.Material:
        return self.finish(self.node("Emission", {"Color": colour, "Strength": strength}).outputs[0])

    def finish(self, surface: Socket) -> bpy.types.Material:
        self.put(self.node("OutputMaterial").inputs["Surface"], surface)
        return self.material


def paint(colour: Colour, second: Colour | None = None, scale: float = 9.0) -> bpy.types.Material:
    """Brushed paint; with a second colour, blotches of it."""
    shader = Shader("paint")
    where = shader.place()
    grain = shader.noise(scale * 3, shader.place((1, 1, 0.15)), 1)
    mixed = shader.ramp(grain, [(0.35, scaled(colour, 0.66)), (0.6, colour)])
    if second:
        blotch = shader.ramp(shader.noise(scale, where, 2), [(0.5, (0, 0, 0)), (0.54, (1, 1, 1))])
        mixed = shader.mix(blotch, mixed, second)
    return shader.matte(mixed)


def planks(light: Colour, dark: Colour, width: float = 0.14, length: float = 1.5) -> bpy.types.Material:
    """Boards along the object's x, seen in its xy plane."""
    shader = Shader("planks")
    values = {"Vector": shader.place(), "Color1": light, "Color2": dark, "Mortar": (0.03, 0.015, 0.01), "Scale": 1.0}
    values |= {"Mortar Size": 0.004, "Mortar Smooth": 0.3, "Brick Width": length, "Row Height": width}
    boards = shader.node("TexBrick", values, offset=0.37, offset_frequency=2)
    grain = shader.noise(9.0, shader.place((0.4, 4.5, 1)), 2, 0.6)
    veins = shader.ramp(grain, [(0.32, (0.42, 0.36, 0.33)), (0.5, (0.86, 0.84, 0.82)), (0.7, (1.18, 1.14, 1.08))])
    worn = shader.ramp(shader.noise(1.3, shader.place(), 1), [(0.3, (0.78, 0.76, 0.75)), (0.7, (1.08, 1.06, 1.04))])
    colour = shader.mix(1.0, shader.mix(1.0, boards.outputs[0], veins, "MULTIPLY"), worn, "MULTIPLY")
    return shader.matte(colour)


def wood(light: Colour, dark: Colour, scale: float = 1.0, along: tuple[float, float, float] = (0.6, 6, 6)) -> Any:
    """Solid wood with its grain along the axis whose factor is smallest."""
    shader = Shader("wood")
    warp = shader.noise(2.6 * scale, shader.place(along), 2)
    rings = shader.math("FRACT", shader.math("MULTIPLY", warp, 7.0))
    colour = shader.ramp(rings, [(0.0, dark), (0.55, light), (0.92, light), (1.0, dark)])
    fine = shader.ramp(
        shader.noise(9 * scale, shader.place(along), 1), [(0.3, (0.8, 0.78, 0.76)), (0.7, (1.1, 1.1, 1.1))]
    )
    return shader.matte(shader.mix(1.0, colour, fine, "MULTIPLY"))


def bricks(light: Colour, dark: Colour, mortar: Colour) -> bpy.types.Material:
    shader = Shader("bricks")
    jitter = shader.node("TexNoise", {"Vector": shader.place(), "Scale": 7.0, "Detail": 0.0}).outputs[1]
    where = shader.node("VectorMath", {0: jitter, 1: (0.5, 0.5, 0.5)}, operation="SUBTRACT").outputs[0]
    where = shader.node("VectorMath", {0: where, "Scale": 0.022}, operation="SCALE").outputs[0]
    where = shader.node("VectorMath", {0: shader.place(), 1: where}).outputs[0]
    values = {"Vector": where, "Color1": light, "Color2": dark, "Mortar": mortar, "Scale": 1.0}
    values |= {"Mortar Size": 0.012, "Mortar Smooth": 0.35, "Brick Width": 0.30, "Row Height": 0.105, "Bias": -0.1}
    wall = shader.node("TexBrick", values)
    stain = shader.ramp(
        shader.noise(14, shader.place(), 2, 0.6), [(0.3, (0.52, 0.5, 0.5)), (0.55, (1, 1, 1)), (0.75, (1.3, 1.25, 1.2))]
    )
    broad = shader.ramp(shader.noise(0.9, shader.place(), 0), [(0.3, (0.72, 0.72, 0.78)), (0.7, (1.12, 1.08, 1.02))])
    colour = shader.mix(1.0, shader.mix(1.0, wall.outputs[0], stain, "MULTIPLY"), broad, "MULTIPLY")
    return shader.matte(colour, shader.math("SUBTRACT", 1.0, wall.outputs[1]), 0.02)


def wallpaper(ground: Colour, stripe: Colour, motif: Colour) -> bpy.types.Material:
    """Broad stripes along the object's y with a scattered motif."""
    shader = Shader("wallpaper")
    across = shader.node("SeparateXYZ", {0: shader.place()}).outputs[0]
    wave = shader.math("SINE", shader.math("MULTIPLY", across, 16.0))
    colour = shader.mix(shader.ramp(wave, [(0.0, (0, 0, 0)), (0.06, (1, 1, 1))]), ground, stripe)
    cells = shader.node("TexVoronoi", {"Vector": shader.place(), "Scale": 7.0, "Randomness": 0.35})
    petals = shader.math("ADD", cells.outputs[0], shader.math("MULTIPLY", shader.noise(30, shader.place(), 0), 0.3))
    colour = shader.mix(shader.ramp(petals, [(0.36, (1, 1, 1)), (0.4, (0, 0, 0))]), colour, motif)
    age = shader.ramp(shader.noise(7, shader.place(), 2, 0.6), [(0.3, (0.8, 0.79, 0.77)), (0.7, (1.08, 1.07, 1.06))])
    return shader.matte(shader.mix(1.0, colour, age, "MULTIPLY"))


def rug(radius: float, colours: Sequence[Colour]) -> bpy.types.Material:
    """Rings and petals around the object's centre, in its xy plane."""
    shader = Shader("rug")
    x, y, _ = shader.node("SeparateXYZ", {0: shader.place()}).outputs
    out = shader.math("DIVIDE", shader.math("SQRT", shader.math("ADD", shader.math("MULTIPLY", x, x),
                      shader.math("MULTIPLY", y, y))), radius)  # fmt: skip
    angle = shader.math("ARCTAN2", y, x)
    petals = shader.math("ABSOLUTE", shader.math("SINE", shader.math("MULTIPLY", angle, 12.0)))
    fine = shader.math("MULTIPLY", shader.math("SINE", shader.math("MULTIPLY", angle, 48.0)), 0.012)
    wavy = shader.math("ADD", shader.math("ADD", out, shader.math("MULTIPLY", petals, 0.055)), fine)
    rings = shader.math("FRACT", shader.math("MULTIPLY", wavy, 3.4))
    steps = [(index / len(colours), colour) for index, colour in enumerate(colours)]
    colour = shader.ramp(rings, steps, "CONSTANT")
    yarn = shader.noise(42, shader.place(), 0)
    weave = shader.ramp(yarn, [(0.3, (0.62, 0.6, 0.6)), (0.7, (1.15, 1.15, 1.15))])
    return shader.matte(shader.mix(1.0, colour, weave, "MULTIPLY"))


def tartan(ground: Colour, band: Colour, thread: Colour, scale: float = 1.0) -> bpy.types.Material:
    shader = Shader("tartan")
    colour: Socket = ground
    for axis in range(3):
        along = shader.node("SeparateXYZ", {0: shader.place((scale, scale, scale))}).outputs[axis]
        wave = shader.math("SINE", shader.math("MULTIPLY", along, 30.0))
        wide = shader.ramp(wave, [(0.25, (0, 0, 0)), (0.3, (1, 1, 1))])
        colour = shader.mix(shader.math("MULTIPLY", wide, 0.5), colour, band)
        narrow = shader.math("SINE", shader.math("ADD", shader.math("MULTIPLY", along, 60.0), 1.2))
        colour = shader.mix(shader.ramp(narrow, [(0.93, (0, 0, 0)), (0.96, (0.8, 0.8, 0.8))]), colour, thread)
    yarn = shader.noise(50, shader.place(), 0)
    weave = shader.ramp(yarn, [(0.3, (0.7, 0.7, 0.7)), (0.7, (1.12, 1.12, 1.12))])
    return shader.matte(shader.mix(1.0, colour, weave, "MULTIPLY"))


def stripes(colours: Sequence[Colour], count: float, axis: str = "ANGLE") -> bpy.types.Material:
    """Gores around the object's z (axis ANGLE), or bands along X, Y or Z, `count` repeats per turn or metre."""
    shader = Shader("stripes")
    x, y, z = shader.node("SeparateXYZ", {0: shader.place()}).outputs
    if axis == "ANGLE":
        along = shader.math("ADD", shader.math("DIVIDE", shader.math("ARCTAN2", y, x), 6.2831853), 0.5)
    else:
        along = {"X": x, "Y": y, "Z": z}[axis]
    step = shader.math("FRACT", shader.math("MULTIPLY", along, count))
    colour = shader.ramp(step, [(i / len(colours), colour) for i, colour in enumerate(colours)], "CONSTANT")
    cloth = shader.ramp(shader.noise(30, shader.place(), 1), [(0.3, (0.8, 0.8, 0.8)), (0.7, (1.06, 1.06, 1.06))])
    return shader.matte(shader.mix(1.0, colour, cloth, "MULTIPLY"))


def checks(a: Colour, b: Colour, scale: float) -> bpy.types.Material:
    shader = Shader("checks")
    values = {"Vector": shader.place(), "Color1": a, "Color2": b, "Scale": scale}
    worn = shader.ramp(shader.noise(12, shader.place(), 1), [(0.3, (0.75, 0.75, 0.75)), (0.6, (1.05, 1.05, 1.05))])
    return shader.matte(shader.mix(1.0, shader.node("TexChecker", values).outputs[0], worn, "MULTIPLY"))


def book_cloth(colours: Sequence[Colour]) -> bpy.types.Material:
    """One of the colours, by the object's random number, with gilt bands along z."""
    shader = Shader("book cloth")
    chance = shader.node("ObjectInfo").outputs["Random"]
    cover = shader.ramp(chance, [(i / len(colours), colour) for i, colour in enumerate(colours)], "CONSTANT")
    z = shader.node("SeparateXYZ", {0: shader.place()}).outputs[2]
    offset = shader.math("MULTIPLY", chance, 9.0)
    band = shader.math("SINE", shader.math("ADD", shader.math("MULTIPLY", z, 52.0), offset))
    cover = shader.mix(shader.ramp(band, [(0.86, (0, 0, 0)), (0.9, (1, 1, 1))]), cover, (0.75, 0.55, 0.22))
    worn = shader.ramp(shader.noise(30, shader.place(), 0), [(0.3, (0.7, 0.7, 0.7)), (0.7, (1.1, 1.1, 1.1))])
    return shader.matte(shader.mix(1.0, cover, worn, "MULTIPLY"))


def evening(height: float) -> bpy.types.Material:
    """The view from the window: hills under a sky after sunset. The object's y runs 0 to height."""
    shader = Shader("evening")
    x, y, _ = shader.node("SeparateXYZ", {0: shader.place()}).outputs
    up = shader.math("DIVIDE", y, height)
    sky = shader.ramp(up, [(0.2, (1.0, 0.52, 0.25)), (0.42, (0.85, 0.5, 0.48)), (0.65, (0.35, 0.42, 0.72)),
                           (1.0, (0.12, 0.22, 0.5))])  # fmt: skip
    for level, scale, tone in ((0.42, 1.1, (0.22, 0.24, 0.42)), (0.3, 2.2, (0.1, 0.14, 0.25))):
        line = shader.node("CombineXYZ", {0: x, 1: level * 31.0}).outputs[0]
        ridge = shader.math("ADD", shader.math("MULTIPLY", shader.noise(scale, line, 5), 0.42), level - 0.2)
        sky = shader.mix(shader.math("GREATER_THAN", ridge, up), sky, tone)
    return shader.glow(sky, 0.9)
