# SPDX-License-Identifier: Apache-2.0
"""Movers stand on the ground that they touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reangle.geometry.mover_labels import ALIKE, label_movers
from reangle.geometry.robust import MAD_TO_SIGMA

CONTACT = 0.2
"""Lowest part of a mover, as a share of its height, that may touch the ground."""
LARGEST_STEP = 0.35
"""Most difference in log depth between a mover and the surface just below it if it touches that."""
LARGEST_STEP_ON_GROUND = 1.2
"""The same, if the surface rises as grounds do."""
GROUND_RISE = 0.6
"""Growth of a ground's 1 / depth over the picture's height, as a share of itself: a wall's is far less."""
BAND = 0.05
"""Width of the band of ground around a mover's lowest part, as a share of the picture's height."""
NEARER, FARTHER = 0.5, 0.15
"""How much a mover reaches before and behind its lowest part, as shares of its width."""
HANGS, LEAST_KNOWN = 0.85, 0.3
"""Most depth of what touches nothing, as a share of the depth of what it hides, if so much of that is known."""
LARGEST_SMOOTHING = 0.1
"""Most that smoothing changes the log depth of a mover that touches nothing."""
SMOOTHING_FRAMES = 3.0
"""Standard deviation in frames of the smoothing over time."""


@dataclass(frozen=True, eq=False)
class _Blob:
    """One connected mover in one frame. area: in pixels. middle: median of its log depth, once it is no deeper than it
    is wide. step: log of the ground's depth over its own at its contact; NaN if it does not touch."""

    frame: int
    label: int
    area: int
    middle: float
    step: float


def follow_ground(
    depth: np.ndarray, moving: np.ndarray, usable: np.ndarray, focal: np.ndarray, behind: np.ndarray | None = None
) -> np.ndarray:
    """Depth (T x h x w) whose movers meet the ground where they touch it.

    A mover keeps its shape: all of its depth in a frame is scaled by one factor, with which its lowest contour gets
    the depth of the static ground around it; but one that touches is no deeper than it is wide: a network that does
    not see it gives it the background's depth. It touches if the two differ by less than LARGEST_STEP and the ground
    there rises away from the camera, as floors do and walls do not. What touches nothing is put in front of what it
    hides. Movers are followed through time by their overlap, and their median depth is smoothed over time.
    moving, usable: T x h x w bool; usable marks static pixels with depth. focal: T, in pixels. behind: depth of the
    static scene behind movers, T x h x w, 0 where unknown.
    """
    labels, blobs, tracks = label_movers(moving), [], []
    before: dict[int, int] = {}
    result = depth.copy()
    for frame, label in enumerate(labels):
        now: dict[int, int] = {}
        for number in (int(one) for one in np.unique(label) if one):
            inside = label == number
            area, box = int(inside.sum()), cv2.boundingRect(inside.astype(np.uint8))
            step = _contact_step(depth[frame], inside, usable[frame], box)
            if np.isfinite(step):
                result[frame][inside] = _no_deeper(depth[frame], inside, box, float(focal[frame]))
            elif behind is not None and _is_whole(box, inside.shape):
                result[frame][inside] *= _in_front(depth[frame][inside], behind[frame][inside])
            middle = float(np.median(np.log(np.maximum(result[frame][inside], 1e-9))))
            blobs.append(_Blob(frame, number, area, middle, step))
            track = len(tracks)
            if frame and before:
                shared = np.bincount(labels[frame - 1][inside], minlength=max(before) + 1)
                best = max(before, key=lambda old: shared[old])
                ratio = area / max(int((labels[frame - 1] == best).sum()), 1)
                if 1 / ALIKE < ratio < ALIKE and shared[best] > 0.2 * area and before[best] not in now.values():
                    track = before[best]
            if track == len(tracks):
                tracks.append([])
            tracks[track].append(len(blobs) - 1)
            now[number] = track
        before = now
    for track in tracks:
        own = [blobs[index] for index in track]
        for blob, step in zip(own, _smooth(own), strict=True):
            if step:
                result[blob.frame][labels[blob.frame] == blob.label] *= np.float32(np.exp(step))
    return result


def _no_deeper(depth: np.ndarray, inside: np.ndarray, box: Sequence[int], focal: float) -> np.ndarray:
    """The depth (n) of a mover's pixels, not far from that of its lowest part: up to half of its width nearer, and less
    behind it, where the camera does not see. box: left, top, width and height.
    """
    values = depth[inside]
    _, top, across, tall = box
    rows = np.nonzero(inside)[0]
    at_contact = float(np.median(values[rows >= top + tall - 1 - max(2, CONTACT * tall)]))
    width = across / focal
    return np.clip(values, at_contact * (1 - NEARER * width), at_contact * (1 + FARTHER * width))


