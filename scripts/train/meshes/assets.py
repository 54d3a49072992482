# SPDX-License-Identifier: Apache-2.0
"""Everything that scenes are made of, as the flat arrays that the ray caster reads.

The file of `pack_assets.py` is optional: without it there are shapes, patterns and plain skies only.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
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
F = np.float32


@dataclass(frozen=True)
class Library:
    """Meshes, textures and skies.

    triangles: T x 12, a corner, the material's index as bits, two edges (each padded to four). attributes: T x 9, three
    packed normals, three uv. nodes: T x 16, see caster.cu. mesh_first: M + 1, first triangle of each mesh. mesh_boxes:
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
class _Mesh:
    """corners: T x 3 x 3. uv: T x 3 x 2. normals: T x 3 x 3. materials: T."""

    corners: np.ndarray
    uv: np.ndarray
    normals: np.ndarray
    materials: np.ndarray
    supports: np.ndarray
    group: str


def load_library(path: Path | None, seed: int = 5) -> Library:
    """Read the packed assets and add shapes, patterns and plain skies. Builds all hierarchies: takes seconds."""
    from scripts.train.meshes.caster import build_hierarchies

    rng = np.random.default_rng(seed)
    images = list(patterns(rng))
    groups = [name for name, _ in images]
    pictures = [image for _, image in images]
    materials = [[0.8, 0.8, 0.8, 0.0, -1.0]]
    meshes = [_shape_mesh(name, shape) for name, shape in shapes(rng)]
    skies, suns = _plain_skies(rng)
    indoors = [False] * len(skies)
    if path is not None:
        with np.load(path) as file:
            packed = dict(file)
        loaded = _images(packed, "textures")
        palette = packed["palette"].copy()
        palette[:, 4] = np.where(palette[:, 4] >= 0, palette[:, 4] + len(pictures), -1)
        meshes += _packed_meshes(packed, len(materials))
        materials += palette.tolist()
        pictures += loaded
        groups += ["holes" if image.shape[2] == 4 and image[..., 3].min() < 100 else "photo" for image in loaded]
        skies += [_decoded(image) for image in _images(packed, "skies")]
        suns += list(packed["suns"])
        indoors += packed["indoors"].tolist()
    texels, textures = _mip_chains(pictures)
    table = np.zeros((len(materials), 8), F)
    table[:, :5] = materials
    table[:, :3] = table[:, :3] ** 2.2
    holes = np.array([group == "holes" for group in groups])
    table[:, 5] = (table[:, 4] >= 0) & holes[table[:, 4].astype(int)]
    first = np.cumsum([0, *(len(mesh.corners) for mesh in meshes)]).astype(np.int32)
    corners = np.concatenate([mesh.corners for mesh in meshes]).astype(F)
    order, nodes = build_hierarchies(corners, first)
    sky_array = np.stack(skies).astype(F)
    return Library(
        triangles=_triangles(corners[order], np.concatenate([mesh.materials for mesh in meshes])[order]),
        attributes=_attributes(
            np.concatenate([mesh.normals for mesh in meshes])[order],
            np.concatenate([mesh.uv for mesh in meshes])[order],
        ),
        nodes=nodes,
        mesh_first=first,
        mesh_boxes=np.array([[*m.corners.min((0, 1)), *m.corners.max((0, 1))] for m in meshes], F),
        supports=np.stack([mesh.supports for mesh in meshes]).astype(F),
        materials=table,
        texels=texels,
        textures=textures,
        skies=sky_array,
        harmonics=np.stack([_harmonics(sky) for sky in sky_array]).astype(F),
        suns=np.array(suns, F),
        mesh_groups=_by_name([mesh.group for mesh in meshes]),
        texture_groups=_by_name(groups),
        sky_groups=_by_name(["room" if room else "outdoor" for room in indoors]),
    )


def _by_name(names: Sequence[str]) -> dict[str, np.ndarray]:
    array = np.array(names)
    return {str(name): np.flatnonzero(array == name) for name in np.unique(array)}


def _shape_mesh(name: str, shape: Shape) -> _Mesh:
    supports = np.zeros((4, 5))
    for row, support in enumerate(shape.supports[:4]):
        supports[row] = support
    count = len(shape.corners)
    normals = _normals(shape.points, shape.corners)
    return _Mesh(shape.points[shape.corners], np.zeros((count, 3, 2)), normals, np.zeros(count, int), supports, name)


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


def _packed_meshes(packed: dict[str, np.ndarray], first_material: int) -> list[_Mesh]:
    counts = packed["counts"]
    points = _unpacked(packed["points"], np.uint16).reshape(3, -1).T
    uv = _unpacked(packed["uv"], np.float16).reshape(2, -1).T.astype(F)
    steps = {name: _unpacked(packed[name], np.uint16) for name in ("corners", "uv_corners")}
    materials = _unpacked(packed["materials"], np.uint16).astype(int) + first_material
    meshes = []
    p = t = u = 0
    for mesh, (point_count, count, uv_count) in enumerate(counts):
        low, high = packed["low"][mesh], packed["high"][mesh]
        place = points[p : p + point_count] / 65535 * (high - low) + low
        corners, uv_corners = (
            np.cumsum(steps[name][3 * t : 3 * (t + count)], dtype=np.uint16).reshape(-1, 3)
            for name in ("corners", "uv_corners")
        )
        here = uv[u : u + uv_count] if uv_count else np.zeros((1, 2), F)
        at = np.where(uv_corners == 65535, 0, uv_corners)
        group = ROLES[packed["roles"][mesh]]
        normals = _normals(place, corners)
        meshes.append(
            _Mesh(place[corners], here[at], normals, materials[t : t + count], packed["supports"][mesh], group)
        )
        p, t, u = p + point_count, t + count, u + uv_count
    return meshes


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


def _images(packed: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    data, ends = packed[name].tobytes(), packed[f"{name}_ends"]

    def decode(span: tuple[int, int]) -> np.ndarray:
        image = Image.open(io.BytesIO(data[span[0] : span[1]]))
        return np.asarray(image.convert("RGBA" if "A" in image.mode else "RGB"))

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(decode, zip([0, *ends[:-1]], ends, strict=True)))


def _mip_chains(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All images at square sizes of powers of two, each followed by its halved sizes."""
    chunks, rows, start = [], [], 0
    for image in images:
        side = 64
        while side < 256 and side < 0.75 * max(image.shape[:2]):
            side *= 2
        if image.shape[2] == 3:
            image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
        level = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX))
        rows.append((start, side.bit_length() - 1))
        while True:
            chunks.append(level.reshape(-1, 4))
            start += len(level) ** 2
            if len(level) == 1:
                break
            wide = level.astype(np.uint16)
            level = ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2]) // 4).astype(np.uint8)
    return np.concatenate(chunks), np.array(rows, np.int32)


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


def _harmonics(sky: np.ndarray) -> np.ndarray:
    """Nine coefficients of the light that a white surface reflects, for the basis in caster.cu.

    Ramamoorthi and Hanrahan, "An efficient representation for irradiance environment maps", 2001.
    """
    d, solid = _directions()
    x, y, z = d[..., 0], d[..., 1], d[..., 2]
    one = np.ones_like(x)
    basis = np.stack([one, x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y])
    norm = np.array([0.282095, *[0.488603] * 3, *[1.092548] * 2, 0.315392, 1.092548, 0.546274])
    blur = np.array([1, *[2 / 3] * 3, *[1 / 4] * 5])
    moments = np.einsum("khw,hwc,hw->kc", basis, sky, solid)
    return (moments * (norm**2 * blur)[:, None]).ravel()


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
