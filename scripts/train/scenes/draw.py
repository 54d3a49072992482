# SPDX-License-Identifier: Apache-2.0
"""Draw a scene from a seed: room, things, motion, cameras and caption."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from scripts.train.scenes import looks
from scripts.train.scenes.cameras import MOVES, Rig, free_camera, moving_camera
from scripts.train.scenes.figures import FIGURES, ROLLING, ROOTED, WALKING, Part
from scripts.train.scenes.types import (
    BOX,
    CONE,
    CYLINDER,
    NOISE,
    PLAIN,
    SPHERE,
    STRIPES,
    TILES,
    TORUS,
    WOOD,
    Camera,
    Scene,
)

WIDTH, HEIGHT = 224, 160
FRAMES, FPS = 25, 12.0
SHAPES = {"ball": SPHERE, "egg": SPHERE, "box": BOX, "cylinder": CYLINDER, "ring": TORUS, "cone": CONE}
WALKS = ("left", "right", "closer", "away")


@dataclass
class _Thing:
    """parts: in the thing's own axes. position: on the floor. motion: in words; direction: in metres over the clip."""

    parts: list[Part]
    looks: list[np.ndarray]
    words: str
    radius: float
    position: np.ndarray
    yaw: float
    motion: str = ""
    direction: np.ndarray | None = None


def draw_scene(
    seed: int, *, frames: int = FRAMES, fps: float = FPS, width: int = WIDTH, height: int = HEIGHT, targets: int = 2
) -> Scene:
    """The scene of a seed, always the same. Motion fills the clip, whatever its number of frames.

    targets: number of cameras beside the source camera; every other one is still.
    """
    rng = np.random.default_rng((seed, 7341))
    open_air = bool(rng.random() < 0.4)
    rig = Rig.draw(rng, width, height)
    room, yaw = _room(rng, rig, open_air)
    things = _things(rng, rig, room, yaw, open_air)
    words = "static" if rng.random() < 0.4 else str(rng.choice(list(MOVES)))
    source = moving_camera(rng, rig, words, frames)
    others: dict[str, Camera] = {}
    for index in range(targets):
        name, camera = free_camera(rng, rig, source, held=index % 2 == 0)
        others[f"{index + 1}-{name}"] = camera

    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec([0, yaw, 0]).as_matrix()
    textures, place_words = _place(rng, room, open_air)
    solids = [_solids(thing, frames, turn) for thing in things]
    parts = [part for thing in things for part in thing.parts]
    rows = [thing.looks[min(part.colour, len(thing.looks) - 1)] for thing in things for part in thing.parts]
    mention = sorted(things, key=lambda thing: (not thing.motion, thing.position[2]))[:4]
    caption = f"{_listed([f'{thing.words} {thing.motion}'.strip() for thing in mention])} {place_words}"
    return Scene(
        seed=seed,
        fps=fps,
        kinds=np.array([part.kind for part in parts]),
        minor=np.array([part.minor for part in parts]),
        world_from_solid=np.concatenate(solids, axis=1)[:, :, :3],
        sizes=np.array([part.half for part in parts]),
        objects=np.concatenate([np.full(len(thing.parts), index + 1) for index, thing in enumerate(things)]),
        textures=np.array([*rows, *textures]),
        room=room,
        open_air=open_air,
        lamp=_lamp(rng, room, open_air),
        moving=np.array([False, *(bool(thing.motion) for thing in things)]),
        source=_turned(source, turn),
        targets={name: _turned(camera, turn) for name, camera in others.items()},
        camera_words=words,
        caption=caption,
    )


def _turned(camera: Camera, turn: np.ndarray) -> Camera:
    return Camera(camera.width, camera.height, camera.K, turn @ camera.world_from_camera)


def _room(rng: np.random.Generator, rig: Rig, open_air: bool) -> tuple[np.ndarray, float]:
    """The room in its own axes, and the yaw that turns camera and things into it."""
    if open_air:
        x0, x1, z0, z1 = rng.uniform(14, 35, 4)
        return np.array([-x0, x1, -rng.uniform(15, 25), 0, -z0, z1]), rng.uniform(-0.6, 0.6)
    yaw = rng.uniform(-0.5, 0.5) if rng.random() < 0.7 else 0.0
    top = max(rig.height + rng.uniform(0.5, 1.4), 2.2)
    x0, x1 = rng.uniform(2.3, 5, 2)
    back = rig.focus * rng.uniform(1.1, 1.9) + 0.8
    return np.array([-x0, x1, -top, 0, -rng.uniform(2.5, 4), max(back, 3.5)]), yaw