def _is_whole(box: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether all of a mover is in the picture."""
    left, top, across, tall = box
    return left > 0 and top > 0 and left + across < shape[1] and top + tall < shape[0]


def _in_front(depth: np.ndarray, behind: np.ndarray) -> np.float32:
    """Factor that puts a mover, n pixels, in front of what it hides; both are 0 where they are unknown."""
    known, has_depth = behind > 0, depth > 0
    if known.mean() < LEAST_KNOWN or not has_depth.any():
        return np.float32(1)
    return np.float32(min(1.0, HANGS * float(np.median(behind[known])) / float(np.median(depth[has_depth]))))


def _smooth(blobs: list[_Blob]) -> np.ndarray:
    """Change of log depth of one mover in each of its frames."""
    frames = np.array([blob.frame for blob in blobs])
    middles, steps = (np.array([getattr(blob, name) for blob in blobs]) for name in ("middle", "step"))
    known = np.isfinite(steps)
    if known.mean() < 0.5:
        change = _locally_linear(frames, middles, np.ones(len(blobs))) - middles
        return np.clip(change, -LARGEST_SMOOTHING, LARGEST_SMOOTHING)
    middle = np.median(steps[known])
    limit = 3 * MAD_TO_SIGMA * np.median(np.abs(steps[known] - middle)) + 0.02
    known &= np.abs(np.nan_to_num(steps) - middle) <= limit
    # Where it leaves the ground for a few frames, its depth changes as it did on the ground.
    target = np.where(known, middles + np.nan_to_num(steps), middles + middle)
    return _locally_linear(frames, target, np.where(known, 1.0, 0.1)) - middles


def _locally_linear(times: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values (n) smoothed over time by straight lines with Gaussian weights, which keep a steady motion as it is."""
    result = np.empty(len(values))
    for index, time in enumerate(times):
        w = weights * np.exp(-0.5 * ((times - time) / SMOOTHING_FRAMES) ** 2)
        apart = times - w @ times / w.sum()
        variance = w @ apart**2
        slope = (w @ (apart * values)) / variance if variance > 1e-9 else 0.0
        result[index] = w @ values / w.sum() + slope * (time - w @ times / w.sum())
    return result


def _contact_step(depth: np.ndarray, mask: np.ndarray, usable: np.ndarray, box: Sequence[int]) -> float:
    """Log of the ground's depth over the mover's at its lowest contour; NaN if it does not touch the ground."""
    height = len(depth)
    left, top, across, tall = box
    if top + tall >= height - 1:
        # Its feet are below the picture.
        return float("nan")
    columns = np.arange(left, left + across)
    bottom = height - 1 - np.argmax(mask[::-1, columns], axis=0)
    low = mask[:, columns].any(axis=0) & (bottom >= top + tall - 1 - max(2, CONTACT * tall))
    columns, bottom = columns[low], bottom[low]
    band = max(3, round(BAND * height))
    around = np.zeros(mask.shape, np.uint8)
    around[bottom, columns] = 1
    around = cv2.dilate(around, np.ones((2 * band + 1, 2 * band + 1), np.uint8)) > 0
    # The rim of a mover is a mixture of its depth and the ground's.
    around &= usable & (cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    around[: max(0, int(bottom.min()) - 1)] = False
    rows, aside = np.nonzero(around)
    if len(rows) < 20:
        return float("nan")
    plane = _plane(aside, rows, 1 / depth[rows, aside].astype(np.float64))
    if plane is None or plane[1] <= 0:
        return float("nan")
    # A mover's outline ends between its lowest pixel and the next.
    ground = plane[0] * columns + plane[1] * (bottom + 0.5) + plane[2]
    inside = [np.median(depth[max(top, low - 2) : low + 1, at]) for low, at in zip(bottom, columns, strict=True)]
    steps = np.log(1 / np.maximum(ground, 1e-9) / np.array(inside))
    step = float(np.median(steps[ground > 0])) if (ground > 0).any() else float("nan")
    rises = plane[1] * height > GROUND_RISE * float(np.median(np.abs(ground)))
    return step if abs(step) < (LARGEST_STEP_ON_GROUND if rises else LARGEST_STEP) else float("nan")


def _plane(columns: np.ndarray, rows: np.ndarray, inverse: np.ndarray) -> np.ndarray | None:
    """Inverse depth of a plane, a * column + b * row + c, fitted with Cauchy weights; None if most is not a plane."""
    design = np.column_stack([columns, rows, np.ones(len(rows))]).astype(np.float64)
    weights = np.ones(len(rows))
    fit, residual = np.zeros(3), inverse
    for _ in range(8):
        fit = np.linalg.lstsq(design * np.sqrt(weights)[:, None], inverse * np.sqrt(weights), rcond=None)[0]
        residual = (design @ fit - inverse) / np.median(inverse)
        weights = 1 / (1 + (residual / 0.02) ** 2)
    return fit if np.median(np.abs(residual)) < 0.05 else None
