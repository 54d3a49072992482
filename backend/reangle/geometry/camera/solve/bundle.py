# SPDX-License-Identifier: Apache-2.0
"""Bundle adjustment of one lens, the cameras' poses and points: robust, with priors on the lens.

Levenberg-Marquardt on the Schur complement (Triggs et al., "Bundle Adjustment - A Modern Synthesis", 2000). Points are
eliminated, so that the dense system has six unknowns for each camera and three for the lens. Its inverse gives the
uncertainty of the focal length. COLMAP's bundle adjustment has no soft prior on the lens, and no camera that only
turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.transform import Rotation

from reangle.geometry.camera.solve.bundle_kernels import accumulate, point_steps, robust_cost, settle_points
from reangle.geometry.camera.solve.tracks import Tracks

SETTLING_STEPS = 3
"""Steps of each point by itself after a step of cameras and points together."""


@dataclass(frozen=True)
class Lens:
    """focal, centre_x, centre_y: in pixels. k1, k2: COLMAP's RADIAL model, which is a pinhole if both are 0."""

    focal: float
    centre_x: float
    centre_y: float
    k1: float = 0.0
    k2: float = 0.0

    @property
    def K(self) -> np.ndarray:
        return np.array([[self.focal, 0, self.centre_x], [0, self.focal, self.centre_y], [0, 0, 1.0]])

    def straighten(self, uv: np.ndarray) -> np.ndarray:
        """n x 2 pixels of the frames as coordinates on the plane at depth 1, without distortion."""
        bent = (uv - (self.centre_x, self.centre_y)) / self.focal
        if self.k1 == 0 and self.k2 == 0:
            return bent
        straight = bent.copy()
        for _ in range(20):
            square = np.minimum((straight**2).sum(axis=-1, keepdims=True), 4.0)
            straight = bent / np.maximum(1 + self.k1 * square + self.k2 * square**2, 0.2)
        return straight

    def bend(self, straight: np.ndarray) -> np.ndarray:
        """The reverse of `straighten`."""
        square = (straight**2).sum(axis=-1, keepdims=True)
        return self.focal * straight * (1 + self.k1 * square + self.k2 * square**2) + (self.centre_x, self.centre_y)


@dataclass(frozen=True, eq=False)
class Solution:
    """A lens, T cameras and N points.

    R: T x 3 x 3 and t: T x 3, camera from world. xyz: N x 3; in a camera that only turns, directions.
    """

    lens: Lens
    R: np.ndarray
    t: np.ndarray
    xyz: np.ndarray

    def residuals(self, tracks: Tracks) -> np.ndarray:
        """m x 2, in pixels: weighted projection less observation; a large number behind the camera."""
        inside = np.einsum("mij,mj->mi", self.R[tracks.frame], self.xyz[tracks.track]) + self.t[tracks.frame]
        ahead = inside[:, 2] > 1e-9
        straight = inside[:, :2] / np.where(ahead, inside[:, 2], 1)[:, None]
        away = np.einsum("mij,mj->mi", tracks.weights[tracks.track], self.lens.bend(straight) - tracks.uv)
        return np.where(ahead[:, None], away, 1e3)


@dataclass(frozen=True)
class Freedom:
    """What a bundle adjustment may change, and how reluctantly.

    turning: the cameras' centres stay where they are. cameras_held: the cameras do, so that only points move.
    focal_sigma: of the logarithm of the focal length about `focal_prior`; 0 holds it. bend_sigma: of k1 and k2 about 0;
    0 holds both. scale: residuals in pixels far beyond it count little (Cauchy).
    """

    focal_prior: float
    turning: bool = False
    cameras_held: bool = False
    focal_sigma: float = 0.0
    bend_sigma: float = 0.0
    scale: float = 0.5
    iterations: int = 20
    least_gain: float = 1e-4


@dataclass(frozen=True, eq=False)
class Adjusted:
    """cost: robust, with the priors, in units of the squared scale. focal_sigma: standard deviation of the logarithm
    of the focal length by the data and its prior, for residuals that are independent and as large as the scale; 0 if
    it was held.
    """

    solution: Solution
    cost: float
    focal_sigma: float


