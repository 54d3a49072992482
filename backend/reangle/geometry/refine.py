# SPDX-License-Identifier: Apache-2.0
"""Joint refinement of the whole clip: cameras, scales and the focal length, over all pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.geometry.pairwise import Lens, trust
from reangle.geometry.robust import spread

LARGEST_STEP = 1.0
"""Bound on every parameter's change in one step."""
CAUCHY = 2.5
"""Residuals beyond this many standard deviations count as outliers."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The unknowns, for T frames and E pairs, in the order of the parameter vector.

    rotation: T x 3 x 3 and translation: T x 3, world_from_camera. log_depth_scale: T, of each frame's own depth map.
    log_pair_scale: E, of each pair's unit.
    """

    rotation: np.ndarray
    translation: np.ndarray
    log_depth_scale: np.ndarray
    log_pair_scale: np.ndarray
    log_focal: float

    def moved(self, step: np.ndarray) -> Solution:
        """The solution after a step of 7 T + E + 1 values; rotations are about the world's axes."""
        count = len(self.rotation)
        turns, moves, depths, scales, focal = np.split(
            step, np.cumsum([3 * count, 3 * count, count, len(self.log_pair_scale)])
        )
        return Solution(
            Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix() @ self.rotation,
            self.translation + moves.reshape(-1, 3),
            self.log_depth_scale + depths,
            self.log_pair_scale + scales,
            self.log_focal + float(focal[0]),
        )


@dataclass(frozen=True, eq=False)
class Observation:
    """Sample points of frame `frame`, in the camera of frame `seen_from`, according to pair `pair`.

    points: n x 3. depth: n, the frame's own depth at the same pixels. centred: n x 2, these pixels relative to the
    principal point, y divided by the lens's aspect. weights: n.
    """

    pair: int
    seen_from: int
    frame: int
    points: np.ndarray
    depth: np.ndarray
    centred: np.ndarray
    weights: np.ndarray


