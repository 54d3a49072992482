# SPDX-License-Identifier: Apache-2.0
"""Everything that scenes are made of, as the flat arrays that the ray caster reads.

The file of `pack_assets.py` is optional: without it there are shapes, patterns and plain skies only.
"""

from __future__ import annotations

import io
import lzma
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.train.meshes.pack_assets import ROLES
from scripts.train.meshes.patterns import patterns
from scripts.train.meshes.shapes import Shape, shapes

SKY = (256, 512)
"""Rows and columns of every sky."""
CREASE = 0.7
"""Normals are smooth where faces agree with their mean to this cosine."""
PACKED = {
    "points": np.uint16,
    "uv": np.float16,
    "corners": np.uint16,
    "uv_corners": np.uint16,
    "materials": np.uint16,
}
"""Columns of the file under LZMA."""
F = np.float32


@dataclass(frozen=True)
class Library:
    """Meshes, textures and skies.

    triangles: T x 12, a corner, the material's index as bits, two edges (each padded to four). attributes: T x 9, three
    packed normals, three uv. nodes: T x 16, see rays.h. mesh_first: M + 1, first triangle of each mesh. mesh_boxes:
    M x 6, low and high corner. supports: M x 4 x 5, y, x0, x1, z0, z1 of surfaces to stand on; zeros for none.
    materials: P x 8, linear colour, shine, texture or -1, whether its texture has holes. texels: RGBA with mip chains;
    textures: N x 2, first texel, log2 of the side. skies: S x h x w x 3, linear, mean luminance about 1.
    harmonics: S x 27. suns: S x 6, direction (zeros for none), light. mesh_groups, texture_groups, sky_groups:
    indices by name.
    """

    triangles: np.ndarray
    attributes: np.ndarray
    nodes: np.ndarray
    mesh_first: np.ndarray
    mesh_boxes: np.ndarray
    supports: np.ndarray
    materials: np.ndarray
    texels: np.ndarray
    textures: np.ndarray
    skies: np.ndarray
    harmonics: np.ndarray
    suns: np.ndarray
    mesh_groups: dict[str, np.ndarray]
    texture_groups: dict[str, np.ndarray]
    sky_groups: dict[str, np.ndarray]

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that the ray caster reads, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if not f.name.endswith("_groups")}


@dataclass
class _Meshes:
    """Meshes one after the other. counts: M, triangles of each. corners, normals: T x 3 x 3. uv: T x 3 x 2."""

    counts: np.ndarray
    corners: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    materials: np.ndarray
    supports: np.ndarray
    groups: list[str]


def load_library(path: Path | None, seed: int = 5) -> Library:
    """Read the packed assets and add shapes, patterns and plain skies. Builds all hierarchies: takes seconds."""
    from scripts.train.meshes.caster import build_hierarchies

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        packed: dict[str, np.ndarray] = {}
        unpacked: dict[str, Future[np.ndarray]] = {}
        loaded: list[Future[np.ndarray]] = []
        painted: list[Future[np.ndarray]] = []
        if path is not None:
            with np.load(path) as file:
                packed = dict(file)
            unpacked = {name: pool.submit(_unpacked, packed[name], kind) for name, kind in PACKED.items()}
            loaded, painted = _images(pool, packed, "textures"), _images(pool, packed, "skies")
        rng = np.random.default_rng(seed)
        images = list(patterns(rng))
        meshes = [_shape_meshes(list(shapes(rng)))]
        skies, suns = _plain_skies(rng)
        indoors = [False] * len(skies)
        groups = [name for name, _ in images]
        pictures = [image for _, image in images]
        materials = [[0.8, 0.8, 0.8, 0.0, -1.0]]
        if path is not None:
            palette = packed["palette"].copy()
            palette[:, 4] = np.where(palette[:, 4] >= 0, palette[:, 4] + len(pictures), -1)
            packed |= {name: future.result() for name, future in unpacked.items()}
            meshes.append(_packed_meshes(packed, len(materials)))
            materials += palette.tolist()
            found = [future.result() for future in loaded]
            pictures += found
            groups += ["holes" if image.shape[2] == 4 and image[..., 3].min() < 100 else "photo" for image in found]
            skies += list(pool.map(_decoded, [future.result() for future in painted]))
            suns += list(packed["suns"])
            indoors += packed["indoors"].tolist()
        texels, textures = _mip_chains(pool, pictures)
    table = np.zeros((len(materials), 8), F)
    table[:, :5] = materials
    table[:, :3] = table[:, :3] ** 2.2
    holes = np.array([group == "holes" for group in groups])
    table[:, 5] = (table[:, 4] >= 0) & holes[table[:, 4].astype(int)]
    first = np.cumsum([0, *np.concatenate([part.counts for part in meshes])]).astype(np.int32)
    corners = np.concatenate([part.corners for part in meshes]).astype(F)
    order, nodes = build_hierarchies(corners, first)
    sky_array = np.stack(skies).astype(F)
    return Library(
        triangles=_triangles(corners[order], np.concatenate([part.materials for part in meshes])[order]),
        attributes=_attributes(
            np.concatenate([part.normals for part in meshes])[order],
            np.concatenate([part.uv for part in meshes])[order],
        ),
        nodes=nodes,
        mesh_first=first,
        mesh_boxes=np.concatenate(
            [np.minimum.reduceat(corners.min(1), first[:-1]), np.maximum.reduceat(corners.max(1), first[:-1])], 1
        ),
        supports=np.concatenate([part.supports for part in meshes]).astype(F),
        materials=table,
        texels=texels,
        textures=textures,
        skies=sky_array,
        harmonics=_harmonics(sky_array),
        suns=np.array(suns, F),
        mesh_groups=_by_name([group for part in meshes for group in part.groups]),
        texture_groups=_by_name(groups),
        sky_groups=_by_name(["room" if room else "outdoor" for room in indoors]),
    )


