# SPDX-License-Identifier: Apache-2.0
"""Long clips are solved at key frames; the frames between are placed by the points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reangle.geometry.camera.solve.bundle import Freedom, Solution, adjust
from reangle.geometry.camera.solve.poses import refine_pose, triangulate
from reangle.geometry.camera.solve.tracks import Tracks

KEY_FRAMES, KEY_TRACKS = 50, 1500


@dataclass(frozen=True, eq=False)
class KeyFrames:
    """numbers: k, of the chosen frames. solution: of these alone. tracks: a part, seen in these frames."""

    numbers: np.ndarray
    solution: Solution
    tracks: Tracks

    def agreeing(self, threshold: float) -> Tracks:
        """Without observations farther off than a threshold in pixels."""
        return self.tracks.only(np.linalg.norm(self.solution.residuals(self.tracks), axis=1) < threshold)


def spaced(count: int, most: int) -> np.ndarray:
    """At most `most` frame numbers, evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def key_frames(solution: Solution, tracks: Tracks, use: np.ndarray, scale: float) -> KeyFrames:
    """Key frames of a moving camera with points triangulated anew from tracks of a mask of N; the lens is held."""
    numbers = spaced(tracks.frames, KEY_FRAMES)
    few = tracks.only_frames(numbers, least=3).only_tracks(use)
    few = few.only_tracks(few.spread(KEY_TRACKS))
    part = Solution(solution.lens, solution.R[numbers], solution.t[numbers], solution.xyz)
    xyz, angle = triangulate(part.lens, part.R, part.t, few, farthest(part))
    keys = KeyFrames(numbers, replace(part, xyz=xyz), few.only_tracks(angle > 0.02))
    held = Freedom(solution.lens.focal, scale=0.3 * scale, iterations=8)
    return replace(keys, solution=adjust(keys.solution, keys.agreeing(8 * scale), held).solution)


def all_frames(part: Solution, few: Tracks, tracks: Tracks, frames: np.ndarray, scale: float) -> Solution:
    """All frames of the tracks, from those of a part (numbers `frames`) and its points."""
    R, t = np.tile(np.eye(3), (tracks.frames, 1, 1)), np.zeros((tracks.frames, 3))
    R[frames], t[frames] = part.R, part.t
    away = np.linalg.norm(part.residuals(few), axis=1)
    total = np.bincount(few.track, weights=np.minimum(away, 100), minlength=few.count)
    good = (few.lengths >= 2) & (total < 2 * scale * few.lengths)
    for index in np.setdiff1d(np.arange(tracks.frames), frames):
        near = frames[np.argmin(np.abs(frames - index))]
        number, uv = tracks.in_frame(int(index))
        use = good[number]
        R[index], t[index] = R[near], t[near]
        if use.sum() >= 8:
            R[index], t[index] = refine_pose(
                part.lens, R[near], t[near], uv[use], part.xyz[number[use]], scale, iterations=12
            )
    return Solution(part.lens, R, t, part.xyz)


def farthest(solution: Solution) -> float:
    """Depth limit of a point: 200 radii of the path."""
    centres = -np.einsum("tji,tj->ti", solution.R, solution.t)
    return 200 * max(float(np.linalg.norm(centres - centres.mean(axis=0), axis=1).max()), 1e-9)
