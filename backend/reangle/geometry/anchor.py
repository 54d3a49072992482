# SPDX-License-Identifier: Apache-2.0
"""Fits the depth of single frames into the world of a camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from reangle.geometry.anchor_field import UNSUPPORTED, Samples, fit_field
from reangle.geometry.anchor_movers import follow_ground
from reangle.geometry.anchor_points import PointDepths, depths_in_frames, triangulate
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth, WorldDepth
from reangle.geometry.moving import moving_pixels
from reangle.geometry.robust import spread
from reangle.geometry.steady import align_turning, plausible_unit, steady_static

Report = Callable[[float, str], None]
LEAST_POINTS = 20
"""Points that a frame needs for its own fit; other frames are interpolated."""
LEAST_FRAMES_FITTED = 0.3
"""Share of the frames that must have enough points, or the points are not used."""
TRUSTED_SIGMA = 0.03
"""Standard deviation of a point's log depth at which it counts half."""
DOUBT, DOUBT_A_FRAME, LEAST_DOUBT = 2.0, 0.1, 0.25
"""A point does not count if its correction is farther from the clip's median than so many spreads, and so many more for
each frame that sees it, and than the last."""
HALF_CONFIDENCE = 0.1
"""Standard deviation of log depth of a pixel whose confidence is 0.5."""
FARTHEST = 5.0
"""Depth is at most this many times the depth of the farthest few per cent of the points."""


def anchor(depth: FrameDepth, camera: ClipCamera, footage: Footage, report: Report) -> WorldDepth:
    """Depth in the camera's world.

    With ambiguity "none" it is there already. If the camera moves and has points (or the footage has tracks that can be
    triangulated), each frame's scale (and shift) and then a smooth field of scale are fitted to the points; otherwise
    frames are only brought to one scale (and shift) among themselves, in a unit of convenient size. Static pixels are
    then averaged over time, and movers are set on the ground that they touch.
    Confidence is 1 / (1 + (sigma / HALF_CONFIDENCE)^2) of the estimated standard deviation sigma of log depth, times
    the provider's confidence.
    """
    valid = depth.valid & np.isfinite(depth.inverse)
    height, width = depth.inverse.shape[1:]
    if depth.ambiguity == "none":
        valid &= depth.inverse > 0
        metres = np.where(valid, 1 / np.where(valid, depth.inverse, 1), 0).astype(np.float32)
        moving = known_moving(depth, camera)
        if moving is None:
            moving = moving_pixels(metres, valid, camera.K_at(width, height), camera.world_from_camera)
        return WorldDepth(metres, valid, np.where(valid, depth.confidence, 0), moving, depth.notes)
    inverse = np.where(valid, np.maximum(depth.inverse, 0), 0).astype(np.float32)
    depth = replace(depth, inverse=inverse, valid=valid)
    notes = depth.notes
    points: list[PointDepths] = []
    if camera.motion == "moving":
        if len(camera.points) == 0:
            report(0.0, "")
            camera = replace(camera, points=triangulate(footage, camera))
        points = _on_depth(depths_in_frames(camera), depth)
        enough = np.mean([len(one) >= LEAST_POINTS for one in points])
        if enough < LEAST_FRAMES_FITTED:
            points = []
            notes = (*notes, "Depth: the camera's motion measures too few points of the scene; the scale is assumed.")
    report(0.3, "")
    fitted = _fit_to_points(depth, points, known_moving(depth, camera)) if points else None
    # Nothing ties the unit of depth to the path of a camera that moves without points, so frames cannot be compared.
    comparable = fitted is not None or camera.motion != "moving"
    fitted = fitted or _fit_to_each_other(depth, camera)
    report(0.6, "")
    K, world_from_camera = camera.K_at(width, height), camera.world_from_camera
    moving = known_moving(depth, camera)
    if moving is None:
        moving = moving_pixels(fitted.depth, valid, K, world_from_camera) if comparable else np.zeros(valid.shape, bool)
    # Depth bleeds over a mover's outline.
    near_mover = np.stack([cv2.dilate(one.astype(np.uint8), np.ones((3, 3), np.uint8)) for one in moving]) > 0
    usable = valid & ~near_mover
    steady, disagreement = fitted.depth, np.zeros_like(fitted.depth)
    if comparable:
        moves = camera.motion == "moving"
        steady, disagreement = steady_static(fitted.depth, usable, K, world_from_camera, moving_camera=moves)
    report(0.9, "")
    steady = follow_ground(steady, moving, usable, K[:, 0, 0])
    confidence = confidence_of(np.hypot(fitted.sigma, disagreement)) * depth.confidence
    return WorldDepth(
        np.where(valid, steady, 0), valid, np.where(valid, confidence, 0).astype(np.float32), moving, notes
    )


