# SPDX-License-Identifier: Apache-2.0
"""Where two pictures overlap, by the point maps of a two-view network, and how alike their features are there.

As in MEt3R (Asim et al., CVPR 2025): the second picture's points are rendered into the first one's camera, whose lens
follows from its own points. Here each pixel keeps its nearest point, where MEt3R blends ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reangle.evaluation.agreement.features import sample_features
from reangle.geometry.depth.dust3r import BATCH, NetworkView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork, PairOutput
from reangle.geometry.pairwise import Lens, shared_focal
from reangle.geometry.point_maps import PairMaps, sample_pixels

LONGEST_SIDE = 256
"""Of the pictures that the network sees, in pixels, as in MEt3R; less for a network that was trained on less."""

Encoded = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Overlap:
    """Places that show one point, m x 2 (x, y) in 0..1 of each picture's width and height."""

    first: np.ndarray
    second: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


class PairFinder:
    """Runs the network on pairs of pictures of one aspect. width, height: of such a picture, at any size."""

    def __init__(self, network: Dust3rNetwork, width: int, height: int) -> None:
        self._network = network
        self._view = NetworkView.of(width, height, min(network.longest_side, LONGEST_SIDE))

    def encode(self, pictures: Sequence[np.ndarray]) -> list[Encoded]:
        """What `overlaps` needs of each picture, h x w x 3 uint8; it is cut to the aspect, in its middle."""
        prepared = [self._view.prepare(middle(one, self._view.width, self._view.height)) for one in pictures]
        size = BATCH[self._network.device.type]
        return [
            one
            for start in range(0, len(prepared), size)
            for one in self._network.encode(prepared[start : start + size])
        ]

    def overlaps(self, pairs: Sequence[tuple[Encoded, Encoded]], hidden: float | None = None) -> list[Overlap]:
        """Where the second picture of each pair shows what the first one does. hidden: see `overlap_of`."""
        width, height = self._view.size
        size = BATCH[self._network.device.type]
        outputs: list[PairOutput] = []
        for start in range(0, len(pairs), size):
            outputs += self._network.decode(pairs[start : start + size], height, width)
        return [overlap_of(output, self._view, hidden) for output in outputs]

    def share(self, overlap: Overlap) -> float:
        """Share of a picture's pixels that overlap, 0 to 1."""
        return len(overlap) / (self._view.inner_width * self._view.inner_height)


def overlap_of(output: PairOutput, view: NetworkView, hidden: float | None = None) -> Overlap:
    """The overlap in the first picture's camera.

    hidden: points of the second picture that lie this share behind the first one's surface are left out; None keeps
    them, as MEt3R does.
    """
    parts = output.first_map, output.first_confidence, output.second_map, output.second_confidence
    own, confidence, points, other_confidence = (view.cut(part) for part in parts)
    height, width = confidence.shape
    maps = PairMaps.from_maps(0, 1, own, confidence, points, other_confidence)
    focal = shared_focal([maps], sample_pixels(height, width), width, height, view.aspect)
    K = Lens(focal, width, height, view.aspect).K
    flat = points.reshape(-1, 3).astype(np.float64)
    z = flat[:, 2]
    use = np.isfinite(flat).all(axis=1) & (z > 1e-6)
    safe = np.where(use, z, 1.0)
    u, v = K[0, 0] * flat[:, 0] / safe + K[0, 2], K[1, 1] * flat[:, 1] / safe + K[1, 2]
    use &= (u > 0) & (u < width) & (v > 0) & (v < height)
    index = np.flatnonzero(use)
    target = np.floor(v[index]).astype(int) * width + np.floor(u[index]).astype(int)
    if hidden is not None:
        keep = z[index] < (1 + hidden) * own[..., 2].ravel()[target]
        index, target = index[keep], target[keep]
    # Sorted from far to near, the nearest point of each pixel is written last.
    order = np.argsort(-z[index], kind="stable")
    nearest = np.full(height * width, -1)
    nearest[target[order]] = index[order]
    kept = nearest[nearest >= 0]
    size = width, height
    second = np.stack([kept % width + 0.5, kept // width + 0.5], axis=1) / size
    return Overlap(np.stack([u[kept], v[kept]], axis=1) / size, second)


@torch.inference_mode()
def similarities(first: Tensor, second: Tensor, overlap: Overlap) -> np.ndarray:
    """Cosine similarities of the two pictures' features over the overlap, m. first, second: 1 x c x rows x columns."""
    places = [torch.from_numpy(part.astype(np.float32)) for part in (overlap.first, overlap.second)]
    one, other = sample_features(first, places[0]), sample_features(second, places[1])
    return (one * other).sum(dim=1)[0].double().cpu().numpy()


def middle(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The largest part in the picture's middle of the aspect width : height; the picture itself if it has that aspect,
    to a pixel.
    """
    tall, wide = picture.shape[:2]
    if abs(wide * height - tall * width) <= max(width, height):
        return picture
    new_wide, new_tall = min(wide, round(tall * width / height)), min(tall, round(wide * height / width))
    left, top = (wide - new_wide) // 2, (tall - new_tall) // 2
    return picture[top : top + new_tall, left : left + new_wide]