def _things(rng: np.random.Generator, rig: Rig, room: np.ndarray, yaw: float, open_air: bool) -> list[_Thing]:
    """Two to eight things in view that intersect neither each other nor walls; one at the focus if none fit."""
    things: list[_Thing] = []
    wanted = int(rng.integers(2, 9))
    turn = Rotation.from_rotvec([0, yaw, 0]).as_matrix()
    for _ in range(60):
        if len(things) == wanted:
            break
        distance = rig.focus * np.exp(rng.uniform(-0.65, 0.75 if open_air else 0.5))
        across = rng.uniform(-0.9, 0.9) * rig.half_width * distance
        thing = _thing(rng, np.array([across, 0.0, distance]))
        reach = thing.position + (thing.direction if thing.direction is not None else 0)
        spots = [turn @ thing.position, turn @ reach]
        inside = all(
            room[0] + thing.radius < x < room[1] - thing.radius and room[4] + thing.radius < z < room[5] - thing.radius
            for x, _, z in spots
        )
        near = min(thing.position[2], reach[2]) - thing.radius > 1.1
        apart = all(_apart(thing, reach, other) for other in things)
        if inside and near and apart:
            things.append(thing)
    if not things:
        things.append(_thing(rng, np.array([0.0, 0.0, rig.focus])))
    return things


def _apart(thing: _Thing, reach: np.ndarray, other: _Thing) -> bool:
    other_reach = other.position + (other.direction if other.direction is not None else 0)
    steps = np.linspace(0, 1, 5)[:, None]
    mine = thing.position + steps * (reach - thing.position)
    theirs = other.position + steps * (other_reach - other.position)
    return bool(np.linalg.norm(mine - theirs, axis=1).min() > thing.radius + other.radius)


def _thing(rng: np.random.Generator, position: np.ndarray) -> _Thing:
    if rng.random() < 0.4:
        name = str(rng.choice(list(FIGURES)))
        parts = FIGURES[name](rng)
        colours = [looks.texture(rng, 0.25) for _ in range(3)]
        words = _article(f"{colours[0][1]} {name}")
        can_move = name not in ROOTED
    else:
        name = str(rng.choice(list(SHAPES)))
        parts, size = _solid(rng, name)
        colours = [looks.texture(rng, 0.35)]
        words = _article(f"{size} {colours[0][1]} {name}")
        can_move = True
    radius = max(np.hypot(abs(part.centre[0]) + part.half[0], abs(part.centre[2]) + part.half[2]) for part in parts)
    thing = _Thing(parts, [row for row, _ in colours], words, float(radius), position, rng.uniform(-np.pi, np.pi))
    if can_move and rng.random() < 0.6:
        _set_in_motion(rng, thing, name)
    return thing


def _solid(rng: np.random.Generator, name: str) -> tuple[list[Part], str]:
    scale = float(np.exp(rng.uniform(np.log(0.16), np.log(0.6))))
    size = "small" if scale < 0.26 else "large" if scale > 0.42 else "middle"
    a, b, c = scale * np.exp(rng.normal(0, 0.3, 3))
    half = {
        "ball": (scale,) * 3,
        "egg": (a, b, a),
        "box": (a, b, c),
        "cylinder": (a * 0.7, b * 1.2, a * 0.7),
        "ring": (scale * 1.1,) * 3,
        "cone": (a * 0.8, b * 1.2, a * 0.8),
    }[name]
    minor = rng.uniform(0.15, 0.35)
    rise = half[0] * minor if name == "ring" else half[1]
    return [Part(SHAPES[name], (0, -rise, 0), half, minor=minor)], size


def _set_in_motion(rng: np.random.Generator, thing: _Thing, name: str) -> None:
    way = str(rng.choice(WALKS, p=[0.35, 0.35, 0.15, 0.15]))
    direction = np.array({"left": (-1, 0, 0), "right": (1, 0, 0), "closer": (0, 0, -1), "away": (0, 0, 1)}[way], float)
    if name in (*WALKING, *ROLLING):
        thing.motion = f"{'walks' if name in WALKING else 'drives'} {way}"
        thing.direction = direction * rng.uniform(0.9, 1.3)
        thing.yaw = float(np.arctan2(-direction[0], -direction[2]))
        return
    thing.motion = str(rng.choice(["slides", "spins", "bounces", "swings"], p=[0.45, 0.2, 0.2, 0.15]))
    if thing.motion == "slides":
        thing.motion = f"slides {way}"
        thing.direction = direction * rng.uniform(0.8, 1.2)


