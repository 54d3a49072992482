# SPDX-License-Identifier: Apache-2.0
"""Follow corners through a clip (Lucas-Kanade with pyramids).

A corner is followed from frame to frame, and then brought to where its patch of the frame that it was found in fits
best, so that errors do not add up. It ends where the way back does not lead to its start, or where the two answers
disagree; new corners are found where there are none.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from reangle.geometry.camera.solve.tracks import Tracks, no_tracks
from reangle.geometry.footage import Footage

MAX_WIDTH = 960
CORNERS = 1800
WINDOW = (17, 17)
LEVELS = 3
ROUND_CORNER = 0.3
"""Ratio of the structure tensor's eigenvalues from which on a corner is certain in all directions."""
EDGE_POWER = 1.0
_LK = {"winSize": WINDOW, "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.005)}


def follow(
    footage: Footage,
    report: Callable[[float, str], None],
    *,
    corners: int = CORNERS,
    look: Callable[[np.ndarray], None] = lambda rgb: None,
) -> Tracks:
    """Tracks of at least three frames through all frames, in pixels of the footage. look: is shown each frame."""
    size = working_size(footage.width, footage.height)
    state = _Following(*size)
    every = max(2, min(6, footage.count // 10))
    last = footage.count - 1
    for index in range(footage.count):
        image = footage.image(index)
        look(image)
        state.advance(grey(image, *size), index)
        if index % every == 0 and index < last:
            state.find(corners)
        report((index + 1) / footage.count, "Following points")
    return state.tracks(footage)


def working_size(width: int, height: int, most: int = MAX_WIDTH) -> tuple[int, int]:
    """Width and height at which points are followed."""
    shrink = min(1.0, most / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def grey(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """A frame as the trackers see it: grey at this size."""
    one = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    if one.shape != (height, width):
        one = cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA)
    return one


class _Following:
    """The points that are followed, and all observations so far. Positions are in OpenCV's pixels, centres at 0."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.scale = max(width, height) / 720
        self.contrast = cv2.createCLAHE(2.0, (8, 8))
        self.count = 0
        self.points = np.zeros((0, 2), np.float32)
        self.origin = np.zeros((0, 2), np.float32)
        self.track = np.zeros(0, np.int64)
        self.anchor = np.zeros(0, np.int64)
        self.anchors: dict[int, np.ndarray] = {}
        self.image = np.zeros((height, width), np.uint8)
        self.previous: np.ndarray | None = None
        self.index = -1
        self.seen: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.weights: list[np.ndarray] = []

    def advance(self, image: np.ndarray, index: int) -> None:
        """Take the next frame and follow all points into it."""
        self.image = self.contrast.apply(image)
        self.index = index
        if self.previous is not None and len(self.points):
            moved, good = _both_ways(self.previous, self.image, self.points, 0.5 * self.scale)
            self._keep(good, moved)
            self._fit_to_anchors()
        self.previous = self.image
        self._note()

    def find(self, wanted: int) -> None:
        """Find corners where there are none yet."""
        distance = max(4, round(np.sqrt(self.width * self.height / wanted) / 2.2))
        mask = np.full((self.height, self.width), 255, np.uint8)
        for x, y in self.points:
            cv2.circle(mask, (round(float(x)), round(float(y))), distance, 0, -1)
        room = wanted - len(self.points)
        if room < wanted // 20:
            return
        corners = cv2.goodFeaturesToTrack(self.image, room, 0.004, distance, mask=mask, blockSize=5)
        if corners is None:
            return
        new = cv2.cornerSubPix(
            self.image, corners.reshape(-1, 1, 2), (3, 3), (-1, -1), (cv2.TERM_CRITERIA_COUNT, 10, 0.01)
        ).reshape(-1, 2)
        numbers = np.arange(self.count, self.count + len(new))
        self.count += len(new)
        self.points = np.concatenate([self.points, new])
        self.origin = np.concatenate([self.origin, new])
        self.track = np.concatenate([self.track, numbers])
        self.anchor = np.concatenate([self.anchor, np.full(len(new), self.index)])
        self.anchors[self.index] = self.image
        self.seen.append((np.full(len(new), self.index), numbers, new))
        self.weights.append(_weights(self.image, new))

    def tracks(self, footage: Footage) -> Tracks:
        if not self.seen:
            return no_tracks(footage.count, footage.width, footage.height)
        frame, track, uv = (np.concatenate([one[part] for one in self.seen]) for part in range(3))
        zoom = np.array([footage.width / self.width, footage.height / self.height])
        found = Tracks.of(
            frame,
            track,
            (uv.astype(np.float64) + 0.5) * zoom,
            frames=footage.count,
            width=footage.width,
            height=footage.height,
        )
        long = found.lengths >= min(3, footage.count)
        kept = found.only_tracks(long)
        number = np.cumsum(long) - 1
        return Tracks.of(
            kept.frame,
            number[kept.track],
            kept.uv,
            frames=footage.count,
            width=footage.width,
            height=footage.height,
            weights=np.concatenate(self.weights)[long],
        )

    def _keep(self, good: np.ndarray, points: np.ndarray) -> None:
        edge = 3
        good = good & (points[:, 0] >= edge) & (points[:, 0] < self.width - edge)
        good &= (points[:, 1] >= edge) & (points[:, 1] < self.height - edge)
        self.points, self.origin = points[good], self.origin[good]
        self.track, self.anchor = self.track[good], self.anchor[good]

    def _fit_to_anchors(self) -> None:
        points, good = self.points.copy(), np.ones(len(self.points), bool)
        for anchor in np.unique(self.anchor):
            here = self.anchor == anchor
            fitted, state, error = cv2.calcOpticalFlowPyrLK(
                self.anchors[int(anchor)],
                self.image,
                self.origin[here],
                self.points[here].copy(),
                maxLevel=0,
                flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
                **_LK,
            )
            near = np.linalg.norm(fitted - self.points[here], axis=1) < 1.0 * self.scale
            good[here] = (state.ravel() > 0) & near & (error.ravel() < 24)
            points[here] = fitted
        self._keep(good, points)
        for anchor in set(self.anchors) - set(self.anchor.tolist()):
            del self.anchors[anchor]

    def _note(self) -> None:
        if len(self.points):
            self.seen.append((np.full(len(self.points), self.index), self.track, self.points))


def _both_ways(
    first: np.ndarray, second: np.ndarray, points: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray]:
    there, ok, _ = cv2.calcOpticalFlowPyrLK(first, second, points, points.copy(), maxLevel=LEVELS, **_LK)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, there.copy(), maxLevel=LEVELS, **_LK)
    good = (ok.ravel() > 0) & (ok_back.ravel() > 0) & (np.linalg.norm(back - points, axis=1) < least)
    return there, good


def _weights(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Symmetric weights (n x 2 x 2) of the residuals at corners: 1 across the strongest edge, less along it."""
    tensor = cv2.cornerEigenValsAndVecs(image, WINDOW[0], 3)
    most = np.array(image.shape[::-1]) - 1
    column, row = np.clip(np.round(points), 0, most).astype(np.intp).T
    here = tensor[row, column].astype(np.float64)
    size = np.abs(here[:, :2])
    across = np.where((size[:, :1] >= size[:, 1:]), here[:, 2:4], here[:, 4:6])
    ratio = size.min(axis=1) / np.maximum(size.max(axis=1), 1e-12)
    along = np.clip((ratio / ROUND_CORNER) ** EDGE_POWER, 0.05, 1)[:, None, None]
    outer = across[:, :, None] * across[:, None, :]
    return outer + along * (np.eye(2) - outer)
