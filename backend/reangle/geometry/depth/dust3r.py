# SPDX-License-Identifier: Apache-2.0
"""Depth provider `dust3r`: point maps of pairs of frames, aligned to one world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch

from reangle.folders import CameraFolder
from reangle.geometry.alignment import Alignment, align, own_depth_maps
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth.dust3r_network import PATCH, Dust3rNetwork
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth
from reangle.geometry.point_maps import PairMaps, batches, neighbour_pairs, pair_graph
from reangle.geometry.spec import DepthContext
from reangle.weights.registry import checkpoint_at, licence_of, name_of

BATCH = {"cuda": 8, "cpu": 2}


@dataclass(frozen=True)
class NetworkView:
    """The network's input for frames of width x height: the frame resized to the inner size, with a mirrored border up
    to a size that the network takes. The border is cut off the output.

    The inner sides are even, so the centre of the frame is the centre of the input.
    """

    width: int
    height: int
    inner_width: int
    inner_height: int

    @classmethod
    def of(cls, width: int, height: int, longest: int) -> NetworkView:
        shrink = longest / max(width, height)
        inner = (max(PATCH, 2 * round(side * shrink / 2)) for side in (width, height))
        return cls(width, height, *inner)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the network's input."""
        return -(-self.inner_width // PATCH) * PATCH, -(-self.inner_height // PATCH) * PATCH

    @property
    def aspect(self) -> float:
        """fy / fx in the input's pixels for a frame with square pixels."""
        return (self.inner_height / self.height) / (self.inner_width / self.width)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """The network's input, h x w x 3 uint8, from a frame."""
        interpolation = cv2.INTER_AREA if self.inner_width < self.width else cv2.INTER_CUBIC
        inner = cv2.resize(image, (self.inner_width, self.inner_height), interpolation=interpolation)
        x, y = self._border
        return cv2.copyMakeBorder(inner, y, y, x, x, cv2.BORDER_REFLECT_101)

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The frame's part of an output: inner_height x inner_width (x c) of h x w (x c)."""
        x, y = self._border
        return array[y : y + self.inner_height, x : x + self.inner_width]

    @property
    def _border(self) -> tuple[int, int]:
        width, height = self.size
        return (width - self.inner_width) // 2, (height - self.inner_height) // 2


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth:
    """The depth that the camera was solved with, if DUSt3R solved it with the same weights; else its own.

    With solved points, which give each frame its scale, a frame is only paired with its neighbours; else the clip is
    aligned for the camera's lens. See `reangle.geometry.provider.DepthProvider`.
    """
    folder = context.find("camera", CameraFolder)
    if folder is not None and camera.source == "dust3r" and camera.checkpoint == name_of(context.checkpoint):
        return FrameDepth.load(folder.frame_depth)
    if camera.motion == "moving" and len(camera.points):
        maps, _ = _run_network(footage, Path(context.checkpoint), context.report, neighbour_pairs(footage.count))
        depth, confidence = own_depth_maps(maps, footage.count)
        valid = np.isfinite(depth) & (depth > 0)
        return _frame_depth(depth, valid, confidence, context.checkpoint, ambiguity="scale")
    fov = float(np.degrees(2 * np.arctan(camera.width / 2 / camera.K[0, 0, 0])))
    alignment = align_footage(footage, Path(context.checkpoint), context.report, fov)
    return frame_depth_of(alignment, context.checkpoint, "scale")


def frame_depth_of(alignment: Alignment, checkpoint: str, ambiguity: Literal["none", "scale"]) -> FrameDepth:
    """The alignment's depth, with DUSt3R's confidence c >= 1 as 1 - 1 / c."""
    parts = alignment.depth, alignment.valid, alignment.confidence
    return _frame_depth(*parts, checkpoint, ambiguity=ambiguity, moving=alignment.dynamic)


def _frame_depth(
    depth: np.ndarray, valid: np.ndarray, confidence: np.ndarray, checkpoint: str, **others: Any
) -> FrameDepth:
    licence, known = licence_of(checkpoint), checkpoint_at(Path(checkpoint))
    return FrameDepth(
        inverse=np.divide(1, depth, out=np.zeros(depth.shape, np.float32), where=valid, casting="same_kind"),
        valid=valid,
        confidence=(1 - 1 / np.maximum(confidence, 1)).astype(np.float32),
        checkpoint=name_of(checkpoint),
        licence=licence,
        notes=(*([known.limits] if known and known.limits else []), f"Licence of the depth: {licence}."),
        **others,
    )


def align_footage(
    footage: Footage, folder: Path, report: Callable[[float, str], None], horizontal_fov_deg: float | None
) -> Alignment:
    """Run the network on pairs of frames and align its point maps.

    folder: the checkpoint. horizontal_fov_deg: None to estimate the lens.
    """
    maps, view = _run_network(footage, folder, report, pair_graph(footage.count))
    focal = view.inner_width / 2 / np.tan(np.radians(horizontal_fov_deg) / 2) if horizontal_fov_deg else None
    return align(maps, footage.count, aspect=view.aspect, focal=focal)


def _run_network(
    footage: Footage, folder: Path, report: Callable[[float, str], None], pairs: Sequence[tuple[int, int]]
) -> tuple[list[PairMaps], NetworkView]:
    """The point maps of pairs of frames, and the view in which the network saw them."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Dust3rNetwork.load(folder, device)
    view = NetworkView.of(footage.width, footage.height, network.longest_side)
    report(0.02, "")
    return _point_maps(footage, network, view, pairs, lambda done: report(0.02 + 0.88 * done, "")), view


def _point_maps(
    footage: Footage,
    network: Dust3rNetwork,
    view: NetworkView,
    pairs: Sequence[tuple[int, int]],
    progress: Callable[[float], None],
) -> list[PairMaps]:
    size = BATCH[network.device.type]
    width, height = view.size
    work = footage.count + len(pairs)
    features = []
    for start in range(0, footage.count, size):
        indices = range(start, min(start + size, footage.count))
        features += network.encode([view.prepare(footage.image(index)) for index in indices])
        progress(len(features) / work)
    maps: list[PairMaps] = []
    for batch in batches(pairs, size):
        outputs = network.decode([(features[first], features[second]) for first, second in batch], height, width)
        for (first, second), output in zip(batch, outputs, strict=True):
            parts = (output.first_map, output.first_confidence, output.second_map, output.second_confidence)
            maps.append(PairMaps.from_maps(first, second, *(view.cut(part) for part in parts)))
        progress((footage.count + len(maps)) / work)
    return maps
