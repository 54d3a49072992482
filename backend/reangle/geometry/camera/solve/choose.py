# SPDX-License-Identifier: Apache-2.0
"""From tracks to a camera: still, turning or moving, whichever explains most of the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from reangle.geometry.camera.solve.bends import BEND_SIGMA, lens_that_bends
from reangle.geometry.camera.solve.bundle import Freedom, Lens, Solution, adjust
from reangle.geometry.camera.solve.key_frames import (
    KEY_FRAMES,
    KEY_TRACKS,
    all_frames,
    farthest,
    key_frames,
    spaced,
)
from reangle.geometry.camera.solve.path import agreement, solve_path, starting_pairs
from reangle.geometry.camera.solve.poses import triangulate
from reangle.geometry.camera.solve.prior import FocalPrior
from reangle.geometry.camera.solve.tracks import Tracks, share_over_picture
from reangle.geometry.camera.solve.turning import STILL_SHARE, directions, share_that_stands, solve_turning
from reangle.geometry.clip_camera import Motion

CLEARLY_TURNING = 0.9
"""Share of the picture that a turning camera must explain for no path to be looked for."""
ALSO_TURNING = 0.7
"""Share of what a path explains that a turning camera must explain too, to be preferred: a path has more freedom, and
can explain a thing that moves before a background without parallax."""
PATH_GAIN = 0.15
"""A path that explains so much more of the picture is preferred all the same."""
GOOD_PATH = 0.85
"""Agreement at which no other pair of frames is tried."""
FIRST_FRAMES, FIRST_TRACKS = 16, 700
CORRELATED = 10.0
"""How much less certain a solved focal length is than it would be if all observations were independent: tracks slip
along edges in the same way for many frames. By solved lenses of scenes whose truth is known.
"""
NOISE_PX, LEAST_NOISE_PX = 0.3, 0.1
AGREES_PX = 1.0
"""All for frames 720 pixels wide."""
NOISE_SPREAD = 2.0
"""In the last round residuals count little from this many times their median on, so that slips of the trackers, which
are larger, do not turn the camera."""
LAST_ITERATIONS, LAST_GAIN = 60, 1e-5
"""The last two rounds go on for longer: small parallax leaves a flat valley between a turn and a shift."""


@dataclass(frozen=True, eq=False)
class Solved:
    """The camera of all frames. The world is any.

    stands, moves: N bool, tracks that do and that clearly do not agree with it; the rest is uncertain.
    share: of the picture whose tracks it explains. focal_sigma: standard deviation of the logarithm of the focal length
    by the tracks and the prior; 0 if it was held. angle: N, in degrees, between the rays of each track.
    """

    motion: Motion
    solution: Solution
    stands: np.ndarray
    moves: np.ndarray
    share: float
    focal_sigma: float
    angle: np.ndarray


def choose(tracks: Tracks, prior: FocalPrior, at_rest: float = 0.0) -> Solved | None:
    """None if there are too few tracks to say anything. at_rest: share of the picture that is, by whole frames."""
    scale = tracks.width / 720
    focal = prior.focal(tracks.width)
    lens = Lens(focal, tracks.width / 2, tracks.height / 2)
    if tracks.count < 20:
        return None
    share, near = share_that_stands(tracks, scale)
    if max(share, at_rest) >= STILL_SHARE:
        return _still(tracks, lens, near)
    freedom = Freedom(focal, focal_sigma=0 if prior.held else prior.sigma / CORRELATED, scale=NOISE_PX * scale)
    turning = _turning(tracks, lens, freedom, scale)
    if turning.share >= CLEARLY_TURNING:
        return turning
    path = _path(tracks, lens, freedom, scale)
    if path is None or path.share < turning.share:
        return turning
    both = tracks.only_tracks(path.stands)
    agrees = np.linalg.norm(turning.solution.residuals(both), axis=1) < AGREES_PX * scale
    also_turning = share_over_picture(both, agrees) >= ALSO_TURNING and path.share - turning.share < PATH_GAIN
    return turning if also_turning else path


def _still(tracks: Tracks, lens: Lens, near: np.ndarray) -> Solved:
    count = tracks.frames
    solution = Solution(lens, np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)), np.zeros((tracks.count, 3)))
    return Solved("still", solution, near, ~near, float(near.mean()), 0.0, np.zeros(tracks.count))


def _turning(tracks: Tracks, lens: Lens, freedom: Freedom, scale: float) -> Solved:
    few = tracks.only_tracks(tracks.spread(KEY_TRACKS))
    numbers = spaced(tracks.frames, KEY_FRAMES)
    freedom = replace(freedom, turning=True)
    done = solve_turning(few, lens, freedom, numbers)
    keys = few.only_frames(numbers)
    part = Solution(done.solution.lens, done.solution.R[numbers], done.solution.t[numbers], done.solution.xyz)
    bent = lens_that_bends(part, keys, freedom)
    if bent is not None:
        done = solve_turning(few, bent, replace(freedom, bend_sigma=BEND_SIGMA), numbers)
    solution = done.solution
    # Tracks that had no part in it get their direction by the solved rotations.
    every = directions(tracks, solution.lens, solution.R)
    solution = replace(solution, xyz=np.where((few.lengths == 0)[:, None], every, solution.xyz))
    return _judged("turning", solution, tracks, done.focal_sigma, scale, np.zeros(tracks.count))


def _path(tracks: Tracks, lens: Lens, freedom: Freedom, scale: float) -> Solved | None:
    first = spaced(tracks.frames, FIRST_FRAMES)
    few = tracks.only_frames(first)
    few = few.only_tracks(few.spread(FIRST_TRACKS))
    best: tuple[float, Solution, np.ndarray] | None = None
    for pair in starting_pairs(few, lens, scale):
        found = solve_path(few, lens, pair, scale)
        if found is None:
            continue
        solution, solved = found
        share = agreement(solution, few, AGREES_PX / 2 * scale) * float(solved.mean())
        if best is None or share > best[0]:
            best = share, solution, solved
        if share > GOOD_PATH:
            break
    if best is None or best[2].sum() < 3:
        return None
    _, solution, solved = best
    chosen = np.flatnonzero(solved)
    part = Solution(solution.lens, solution.R[chosen], solution.t[chosen], solution.xyz)
    solution = all_frames(part, few.only_frames(chosen), tracks, first[chosen], scale)
    return _refined(solution, tracks, freedom, scale)


def _refined(solution: Solution, tracks: Tracks, freedom: Freedom, scale: float) -> Solved:
    """First with the lens held, or bent if it is; then twice without what moves."""
    everything = np.ones(tracks.count, bool)
    keys = key_frames(solution, tracks, everything, scale)
    bent = lens_that_bends(keys.solution, keys.agreeing(12 * scale), freedom)
    first_freedom = replace(freedom, focal_sigma=0)
    if bent is not None:
        solution = replace(solution, lens=bent)
        first_freedom = freedom = replace(freedom, bend_sigma=BEND_SIGMA)
    first = _adjusted(solution, tracks, everything, first_freedom, scale)
    freedom = replace(freedom, iterations=LAST_ITERATIONS, least_gain=LAST_GAIN)
    second = _adjusted(first.solution, tracks, ~first.moves, freedom, scale)
    away = np.linalg.norm(second.solution.residuals(tracks.only_tracks(second.stands)), axis=1)
    noise = float(np.median(away)) if len(away) else NOISE_PX * scale
    freedom = replace(freedom, scale=float(np.clip(NOISE_SPREAD * noise, LEAST_NOISE_PX * scale, NOISE_PX * scale)))
    return _adjusted(second.solution, tracks, ~second.moves, freedom, scale)


def _adjusted(solution: Solution, tracks: Tracks, use: np.ndarray, freedom: Freedom, scale: float) -> Solved:
    """Key frames adjusted to tracks of a mask of N, the other frames placed, and all tracks judged."""
    keys = key_frames(solution, tracks, use, scale)
    done = adjust(keys.solution, keys.agreeing(2.5 * scale), freedom)
    solution = all_frames(done.solution, keys.tracks, tracks, keys.numbers, scale)
    return _judged("moving", solution, tracks, done.focal_sigma, scale, None)


def _judged(
    motion: Motion, solution: Solution, tracks: Tracks, focal_sigma: float, scale: float, angle: np.ndarray | None
) -> Solved:
    """Which tracks agree. Of a moving camera all points are triangulated anew and refined first."""
    if angle is None:
        xyz, angle = triangulate(solution.lens, solution.R, solution.t, tracks, farthest(solution))
        solution = replace(solution, xyz=xyz)
        held = Freedom(solution.lens.focal, cameras_held=True, scale=NOISE_PX * scale, iterations=6)
        solution = adjust(solution, tracks, held).solution
    away = np.linalg.norm(solution.residuals(tracks), axis=1)
    agrees = away < AGREES_PX * scale
    seen = np.maximum(tracks.lengths, 1)
    near = np.bincount(tracks.track, weights=agrees, minlength=tracks.count) / seen
    far = np.bincount(tracks.track, weights=away > 2.5 * AGREES_PX * scale, minlength=tracks.count) / seen
    return Solved(
        motion, solution, near >= 0.8, far >= 0.3, share_over_picture(tracks, agrees), focal_sigma * CORRELATED, angle
    )
