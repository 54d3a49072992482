# SPDX-License-Identifier: Apache-2.0
"""Features of pictures, by which judges and MEt3R compare views.

DINOv2 where it is installed, else the encoder of the mini suite's depth network. MEt3R enlarges features by FeatUp,
which is a network of its own; here they are interpolated linearly between the centres of the patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, normalize

from reangle.errors import UserError
from reangle.evaluation.agreement.listing import features_used
from reangle.geometry.depth.monocular_network import DEVIATION, MEAN, Monocular, input_size
from reangle.weights.checkpoints import DINOV2_SMALL, MINI_DEPTH, Checkpoint
from reangle.weights.kinds import DINOV2
from reangle.weights.registry import find_installed, kind_of

LONGEST_SIDE = 224
"""Of the pictures that a network sees, in pixels."""

BATCH = 8

MINI_STAGE = "stage2"
"""Of the mini encoder's seven: of those that its depth reads, this one ranks candidates best."""


@dataclass(frozen=True, eq=False)
class Features:
    """A network that describes each patch of a picture. name, licence: of its weights, for records.

    patch: pixels of a patch's side. run: n x 3 x h x w, normalised, sides multiples of a patch, to n x c x rows x
    columns.
    """

    name: str
    licence: str
    patch: int
    run: Callable[[Tensor], Tensor]
    device: str

    @torch.inference_mode()
    def of(self, pictures: np.ndarray | Sequence[np.ndarray]) -> Tensor:
        """n x c x rows x columns float32 of unit length, on the network's device.

        pictures: n x h x w x 3 uint8 of one size, which are resized to LONGEST_SIDE and to multiples of a patch.
        """
        given_height, given_width = pictures[0].shape[:2]
        height, width = input_size(given_height, given_width, LONGEST_SIDE, self.patch)
        made = []
        for start in range(0, len(pictures), BATCH):
            some = [_resized(one, width, height) for one in pictures[start : start + BATCH]]
            values = (np.stack(some).astype(np.float32) / 255 - MEAN) / DEVIATION
            made.append(self.run(torch.from_numpy(values).permute(0, 3, 1, 2).to(self.device)).float())
        return normalize(torch.cat(made), dim=1)


def sample_features(features: Tensor, places: Tensor) -> Tensor:
    """Features of unit length at places between the patches' centres, n x c x m, of features n x c x rows x columns.

    places: m x 2 (x, y) in 0..1 of the picture's width and height, or n x m x 2.
    """
    grid = (2 * places.to(features) - 1).expand(len(features), *places.shape[-2:])[:, None]
    found = grid_sample(features, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return normalize(found[:, :, 0], dim=1)


def open_features(data: Path) -> Features:
    """DINOv2's if its weights are on this machine, else the mini suite's. data: the data folder.

    Raises UserError for weights that are damaged.
    """
    return open_features_in(find_installed(features_used(data), data))


def open_features_in(folder: Path) -> Features:
    """From a checkpoint's folder: DINOv2's, or the mini suite's depth network. Raises UserError as `open_features`."""
    return open_dinov2(folder) if kind_of(folder) is DINOV2 else open_mini(folder)


def open_dinov2(folder: Path) -> Features:
    """Raises UserError if the weights are damaged."""
    from transformers import Dinov2Model

    device = _device()
    try:
        model, report = cast(
            "tuple[Dinov2Model, dict[str, Any]]",
            Dinov2Model.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True, dtype=torch.float32
            ),
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise _damaged(folder, f"cannot be loaded: {reason}") from error
    # transformers fills missing weights with random numbers and only warns.
    if missing := sorted(report["missing_keys"]):
        raise _damaged(folder, f"lacks {len(missing)} weights, {missing[0]} first")
    network: Any = model.eval().requires_grad_(False)
    network.to(device)
    patch = int(network.config.patch_size)

    def run(values: Tensor) -> Tensor:
        rows, columns = (side // patch for side in values.shape[-2:])
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            tokens = network(pixel_values=values).last_hidden_state[:, 1:]
        return tokens.transpose(1, 2).unflatten(2, (rows, columns))

    return _named(DINOV2_SMALL, patch, run, device)


def open_mini(folder: Path) -> Features:
    """Of the encoder of the depth network that ships. Raises UserError if its weights are damaged."""
    device = _device()
    loaded = Monocular.load(folder, device)
    backbone: Any = loaded.model.backbone
    patch, stages = int(backbone.config.patch_size), list(backbone.config.out_features)
    number = stages.index(MINI_STAGE) if MINI_STAGE in stages else len(stages) // 2

    def run(values: Tensor) -> Tensor:
        rows, columns = (side // patch for side in values.shape[-2:])
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            tokens = backbone(values).feature_maps[number]
        return tokens.transpose(1, 2).unflatten(2, (rows, columns))

    return _named(MINI_DEPTH, patch, run, device)


def _named(known: Checkpoint, patch: int, run: Callable[[Tensor], Tensor], device: str) -> Features:
    return Features(known.name, known.terms, patch, run, device)


def _resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return picture if picture.shape[:2] == (height, width) else cv2.resize(picture, (width, height), interpolation=how)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _damaged(folder: Path, what: str) -> UserError:
    return UserError(f"The features' checkpoint {folder} {what}.", advice="Copy its files again.")