def _by_name(names: Sequence[str]) -> dict[str, np.ndarray]:
    array = np.array(names)
    return {str(name): np.flatnonzero(array == name) for name in np.unique(array)}


def _shape_meshes(made: list[tuple[str, Shape]]) -> _Meshes:
    supports = np.zeros((len(made), 4, 5))
    for row, (_, shape) in zip(supports, made, strict=True):
        row[: len(shape.supports[:4])] = np.array(shape.supports[:4]).reshape(-1, 5)
    starts = np.cumsum([0, *(len(shape.points) for _, shape in made)])
    points = np.concatenate([shape.points for _, shape in made])
    corners = np.concatenate([shape.corners + start for (_, shape), start in zip(made, starts, strict=False)])
    counts = np.array([len(shape.corners) for _, shape in made])
    none = np.zeros((len(corners), 3, 2), F), np.zeros(len(corners), np.int32)
    return _Meshes(counts, points[corners], _normals(points, corners), *none, supports, [name for name, _ in made])


def _normals(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Normals at corners, T x 3 x 3: the mean over the point's faces, or the face's own at a crease.

    Leaves and boards whose faces point both ways have no mean: they stay flat.
    """
    a, b, c = (points[corners[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    flat = face / (np.linalg.norm(face, axis=1, keepdims=True) + 1e-20)
    place = corners.ravel()
    total = np.stack([np.bincount(place, np.repeat(face[:, k], 3), minlength=len(points)) for k in range(3)], -1)
    mean = total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-20)
    normals = mean[corners]
    smooth = (normals * flat[:, None]).sum(-1, keepdims=True) > CREASE
    return np.where(smooth, normals, flat[:, None])


def _unpacked(data: np.ndarray, dtype: type) -> np.ndarray:
    halves = np.frombuffer(lzma.decompress(data.tobytes()), np.uint8).reshape(2, -1)
    return np.ascontiguousarray(halves.T).reshape(-1).view(dtype)


def _packed_meshes(packed: dict[str, np.ndarray], first_material: int) -> _Meshes:
    point_counts, counts, uv_counts = packed["counts"].T

    def per(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return np.repeat(values, counts, axis=0)

    def indices(name: str, starts: np.ndarray) -> np.ndarray:
        """Corner indices into all points or uv, and where there are none: the differences begin anew in each mesh."""
        total = np.cumsum(packed[name], dtype=np.uint16).reshape(-1, 3)
        ends = np.cumsum(counts)
        before = np.concatenate([[0], total[ends[:-1] - 1, 2]]).astype(np.uint16)
        local = total - per(before, counts)[:, None]
        return np.where(local == 65535, -1, local.astype(np.int64) + per(starts, counts)[:, None])

    low, high = packed["low"], packed["high"]
    points = packed["points"].reshape(3, -1).T.astype(F) / F(65535)
    points = points * per(high - low, point_counts) + per(low, point_counts)
    uv = np.concatenate([packed["uv"].reshape(2, -1).T.astype(F), np.zeros((1, 2), F)])
    corners = indices("corners", np.cumsum(point_counts) - point_counts)
    return _Meshes(
        counts,
        points[corners],
        _normals(points, corners),
        uv[indices("uv_corners", np.cumsum(uv_counts) - uv_counts)],
        packed["materials"].astype(np.int32) + first_material,
        packed["supports"],
        [ROLES[role] for role in packed["roles"]],
    )


def _triangles(corners: np.ndarray, materials: np.ndarray) -> np.ndarray:
    out = np.zeros((len(corners), 3, 4), F)
    out[:, 0, :3] = corners[:, 0]
    out[:, 0, 3] = materials.astype(np.int32).view(F)
    out[:, 1:, :3] = corners[:, 1:] - corners[:, :1]
    return out.reshape(-1, 12)


def _attributes(normals: np.ndarray, uv: np.ndarray) -> np.ndarray:
    packed = np.zeros((len(normals), 3, 4), np.int8)
    packed[..., :3] = np.round(normals * 127)
    out = np.empty((len(normals), 9), F)
    out[:, :3] = packed.view(np.int32).reshape(-1, 3).view(F)
    out[:, 3:] = uv.reshape(-1, 6)
    return out


def _images(pool: ThreadPoolExecutor, packed: dict[str, np.ndarray], name: str) -> list[Future[np.ndarray]]:
    data, ends = packed[name].tobytes(), packed[f"{name}_ends"]

    def decode(start: int, end: int) -> np.ndarray:
        image = Image.open(io.BytesIO(data[start:end]))
        return np.asarray(image.convert("RGBA" if "A" in image.mode else "RGB"))

    return [pool.submit(decode, start, end) for start, end in pairwise([0, *ends])]


def _mip_chains(pool: ThreadPoolExecutor, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All images at square sizes of powers of two, each followed by its halved sizes."""
    chains = list(pool.map(_mip_chain, images))
    starts = np.cumsum([0, *(len(chain) for chain, _ in chains[:-1])])
    return np.concatenate([chain for chain, _ in chains]), np.stack([starts, [log for _, log in chains]], -1).astype(
        np.int32
    )


def _mip_chain(image: np.ndarray) -> tuple[np.ndarray, int]:
    side = 64
    while side < 256 and side < 0.75 * max(image.shape[:2]):
        side *= 2
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    level = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))
    levels = [level.reshape(-1, 4)]
    while len(level) > 1:
        wide = level.astype(np.uint16)
        level = ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]) // 4).astype(np.uint8)
        levels.append(level.reshape(-1, 4))
    return np.concatenate(levels), side.bit_length() - 1


