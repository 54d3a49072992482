# SPDX-License-Identifier: Apache-2.0
"""A ray caster for generated scenes on the CPU: exact depth, soft shadows, smooth edges.

Ray directions have z = 1 in the camera, so the ray parameter of a hit is its planar depth, in any affine space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from scripts.train.scenes.light import shade
from scripts.train.scenes.solids import BORROWING, FAST, INLINE, intersect, into
from scripts.train.scenes.types import Camera, Frames, Scene
from scripts.train.scenes.world import ENDLESS, NEAR, World, world_of

F = np.float32


def render(scene: Scene, camera: Camera, frames: Sequence[int] | None = None) -> Frames:
    """Render the scene from `camera` at the given frames, by default all."""
    times = np.arange(scene.count) if frames is None else np.asarray(frames)
    count, height, width = len(times), camera.height, camera.width
    rgb = np.empty((count, height, width, 3), np.uint8)
    depth = np.empty((count, height, width), np.float32)
    hit = np.empty((count, height, width), np.int16)
    views = camera.K[times].astype(F), camera.world_from_camera[times].astype(F)
    _render(world_of(scene, times), *views, rgb, depth, hit)
    return Frames(rgb, depth, objects_of(scene)[hit])


def objects_of(scene: Scene) -> np.ndarray:
    """The object of each solid, then 0 for each face of the room: uint8."""
    return np.append(scene.objects, np.zeros(6, np.int64)).astype(np.uint8)


def visible(scene: Scene, camera: Camera, depth: np.ndarray, other: Camera) -> np.ndarray:
    """Which pixels of `camera` show something that `other` sees in the same frame: T x h x w bool.

    depth: of `camera`, from `render`. Exact: casts a ray from every point to the other camera.
    """
    seen = np.empty(depth.shape, np.bool_)
    other_from_world = np.linalg.inv(other.world_from_camera).astype(F)
    centres = other.world_from_camera[:, :3, 3].astype(F)
    view = camera.K.astype(F), camera.world_from_camera.astype(F), depth
    shape = (other.width, other.height)
    world = world_of(scene, np.arange(scene.count))
    _visible(world, *view, other.K.astype(F), other_from_world, centres, shape, seen)
    return seen


@njit(inline="always")
def _at(world, frame):
    return World(
        world.kinds,
        world.minor,
        world.solid_from_world[frame],
        world.bounds[frame],
        world.objects,
        world.object_bounds[frame],
        world.sizes,
        world.textures,
        world.room,
        world.open_air,
        world.lamp,
    )


@njit(parallel=True, **FAST)
def _render(world, K, world_from_camera, rgb, depth, hit):
    for frame in prange(len(depth)):
        _render_frame(_at(world, frame), K[frame], world_from_camera[frame], rgb[frame], depth[frame], hit[frame])


class _Scratch(NamedTuple):
    """Memory for one frame. eyes: the camera in each solid's axes. every, row, candidates: lists of solids."""

    eyes: np.ndarray
    every: np.ndarray
    row: np.ndarray
    candidates: np.ndarray
    ray: np.ndarray
    normal: np.ndarray
    colour: np.ndarray
    total: np.ndarray
    normals: np.ndarray


@njit(**FAST)
def _render_frame(world, K, R, rgb, depth, hit):
    height, width = depth.shape
    solids = len(world.kinds)
    boxes = _screen_boxes(world.bounds, K, R, width, height)
    lists, vectors = np.empty((3, solids), np.int64), np.empty((3, 3), np.float32)
    scratch = _Scratch(
        np.empty((solids, 3), np.float32),
        lists[0],
        lists[1],
        lists[2],
        np.empty(6, np.float32),
        vectors[0],
        vectors[1],
        vectors[2],
        np.empty((height, width, 3), np.float32),
    )
    _find(world, K, R, boxes, scratch, depth, hit)
    _colour(world, K, R, boxes, scratch, depth, hit, rgb)