def adjust(solution: Solution, tracks: Tracks, freedom: Freedom) -> Adjusted:
    """Minimise the robust reprojection error of the tracks; the first camera stays where it is."""
    count = len(solution.R)
    free = np.zeros(6 * count + 3, bool)
    free[6:-3] = not freedom.cameras_held
    if freedom.turning:
        free[: 6 * count].reshape(count, 6)[:, 3:] = False
    free[-3] = freedom.focal_sigma > 0
    free[-2:] = freedom.bend_sigma > 0
    seen = np.zeros(count, bool)
    seen[tracks.frame] = True
    free[: 6 * count].reshape(count, 6)[~seen] = False
    used = np.flatnonzero(free)
    starts = tracks.starts(len(solution.xyz))

    damping = 1e-3
    cost = _cost(solution, tracks, freedom)
    system = None
    for _ in range(freedom.iterations):
        system = accumulate(*_arrays(solution), tracks.frame, tracks.uv, tracks.weights, starts, freedom.scale, damping)
        H, g, inverse, right, W, WL = system
        _add_priors(H, g, solution.lens, freedom)
        reduced = H[np.ix_(used, used)]
        reduced[np.diag_indices_from(reduced)] += damping * np.diagonal(reduced) + 1e-9
        try:
            step = np.zeros(len(g))
            step[used] = -cho_solve(cho_factor(reduced, lower=True, check_finite=False), g[used], check_finite=False)
        except np.linalg.LinAlgError:
            damping *= 10
            continue
        moved = _moved(solution, step, point_steps(step, tracks.frame, starts, inverse, right, W, WL))
        if not freedom.turning:
            moved = _settled(moved, tracks, freedom, starts)
        new_cost = _cost(moved, tracks, freedom)
        if np.isfinite(new_cost) and new_cost < cost:
            gain = (cost - new_cost) / cost
            solution, cost, damping = moved, new_cost, max(damping / 5, 1e-9)
            if gain < freedom.least_gain:
                break
        else:
            damping *= 6
            if damping > 1e6:
                break
    return Adjusted(solution, cost, _focal_sigma(solution, tracks, freedom, used, starts))


def _arrays(solution: Solution) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    lens = solution.lens
    values = np.array([lens.focal, lens.k1, lens.k2, lens.centre_x, lens.centre_y])
    return solution.R, solution.t, solution.xyz, values


def _settled(solution: Solution, tracks: Tracks, freedom: Freedom, starts: np.ndarray) -> Solution:
    """The points at their best for these cameras.

    Depth is far from linear where parallax is small; without this the cameras creep along the valley in which a turn
    makes up for a shift, and stop short of its end.
    """
    R, t, xyz, lens = _arrays(solution)
    settled = settle_points(
        R, t, xyz, lens, tracks.frame, tracks.uv, tracks.weights, starts, freedom.scale, SETTLING_STEPS
    )
    return replace(solution, xyz=settled)


def _cost(solution: Solution, tracks: Tracks, freedom: Freedom) -> float:
    lens = solution.lens
    cost = float(robust_cost(*_arrays(solution), tracks.frame, tracks.track, tracks.uv, tracks.weights, freedom.scale))
    if freedom.focal_sigma:
        cost += (np.log(lens.focal / freedom.focal_prior) / freedom.focal_sigma) ** 2
    if freedom.bend_sigma:
        cost += (lens.k1 / freedom.bend_sigma) ** 2 + (lens.k2 / freedom.bend_sigma) ** 2
    return cost


def _add_priors(H: np.ndarray, g: np.ndarray, lens: Lens, freedom: Freedom) -> None:
    if freedom.focal_sigma:
        H[-3, -3] += 1 / freedom.focal_sigma**2
        g[-3] += np.log(lens.focal / freedom.focal_prior) / freedom.focal_sigma**2
    if freedom.bend_sigma:
        for place, value in ((-2, lens.k1), (-1, lens.k2)):
            H[place, place] += 1 / freedom.bend_sigma**2
            g[place] += value / freedom.bend_sigma**2


def _moved(solution: Solution, step: np.ndarray, point_step: np.ndarray) -> Solution:
    pose, lens = step[:-3].reshape(-1, 6), solution.lens
    turn = Rotation.from_rotvec(pose[:, :3]).as_matrix()
    return Solution(
        replace(
            lens,
            focal=float(lens.focal * np.exp(np.clip(step[-3], -0.3, 0.3))),
            k1=lens.k1 + float(step[-2]),
            k2=lens.k2 + float(step[-1]),
        ),
        turn @ solution.R,
        np.einsum("tij,tj->ti", turn, solution.t) + pose[:, 3:],
        solution.xyz + point_step,
    )


def _focal_sigma(solution: Solution, tracks: Tracks, freedom: Freedom, used: np.ndarray, starts: np.ndarray) -> float:
    if not freedom.focal_sigma:
        return 0.0
    H, g, *_ = accumulate(*_arrays(solution), tracks.frame, tracks.uv, tracks.weights, starts, freedom.scale, 1e-9)
    _add_priors(H, g, solution.lens, freedom)
    reduced = H[np.ix_(used, used)]
    # The scale of the scene is free: a little damping keeps the system regular and leaves the focal length alone.
    reduced[np.diag_indices_from(reduced)] += 1e-7 * np.diagonal(reduced) + 1e-9
    unit = np.zeros(len(used))
    unit[np.flatnonzero(used == 6 * len(solution.R))] = 1
    try:
        column = cho_solve(cho_factor(reduced, lower=True, check_finite=False), unit, check_finite=False)
    except np.linalg.LinAlgError:
        return freedom.focal_sigma
    return float(np.sqrt(max(column @ unit, 0)))
