# SPDX-License-Identifier: Apache-2.0
"""How well an estimated surface holds together in the warp: holes torn into it, and rubber sheets across true edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

from reangle.contract import CameraPath
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.filters import left_out
from reangle.warping.mesh import UNCUT, mesh_depth
from reangle.warping.surface import DEFAULT_EDGE_FILTER
from reangle.warping.video import Warper

TRUE_EDGE = 0.02
"""Neighbours lie on two true surfaces if the slopes on both sides miss the step in 1 / depth by this share of it."""

MARGIN = 3
"""Source pixels beside a true edge that count neither as smooth surface nor, if they are stretched, as honest."""

STRETCHED = 0.4
"""Source pixels per target pixel below which a surface is stretched."""


class Tears(NamedTuple):
    """Shares, 0 to 1.

    torn: of the pixels where the estimate puts smooth true surface, those that the warp leaves unseen.
    unseen: of the pixels where smooth true surface is truly visible, those that the warp leaves unseen. Also counts
    surface that wrong depth puts in the wrong place.
    stretched: of the pixels that the warp shows, those on a stretched surface within MARGIN of a true edge.
    """

    torn: float
    unseen: float
    stretched: float


def torn_share(
    frames: np.ndarray,
    geometry: VideoGeometry,
    truth: VideoGeometry,
    path: CameraPath,
    numbers: Sequence[int],
    edge_filter: float = DEFAULT_EDGE_FILTER,
    confidence_filter: float = 0.0,
) -> Tears:
    """Tears of a clip's warp to a camera path, over the path's frames `numbers` together.

    frames: T x H x W x 3 uint8. geometry: what is judged; of it only depth, valid and confidence count: K and cameras
    are the truth's, and each frame's depth is scaled to the truth by one factor. truth: all pixels that are valid in
    it are judged; its maps have the frames' size. edge_filter, confidence_filter: as in `contract.PreviewSettings`.
    Memory is not used.
    """
    height, width = frames.shape[1:3]
    if truth.depth.shape[1:] != (height, width):
        raise ValueError(f"truth has {truth.width}x{truth.height} pixels, the frames have {width}x{height}")
    numbers = list(numbers)
    used = np.unique([path.frames[n] for n in numbers])
    depth = geometry.depth.copy()
    for t in used:
        depth[t] *= _scale(depth[t], geometry.valid[t], truth.depth[t], truth.valid[t])
    scaled = replace(
        geometry,
        depth=depth,
        K=truth.K_at(geometry.width, geometry.height),
        world_from_camera=truth.world_from_camera,
        dynamic=None,
    )
    warper = Warper(frames, left_out(scaled, edge_filter, confidence_filter), None, edge_filter)
    counts = np.zeros(6)
    for n in numbers:
        counts += _count(warper, truth, path.frames[n], *(np.asarray(m)[n] for m in (path.K, path.world_from_camera)))
    torn, judged, unseen, seen, stretched, shown = counts
    return Tears(*(float(part / max(whole, 1)) for part, whole in ((torn, judged), (unseen, seen), (stretched, shown))))


def _scale(depth: np.ndarray, valid: np.ndarray, true_depth: np.ndarray, true_valid: np.ndarray) -> float:
    size = depth.shape[1], depth.shape[0]
    known = cv2.resize(true_valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    true_depth = cv2.resize(true_depth, size, interpolation=cv2.INTER_NEAREST)
    both = valid & known
    return float(np.median(true_depth[both] / depth[both])) if both.any() else 1.0


def _count(warper: Warper, truth: VideoGeometry, t: int, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """Numerators and denominators of `Tears`, in its order."""
    height, width = truth.depth.shape[1:]
    smooth, crossing = _true_cells(truth.depth[t], truth.valid[t])
    source_K, source = truth.K[t], truth.world_from_camera[t]
    camera = (source_K, target_from_source(world_from_camera, source), K, width, height)
    back = pixel_transform(K, target_from_source(source, world_from_camera), source_K)
    warped = warper.warp(t, K, world_from_camera, width, height)
    counts = []
    for depth in (warper.surface(t).depth, np.where(truth.valid[t], truth.depth[t], 0)):
        whole = _without_gaps(depth)
        drawn = mesh_depth(whole, whole > 0, *camera, cut=UNCUT)
        judged = _at_cells(smooth, *_source_points(drawn, *back)) & (drawn > 0)
        counts += [(judged & ~warped.visible).sum(), judged.sum()]
    u, v = _source_points(warped.depth, *back)
    stretched = warped.visible & _at_cells(crossing, u, v) & (_spacing(u, v) < STRETCHED)
    return np.array([*counts, stretched.sum(), warped.visible.sum()], np.float64)


def _true_cells(depth: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells between four pixels, (H - 1) x (W - 1) bool: farther than MARGIN from true edges, and nearer.

    A cell with a pixel that is not valid is neither.
    """
    inverse = np.where(valid, 1 / np.where(valid, depth, 1), np.nan)
    across, down = _linked(inverse), _linked(inverse.T).T
    whole = across[:-1] & across[1:] & down[:, :-1] & down[:, 1:]
    known = valid[:-1, :-1] & valid[:-1, 1:] & valid[1:, :-1] & valid[1:, 1:]
    near = cv2.dilate((~whole).astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8)) > 0
    return known & ~near, known & near


def _linked(inverse: np.ndarray) -> np.ndarray:
    """H x (W - 1) bool: whether neighbours in a row lie on one true surface. inverse: NaN where unknown."""
    step = np.diff(inverse, axis=1)
    bend = np.full((len(step), step.shape[1] + 1), np.nan)
    bend[:, 1:-1] = np.abs(np.diff(step, axis=1))
    error = np.fmin(np.abs(step), np.fmin(bend[:, :-1], bend[:, 1:]))
    return error <= TRUE_EDGE * np.maximum(inverse[:, :-1], inverse[:, 1:])


def _without_gaps(depth: np.ndarray) -> np.ndarray:
    """Depth with unknown pixels (0) taken from the nearest known one."""
    if (depth > 0).all() or not (depth > 0).any():
        return depth
    rows, columns = np.asarray(distance_transform_edt(depth <= 0, return_distances=False, return_indices=True))
    return depth[rows, columns]


def _source_points(depth: np.ndarray, A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Source u, v of the target's pixels at their depth."""
    v, u = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    q = np.stack([u, v, np.ones_like(u)], -1) @ A.T * depth[..., None] + b
    z = np.where(q[..., 2] > 0, q[..., 2], np.nan)
    return q[..., 0] / z, q[..., 1] / z


def _at_cells(cells: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The cells' flags at source points; False outside and where a coordinate is NaN."""
    i, j = np.floor(np.nan_to_num(v, nan=-1) - 0.5).astype(int), np.floor(np.nan_to_num(u, nan=-1) - 0.5).astype(int)
    inside = (i >= 0) & (j >= 0) & (i < cells.shape[0]) & (j < cells.shape[1])
    return inside & cells[np.where(inside, i, 0), np.where(inside, j, 0)]


def _spacing(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Smallest distance in the source between a target pixel and its neighbours below and to the right."""
    spacing = np.full(u.shape, np.inf)
    for axis in range(2):
        step = np.hypot(np.diff(u, axis=axis), np.diff(v, axis=axis))
        part = spacing[:-1] if axis == 0 else spacing[:, :-1]
        np.fmin(part, step, out=part)
    return spacing