@njit(**BORROWING)
def _find(world, K, R, boxes, scratch, depth, hit):
    """Depth and hit of each pixel's centre; the normals go to `scratch`."""
    height, width = depth.shape
    solids = len(world.kinds)
    ray, eyes, normal = scratch.ray, scratch.eyes, scratch.normal
    ray[0], ray[1], ray[2] = R[0, 3], R[1, 3], R[2, 3]
    for solid in range(solids):
        x, y, z = into(world.solid_from_world, solid, ray[0], ray[1], ray[2], F(1))
        eyes[solid, 0], eyes[solid, 1], eyes[solid, 2] = x, y, z
        scratch.every[solid] = solid
    for v in range(height):
        row_count = _touching(boxes, 2, v, scratch.every, solids, scratch.row)
        for u in range(width):
            count = _touching(boxes, 0, u, scratch.row, row_count, scratch.candidates)
            _aim(ray, K, R, F(u) + F(0.5), F(v) + F(0.5))
            depth[v, u], hit[v, u] = _trace(world, eyes, scratch.candidates, count, ray, normal)
            for axis in range(3):
                scratch.normals[v, u, axis] = normal[axis]


@njit(**BORROWING)
def _colour(world, K, R, boxes, scratch, depth, hit, rgb):
    """The colours of the hits of `_find`; at edges, the mean of four rays."""
    height, width = depth.shape
    ray, normal, colour, total = scratch.ray, scratch.normal, scratch.colour, scratch.total
    for v in range(height):
        row_count = _touching(boxes, 2, v, scratch.every, len(world.kinds), scratch.row)
        for u in range(width):
            edge = _at_edge(hit, depth, v, u)
            count = _touching(boxes, 0, u, scratch.row, row_count, scratch.candidates)
            samples = 4 if edge else 1
            total[0] = total[1] = total[2] = F(0)
            for sample in range(samples):
                if edge:
                    across, down = F(0.25) + F(0.5) * F(sample % 2), F(0.25) + F(0.5) * F(sample // 2)
                    _aim(ray, K, R, F(u) + across, F(v) + down)
                    t, index = _trace(world, scratch.eyes, scratch.candidates, count, ray, normal)
                else:
                    _aim(ray, K, R, F(u) + F(0.5), F(v) + F(0.5))
                    t, index = depth[v, u], np.int64(hit[v, u])
                    for axis in range(3):
                        normal[axis] = scratch.normals[v, u, axis]
                shade(world, ray, t, index, normal, F(1) / K[0, 0], colour)
                for channel in range(3):
                    total[channel] += min(colour[channel], F(1))
            for channel in range(3):
                bright = max(total[channel] / F(samples), F(0))
                rgb[v, u, channel] = np.uint8(math.sqrt(bright) * F(255) + F(0.5))


@njit(**INLINE)
def _touching(boxes, side, at, among, count, out):
    """Those of the first `count` solids in `among` whose screen box holds a column (side 0) or a row (side 2)."""
    touching = 0
    for place in range(count):
        solid = among[place]
        if boxes[solid, side] <= at <= boxes[solid, side + 1]:
            out[touching] = solid
            touching += 1
    return touching


@njit(**INLINE)
def _aim(ray, K, R, column, row):
    x, y = (column - K[0, 2]) / K[0, 0], (row - K[1, 2]) / K[1, 1]
    ray[3] = R[0, 0] * x + R[0, 1] * y + R[0, 2]
    ray[4] = R[1, 0] * x + R[1, 1] * y + R[1, 2]
    ray[5] = R[2, 0] * x + R[2, 1] * y + R[2, 2]


@njit(**BORROWING)
def _trace(world, eyes, candidates, count, ray, normal):
    """First hit of a ray from inside the room: its parameter and index (solids, then the room's faces).

    eyes: the ray's origin in each solid's axes. candidates: the solids to test. normal: receives the normal in the axes
    of the hit solid.
    """
    room, solids = world.room, len(world.kinds)
    ox, oy, oz, dx, dy, dz = ray[0], ray[1], ray[2], ray[3], ray[4], ray[5]
    best = ENDLESS
    index = 0
    limit = (room[1] - ox) / dx if dx > F(0) else (room[0] - ox) / dx
    if limit < best:
        best, index = limit, solids + (1 if dx > F(0) else 0)
    limit = (room[3] - oy) / dy if dy > F(0) else (room[2] - oy) / dy
    if limit < best:
        best, index = limit, solids + (3 if dy > F(0) else 2)
    limit = (room[5] - oz) / dz if dz > F(0) else (room[4] - oz) / dz
    if limit < best:
        best, index = limit, solids + (5 if dz > F(0) else 4)
    for place in range(count):
        solid = candidates[place]
        x, y, z = into(world.solid_from_world, solid, dx, dy, dz, F(0))
        a, b, c = eyes[solid, 0], eyes[solid, 1], eyes[solid, 2]
        t, nx, ny, nz = intersect(world.kinds[solid], world.minor[solid], a, b, c, x, y, z, NEAR, best)
        if t < best:
            best, index = t, solid
            normal[0], normal[1], normal[2] = nx, ny, nz
    return best, index


@njit(**INLINE)
def _at_edge(hit, depth, v, u):
    index, z = hit[v, u], depth[v, u]
    for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        y, x = v + down, u + across
        inside = 0 <= y < hit.shape[0] and 0 <= x < hit.shape[1]
        if inside and (hit[y, x] != index or abs(depth[y, x] - z) > F(0.08) * z):
            return True
    return False


@njit(**FAST)
def _screen_boxes(bounds, K, R, width, height):
    """First and last column and row where each solid may be visible: N x 4; all for a solid around the camera."""
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    boxes = np.empty((len(bounds), 4), np.int64)
    for solid in range(len(bounds)):
        wx, wy, wz = bounds[solid, 0] - R[0, 3], bounds[solid, 1] - R[1, 3], bounds[solid, 2] - R[2, 3]
        radius = bounds[solid, 3]
        x = R[0, 0] * wx + R[1, 0] * wy + R[2, 0] * wz
        y = R[0, 1] * wx + R[1, 1] * wy + R[2, 1] * wz
        z = R[0, 2] * wx + R[1, 2] * wy + R[2, 2] * wz
        nearest, far = z - radius, z + radius
        left, right, top, bottom = 0, width - 1, 0, height - 1
        if far < F(0):
            right = bottom = -1
        elif nearest >= F(0.05):
            left = math.floor(cx + fx * min((x - radius) / nearest, (x - radius) / far)) - 1
            right = math.ceil(cx + fx * max((x + radius) / nearest, (x + radius) / far)) + 1
            top = math.floor(cy + fy * min((y - radius) / nearest, (y - radius) / far)) - 1
            bottom = math.ceil(cy + fy * max((y + radius) / nearest, (y + radius) / far)) + 1
        boxes[solid, 0], boxes[solid, 1], boxes[solid, 2], boxes[solid, 3] = left, right, top, bottom
    return boxes


@njit(parallel=True, **FAST)
def _visible(world, K, world_from_camera, depth, other_K, other_from_world, centres, shape, seen):
    count, height, width = depth.shape
    for frame in prange(count):
        m = world.solid_from_world[frame]
        for v in range(height):
            for u in range(width):
                z = depth[frame, v, u]
                a = (F(u) + F(0.5) - K[frame, 0, 2]) / K[frame, 0, 0] * z
                b = (F(v) + F(0.5) - K[frame, 1, 2]) / K[frame, 1, 1] * z
                x, y, w = into(world_from_camera, frame, a, b, z, F(1))
                p, q, r = into(other_from_world, frame, x, y, w, F(1))
                seen[frame, v, u] = False
                if r < F(1e-3):
                    continue
                column = other_K[frame, 0, 0] * p / r + other_K[frame, 0, 2]
                row = other_K[frame, 1, 1] * q / r + other_K[frame, 1, 2]
                if not (F(0) <= column < F(shape[0]) and F(0) <= row < F(shape[1])):
                    continue
                ex, ey, ez = centres[frame, 0] - x, centres[frame, 1] - y, centres[frame, 2] - w
                seen[frame, v, u] = _free(world.kinds, world.minor, m, x, y, w, ex, ey, ez)


@njit(**BORROWING)
def _free(kinds, minor, m, x, y, z, ex, ey, ez):
    """Whether nothing is between a point and the point at offset e, apart from the first point's own surface."""
    for solid in range(len(kinds)):
        ox, oy, oz = into(m, solid, x, y, z, F(1))
        dx, dy, dz = into(m, solid, ex, ey, ez, F(0))
        t, _, _, _ = intersect(kinds[solid], minor[solid], ox, oy, oz, dx, dy, dz, F(3e-3), F(1))
        if t < F(1):
            return False
    return True
