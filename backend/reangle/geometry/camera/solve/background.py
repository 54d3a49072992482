# SPDX-License-Identifier: Apache-2.0
"""What a camera that does not move from its place sees at rest, and what changes before it.

Tracks need corners. Whole frames also show plain things that move, and that plain surfaces rest.
"""

from __future__ import annotations

import cv2
import numpy as np

from reangle.geometry.camera.solve.bundle import Solution
from reangle.geometry.footage import Footage

SMALL_WIDTH = 240
"""Frames are compared at this width."""
CELL = 12
"""Side of the square cells, in pixels, in which rest is judged."""
REST_PX = 0.13
"""Largest shift of a cell at rest, in pixels of the small frames."""
LEAST_GRADIENT = 0.1
"""Least mean squared gradient, in squared grey levels a pixel, in every direction, for a shift to show."""
MOST_COMPARED, MOST_TURNED = 31, 15
"""The background is the median of at most so many frames, of cameras that stand still and that turn."""
LEAST_CHANGE, NOISE_TIMES = 8.0, 5.0
"""A pixel changes by at least so many levels of 255, and so many times the noise."""
SHADOW_LEAST, SHADOW_MOST, SHADOW_HUE = 0.4, 0.97, 0.05
"""A shadow leaves a share of the light between the first two, which differs by at most the third between channels."""
SHADOW_SHARE = 0.3
"""What looks like shadow is left out where it is less than this share of what changes: dark things look so, too."""
CLOSING, SMALLEST = 13, 24
"""Gaps that are filled, in pixels, and the smallest thing, in square pixels, of small frames."""
BACKGROUND_OFFSET = 8.0


class SmallFrames:
    """Frames at SMALL_WIDTH, collected one after the other."""

    def __init__(self, footage: Footage) -> None:
        self.width = min(SMALL_WIDTH, footage.width)
        self.height = max(1, round(footage.height * self.width / footage.width))
        self._frames: list[np.ndarray] = []

    def add(self, rgb: np.ndarray) -> None:
        """The next frame: height x width x 3 uint8."""
        self._frames.append(cv2.resize(rgb, (self.width, self.height), interpolation=cv2.INTER_AREA))

    @property
    def frames(self) -> np.ndarray:
        """T x h x w x 3 uint8."""
        return np.stack(self._frames)


def share_at_rest(frames: np.ndarray) -> float:
    """Share of the picture, 0 to 1, that is where it was in nineteen of twenty pairs of frames.

    frames: T x h x w x 3 uint8. A cell is at rest if its pixels differ by less than a shift of REST_PX would make them
    by their gradients. Cells without gradients do not count.
    """
    grey = np.stack([_soft_grey(frame) for frame in frames])
    count, step = len(grey), max(1, len(grey) // 4)
    shares: list[float] = []
    for reference in range(0, count - 1, step):
        down, right = np.gradient(grey[reference])
        a, b, c = _cells(right * right), _cells(right * down), _cells(down * down)
        weakest = (a + c) / 2 - np.sqrt((a - c) ** 2 / 4 + b * b)
        shows = weakest > LEAST_GRADIENT
        for index in range(reference + 1, min(count, reference + 2 * step + 1)):
            rests = _cells((grey[index] - grey[reference]) ** 2) < REST_PX**2 * (a + c)
            shares.append(float((rests & shows).sum() / max(1, shows.sum())))
    return float(np.quantile(shares, 0.05)) if shares else 0.0


def changing(frames: np.ndarray, solution: Solution, width: int) -> np.ndarray:
    """T x h x w bool: what differs from the background of a camera that stands still or turns.

    frames: T x h x w x 3 uint8. solution: rotations and lens for frames of this width, without distortion. The
    background is the median of the other frames as the camera sees them from its pose. A thing that hides the same
    place for half of the clip is taken for background.
    """
    count, height, small_width = frames.shape[:3]
    zoom = np.diag([small_width / width, small_width / width, 1.0])
    K = zoom @ solution.lens.K
    turns = not np.allclose(solution.R, solution.R[0], atol=1e-9)
    chosen = np.unique(
        np.linspace(0, count - 1, min(count, MOST_TURNED if turns else MOST_COMPARED)).round().astype(int)
    )
    still = None if turns else np.median(frames[chosen], axis=0).astype(np.float32)
    masks = np.zeros((count, height, small_width), bool)
    for index in range(count):
        here = frames[index].astype(np.float32)
        if still is not None:
            low = high = background = still
        else:
            background = _turned_background(frames, chosen, solution.R, K, index)
            # The edges of turned frames are off by parts of a pixel.
            low, high = cv2.erode(background, np.ones((3, 3))), cv2.dilate(background, np.ones((3, 3)))
        masks[index] = _things(here, background, np.maximum(here - high, low - here))
    return masks


def _turned_background(frames: np.ndarray, chosen: np.ndarray, R: np.ndarray, K: np.ndarray, index: int) -> np.ndarray:
    """The median of the chosen frames as frame `index` sees them; its own pixels count where one does not."""
    height, width = frames.shape[1:3]
    # Pixel centres are at +0.5 in K, at 0 in OpenCV.
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    seen = np.tile(frames[index], (len(chosen), 1, 1, 1))
    for place, other in enumerate(chosen):
        there = np.linalg.inv(centre) @ K @ R[other] @ R[index].T @ np.linalg.inv(K) @ centre
        cv2.warpPerspective(
            frames[other],
            there,
            (width, height),
            dst=seen[place],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
    return np.median(seen, axis=0).astype(np.float32)


def _things(here: np.ndarray, background: np.ndarray, away: np.ndarray) -> np.ndarray:
    """The compact things that differ from the background, without their shadows: h x w bool. away: h x w x 3."""
    away = away.max(axis=-1)
    noise = 1.4826 * float(np.median(np.abs(away)))
    changes = (away > max(NOISE_TIMES * noise, LEAST_CHANGE)).astype(np.uint8)
    changes = cv2.morphologyEx(changes, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    light = (here + BACKGROUND_OFFSET) / (background + BACKGROUND_OFFSET)
    mean = light.mean(axis=-1)
    shadow = (mean > SHADOW_LEAST) & (mean < SHADOW_MOST) & (np.ptp(light, axis=-1) < SHADOW_HUE)
    count, label = cv2.connectedComponents(cv2.morphologyEx(changes, cv2.MORPH_CLOSE, _disc(5)), connectivity=8)
    changed = np.bincount(label.ravel(), weights=changes.ravel(), minlength=count)
    dark = np.bincount(label.ravel(), weights=(shadow & (changes > 0)).ravel(), minlength=count)
    lit = (changes > 0) & ~(shadow & (dark < SHADOW_SHARE * changed)[label.astype(np.intp)])
    lit = cv2.morphologyEx(lit.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(
        cv2.morphologyEx(lit, cv2.MORPH_CLOSE, _disc(CLOSING)), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    filled = np.zeros(lit.shape, np.uint8)
    cv2.drawContours(filled, [one for one in outlines if cv2.contourArea(one) >= SMALLEST], -1, 1, cv2.FILLED)
    return filled > 0


def _disc(size: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def _soft_grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.5)


def _cells(values: np.ndarray) -> np.ndarray:
    """Means over square cells of h x w; what is left at the right and below is cut off."""
    side = min(CELL, *values.shape)
    rows, columns = values.shape[0] // side, values.shape[1] // side
    return values[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