def _decoded(image: np.ndarray) -> np.ndarray:
    """A packed sky as linear light."""
    level = (image[..., :3].astype(F) / 255) ** 2.2
    light = level / np.maximum(1 - level, 0.03)
    rows, columns = SKY
    # 32-bit single-channel images: the only kind of float that Pillow resizes.
    parts = [np.asarray(Image.fromarray(light[..., k]).resize((columns, rows), Image.Resampling.BOX)) for k in range(3)]
    return np.stack(parts, -1)


def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of a sky's pixels (y down) and their solid angles."""
    rows, columns = SKY
    down = (np.arange(rows) + 0.5) / rows * np.pi
    around = (np.arange(columns) + 0.5) / columns * 2 * np.pi - np.pi
    sine = np.sin(down)[:, None]
    vectors = np.stack([sine * np.sin(around), -np.cos(down)[:, None] + 0 * around, sine * np.cos(around)], -1)
    return vectors, np.repeat(sine, columns, 1) * np.pi / rows * 2 * np.pi / columns


def _harmonics(skies: np.ndarray) -> np.ndarray:
    """S x 27 coefficients of the light that a white surface reflects, for the basis in light.h.

    Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", 2001.
    """
    d, solid = _directions()
    x, y, z = d[..., 0], d[..., 1], d[..., 2]
    basis = np.stack([np.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    norm = np.array([0.282095, *[0.488603] * 3, *[1.092548] * 2, 0.315392, 1.092548, 0.546274])
    blur = np.array([1, *[2 / 3] * 3, *[1 / 4] * 5])
    weights = (basis * solid).reshape(9, -1) * (norm**2 * blur)[:, None]
    return (weights.astype(F) @ skies.reshape(len(skies), -1, 3)).reshape(len(skies), 27).astype(F)


def _plain_skies(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Clear, hazy and clouded skies without a picture, with their suns."""
    from scripts.train.meshes.patterns import cloud

    d, _ = _directions()
    skies, suns = [], []
    for _ in range(10):
        up = np.clip(-d[..., 1:2], 0, 1)
        zenith = np.array([0.25, 0.45, 0.9]) * rng.uniform(0.4, 1.4)
        horizon = np.array([0.9, 0.95, 1.0]) * rng.uniform(0.8, 1.8) + rng.uniform(-0.1, 0.3) * np.array([1, 0, -1])
        sky = horizon + (zenith - horizon) * up ** rng.uniform(0.3, 0.8)
        tile = np.concatenate([cloud(rng, 1.5), cloud(rng, 1.5)], 1)
        tile = tile[:: 256 // SKY[0]] if SKY[0] < 256 else tile
        cover = np.clip((tile[..., None] - rng.uniform(0.2, 0.9)) * rng.uniform(1, 5), 0, 1)
        sky = sky + (rng.uniform(0.9, 1.6) - sky) * cover * np.clip(up * 4, 0, 1)
        sky = np.where(d[..., 1:2] > 0, np.array([0.35, 0.33, 0.3]) * rng.uniform(0.4, 1.2), sky)
        skies.append(sky.astype(F))
        high, yaw = rng.uniform(0.2, 1.2), rng.uniform(0, 2 * np.pi)
        towards = [np.cos(high) * np.sin(yaw), -np.sin(high), np.cos(high) * np.cos(yaw)]
        suns.append(np.array([*towards, *(rng.uniform(1, 3) * np.array([1, 0.95, 0.85]))], F))
    return skies, suns
