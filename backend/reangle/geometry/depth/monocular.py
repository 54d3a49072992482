# SPDX-License-Identifier: Apache-2.0
"""Depth of each frame by itself, from the mini depth network or Depth Anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from reangle.geometry.depth.monocular_network import Monocular
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth
from reangle.weights.registry import licence_of, name_of

BATCH = {"cuda": 8, "cpu": 1}


def estimate_frames(footage: Footage, folder: Path, report: Callable[[float], None]) -> FrameDepth:
    """Inverse depth of each frame by the checkpoint in `folder`, at the network's own size.

    report(share): called after each batch, 0 to 1. Raises UserError for a checkpoint that cannot be used.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Monocular.load(folder, device)
    maps: list[np.ndarray] = []
    for start in range(0, footage.count, BATCH[device]):
        images = [footage.image(index) for index in range(start, min(start + BATCH[device], footage.count))]
        maps += list(network.inverse_depth(images))
        report(len(maps) / footage.count)
    inverse = np.stack(maps)
    return FrameDepth(
        inverse=inverse,
        valid=np.ones(inverse.shape, bool),
        confidence=np.ones(inverse.shape, np.float32),
        ambiguity=network.ambiguity,
        checkpoint=name_of(str(folder)),
        licence=licence_of(str(folder)),
    )
