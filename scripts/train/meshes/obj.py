# SPDX-License-Identifier: Apache-2.0
"""Wavefront OBJ and MTL files, read and thinned for training scenes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

GLASS = 0.45
"""Materials less opaque than this are left out: a depth map cannot hold what is seen through them."""


@dataclass
class Material:
    """colour: sRGB in 0..1. shine: strength of the highlight in 0..1. texture: an image file, or None."""

    colour: tuple[float, float, float] = (0.8, 0.8, 0.8)
    shine: float = 0.0
    opacity: float = 1.0
    texture: Path | None = None


@dataclass
class Model:
    """A mesh as its file has it.

    points: N x 3. uv: M x 2, v up. corners, uv_corners: T x 3 indices into them, -1 where there is no uv.
    materials: T, indices into `palette`.
    """

    points: np.ndarray
    uv: np.ndarray
    corners: np.ndarray
    uv_corners: np.ndarray
    materials: np.ndarray
    palette: list[Material] = field(default_factory=list)


def read_obj(path: Path) -> Model:
    """Read the faces of an OBJ file with the materials of the MTL files it names.

    Raises ValueError if the file has no opaque face.
    """
    points, uv, corners, uv_corners, materials = [], [], [], [], []
    library: dict[str, Material] = {}
    order: dict[str, int] = {"": 0}
    current = 0
    for word, rest in _lines(path):
        if word == "v":
            points.append([float(value) for value in rest.split()[:3]])
        elif word == "vt":
            uv.append([float(value) for value in rest.split()[:2]])
        elif word == "usemtl":
            current = order.setdefault(rest, len(order))
        elif word == "mtllib":
            library |= read_mtl(path.parent / rest)
        elif word == "f":
            face = [_corner(part, len(points), len(uv)) for part in rest.split()]
            for second, third in pairwise(face[1:]):
                corners.append([face[0][0], second[0], third[0]])
                uv_corners.append([face[0][1], second[1], third[1]])
                materials.append(current)
    palette = [library.get(name, Material()) for name in order]
    model = Model(
        np.array(points, float).reshape(-1, 3),
        np.array(uv, float).reshape(-1, 2),
        np.array(corners, np.int64).reshape(-1, 3),
        np.array(uv_corners, np.int64).reshape(-1, 3),
        np.array(materials, np.int64),
        palette,
    )
    opaque = np.array([material.opacity >= GLASS for material in palette])
    model = keep(model, opaque[model.materials])
    if not len(model.corners):
        raise ValueError(f"{path} has no opaque face.")
    return model


def read_mtl(path: Path) -> dict[str, Material]:
    """The materials of an MTL file by name; none if the file is missing."""
    found: dict[str, Material] = {}
    material = Material()
    for word, rest in _lines(path) if path.is_file() else ():
        if word == "newmtl":
            material = found[rest] = Material()
        elif word == "Kd":
            red, green, blue = (min(max(float(value), 0.0), 1.0) for value in rest.split()[:3])
            material.colour = red, green, blue
        elif word == "Ks":
            material.shine = min(max(float(rest.split()[0]), 0.0), 1.0)
        elif word == "d":
            material.opacity = float(rest.split()[-1])
        elif word == "map_Kd" and (path.parent / rest.split()[-1]).is_file():
            material.texture = path.parent / rest.split()[-1]
    return found


def keep(model: Model, faces: np.ndarray) -> Model:
    """The faces of a mask, with the points they use."""
    used, corners = np.unique(model.corners[faces], return_inverse=True)
    uv_used, uv_corners = np.unique(model.uv_corners[faces], return_inverse=True)
    none = len(uv_used) > 0 and uv_used[0] < 0
    return Model(
        model.points[used],
        model.uv[uv_used[1:] if none else uv_used],
        corners.reshape(-1, 3),
        uv_corners.reshape(-1, 3) - int(none),
        model.materials[faces],
        model.palette,
    )


def weld(model: Model) -> Model:
    """Merge points and uv that agree to 1e-4 of the mesh's size, and drop faces without area."""
    size = np.ptp(model.points, 0).max() + 1e-9
    _, first, to = np.unique(np.round(model.points / size * 2e4), axis=0, return_index=True, return_inverse=True)
    corners = to.reshape(-1)[model.corners]
    uv, uv_corners = model.uv, model.uv_corners
    if len(uv):
        uv, uv_to = np.unique(np.round(uv * 1024) / 1024, axis=0, return_inverse=True)
        uv_corners = np.where(uv_corners < 0, -1, uv_to.reshape(-1)[uv_corners])
    a, b, c = corners.T
    flat = (a == b) | (b == c) | (a == c)
    return keep(Model(model.points[first], uv, corners, uv_corners, model.materials, model.palette), ~flat)


def thin(model: Model, limit: int) -> Model:
    """Simplify to about `limit` triangles, one material at a time; uv come from the nearest old corner.

    Quadric error metrics (Garland and Heckbert 1997) as in the package fast-simplification.
    """
    import fast_simplification  # pyright: ignore[reportMissingImports]
    from scipy.spatial import cKDTree

    if len(model.corners) <= limit:
        return model
    share = limit / len(model.corners)
    points, corners, uv, uv_corners, materials = [], [], [], [], []
    count = uv_count = 0
    for index in np.unique(model.materials):
        part = keep(model, model.materials == index)
        new_points, new_corners = part.points, part.corners
        if len(part.corners) > 60:
            new_points, new_corners = fast_simplification.simplify(
                part.points.astype(np.float32), part.corners.astype(np.int32), 1 - max(share, 40 / len(part.corners))
            )
        textured = len(part.uv) > 0 and (part.uv_corners >= 0).all()
        if textured:
            at = np.empty(len(part.points), np.int64)
            at[part.corners.reshape(-1)] = part.uv_corners.reshape(-1)
            uv.append(part.uv[at[cKDTree(part.points).query(new_points)[1]]])
            uv_corners.append(new_corners + uv_count)
            uv_count += len(new_points)
        else:
            uv_corners.append(np.full((len(new_corners), 3), -1))
        points.append(new_points)
        corners.append(new_corners + count)
        materials.append(np.full(len(new_corners), index))
        count += len(new_points)
    return Model(
        np.concatenate(points).astype(float),
        np.concatenate(uv) if uv else np.empty((0, 2)),
        np.concatenate(corners).astype(np.int64),
        np.concatenate(uv_corners).astype(np.int64),
        np.concatenate(materials),
        model.palette,
    )


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    text: Iterable[str] = path.read_text("utf-8", "replace").replace("\\\n", " ").splitlines()
    for line in text:
        word, _, rest = line.strip().partition(" ")
        if word and not word.startswith("#"):
            yield word, rest.strip()


def _corner(part: str, points: int, uv: int) -> tuple[int, int]:
    numbers = part.split("/")
    place = int(numbers[0])
    where = int(numbers[1]) if len(numbers) > 1 and numbers[1] else 0
    return place - 1 if place > 0 else points + place, where - 1 if where >= 0 else uv + where