def _solids(thing: _Thing, frames: int, turn: np.ndarray) -> np.ndarray:
    """world_from_solid of each part of a thing: frames x parts x 4 x 4."""
    phase = np.linspace(0, 1, frames)
    world = np.tile(np.eye(4), (frames, 1, 1))
    yaw = np.full(frames, thing.yaw)
    world[:, :3, 3] = thing.position
    going = thing.direction is not None
    if thing.direction is not None:
        world[:, :3, 3] += phase[:, None] * thing.direction
    if thing.motion == "spins":
        yaw = yaw + phase * np.pi
    elif thing.motion == "bounces":
        world[:, 1, 3] -= 0.45 * np.abs(np.sin(2 * np.pi * phase))
    world[:, :3, :3] = Rotation.from_rotvec(np.outer(yaw, [0, 1, 0])).as_matrix()
    if thing.motion == "swings":
        # A pendulum about a point high above, across the image.
        angles = 0.35 * np.sin(2 * np.pi * phase)
        sway = np.tile(np.eye(4), (frames, 1, 1))
        sway[:, :3, :3] = Rotation.from_rotvec(np.outer(angles, [0, 0, 1])).as_matrix()
        pivot = thing.position + np.array([0, -2.0, 0])
        sway[:, :3, 3] = pivot - sway[:, :3, :3] @ pivot
        lift = np.eye(4)
        lift[1, 3] = -0.25
        world = sway @ lift @ world
    gait = np.sin(4 * np.pi * phase) if going else np.zeros(frames)
    travelled = np.linalg.norm(thing.direction) * phase if thing.direction is not None else np.zeros(frames)
    solids = []
    for part in thing.parts:
        turnings = -travelled / part.half[1] if part.wheel else part.swing * gait
        joint = np.tile(np.eye(4), (frames, 1, 1))
        joint[:, :3, :3] = Rotation.from_rotvec(np.outer(turnings, [1, 0, 0])).as_matrix()
        pivot = np.array(part.pivot)
        joint[:, :3, 3] = pivot - joint[:, :3, :3] @ pivot
        rest = np.diag([*part.half, 1.0])
        rest[:3, 3] = part.centre
        solids.append(turn @ world @ joint @ rest)
    return np.stack(solids, axis=1)


def _place(rng: np.random.Generator, room: np.ndarray, open_air: bool) -> tuple[list[np.ndarray], str]:
    """Textures of the room's faces -x, +x, ceiling, floor, -z, +z, and the words for the caption."""
    if open_air:
        floor, floor_words = looks.texture(rng, 0.8, (NOISE, NOISE, PLAIN, TILES, STRIPES))
        floor[12] = max(floor[12], 0.25)
        rows, name = looks.sky(rng, float(np.abs(room[[0, 1, 4, 5]]).mean()))
        return [*rows[:3], floor, *rows[3:]], f"outdoors on {floor_words} ground under a {name} sky"
    floor, floor_words = looks.texture(rng, 0.7)
    wall, wall_words = looks.texture(rng, 0.8, (PLAIN, PLAIN, NOISE, STRIPES, TILES, WOOD))
    other = looks.texture(rng, 0.8, (PLAIN, NOISE, STRIPES, TILES))[0] if rng.random() < 0.3 else wall
    ceiling, _ = looks.texture(rng, 1.0, (PLAIN,), "white")
    words = f"in a room with a {floor_words} floor and {wall_words} walls"
    return [wall, other, ceiling, floor, wall, other], words


def _lamp(rng: np.random.Generator, room: np.ndarray, open_air: bool) -> np.ndarray:
    ambient = rng.uniform(0.3, 0.55)
    strength = rng.uniform(0.6, 1.0)
    if open_air:
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(30, 75))
        away = 60.0
        place = away * np.array(
            [np.cos(azimuth) * np.cos(elevation), -np.sin(elevation), np.sin(azimuth) * np.cos(elevation)]
        )
        return np.array([*place, rng.uniform(1, 4), strength, ambient])
    x = rng.uniform(0.5 * room[0], 0.5 * room[1])
    return np.array([x, 0.93 * room[2], rng.uniform(0.3, 3.0), rng.uniform(0.1, 0.35), strength, ambient])


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
