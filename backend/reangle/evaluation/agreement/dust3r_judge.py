# SPDX-License-Identifier: Apache-2.0
"""The judge of Reangle-A-Video: a two-view network finds where a candidate and a fixed view overlap.

It needs neither depth nor cameras, but a run of the network for each candidate, fixed view and direction. DUSt3R's own
weights are not for commercial work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reangle.evaluation.agreement.features import Features
from reangle.evaluation.agreement.overlap import PairFinder, middle, similarities
from reangle.evaluation.agreement.weights import pixel_weights
from reangle.geometry.depth.dust3r_network import Dust3rNetwork

HIDDEN = 0.1
"""Points this share behind a picture's surface are hidden by it."""


class Dust3rJudge:
    """See `views.Judge`.

    hole: H x W bool, what is painted. fixed: pictures of the views before it, h x w x 3 uint8; those of another aspect
    are cut to the painted view's, in their middle.
    """

    def __init__(
        self, network: Dust3rNetwork, features: Features, hole: np.ndarray, fixed: Sequence[np.ndarray]
    ) -> None:
        height, width = hole.shape
        self._weights = pixel_weights(hole)
        self._features = features
        self._finder = PairFinder(network, width, height)
        cut = [middle(one, width, height) for one in fixed]
        self._fixed = list(zip(self._finder.encode(cut), [features.of(one[None]) for one in cut], strict=True))

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        if not self._fixed:
            return np.zeros(len(pictures))
        encoded, features = self._finder.encode(list(pictures)), self._features.of(pictures)
        pairs = [pair for one in encoded for other, _ in self._fixed for pair in ((one, other), (other, one))]
        overlaps = iter(self._finder.overlaps(pairs, HIDDEN))
        scores = np.zeros(len(pictures))
        for index in range(len(pictures)):
            own = features[index : index + 1]
            agreed = total = 0.0
            for _, other in self._fixed:
                there, back = next(overlaps), next(overlaps)
                for pair, overlap, places in ((own, other), there, there.first), ((other, own), back, back.second):
                    weights = self._weights_at(places)
                    agreed += float(weights[weights > 0] @ similarities(*pair, overlap.part(weights > 0)))
                    total += float(weights.sum())
            scores[index] = agreed / total if total > 0 else 0.0
        return scores

    def _weights_at(self, places: np.ndarray) -> np.ndarray:
        height, width = self._weights.shape
        columns, rows = np.floor(places * (width, height)).astype(int).T
        return self._weights[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)].astype(np.float64)
