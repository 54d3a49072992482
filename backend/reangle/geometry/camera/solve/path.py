# SPDX-License-Identifier: Apache-2.0
"""The path of a camera that moves: two frames with parallax first, then all others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reangle.geometry.camera.solve.bundle import Freedom, Lens, Solution, adjust
from reangle.geometry.camera.solve.key_frames import farthest
from reangle.geometry.camera.solve.poses import absolute_pose, refine_pose, relative_pose, rotation_between, triangulate
from reangle.geometry.camera.solve.tracks import Tracks, share_over_picture

LEAST_COMMON = 40


def starting_pairs(tracks: Tracks, lens: Lens, scale: float, most: int = 4) -> list[tuple[int, int]]:
    """Pairs of frames whose pictures differ by more than a rotation, the best first.

    scale: width of the frames / 720. A pair's worth is the median of what a rotation leaves, up to 12 px, times the
    number of tracks that both see, up to 300.
    """
    worth: list[tuple[float, int, int]] = []
    rays_of = [(number, _rays(lens, uv)) for number, uv in (tracks.in_frame(i) for i in range(tracks.frames))]
    for first in range(tracks.frames):
        for second in range(first + 1, tracks.frames):
            (a, rays_a), (b, rays_b) = rays_of[first], rays_of[second]
            both, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
            if len(both) < LEAST_COMMON:
                continue
            left, right = rays_a[in_a], rays_b[in_b]
            R = rotation_between(left, right, 2 * scale / lens.focal, np.eye(3))
            rest = np.median(np.linalg.norm(left @ R.T - right, axis=1)) * lens.focal / scale
            worth.append((min(rest, 12.0) * min(len(both), 300), first, second))
    chosen: list[tuple[int, int]] = []
    for _, first, second in sorted(worth, reverse=True):
        if all(abs(first - a) + abs(second - b) > tracks.frames // 6 for a, b in chosen):
            chosen.append((first, second))
        if len(chosen) == most:
            break
    return chosen


def solve_path(tracks: Tracks, lens: Lens, pair: tuple[int, int], scale: float) -> tuple[Solution, np.ndarray] | None:
    """Cameras and points from a pair of frames on, with the lens held, and which frames are solved: T bool.

    The world is the first frame of the pair, the unit its baseline. None if the pair does not agree on a motion.
    """
    number, left, right = tracks.common(*pair)
    found = relative_pose(lens, left, right, 1.0 * scale)
    if found is None or found[2].sum() < LEAST_COMMON // 2:
        return None
    count = tracks.frames
    R, t = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
    R[pair[1]], t[pair[1]] = found[0], found[1]
    solved = np.zeros(count, bool)
    solved[list(pair)] = True
    good = np.zeros(tracks.count, bool)
    good[number[found[2]]] = True
    freedom = Freedom(lens.focal, scale=0.7 * scale, iterations=8)
    solution = Solution(lens, R, t, np.zeros((tracks.count, 3)))
    solution, good = _grow(solution, tracks, solved, good, freedom, scale)
    next_adjustment = 3
    while not solved.all():
        index = _next(tracks, solved, good)
        if index is None:
            break
        pose = _place(solution, tracks, index, solved, good, scale)
        if pose is None:
            # Tracks near it may yet be triangulated; a frame that no pose fits ends the growth on this side.
            break
        solution.R[index], solution.t[index] = pose
        solved[index] = True
        if solved.sum() >= next_adjustment or solved.all():
            solution, good = _grow(solution, tracks, solved, np.ones(tracks.count, bool), freedom, scale)
            next_adjustment = int(np.ceil(solved.sum() * 1.3))
        else:
            solution, good = _triangulated(solution, tracks, solved, good, scale)
    return solution, solved


def _grow(
    solution: Solution, tracks: Tracks, solved: np.ndarray, among: np.ndarray, freedom: Freedom, scale: float
) -> tuple[Solution, np.ndarray]:
    """Triangulate the tracks of a mask in the solved frames, and adjust both; the tracks that agree."""
    chosen = np.flatnonzero(solved)
    few = tracks.only_frames(chosen).only_tracks(among)
    part = Solution(solution.lens, solution.R[chosen], solution.t[chosen], solution.xyz)
    xyz, angle = triangulate(part.lens, part.R, part.t, few, farthest(part))
    part = replace(part, xyz=xyz)
    for threshold in (6 * scale, 2.5 * scale):
        agrees = _agreeing(part, few, threshold) & (angle > 0.05)
        part = adjust(part, few.only_tracks(agrees), freedom).solution
    good = _agreeing(part, few, 2 * scale) & (angle > 0.15)
    R, t = solution.R.copy(), solution.t.copy()
    R[chosen], t[chosen] = part.R, part.t
    return Solution(part.lens, R, t, part.xyz), good


def _triangulated(
    solution: Solution, tracks: Tracks, solved: np.ndarray, good: np.ndarray, scale: float
) -> tuple[Solution, np.ndarray]:
    """Points for tracks that had none, from the solved frames."""
    chosen = np.flatnonzero(solved)
    few = tracks.only_frames(chosen).only_tracks(~good)
    part = Solution(solution.lens, solution.R[chosen], solution.t[chosen], solution.xyz)
    xyz, angle = triangulate(part.lens, part.R, part.t, few, farthest(part))
    part = replace(part, xyz=np.where(good[:, None], solution.xyz, xyz))
    new = _agreeing(part, few, 2 * scale) & (angle > 0.3)
    return replace(solution, xyz=part.xyz), good | new


def _agreeing(solution: Solution, tracks: Tracks, threshold: float) -> np.ndarray:
    """Tracks whose root mean square residual is below a threshold in pixels: N bool."""
    square = np.minimum((solution.residuals(tracks) ** 2).sum(axis=1), 1e6)
    total = np.bincount(tracks.track, weights=square, minlength=tracks.count)
    return (tracks.lengths >= 2) & (total < tracks.lengths * threshold**2)


def _next(tracks: Tracks, solved: np.ndarray, good: np.ndarray) -> int | None:
    """The frame not solved that sees most of the points."""
    seen = np.bincount(tracks.frame[good[tracks.track]], minlength=tracks.frames)
    seen[solved] = 0
    best = int(seen.argmax())
    return best if seen[best] >= 12 else None


def _place(
    solution: Solution, tracks: Tracks, index: int, solved: np.ndarray, good: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray] | None:
    number, uv = tracks.in_frame(index)
    use = good[number]
    xyz, uv = solution.xyz[number[use]], uv[use]
    pose = absolute_pose(solution.lens, uv, xyz, 3.0 * scale)
    if pose is None or pose[2] < 0.25:
        return None
    return refine_pose(solution.lens, pose[0], pose[1], uv, xyz, 0.7 * scale)


def agreement(solution: Solution, tracks: Tracks, scale: float) -> float:
    """How well the solution fits over the picture, 0 to 1: residuals of `scale` pixels count half, large ones nothing.

    A count of what lies within a threshold would prefer a compromise between what stands still and what moves.
    """
    square = (solution.residuals(tracks) ** 2).sum(axis=1)
    return share_over_picture(tracks, 1 / (1 + square / scale**2))


def _rays(lens: Lens, uv: np.ndarray) -> np.ndarray:
    straight = lens.straighten(uv)
    rays = np.concatenate([straight, np.ones((len(straight), 1))], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
