# SPDX-License-Identifier: Apache-2.0
"""Fits sharp disparity of single frames into the world of DUSt3R's point maps."""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.alignment import Alignment
from reangle.geometry.depth.disparity import SMOOTHING_FRAMES, apply, depth_from_inverse, smooth_in_time
from reangle.geometry.pairwise import trust
from reangle.geometry.robust import spread
from reangle.geometry.video_geometry import VideoGeometry

FIT_POINTS = 20_000
"""About how many pixels of a frame are fitted."""


def fit_scale_shift(disparity: np.ndarray, inverse_depth: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The scale > 0 and shift for which scale * disparity + shift is closest to inverse_depth; all arrays n values.

    Least squares with Cauchy weights. NaN, NaN if there are too few values.
    """
    use = np.isfinite(inverse_depth) & np.isfinite(disparity) & (weights > 0)
    x, y, weights = disparity[use].astype(np.float64), inverse_depth[use].astype(np.float64), weights[use]
    if len(x) < 50 or np.ptp(x) <= 0:
        return float("nan"), float("nan")
    factor = weights
    scale = shift = 0.0
    for _ in range(20):
        total = factor.sum()
        mean_x, mean_y = (factor @ x) / total, (factor @ y) / total
        variance = factor @ (x - mean_x) ** 2
        scale = (factor @ ((x - mean_x) * (y - mean_y))) / max(variance, 1e-30)
        shift = mean_y - scale * mean_x
        residual = y - scale * x - shift
        limit = max(2 * spread(residual), 1e-4 * abs(mean_y), 1e-12)
        factor = weights / (1 + (residual / limit) ** 2)
    return (float(scale), float(shift)) if scale > 0 else (float("nan"), float("nan"))


def fit_frames(
    disparity: np.ndarray, alignment: Alignment, smoothing: float = SMOOTHING_FRAMES
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of each frame, T each, fitted to the alignment's confident static pixels and smoothed in time.

    disparity: T x h x w, already steady in time, so that scale and shift vary slowly. Frames that cannot be fitted are
    interpolated. smoothing: in frames. Raises ValueError if no frame can be fitted.
    """
    height, width = alignment.depth.shape[1:]
    stride = max(1, round((height * width / FIT_POINTS) ** 0.5))
    fits = np.full((len(disparity), 2), np.nan)
    for index, frame in enumerate(disparity):
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        static = alignment.valid[index] & ~alignment.dynamic[index]
        inverse = np.where(static, 1 / np.where(static, alignment.depth[index], 1), np.nan)
        weights = trust(alignment.confidence[index]) * static
        parts = (part[::stride, ::stride].ravel() for part in (small, inverse, weights))
        fits[index] = fit_scale_shift(*parts)
    known = np.isfinite(fits).all(axis=1)
    if not known.any():
        raise ValueError("no frame's disparity fits the point maps")
    times = np.arange(len(fits))
    scale = np.exp(np.interp(times, times[known], np.log(fits[known, 0])))
    # The shift is the value at disparity 0, far from the data, where every change of scale shows. The value at the
    # median disparity is stable, so that is what is smoothed.
    middle = float(np.median(disparity[:, ::8, ::8]))
    level = np.interp(times, times[known], fits[known, 1] + fits[known, 0] * middle)
    scale = np.exp(smooth_in_time(np.log(scale), smoothing))
    return scale, smooth_in_time(level, smoothing) - scale * middle


def fuse(
    disparity: np.ndarray, alignment: Alignment, *, checkpoint: str, licence: str, notes: tuple[str, ...]
) -> VideoGeometry:
    """Depth from disparity (T x h x w), cameras, lens, confidence and moving pixels from the alignment."""
    count, height, width = disparity.shape
    try:
        scale, shift = fit_frames(disparity, alignment)
    except ValueError:
        scale, shift = np.zeros(count), np.full(count, 1 / float(np.median(alignment.depth[alignment.valid])))
        notes = (*notes, "The disparity does not fit DUSt3R's points at all: depth is flat. Use another provider.")
    farthest = 3 * float(np.percentile(alignment.depth[alignment.valid], 99))
    size = (width, height)
    lens = alignment.lens
    K = np.diag([width / lens.width, height / lens.height, 1.0]) @ lens.K
    return VideoGeometry(
        depth=depth_from_inverse(apply(disparity, scale, shift), farthest),
        valid=np.ones(disparity.shape, bool),
        confidence=np.stack(
            [cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in alignment.confidence]
        ),
        K=np.tile(K, (count, 1, 1)),
        world_from_camera=alignment.world_from_camera,
        scale="relative",
        provider="depth-anything",
        checkpoint=checkpoint,
        licence=licence,
        dynamic=np.stack(
            [cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for mask in alignment.dynamic]
        ),
        notes=notes,
    )
