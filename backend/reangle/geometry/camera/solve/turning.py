# SPDX-License-Identifier: Apache-2.0
"""Cameras that stand still, and cameras that only turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reangle.geometry.camera.solve.bundle import Adjusted, Freedom, Lens, Solution, adjust
from reangle.geometry.camera.solve.poses import refine_pose, rotation_between
from reangle.geometry.camera.solve.tracks import Tracks, share_over_picture

STILL_PX = 0.4
"""Largest shift of what stands still, for frames 720 pixels wide."""
STILL_SHARE = 0.45
"""Least share of the picture that stands still if the camera does. Of cameras that move it is below 0.05."""


def share_that_stands(tracks: Tracks, scale: float) -> tuple[float, np.ndarray]:
    """Share of the picture, 0 to 1, that is where it was, and the tracks that stand if the camera does: N bool.

    scale: width of the frames / 720. Every frame is compared with four earlier ones; one comparison in twenty may be
    worse (flashes, frames that were not decoded).
    """
    shares: list[float] = []
    step = max(1, tracks.frames // 4)
    for reference in range(0, tracks.frames - 1, step):
        for index in range(reference + 1, min(tracks.frames, reference + 2 * step + 1)):
            number, before, after = tracks.common(reference, index)
            here = replace(tracks, frame=np.zeros(len(number), np.int64), track=number, uv=before, frames=1)
            near = np.linalg.norm(after - before, axis=1) < STILL_PX * scale
            shares.append(share_over_picture(here, near))
    share = float(np.quantile(shares, 0.05)) if shares else 0.0
    first = tracks.uv[np.minimum(tracks.starts(tracks.count)[:-1], max(0, len(tracks.uv) - 1))]
    away = np.linalg.norm(tracks.uv - first[tracks.track], axis=1)
    farthest = np.zeros(tracks.count)
    np.maximum.at(farthest, tracks.track, away)
    return share, farthest < 2 * STILL_PX * scale


def turn_along(tracks: Tracks, lens: Lens, scale: float) -> np.ndarray:
    """Rotations of a camera that only turns, each from the frame before it: T x 3 x 3, camera from world."""
    R = np.tile(np.eye(3), (tracks.frames, 1, 1))
    for index in range(1, tracks.frames):
        _, before, after = tracks.common(index - 1, index)
        step = np.eye(3)
        if len(before) >= 8:
            step = rotation_between(_rays(lens, before), _rays(lens, after), scale / lens.focal, step)
        R[index] = step @ R[index - 1]
    return R


def solve_turning(tracks: Tracks, lens: Lens, freedom: Freedom, chosen: np.ndarray) -> Adjusted:
    """A camera that only turns: all frames, from a bundle adjustment of the chosen ones.

    The solution's points are directions of the tracks. freedom: with `turning`.
    """
    R = turn_along(tracks, lens, freedom.scale)
    zero = np.zeros((tracks.frames, 3))
    few = tracks.only_frames(chosen)
    start = Solution(lens, R[chosen], zero[chosen], directions(few, lens, R[chosen]))
    done = adjust(start, few, freedom)
    solved = done.solution
    known = few.lengths > 0
    fixed = R.copy()
    fixed[chosen] = solved.R
    place = np.searchsorted(chosen, np.arange(tracks.frames))
    for index in range(tracks.frames):
        if place[index] < len(chosen) and chosen[place[index]] == index:
            continue
        number, uv = tracks.in_frame(index)
        use = known[number]
        before = chosen[max(0, place[index] - 1)]
        guess = R[index] @ R[before].T @ fixed[before]
        if use.sum() >= 4:
            fixed[index], _ = refine_pose(
                solved.lens, guess, np.zeros(3), uv[use], solved.xyz[number[use]], freedom.scale, turning=True
            )
        else:
            fixed[index] = guess
    xyz = np.where(known[:, None], solved.xyz, directions(tracks, solved.lens, fixed))
    return Adjusted(Solution(solved.lens, fixed, zero, xyz), done.cost, done.focal_sigma)


def directions(tracks: Tracks, lens: Lens, R: np.ndarray) -> np.ndarray:
    """The mean ray of each track, of length 1: N x 3."""
    rays = np.einsum("mji,mj->mi", R[tracks.frame], _rays(lens, tracks.uv))
    total = np.zeros((tracks.count, 3))
    np.add.at(total, tracks.track, rays)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-12), (0.0, 0.0, 1.0))


def _rays(lens: Lens, uv: np.ndarray) -> np.ndarray:
    straight = lens.straighten(uv)
    rays = np.concatenate([straight, np.ones((len(straight), 1))], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
