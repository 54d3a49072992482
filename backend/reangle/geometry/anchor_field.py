# SPDX-License-Identifier: Apache-2.0
"""A smooth field of log scale over picture, depth and time that brings a network's depth to measured points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.ndimage import convolve1d, map_coordinates
from scipy.sparse.linalg import cg

from reangle.geometry.robust import spread

COLUMNS, ROWS, LAYERS = 24, 16, 6
"""Nodes of the field along the longer and shorter side of the picture, and over log depth."""
ACROSS, BETWEEN_LAYERS, OVER_TIME = 0.01, 0.01, 0.5
"""Stiffness between neighbouring nodes in the picture, between layers and between frames, beside the weight of the
points if a frame has POINTS of them; less with fewer points."""
POINTS = 1000
TOLERANCE = (0.4, 0.3, 0.2, 0.15, 0.12, 0.1)
"""Difference of log depth from which a point loses influence, in each round of reweighting."""
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
    """The field closest to the samples of T frames; membrane with Cauchy weights. aspect: width / height.

    The depth axis (as in a bilateral grid: Chen, Paris and Durand 2007) keeps the points of one surface from pulling at
    another one beside it. Raises ValueError if there are no samples.
    """
    depths = np.concatenate([one.log_depth for one in samples])
    if not len(depths):
        raise ValueError("a field needs points")
    nearest, farthest = np.percentile(depths, (2, 98))
    farthest = max(farthest, nearest + 0.2)
    columns, rows = (COLUMNS, ROWS) if aspect >= 1 else (ROWS, COLUMNS)
    shape = (min(len(samples), LONGEST), LAYERS, rows, columns)
    matrix = sparse.csr_matrix(
        sparse.vstack(
            [
                _weights(
                    shape,
                    _coordinates(
                        shape, len(samples), frame, one.uv[:, 0], one.uv[:, 1], one.log_depth, nearest, farthest
                    ),
                )
                for frame, one in enumerate(samples)
            ]
        )
    )
    correction = np.concatenate([one.correction for one in samples])
    weight = np.concatenate([one.weight for one in samples])
    # Where wrong points are alone, no neighbour shows that they are wrong.
    off = correction - np.median(correction)
    weight = np.where(np.abs(off) > max(OUTLIER * spread(off), LEAST_OUTLIER), 0, weight)
    size = int(np.prod(shape))
    density = float(weight.sum()) / (POINTS * shape[0])
    smoothness = density * _smoothness(shape) + 1e-6 * sparse.identity(size)
    nodes = np.zeros(size)
    factor = weight
    residual = correction
    for tolerance in TOLERANCE:
        normal = (matrix.T @ sparse.diags(factor) @ matrix + smoothness).tocsr()
        scale = sparse.diags(1 / normal.diagonal())
        nodes = cg(normal, matrix.T @ (factor * correction), x0=nodes, rtol=1e-4, maxiter=300, M=scale)[0]
        residual = matrix @ nodes - correction
        factor = weight / (1 + (residual / tolerance) ** 2)
    support, squares = (_around((matrix.T @ one).reshape(shape)) for one in (weight, factor * residual**2))
    error = np.sqrt((squares + DOUBT * UNSUPPORTED**2) / (support + DOUBT))
    return Field(nodes.reshape(shape), error, nearest, farthest, len(samples))


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
    return sparse.csr_matrix((values.ravel(), (rows, indices.ravel())), (count, int(np.prod(shape))))


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
