# SPDX-License-Identifier: Apache-2.0
"""Aligns point maps of pairs of frames: one focal length, one camera path, and depth of every frame at one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.geometry.moving import moving_pixels
from reangle.geometry.pairwise import Lens, PairMotion, pair_motion, shared_focal, trust
from reangle.geometry.point_maps import PairMaps, sample_index, sample_pixels
from reangle.geometry.refine import Solution, observe, refine
from reangle.geometry.robust import solve_differences, weighted_median

STILL_SHARE = 0.003
"""A camera is static if its picture never shifts by more than this share of the width."""
OBSERVED_POINTS = 60_000
"""About how many sample points the refinement uses."""
TYPICAL_DEPTH = 5.0
"""Median depth of the first frame that relative depth is scaled to, a convenient size in Blender."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """A clip's geometry in the world of the first camera. Shapes and units as in VideoGeometry.

    static_camera: the camera does not move; its matrices are then identities. shift: how far the camera's motion moves
    the picture, as a share of the width: the largest, over all frames, of the median against the first frame.
    """

    lens: Lens
    world_from_camera: np.ndarray
    depth: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray
    dynamic: np.ndarray
    static_camera: bool
    shift: float


def align(pairs: Sequence[PairMaps], count: int, *, aspect: float = 1.0, focal: float | None = None) -> Alignment:
    """Solve for cameras, lens and depth from the point maps of all pairs.

    pairs: those of `pair_graph(count)`. count: frames. aspect: fy / fx of the maps' pixels. focal: in pixels; None to
    estimate it.
    """
    height, width = pairs[0].depth.shape
    pixels, pick = sample_pixels(height, width), sample_index(height, width)
    lens = Lens(focal or shared_focal(pairs, pixels, width, height, aspect), width, height, aspect)
    own_depth, confidence = own_depth_maps(pairs, count)
    samples = np.stack([depth[pick].ravel() for depth in own_depth])

    motions = [pair_motion(pair, pixels, lens) for pair in pairs]
    solution = _initial_solution(pairs, motions, samples, count, lens)
    # Long clips have so many pairs that a few points of each suffice.
    limit = int(np.clip(OBSERVED_POINTS // (2 * len(pairs)), 60, 300))
    observations = [
        observe(index, pair.first, frame, points, confidences, samples, pixels, lens, limit)
        for index, pair in enumerate(pairs)
        for frame, points, confidences in (
            (pair.first, pair.first_points, pair.first_confidence),
            (pair.second, pair.second_points, pair.second_confidence),
        )
    ]
    free_focal = focal is None
    solution = refine(solution, observations, free_focal=free_focal)
    lens = replace(lens, focal=float(np.exp(solution.log_focal)))

    shift = max((_shift(samples[0], pixels, lens, solution, k) for k in range(count)), default=0.0)
    static = shift < max(STILL_SHARE, 2 * _disagreement(pairs, motions, samples, pixels, lens, solution))
    if static:
        solution = replace(
            solution, rotation=np.tile(np.eye(3), (count, 1, 1)), translation=np.zeros_like(solution.translation)
        )
        solution = refine(solution, observations, still=True, free_focal=free_focal)
        lens = replace(lens, focal=float(np.exp(solution.log_focal)))

    depth = own_depth * np.exp(solution.log_depth_scale)[:, None, None]
    valid = np.isfinite(depth) & (depth > 0)
    unit = TYPICAL_DEPTH / float(np.median(depth[0][valid[0]])) if valid[0].any() else 1.0
    depth = np.where(valid, depth * unit, 0).astype(np.float32)
    valid &= depth > 0
    world_from_camera = _matrices(solution.rotation, solution.translation * unit)
    dynamic = moving_pixels(depth, valid, np.tile(lens.K, (count, 1, 1)), world_from_camera)
    return Alignment(lens, world_from_camera, depth, valid, confidence, dynamic, static, shift)


def own_depth_maps(pairs: Sequence[PairMaps], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each frame's depth from all pairs in which it is the first, in its own unit, and its mean confidence.

    The pairs' maps are scaled to one unit by their median ratio, then averaged in logarithms; values far from a
    pixel's median get less weight. T x h x w float64 (NaN where no pair has depth) and float32.
    """
    height, width = pairs[0].depth.shape
    pick = sample_index(height, width)
    depth = np.full((count, height, width), np.nan)
    confidence = np.zeros((count, height, width), np.float32)
    for frame in range(count):
        maps = [pair for pair in pairs if pair.first == frame]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.stack([pair.depth for pair in maps]))
        known = np.isfinite(logs)
        weights = np.stack([trust(pair.confidence) for pair in maps]) * known
        for other in range(1, len(maps)):
            step = weighted_median((logs[0] - logs[other])[pick], np.minimum(weights[0], weights[other])[pick])
            logs[other] += np.float32(np.nan_to_num(step))
        logs[~known] = np.nan
        if len(maps) > 2:
            # Unknown values sort to the end, so the middle of the known ones is at half their number.
            middle = np.take_along_axis(
                np.sort(logs, axis=0), (known.sum(axis=0) // 2)[None].clip(max=len(maps) - 1), 0
            )
            weights = weights / (1 + (np.nan_to_num(logs - middle) / 0.05) ** 2)
        total = weights.sum(axis=0)
        mean = (weights * np.nan_to_num(logs)).sum(axis=0) / np.maximum(total, 1e-12)
        depth[frame] = np.where(total > 0, np.exp(mean), np.nan)
        confidence[frame] = np.mean([pair.confidence for pair in maps], axis=0)
    return depth, confidence


def _initial_solution(
    pairs: Sequence[PairMaps], motions: Sequence[PairMotion], samples: np.ndarray, count: int, lens: Lens
) -> Solution:
    """Scales, then rotations, then translations, each by robust averaging over the pairs."""
    edges = [(pair.first, pair.second) for pair in pairs]
    weights = np.array([motion.weight for motion in motions])
    first_ratio, second_ratio = np.array(
        [_log_ratios(pair, motion, samples) for pair, motion in zip(pairs, motions, strict=True)]
    ).T
    if count == 1:
        return Solution(np.eye(3)[None], np.zeros((1, 3)), np.zeros(1), first_ratio, float(np.log(lens.focal)))
    known = np.isfinite(first_ratio) & np.isfinite(second_ratio)
    difference = np.where(known, first_ratio - second_ratio, 0)
    scales = solve_differences(count, edges, difference[:, None], np.where(known, weights, 1e-6))[:, 0]
    first, second = np.asarray(edges).T
    pair_scales = np.where(known, (scales[first] + first_ratio + scales[second] + second_ratio) / 2, 0)

    steps = np.stack([motion.first_from_second for motion in motions])
    forward = {edge: index for index, edge in enumerate(edges)}
    rotation = np.tile(np.eye(3), (count, 1, 1))
    for k in range(1, count):
        rotation[k] = rotation[k - 1] @ steps[forward[k - 1, k], :3, :3]
    for _ in range(4):
        residual = rotation[first] @ steps[:, :3, :3] @ rotation[second].transpose(0, 2, 1)
        turns = solve_differences(count, edges, Rotation.from_matrix(residual).as_rotvec(), weights)
        rotation = Rotation.from_rotvec(turns).as_matrix() @ rotation
    moves = (rotation[first] @ steps[:, :3, 3:])[..., 0] * np.exp(pair_scales)[:, None]
    translation = solve_differences(count, edges, moves, weights)
    return Solution(rotation, translation, scales, pair_scales, float(np.log(lens.focal)))


def _log_ratios(pair: PairMaps, motion: PairMotion, samples: np.ndarray) -> tuple[float, float]:
    """Log of own depth over the pair's depth, for the first frame and for the second."""
    second_from_first = np.linalg.inv(motion.first_from_second)
    second_depth = pair.second_points @ second_from_first[2, :3] + second_from_first[2, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.log(samples[pair.first] / pair.first_points[:, 2])
        second = np.log(samples[pair.second] / second_depth)
    return (
        weighted_median(first, trust(pair.first_confidence)),
        weighted_median(second, trust(pair.second_confidence) * motion.inliers),
    )


def _matrices(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    matrices = np.tile(np.eye(4), (len(rotation), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotation, translation
    return matrices


def _displacement(depth: np.ndarray, pixels: np.ndarray, lens: Lens, second_from_first: np.ndarray) -> np.ndarray:
    """n x 2: by how many pixels points at `depth` move from the first camera to the second; NaN behind the second."""
    points = lens.rays(pixels) * depth[:, None] @ second_from_first[:3, :3].T + second_from_first[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        projected = points @ lens.K.T
        return np.where(points[:, 2:] > 0, projected[:, :2] / projected[:, 2:] - pixels, np.nan)


def _median_length(vectors: np.ndarray) -> float:
    lengths = np.linalg.norm(vectors, axis=1)
    return float(np.nanmedian(lengths)) if np.isfinite(lengths).any() else 0.0


def _shift(samples: np.ndarray, pixels: np.ndarray, lens: Lens, solution: Solution, frame: int) -> float:
    world_from_camera = _matrices(solution.rotation, solution.translation)
    depth = samples * np.exp(solution.log_depth_scale[0])
    return _median_length(_displacement(depth, pixels, lens, np.linalg.inv(world_from_camera[frame]))) / lens.width


def _disagreement(
    pairs: Sequence[PairMaps],
    motions: Sequence[PairMotion],
    samples: np.ndarray,
    pixels: np.ndarray,
    lens: Lens,
    solution: Solution,
) -> float:
    """Median distance between the picture under a pair's own motion and under the solution, as a share of the width."""
    world_from_camera = _matrices(solution.rotation, solution.translation)
    distances = []
    for index, (pair, motion) in enumerate(zip(pairs, motions, strict=True)):
        own = motion.first_from_second.copy()
        own[:3, 3] *= np.exp(solution.log_pair_scale[index])
        solved = np.linalg.inv(world_from_camera[pair.first]) @ world_from_camera[pair.second]
        depth = samples[pair.first] * np.exp(solution.log_depth_scale[pair.first])
        first, second = (_displacement(depth, pixels, lens, np.linalg.inv(matrix)) for matrix in (own, solved))
        distances.append(_median_length(first - second))
    return float(np.median(distances)) / lens.width