def confidence_of(sigma: np.ndarray) -> np.ndarray:
    """Confidence, 0 to 1, of a standard deviation of log depth."""
    return 1 / (1 + (sigma / np.float32(HALF_CONFIDENCE)) ** 2)


def sigma_of(confidence: np.ndarray) -> np.ndarray:
    """The standard deviation of log depth of a confidence; the inverse of `confidence_of`."""
    return np.float32(HALF_CONFIDENCE) * np.sqrt(1 / np.clip(confidence, 1e-3, 1) - 1)


def known_moving(depth: FrameDepth, camera: ClipCamera) -> np.ndarray | None:
    """What moves, at the depth's size: T x h x w bool, from the camera or else the depth provider; None if unknown."""
    height, width = depth.inverse.shape[1:]
    moving = camera.moving if camera.moving is not None else depth.moving
    if moving is None:
        return None
    return np.stack(
        [cv2.resize(one.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.4 for one in moving]
    )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """depth: T x h x w float32. sigma: T x h x w float32, standard deviation of log depth."""

    depth: np.ndarray
    sigma: np.ndarray


def _fit_to_each_other(depth: FrameDepth, camera: ClipCamera) -> _Fitted:
    """One scale (and shift) for all frames, where no point has a known depth."""
    height, width = depth.inverse.shape[1:]
    K, shifts = camera.K_at(width, height), depth.ambiguity == "scale-shift"
    moving = known_moving(depth, camera)
    usable = depth.valid if moving is None else depth.valid & ~moving
    inverse = align_turning(depth.inverse, usable, K, camera.world_from_camera, shifts=shifts)
    inverse = plausible_unit(inverse, shifts=shifts)
    known = inverse[depth.valid]
    least = float(np.percentile(known, 2)) / FARTHEST if known.size else 1.0
    if least <= 0:
        least = max(float(np.median(known)) / 20 if known.size else 1.0, 1e-6)
    result = (1 / np.maximum(inverse, least)).astype(np.float32)
    return _Fitted(result, np.full_like(result, UNSUPPORTED))


def _fit_to_points(depth: FrameDepth, points: list[PointDepths], moving: np.ndarray | None) -> _Fitted:
    """Scale (and shift) of each frame, then a smooth field, from the points' depths; `moving` pixels do not count."""
    if moving is not None:
        still = [one.subset(~_nearest(mask, one)) for mask, one in zip(moving, points, strict=True)]
        # Masks that cover all points are wrong.
        points = still if any(len(one) >= LEAST_POINTS for one in still) else points
    at_points = [_inverse_at(depth, frame, one) for frame, one in enumerate(points)]
    scale, shift = _frame_fits(points, at_points, shifts=depth.ambiguity == "scale-shift")
    least = 1 / (FARTHEST * float(np.percentile(np.concatenate([one.depth for one in points]), 95)))
    samples = []
    for frame, (one, values) in enumerate(zip(points, at_points, strict=True)):
        log_depth = -np.log(np.maximum(scale[frame] * values + shift[frame], least))
        weight = 1 / (1 + (one.sigma / TRUSTED_SIGMA) ** 2)
        samples.append(Samples(one.uv, log_depth, np.log(one.depth) - log_depth, weight))
    samples = _believed(samples, points)
    height, width = depth.inverse.shape[1:]
    field = fit_field(samples, width / height)
    result, sigma = np.zeros_like(depth.inverse), np.zeros_like(depth.inverse)
    for frame, inverse in enumerate(depth.inverse):
        log_depth = -np.log(np.maximum(scale[frame] * inverse + shift[frame], least))
        correction, sigma[frame] = field.at(frame, log_depth)
        result[frame] = np.exp(log_depth + correction)
    return _Fitted(result, sigma)


def _believed(samples: list[Samples], points: list[PointDepths]) -> list[Samples]:
    """The samples without the weight of points that are too far from the network's depth for how briefly they are seen.

    A point on a thing that moves along its epipolar line looks at rest, at a wrong depth, for a while. What has been at
    rest through many frames is right, and the network wrong.
    """
    middle = float(np.median(np.concatenate([one.correction for one in samples])))
    off = [np.abs(one.correction - middle) for one in samples]
    usual = spread(np.concatenate(off))
    believed = []
    for one, away, seen in zip(samples, off, points, strict=True):
        limit = np.maximum(usual * (DOUBT + DOUBT_A_FRAME * seen.seen), LEAST_DOUBT)
        believed.append(replace(one, weight=np.where(away > limit, 0, one.weight)))
    return believed


def _on_depth(points: list[PointDepths], depth: FrameDepth) -> list[PointDepths]:
    """The points where the provider has depth."""
    at_points = [_inverse_at(depth, frame, one) for frame, one in enumerate(points)]
    return [one.subset(np.isfinite(values) & (values > 0)) for one, values in zip(points, at_points, strict=True)]


def _inverse_at(depth: FrameDepth, frame: int, points: PointDepths) -> np.ndarray:
    """The provider's inverse depth at points, n; NaN where it has none."""
    height, width = depth.inverse.shape[1:]
    known = np.where(depth.valid[frame], depth.inverse[frame], np.float32(np.nan))
    x, y = (points.uv * (width, height) - 0.5).astype(np.float32).T
    return cv2.remap(known, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel() if len(x) else x


def _nearest(mask: np.ndarray, points: PointDepths) -> np.ndarray:
    height, width = mask.shape
    column, row = (points.uv * (width, height)).astype(int).T
    return mask[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]


def _frame_fits(
    points: list[PointDepths], at_points: list[np.ndarray], *, shifts: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift of each frame, T each, for which scale * inverse + shift is nearest to the points' 1 / depth.

    Frames with too few points are interpolated.
    """
    fits = np.full((len(points), 2), np.nan)
    for frame, (one, values) in enumerate(zip(points, at_points, strict=True)):
        if len(one) >= LEAST_POINTS:
            fits[frame] = fit_scale_shift(values, 1 / one.depth) if shifts else (fit_scale(values, 1 / one.depth), 0)
    known = np.asarray(np.isfinite(fits).all(axis=1))
    if not known.any():
        ratios = np.concatenate([1 / one.depth / values for one, values in zip(points, at_points, strict=True)])
        fits[:] = float(np.median(ratios)), 0
        known = np.ones(len(fits), bool)
    # Interpolated where the data is, not at an inverse depth of 0.
    middle = float(np.median(np.concatenate(at_points)))
    times = np.arange(len(fits))
    scale = np.exp(np.interp(times, times[known], np.log(fits[known, 0])))
    level = np.interp(times, times[known], fits[known, 1] + fits[known, 0] * middle)
    return scale, level - scale * middle


def fit_scale(values: np.ndarray, inverse: np.ndarray) -> float:
    """The factor on values (n, above 0) that is nearest to inverse (n), with Cauchy weights on the logarithms."""
    ratio = np.log(inverse / values)
    middle = float(np.median(ratio))
    for _ in range(10):
        residual = ratio - middle
        weight = 1 / (1 + (residual / max(2 * spread(residual), 0.01)) ** 2)
        middle = float(weight @ ratio / weight.sum())
    return float(np.exp(middle))


def fit_scale_shift(values: np.ndarray, inverse: np.ndarray) -> tuple[float, float]:
    """The scale > 0 and shift for which scale * values + shift is nearest to inverse (n each), by relative error with
    Cauchy weights. NaN, NaN if there is none."""
    x, y = values.astype(np.float64), inverse.astype(np.float64)
    # Far points would otherwise decide alone.
    unit = np.maximum(y, 0.2 * np.median(y))
    weight = np.ones(len(x))
    scale = shift = 0.0
    for _ in range(20):
        w = weight / unit**2
        mean_x, mean_y = w @ x / w.sum(), w @ y / w.sum()
        variance = w @ (x - mean_x) ** 2
        scale = float(w @ ((x - mean_x) * (y - mean_y)) / max(variance, 1e-30))
        shift = float(mean_y - scale * mean_x)
        residual = (y - scale * x - shift) / unit
        weight = 1 / (1 + (residual / max(2 * spread(residual), 0.01)) ** 2)
    return (scale, shift) if scale > 0 else (float("nan"), float("nan"))
