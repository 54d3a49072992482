# SPDX-License-Identifier: Apache-2.0
"""MEt3R: how badly two pictures agree as views of one scene, without cameras (Asim et al., CVPR 2025).

1 minus the mean cosine similarity of features over the overlap, in both directions: lower is better, 0 is best. The
paper runs DUSt3R (its code MASt3R) and DINO with FeatUp. Other weights give other numbers, so a result names its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reangle.evaluation.agreement.features import Features
from reangle.evaluation.agreement.overlap import PairFinder, similarities
from reangle.geometry.depth.dust3r_network import Dust3rNetwork


@dataclass(frozen=True)
class Met3r:
    """score: 0 to 2, NaN where nothing overlaps. overlap: share of the pictures that it was measured on, 0 to 1.

    features: the features' weights.
    """

    score: float
    overlap: float
    features: str


def met3r(network: Dust3rNetwork, features: Features, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Met3r]:
    """Of pairs of pictures, h x w x 3 uint8, all of the first one's aspect."""
    if not pairs:
        return []
    height, width = pairs[0][0].shape[:2]
    finder = PairFinder(network, width, height)
    results = []
    for pair in pairs:
        one, other = finder.encode(pair)
        first, second = (features.of(picture[None]) for picture in pair)
        there, back = finder.overlaps([(one, other), (other, one)])
        means = [
            float(similarities(*both, found).mean())
            for both, found in (((first, second), there), ((second, first), back))
            if len(found)
        ]
        score = 1 - float(np.mean(means)) if means else float("nan")
        results.append(Met3r(score, (finder.share(there) + finder.share(back)) / 2, features.name))
    return results