def observe(
    pair: int,
    seen_from: int,
    frame: int,
    points: np.ndarray,
    confidence: np.ndarray,
    own_depths: np.ndarray,
    pixels: np.ndarray,
    lens: Lens,
    limit: int,
) -> Observation:
    """points, confidence: of `frame` at the sample pixels. own_depths: T x n, of all frames. limit: about how many of
    the usable points are kept, evenly spaced."""
    own_depth = own_depths[frame]
    usable = np.flatnonzero(np.isfinite(points).all(axis=1) & np.isfinite(own_depth) & (own_depth > 0))
    usable = usable[:: max(1, -(-len(usable) // limit))]
    centred = (pixels[usable] - (lens.width / 2, lens.height / 2)) / (1, lens.aspect)
    return Observation(pair, seen_from, frame, points[usable], own_depth[usable], centred, trust(confidence[usable]))


def refine(
    start: Solution,
    observations: Sequence[Observation],
    *,
    still: bool = False,
    free_focal: bool = True,
    steps: int = 15,
) -> Solution:
    """Levenberg-Marquardt on the distance between the two positions of each sample point, with Cauchy weights.

    A point has one position in the world through the pair's map and the camera it is seen from, and one through its own
    frame's camera and depth. Their distance is divided by the depth and split into the parts along and across the ray
    of its own pixel, each in units of its own standard deviation: networks know directions better than distances.
    Frame 0 is fixed, and all cameras are if `still`.
    """
    count, pairs = len(start.rotation), len(start.log_pair_scale)
    free = np.ones(7 * count + pairs + 1, bool)
    free[: 6 * count if still else 3] = False
    free[3 * count : 3 * count + 3] = False
    free[6 * count] = False
    free[-1] = free_focal
    solution = start
    # The second round measures the noise at the end of the first one, where outliers are clear.
    for _ in range(2):
        raw = np.concatenate([_residuals(solution, one, np.ones(3))[0] for one in observations])
        across, along = (max(spread(part.ravel()), 1e-6) for part in (raw[:, :2], raw[:, 2]))
        solution = _descend(solution, observations, np.array([across, across, along]), free, steps)
    return solution


def _descend(
    solution: Solution, observations: Sequence[Observation], noise: np.ndarray, free: np.ndarray, steps: int
) -> Solution:
    damping = 1e-3
    cost = _cost(solution, observations, noise)
    for _ in range(steps):
        normal, gradient = _normal_equations(solution, observations, noise)
        normal, gradient = normal[np.ix_(free, free)], gradient[free]
        before = cost
        while damping < 1e6:
            step = np.zeros(len(free))
            step[free] = -np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), gradient)
            # Meaningless maps must not drive exponentials to infinity.
            trial = solution.moved(np.clip(step, -LARGEST_STEP, LARGEST_STEP))
            trial_cost = _cost(trial, observations, noise)
            if trial_cost < cost:
                solution, cost, damping = trial, trial_cost, damping / 5
                break
            damping *= 10
        if before - cost < 1e-5 * before:
            break
    return solution


def _residuals(solution: Solution, one: Observation, noise: np.ndarray) -> tuple[np.ndarray, ...]:
    """Residuals (n x 3: two across the ray, one along), and what their derivatives need.

    That is, in world directions and divided by depth, n x 3 each: the difference of the two positions, each position
    relative to its camera, and the lateral part of the second; then the depth, n, and the map from difference to
    residuals, n x 3 x 3.
    """
    i, j = one.seen_from, one.frame
    depth = one.depth * np.exp(solution.log_depth_scale[j])
    slopes = np.pad(one.centred * np.exp(-solution.log_focal), ((0, 0), (0, 1)))
    lateral = slopes @ solution.rotation[j].T
    own_arm = lateral + solution.rotation[j][:, 2]
    pair_arm = one.points @ solution.rotation[i].T * (np.exp(solution.log_pair_scale[one.pair]) / depth)[:, None]
    between = (solution.translation[i] - solution.translation[j]) / depth[:, None]
    difference = pair_arm + between - own_arm
    split = np.tile(np.eye(3), (len(slopes), 1, 1))
    split[:, :2, 2] = -slopes[:, :2]
    split = split @ solution.rotation[j].T / noise[:, None]
    return (split @ difference[..., None])[..., 0], difference, pair_arm, own_arm, lateral, depth, split


def _cost(solution: Solution, observations: Sequence[Observation], noise: np.ndarray) -> float:
    return float(
        sum(
            (one.weights * np.log1p((_residuals(solution, one, noise)[0] ** 2).sum(axis=1) / CAUCHY**2)).sum()
            for one in observations
        )
    )


def _normal_equations(
    solution: Solution, observations: Sequence[Observation], noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    count, pairs = len(solution.rotation), len(solution.log_pair_scale)
    normal = np.zeros((7 * count + pairs + 1,) * 2)
    gradient = np.zeros(len(normal))
    for one in observations:
        residual, difference, pair_arm, own_arm, lateral, depth, split = _residuals(solution, one, noise)
        i, j = one.seen_from, one.frame
        jacobian = np.zeros((len(residual), 3, 15))
        jacobian[:, :, 0:3] = -_cross_matrices(pair_arm)
        jacobian[:, :, 3:6] = np.eye(3) / depth[:, None, None]
        jacobian[:, :, 6:9] = _cross_matrices(own_arm)
        jacobian[:, :, 9:12] = -jacobian[:, :, 3:6]
        jacobian[:, :, 12] = -(difference + own_arm)
        jacobian[:, :, 13] = pair_arm
        jacobian[:, :, 14] = lateral
        weights = one.weights / (CAUCHY**2 + (residual**2).sum(axis=1))
        flat = (split @ jacobian).reshape(-1, 15)
        weighted = flat * np.repeat(weights, 3)[:, None]
        turn, move = 3 * np.arange(count)[[i, j], None] + np.arange(3), 3 * count
        index = np.concatenate(
            [turn[0], move + turn[0], turn[1], move + turn[1], [6 * count + j, 7 * count + one.pair, len(normal) - 1]]
        )
        np.add.at(normal, np.ix_(index, index), flat.T @ weighted)
        np.add.at(gradient, index, weighted.T @ residual.ravel())
    return normal, gradient


def _cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """n x 3 x 3 matrices that map w to the cross product of v and w."""
    matrices = np.zeros((len(vectors), 3, 3))
    x, y, z = vectors.T
    matrices[:, 0, 1], matrices[:, 0, 2], matrices[:, 1, 2] = -z, y, -x
    return matrices - matrices.transpose(0, 2, 1)
