# SPDX-License-Identifier: Apache-2.0
"""The judge that knows where the scene's points are: free for commercial use, and fast.

Depth carries each pixel of the painted view into the fixed views that see it, once. A candidate then agrees as well as
its colours, and its features if asked, are the fixed views' there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from reangle.evaluation.agreement.features import LONGEST_SIDE, Features, sample_features
from reangle.evaluation.agreement.views import SceneView
from reangle.evaluation.agreement.weights import pixel_weights
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.lookup import SAME_SURFACE

COLOUR_SHARE = 0.9
"""How much colours count beside features, 0 to 1, for a judge that is given features.

On 12 scenes with true depth and altered truths, features alone ranked candidates like their PSNR at 0.70, this share at
0.92 and colours alone at 0.96; so starting images are judged by colours alone, which need no network. Features would
help where light or exposure changes from view to view.
"""


@dataclass(frozen=True, eq=False)
class _Seen:
    """Pixels of the painted view that one fixed view sees. places: m x 2 in 0..1 of the painted view's sides.

    weights: m. features: c x m. colours: m x 3 in 0..1.
    """

    places: Tensor
    weights: Tensor
    features: Tensor
    colours: Tensor


class GeometryJudge:
    """See `views.Judge`.

    view: the painted view; its picture is not read, its depth is completed inside the hole, 0 where unknown. hole: H x
    W bool, what is painted. fixed: the views before it. features: None compares colours alone.
    """

    def __init__(
        self,
        features: Features | None,
        view: SceneView,
        hole: np.ndarray,
        fixed: Sequence[SceneView],
        colour_share: float = COLOUR_SHARE,
    ) -> None:
        self._features = features if colour_share < 1 else None
        self._colour_share = colour_share if self._features is not None else 1.0
        self._seen = [seen for one in fixed if (seen := _see(self._features, view, hole, one)) is not None]

    @property
    def overlap(self) -> float:
        """Weight of all pixels that fixed views see; 0 where nothing overlaps, and then all scores are equal."""
        return sum(float(seen.weights.sum()) for seen in self._seen)

    @torch.inference_mode()
    def scores(self, pictures: np.ndarray) -> np.ndarray:
        scores = np.zeros(len(pictures))
        if not self._seen:
            return scores
        share, colours = self._colour_share, _colours(pictures)
        features = self._features.of(pictures) if self._features is not None else None
        for index in range(len(pictures)):
            agreed = 0.0
            for seen in self._seen:
                error = ((_sample(colours[index : index + 1], seen.places) - seen.colours) ** 2).mean(dim=1)
                agreement = -share * error
                if features is not None:
                    own = sample_features(features[index : index + 1], seen.places)[0]
                    agreement += (1 - share) * (own * seen.features).sum(dim=0).cpu()
                agreed += float((seen.weights * agreement).sum())
            scores[index] = agreed / self.overlap
        return scores


def _see(features: Features | None, view: SceneView, hole: np.ndarray, fixed: SceneView) -> _Seen | None:
    """None where the fixed view sees nothing of the painted one."""
    height, width = hole.shape
    shrink = min(1.0, LONGEST_SIDE / max(height, width))
    columns, rows = round(width * shrink), round(height * shrink)
    x = (np.arange(columns) + 0.5) / columns * width
    y = (np.arange(rows) + 0.5) / rows * height
    x, y = (grid.ravel() for grid in np.meshgrid(x, y))
    pixels = np.floor(y).astype(int), np.floor(x).astype(int)
    depth, weights = view.depth[pixels].astype(np.float64), pixel_weights(hole)[pixels]
    A, b = pixel_transform(view.K, target_from_source(fixed.world_from_camera, view.world_from_camera), fixed.K)
    u, v, z = depth * (A @ np.stack([x, y, np.ones_like(x)])) + b[:, None]
    in_front = (depth > 0) & (z > 1e-6)
    z = np.where(in_front, z, 1.0)
    u, v = u / z, v / z
    use = in_front & (weights > 0) & _visible(fixed.depth, u, v, z)
    if not use.any():
        return None
    there = np.stack([u, v], axis=1)[use] / (fixed.depth.shape[1], fixed.depth.shape[0])
    places = torch.from_numpy(there).float()
    shown = cv2.resize(fixed.picture, (columns, rows), interpolation=cv2.INTER_AREA)[None]
    return _Seen(
        torch.from_numpy((np.stack([x, y], axis=1)[use] / (width, height)).astype(np.float32)),
        torch.from_numpy(weights[use].astype(np.float32)),
        sample_features(features.of(fixed.picture[None]), places)[0] if features is not None else torch.zeros(0, 0),
        _sample(_colours(shown), places),
    )


def _visible(depth: np.ndarray, u: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Whether one of the four pixels around each place has the point's own depth."""
    height, width = depth.shape
    inside = (u > 0) & (u < width) & (v > 0) & (v < height)
    left, top = np.floor(np.where(inside, u, 0) - 0.5).astype(int), np.floor(np.where(inside, v, 0) - 0.5).astype(int)
    same = np.zeros(u.shape, bool)
    for row in (top, top + 1):
        for column in (left, left + 1):
            around = depth[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            same |= (around > 0) & (np.abs(around - z) < SAME_SURFACE * z)
    return inside & same


def _colours(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255


def _sample(colours: Tensor, places: Tensor) -> Tensor:
    """m x 3 of 1 x 3 x h x w."""
    grid = (2 * places - 1)[None, None]
    found = grid_sample(colours, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found[0, :, 0].T
