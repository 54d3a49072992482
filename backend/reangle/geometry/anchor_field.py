# SPDX-License-Identifier: Apache-2.0
"""A smooth field of log scale over picture, depth and time that brings a network's depth to measured points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.ndimage import convolve1d, map_coordinates
from scipy.sparse.linalg import LinearOperator, cg

from reangle.geometry.robust import spread

COLUMNS, ROWS, LAYERS = 24, 16, 6
"""Nodes of the field along the longer and shorter side of the picture, and over log depth."""
ACROSS, BETWEEN_LAYERS, OVER_TIME = 0.01, 0.01, 0.5
"""Stiffness between neighbouring nodes in the picture, between layers and between frames, beside the weight of the
points if a frame has POINTS of them; less with fewer points."""
POINTS = 1000
ROUNDS = ((0.4, 30.0), (0.3, 10.0), (0.2, 3.0), (0.15, 1.0), (0.12, 1.0), (0.1, 1.0))
"""In each round of reweighting: the difference of log depth from which a point loses influence, and how many times as
stiff the field is. A stiff field cannot follow a few wrong points into a corner that has no others."""
STIFFER = (1.0, 10.0, 100.0)
"""The field may be this many times as stiff."""
GAIN = 0.97
"""A less stiff field must bring the error at points left out below this share of a stiffer one's."""
LARGEST = 0.3
"""Errors of log depth at points left out count at most this much."""
BLOCKS, LEFT_OUT = 6, 4
"""To choose the stiffness, one of LEFT_OUT blocks of BLOCKS x BLOCKS in the picture is left out, in every frame."""
UNSUPPORTED, DOUBT = 0.2, 4.0
"""Assumed standard deviation of log depth where there are no points, and how many points it outweighs. With them the
errors stated on the sample are about the true ones."""
NEIGHBOURS = np.array([0.25, 0.75, 1, 0.75, 0.25])
"""How much the points around a node's neighbours tell of its own error."""
OUTLIER, LEAST_OUTLIER = 6.0, 0.3
"""Points whose correction is farther from the clip's median than so many spreads, and than this, do not count."""
LONGEST = 96
"""Most nodes over time; in longer clips a node stands for several frames."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Measured corrections in one frame, n each.

    uv: n x 2, share of width and height. log_depth: of the network's depth, after its scale and shift are fitted; it
    tells apart the surfaces on both sides of a depth edge. correction: log of measured depth over that depth. weight: 0
    to 1.
    """

    uv: np.ndarray
    log_depth: np.ndarray
    correction: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Field:
    """nodes: time x layers x rows x columns, corrections of log depth. error: likewise, the standard deviation of log
    depth around a node. nearest, farthest: log depth of the first and the last layer. frames: T."""

    nodes: np.ndarray
    error: np.ndarray
    nearest: float
    farthest: float
    frames: int

    def at(self, frame: int, log_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correction and standard deviation of each pixel of a frame with this log depth (h x w), h x w each."""
        height, width = log_depth.shape
        v, u = np.mgrid[0:height, 0:width] + 0.5
        coordinates = _coordinates(
            self.nodes.shape, self.frames, frame, u / width, v / height, log_depth, self.nearest, self.farthest
        )
        return tuple(
            map_coordinates(values, coordinates, order=1, mode="nearest") for values in (self.nodes, self.error)
        )  # pyright: ignore[reportReturnType]


def fit_field(samples: Sequence[Samples], aspect: float) -> Field:
    """The field closest to the samples of T frames; membrane with robust weights. aspect: width / height.

    The depth axis (as in a bilateral grid: Chen, Paris and Durand 2007) keeps the points of one surface from pulling at
    another one beside it. The stiffness is the one that predicts points best that were left out; a network whose depth
    is already right needs no bending. Raises ValueError if there are no samples.
    """
    points = _Points.of(samples, aspect)
    chosen, least = STIFFER[-1], np.inf
    for stiffer in reversed(STIFFER):
        error = points.error_where_left_out(stiffer)
        if error < GAIN * least:
            chosen, least = stiffer, error
    nodes, residual, factor = points.solve(np.ones(len(points.weight), bool), chosen)
    support, squares = (
        _around((points.matrix.T @ one).reshape(points.shape)) for one in (points.weight, factor * residual**2)
    )
    error = np.sqrt((squares + DOUBT * UNSUPPORTED**2) / (support + DOUBT))
    return Field(nodes.reshape(points.shape), error, points.nearest, points.farthest, len(samples))


@dataclass(frozen=True, eq=False)
class _Points:
    """All samples as one linear system: matrix @ nodes = correction. block: of each point, for leaving some out."""

    shape: tuple[int, int, int, int]
    nearest: float
    farthest: float
    matrix: sparse.csr_matrix
    correction: np.ndarray
    weight: np.ndarray
    block: np.ndarray
    smoothness: sparse.csr_matrix
    stiffness_over_time: float

    @classmethod
    def of(cls, samples: Sequence[Samples], aspect: float) -> _Points:
        depths = np.concatenate([one.log_depth for one in samples])
        if not len(depths):
            raise ValueError("a field needs points")
        nearest, farthest = np.percentile(depths, (2, 98))
        farthest = max(farthest, nearest + 0.2)
        columns, rows = (COLUMNS, ROWS) if aspect >= 1 else (ROWS, COLUMNS)
        shape = (min(len(samples), LONGEST), LAYERS, rows, columns)
        positions = [
            _coordinates(shape, len(samples), frame, one.uv[:, 0], one.uv[:, 1], one.log_depth, nearest, farthest)
            for frame, one in enumerate(samples)
        ]
        correction = np.concatenate([one.correction for one in samples])
        weight = np.concatenate([one.weight for one in samples])
        # Where wrong points are alone, no neighbour shows that they are wrong.
        off = correction - np.median(correction)
        weight = np.where(np.abs(off) > max(OUTLIER * spread(off), LEAST_OUTLIER), 0, weight)
        density = float(weight.sum()) / (POINTS * shape[0])
        column, row = np.minimum(np.concatenate([one.uv for one in samples]) * BLOCKS, BLOCKS - 1).astype(np.int64).T
        return cls(
            shape,
            float(nearest),
            float(farthest),
            sparse.csr_matrix(sparse.vstack([_weights(shape, one) for one in positions])),
            correction,
            weight,
            (column + 2 * row) % LEFT_OUT,
            density * _smoothness(shape),
            density * OVER_TIME,
        )

    def solve(self, use: np.ndarray, stiffer: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nodes, and residual and influence of each point. use: n bool, the points that count."""
        matrix, correction, weight = self.matrix, self.correction, self.weight * use
        size = int(np.prod(self.shape))
        nodes, factor, residual = np.zeros(size), weight, correction
        for tolerance, stiffness in ROUNDS:
            normal = matrix.T @ sparse.diags(factor) @ matrix
            normal = (normal + stiffness * stiffer * self.smoothness + 1e-6 * sparse.identity(size)).tocsr()
            along_time = _along_time(normal.diagonal(), stiffness * stiffer * self.stiffness_over_time, self.shape)
            nodes = cg(normal, matrix.T @ (factor * correction), x0=nodes, rtol=1e-4, maxiter=300, M=along_time)[0]
            residual = matrix @ nodes - correction
            factor = weight / (1 + (residual / tolerance) ** 2) ** 2
        return nodes, residual, factor

    def error_where_left_out(self, stiffer: float) -> float:
        """Mean error, wrong points cut short, at a block of points that the field has not seen."""
        left_out = self.block == 0
        if not left_out.any() or left_out.all():
            return 0.0
        residual = self.solve(~left_out, stiffer)[1][left_out]
        return float(np.average(np.minimum(np.abs(residual), LARGEST), weights=self.weight[left_out] + 1e-9))


def _around(nodes: np.ndarray) -> np.ndarray:
    """Sums of nodes and, with less weight, of the neighbours that stiffness ties to them."""
    # The same points are seen in frame after frame and tell their error only once.
    nodes = convolve1d(nodes, NEIGHBOURS / NEIGHBOURS.sum(), axis=0, mode="nearest")
    for axis in (1, 2, 3):
        nodes = convolve1d(nodes, NEIGHBOURS, axis=axis, mode="constant")
    return nodes


def _coordinates(
    shape: tuple[int, ...],
    frames: int,
    frame: int,
    u: np.ndarray,
    v: np.ndarray,
    log_depth: np.ndarray,
    nearest: float,
    farthest: float,
) -> np.ndarray:
    """Positions on the grid of nodes: 4 x ..., in order of its axes."""
    times, layers, rows, columns = shape
    share = np.clip((log_depth - nearest) / (farthest - nearest), 0, 1)
    time = frame * (times - 1) / max(frames - 1, 1)
    return np.stack([np.full(u.shape, time), share * (layers - 1), v * (rows - 1), u * (columns - 1)])


def _weights(shape: tuple[int, ...], coordinates: np.ndarray) -> sparse.csr_matrix:
    """n x nodes: linear interpolation at n positions."""
    count = coordinates.shape[1]
    indices, values = np.zeros((1, count), np.int64), np.ones((1, count))
    for size, position in zip(shape, coordinates, strict=True):
        low = np.clip(np.floor(position).astype(np.int64), 0, max(size - 2, 0))
        share = position - low
        high = np.minimum(low + 1, size - 1)
        indices = np.concatenate([indices * size + low, indices * size + high])
        values = np.concatenate([values * (1 - share), values * share])
    rows = np.tile(np.arange(count), len(indices))
    weights = sparse.csr_matrix((values.ravel(), (rows, indices.ravel())), (count, int(np.prod(shape))))
    weights.eliminate_zeros()
    return weights


def _along_time(diagonal: np.ndarray, stiffness: float, shape: tuple[int, int, int, int]) -> LinearOperator:
    """The inverse of the system without its ties between nodes of one time, as a preconditioner.

    Stiffness over time is the largest by far, so little of the system is left out. diagonal: of the system, nodes.
    """
    size, times = len(diagonal), shape[0]
    diagonal = diagonal.reshape(times, -1)
    # Gaussian elimination of all tridiagonal systems at once.
    share, inverse = np.zeros_like(diagonal), np.zeros_like(diagonal)
    for time in range(times):
        inverse[time] = 1 / (diagonal[time] - (stiffness * share[time - 1] if time else 0))
        share[time] = stiffness * inverse[time]

    def apply(right: np.ndarray) -> np.ndarray:
        nodes = right.reshape(times, -1) * inverse
        for time in range(1, times):
            nodes[time] += share[time] * nodes[time - 1]
        for time in range(times - 2, -1, -1):
            nodes[time] += share[time] * nodes[time + 1]
        return nodes.ravel()

    return LinearOperator((size, size), matvec=apply)  # pyright: ignore[reportCallIssue]


def _smoothness(shape: tuple[int, ...]) -> sparse.csr_matrix:
    """nodes x nodes: sum of squared differences of neighbours, times their stiffness."""
    index = np.arange(np.prod(shape)).reshape(shape)
    total = sparse.csr_matrix((index.size, index.size))
    for axis, stiffness in enumerate((OVER_TIME, BETWEEN_LAYERS, ACROSS, ACROSS)):
        first = np.delete(index, -1, axis).ravel()
        second = np.delete(index, 0, axis).ravel()
        count = len(first)
        difference = sparse.csr_matrix(
            (
                np.repeat([1.0, -1.0], count),
                (np.tile(np.arange(count), 2), np.concatenate([first, second])),
            ),
            (count, index.size),
        )
        total = total + stiffness * (difference.T @ difference)
    return total.tocsr()
