# SPDX-License-Identifier: Apache-2.0
"""Points of the picture followed through the clip."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Tracks:
    """m observations of N tracks in T frames, sorted by track, then by frame.

    frame, track: m int64. uv: m x 2 float64, pixels of width x height frames, pixel centres at +0.5.
    weights: N x 2 x 2 float64: a residual r of a track counts as `weights @ r`. Along an edge a track is uncertain.
    """

    frame: np.ndarray
    track: np.ndarray
    uv: np.ndarray
    weights: np.ndarray
    frames: int
    count: int
    width: int
    height: int

    @classmethod
    def of(
        cls,
        frame: np.ndarray,
        track: np.ndarray,
        uv: np.ndarray,
        *,
        frames: int,
        width: int,
        height: int,
        weights: np.ndarray | None = None,
    ) -> Tracks:
        """Sort observations in any order; tracks are numbered from 0. weights: None for equal ones."""
        order = np.lexsort((frame, track))
        count = int(track.max()) + 1 if len(track) else 0
        return cls(
            np.asarray(frame, np.int64)[order],
            np.asarray(track, np.int64)[order],
            np.asarray(uv, np.float64).reshape(-1, 2)[order],
            np.tile(np.eye(2), (count, 1, 1)) if weights is None else weights,
            frames,
            count,
            width,
            height,
        )

    def starts(self, count: int) -> np.ndarray:
        """For each of `count` tracks the place of its first observation, and the end: count + 1."""
        return np.searchsorted(self.track, np.arange(count + 1))

    @property
    def lengths(self) -> np.ndarray:
        """Observations of each track: N."""
        return np.bincount(self.track, minlength=self.count)

    def only(self, keep: np.ndarray) -> Tracks:
        """The observations of a mask of m; the tracks keep their numbers."""
        return replace(self, frame=self.frame[keep], track=self.track[keep], uv=self.uv[keep])

    def only_tracks(self, keep: np.ndarray) -> Tracks:
        """The tracks of a mask of N, which keep their numbers."""
        return self.only(keep[self.track])

    def only_frames(self, chosen: np.ndarray, least: int = 2) -> Tracks:
        """The observations in the chosen frames, of tracks with at least `least` of them; frames are renumbered."""
        place = np.full(self.frames, -1)
        place[chosen] = np.arange(len(chosen))
        inside = self.only(place[self.frame] >= 0)
        inside = inside.only_tracks(inside.lengths >= least)
        return replace(inside, frame=place[inside.frame], frames=len(chosen))

    def spread(self, most: int) -> np.ndarray:
        """A mask of N with at most `most` tracks: the longest of each cell of a grid, evenly over the picture.

        No cell has much more than the others, so that a textured thing that moves does not outvote the rest.
        """
        lengths = self.lengths
        first = np.minimum(self.starts(self.count)[:-1], max(0, len(self.frame) - 1))
        cell = self.cells(12, 8)[first] if len(self.frame) else np.zeros(self.count, np.int64)
        order = np.lexsort((np.arange(self.count), -lengths, cell))
        rank = np.empty(self.count, np.int64)
        sizes = np.bincount(cell, minlength=96)
        rank[order] = np.arange(self.count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        best = np.lexsort((-lengths, rank + 10**6 * (lengths == 0)))[:most]
        chosen = np.zeros(self.count, bool)
        chosen[best] = True
        full = np.bincount(cell[lengths > 0], minlength=96)
        most_in_cell = 1.5 * np.median(full[full > 0]) if full.any() else 0
        return chosen & (lengths > 0) & (rank < max(3, most_in_cell))

    def in_frame(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the tracks seen in a frame, ascending, and their pixels: k, and k x 2."""
        here = np.flatnonzero(self.frame == index)
        return self.track[here], self.uv[here]

    def common(self, first: int, second: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the tracks seen in both frames, and their pixels in each: k, k x 2, k x 2."""
        (a, uv_a), (b, uv_b) = self.in_frame(first), self.in_frame(second)
        both, in_a, in_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
        return both, uv_a[in_a], uv_b[in_b]

    def cells(self, columns: int = 8, rows: int = 6) -> np.ndarray:
        """The cell of a grid over the picture that each observation is in: m."""
        column = np.clip(self.uv[:, 0] / self.width * columns, 0, columns - 1).astype(np.int64)
        row = np.clip(self.uv[:, 1] / self.height * rows, 0, rows - 1).astype(np.int64)
        return row * columns + column


def no_tracks(frames: int, width: int, height: int) -> Tracks:
    """Of a clip in which nothing can be followed."""
    nothing = np.zeros(0, np.int64)
    return Tracks.of(nothing, nothing, np.zeros((0, 2)), frames=frames, width=width, height=height)


def share_over_picture(tracks: Tracks, agrees: np.ndarray) -> float:
    """Share of the picture in which observations agree: the mean over a grid's cells of the share in each.

    agrees: m bool. Cells with fewer than three observations do not count. A textured object cannot outvote the rest.
    """
    cell = tracks.cells()
    all_in, agree_in = np.bincount(cell, minlength=48), np.bincount(cell, weights=agrees, minlength=48)
    enough = all_in >= 3
    return float((agree_in[enough] / all_in[enough]).mean()) if enough.any() else 0.0
