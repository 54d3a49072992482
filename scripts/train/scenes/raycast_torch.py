# SPDX-License-Identifier: Apache-2.0
"""The images of `raycast`, rendered with torch: many pixels at once, one solid after the other. For a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scripts.train.scenes.raycast import objects_of
from scripts.train.scenes.solids_torch import intersect
from scripts.train.scenes.textures_torch import texture
from scripts.train.scenes.types import Camera, Frames, Scene
from scripts.train.scenes.world import LAMP_X, LAMP_Z, SHADOW_REACH, world_of

RAYS_AT_ONCE = 2**20
"""They need about 1 GB."""


@dataclass(frozen=True)
class _World:
    """As `world.World`."""

    kinds: list[int]
    minor: list[float]
    solid_from_world: Tensor
    bounds: Tensor
    sizes: Tensor
    textures: Tensor
    room: Tensor
    open_air: bool
    lamp: Tensor

    @classmethod
    def of(cls, scene: Scene, times: np.ndarray, device: str | torch.device) -> _World:
        world = world_of(scene, times)

        def tensor(name: str) -> Tensor:
            return torch.as_tensor(getattr(world, name), device=device)

        return cls(
            world.kinds.tolist(),
            world.minor.tolist(),
            tensor("solid_from_world"),
            tensor("bounds"),
            tensor("sizes"),
            tensor("textures"),
            tensor("room"),
            world.open_air,
            tensor("lamp"),
        )


@dataclass(frozen=True)
class _Rays:
    """frame: P; origin, direction: P x 3."""

    frame: Tensor
    origin: Tensor
    direction: Tensor


@dataclass(frozen=True)
class _Hits:
    """t: P, ray parameter. index: P, solids, then the room's faces. normal: P x 3, in the solid's axes."""

    t: Tensor
    index: Tensor
    normal: Tensor


@torch.inference_mode()
def render(
    scene: Scene, camera: Camera, frames: Sequence[int] | None = None, device: str | torch.device = "cpu"
) -> Frames:
    """Render the scene from `camera` at the given frames, by default all. Equals `raycast.render` up to rounding."""
    times = np.arange(scene.count) if frames is None else np.asarray(frames)
    at_once = max(1, RAYS_AT_ONCE // (camera.height * camera.width))
    parts = [_render(scene, camera, times[first : first + at_once], device) for first in range(0, len(times), at_once)]
    rgb, depth, hit = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Frames(rgb, depth, objects_of(scene)[hit])


def _render(
    scene: Scene, camera: Camera, times: np.ndarray, device: str | torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    world = _World.of(scene, times, device)
    views = (camera.K[times], camera.world_from_camera[times])
    K, R = (torch.as_tensor(view, dtype=torch.float32, device=device) for view in views)
    shape = (len(times), camera.height, camera.width)
    pixels = torch.cartesian_prod(*(torch.arange(size, device=device) for size in shape))
    rays = _aim(K, R, pixels, 0.5, 0.5)
    hits = _trace(world, rays)
    depth, hit = hits.t.view(shape), hits.index.view(shape)
    edge = _edges(depth, hit).flatten()
    inner, outer = (~edge).nonzero()[:, 0], edge.nonzero()[:, 0]
    per_metre = 1 / K[:, 0, 0]
    linear = torch.zeros_like(rays.origin)
    inner_rays = _Rays(*(value[inner] for value in (rays.frame, rays.origin, rays.direction)))
    inner_hits = _Hits(*(value[inner] for value in (hits.t, hits.index, hits.normal)))
    linear[inner] = _shade(world, inner_rays, inner_hits, per_metre)
    for down in (0.25, 0.75):
        for across in (0.25, 0.75):
            some = _aim(K, R, pixels[outer], across, down)
            linear[outer] += 0.25 * _shade(world, some, _trace(world, some), per_metre).clamp_max(1)
    rgb = (linear.clamp(0, 1).sqrt() * 255 + 0.5).to(torch.uint8).view(*shape, 3)
    return rgb.cpu().numpy(), depth.cpu().numpy(), hit.cpu().numpy()


def _aim(K: Tensor, R: Tensor, pixels: Tensor, across: float, down: float) -> _Rays:
    """Rays through the given position within each pixel. pixels: P x 3: frame, row, column."""
    frame, v, u = pixels.unbind(1)
    x = (u + across - K[frame, 0, 2]) / K[frame, 0, 0]
    y = (v + down - K[frame, 1, 2]) / K[frame, 1, 1]
    axes = R[frame, :3]
    direction = axes[:, :, 0] * x[:, None] + axes[:, :, 1] * y[:, None] + axes[:, :, 2]
    return _Rays(frame, axes[:, :, 3], direction)


def _trace(world: _World, rays: _Rays) -> _Hits:
    o, d = rays.origin, rays.direction
    room = world.room.view(3, 2)
    ahead = (d > 0).long()
    limits, axis = ((torch.where(d > 0, room[:, 1], room[:, 0]) - o) / d).min(1)
    t, index = limits, len(world.kinds) + 2 * axis + ahead.gather(1, axis[:, None])[:, 0]
    normal = torch.zeros_like(o)
    squared = (d * d).sum(1)
    for solid, (kind, minor) in enumerate(zip(world.kinds, world.minor, strict=True)):
        ball = world.bounds[rays.frame, solid]
        to_ball = ball[:, :3] - o
        along = (to_ball * d).sum(1) / squared
        off = to_ball - along[:, None] * d
        some = ((off * off).sum(1) <= (1.01 * ball[:, 3]) ** 2).nonzero()[:, 0]
        if not len(some):
            continue
        m = world.solid_from_world[rays.frame[some], solid]
        depths, normals = intersect(kind, minor, _into(m, o[some], 1), _into(m, d[some], 0))
        nearer = depths < t[some]
        some = some[nearer]
        t[some], index[some], normal[some] = depths[nearer], solid, normals[nearer]
    return _Hits(t, index, normal)


def _into(m: Tensor, p: Tensor, w: int) -> Tensor:
    """Transform points (w = 1) or directions (w = 0) by P x 3 x 4 matrices."""
    return (m[:, :, :3] * p[:, None]).sum(2) + w * m[:, :, 3]


def _edges(depth: Tensor, hit: Tensor) -> Tensor:
    """Pixels with a neighbour that shows another solid, or a point 8 % nearer or farther."""
    edge = torch.zeros_like(hit, dtype=torch.bool)
    for axis in (1, 2):
        size = hit.shape[axis] - 1
        low, high = (depth.narrow(axis, start, size) for start in (0, 1))
        other = hit.narrow(axis, 0, size) != hit.narrow(axis, 1, size)
        step = (high - low).abs()
        edge.narrow(axis, 0, size).logical_or_(other | (step > 0.08 * low))
        edge.narrow(axis, 1, size).logical_or_(other | (step > 0.08 * high))
    return edge


def _shade(world: _World, rays: _Rays, hits: _Hits, per_metre: Tensor) -> Tensor:
    """Linear colours of hits, P x 3."""
    t, solids = hits.t, len(world.kinds)
    points = rays.origin + t[:, None] * rays.direction
    is_solid = hits.index < solids
    solid = hits.index.clamp_max(solids - 1)
    m = world.solid_from_world[rays.frame, solid]
    local = torch.where(is_solid[:, None], _into(m, points, 1) * world.sizes[solid], points)
    rows = world.textures[hits.index]
    colour = texture(rows, local, t * per_metre[rays.frame])
    normal = (m[:, :, :3] * hits.normal[:, :, None]).sum(1)
    normal = normal / ((normal * normal).sum(1, keepdim=True) + 1e-20).sqrt()
    inward = torch.eye(3, device=t.device).repeat_interleave(2, 0) * t.new_tensor([1, -1] * 3)[:, None]
    face = (hits.index - solids).clamp_min(0)
    normal = torch.where(is_solid[:, None], normal, inward[face])
    to_lamp = world.lamp[:3] - points
    to_lamp = to_lamp / to_lamp.norm(dim=1, keepdim=True)
    facing = (normal * to_lamp).sum(1)
    seen = torch.zeros_like(t)
    sky = ~is_solid & (face != 3) if world.open_air else torch.zeros_like(is_solid)
    lit = ((facing > 0) & ~sky).nonzero()[:, 0]
    lifted = points[lit] + normal[lit] * (2e-3 * (1 + t[lit]))[:, None]
    seen[lit] = _lamp_seen(world, rays.frame[lit], lifted)
    light = world.lamp[5] * (0.78 - 0.22 * normal[:, 1]) + world.lamp[4] * facing * seen
    half = to_lamp - rays.direction / rays.direction.norm(dim=1, keepdim=True)
    half = ((normal * half).sum(1) / half.norm(dim=1)).clamp_min(0)
    glow = rows[:, 13] * seen * half**32
    return torch.where(sky[:, None], colour, colour * light[:, None] + glow[:, None])


def _lamp_seen(world: _World, frame: Tensor, points: Tensor) -> Tensor:
    """Share of the lamp that is visible from each point."""
    lamp, reach = world.lamp, float(SHADOW_REACH)
    to_lamp = lamp[:3] - points
    squared = (to_lamp * to_lamp).sum(1)
    blocked = torch.zeros(len(points), 4, dtype=torch.bool, device=points.device)
    places = torch.as_tensor(np.stack([LAMP_X, 0 * LAMP_X, LAMP_Z], 1), device=points.device) * lamp[3]
    for solid, (kind, minor) in enumerate(zip(world.kinds, world.minor, strict=True)):
        ball = world.bounds[frame, solid]
        to_ball, radius = ball[:, :3] - points, ball[:, 3]
        along = (to_ball * to_lamp).sum(1) / squared
        ahead = along.clamp_min(0)
        off = to_ball - ahead[:, None] * to_lamp
        touched = ((off * off).sum(1) <= (radius + ahead * lamp[3]) ** 2) & (along < reach)
        some = (touched & ~blocked.all(1)).nonzero()[:, 0]
        if not len(some):
            continue
        m = world.solid_from_world[frame[some], solid]
        o = _into(m, points[some], 1)
        for place in range(4):
            t, _ = intersect(kind, minor, o, _into(m, to_lamp[some] + places[place], 0))
            blocked[some, place] |= t < 1
    return 1 - 0.25 * blocked.sum(1)
