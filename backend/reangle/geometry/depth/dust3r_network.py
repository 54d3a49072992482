# SPDX-License-Identifier: Apache-2.0
"""The network of provider `dust3r`: point maps of two pictures, both in the first one's camera.

Checkpoints with a linear head, like the mini one, run on `two_view_network`. Others need DUSt3R's own code (CC BY-NC-SA
4.0, not for commercial work), and this is the one place that touches it.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from reangle.errors import UserError
from reangle.geometry.depth.two_view_network import PATCH, TwoViewConfig, TwoViewNetwork

__all__ = ["PATCH", "Dust3rNetwork", "PairOutput", "network_class"]


@dataclass(frozen=True, eq=False)
class PairOutput:
    """Point maps of both frames in the first one's camera, h x w x 3, and confidences, h x w, from 1 up; float32."""

    first_map: np.ndarray
    first_confidence: np.ndarray
    second_map: np.ndarray
    second_confidence: np.ndarray


def network_class() -> Any:
    """The class `AsymmetricCroCo3DStereo`."""
    # Importing it prints advice about compiled CUDA kernels.
    with contextlib.redirect_stdout(io.StringIO()):
        from mini_dust3r.model import AsymmetricCroCo3DStereo
    return AsymmetricCroCo3DStereo


class Dust3rNetwork:
    """A network of this kind, encoding each frame only once for all its pairs.

    On a GPU it runs in bfloat16, with heads in float32.
    """

    def __init__(self, model: TwoViewNetwork | Any, device: str) -> None:
        self.model: Any = model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)

    @classmethod
    def load(cls, folder: Path, device: str) -> Dust3rNetwork:
        """From a folder with config.json and model.safetensors. Raises UserError if they cannot be loaded."""
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            linear = config.get("head_type") == "linear"
            model = TwoViewNetwork(TwoViewConfig.of(config)) if linear else _package_model(folder)
            with safe_open(folder / "model.safetensors", "pt") as file:
                missing = model.read(file) if isinstance(model, TwoViewNetwork) else _missing(model, set(file.keys()))
        except (OSError, ValueError, TypeError, KeyError, AssertionError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"The DUSt3R checkpoint {folder} cannot be loaded: {reason}.",
                advice="Copy its config.json and model.safetensors again.",
            ) from error
        if missing:
            raise UserError(
                f"The DUSt3R checkpoint {folder} lacks {len(missing)} weights, {missing[0]} first.",
                advice="Copy its model.safetensors again.",
            )
        return cls(model, device)

    @property
    def longest_side(self) -> int:
        """The longer side of the pictures that the network was trained on."""
        own = isinstance(self.model, TwoViewNetwork)
        return int(max(self.model.config.img_size if own else self.model.patch_embed.img_size))

    @torch.inference_mode()
    def encode(self, images: Sequence[np.ndarray]) -> list[tuple[torch.Tensor, ...]]:
        """What `decode` needs of each image; images are h x w x 3 uint8 RGB of one size, sides multiples of 16."""
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        with self._autocast():
            if isinstance(self.model, TwoViewNetwork):
                return [(tokens,) for tokens in self.model.encode(batch).split(1)]
            shape = torch.tensor([batch.shape[-2:]] * len(batch))
            features, positions, _ = self.model._encode_image(batch, shape)
        return list(zip(features.split(1), positions.split(1), strict=True))

    @torch.inference_mode()
    def decode(
        self, pairs: Sequence[tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]], height: int, width: int
    ) -> Iterator[PairOutput]:
        """The point maps of a batch of encoded pairs. height, width: of the pictures given to `encode`."""
        sides = [[torch.cat(part) for part in zip(*(pair[side] for pair in pairs), strict=True)] for side in (0, 1)]
        if isinstance(self.model, TwoViewNetwork):
            with self._autocast():
                outputs = self.model.decode(sides[0][0], sides[1][0], height, width)
        else:
            outputs = self._decode_with_package(sides[0], sides[1], height, width)
        maps = [[part.float().cpu().numpy() for part in output] for output in outputs]
        for index in range(len(pairs)):
            (first_map, first_confidence), (second_map, second_confidence) = maps
            yield PairOutput(first_map[index], first_confidence[index], second_map[index], second_confidence[index])

    def _decode_with_package(
        self, first: list[torch.Tensor], second: list[torch.Tensor], height: int, width: int
    ) -> list[list[torch.Tensor]]:
        with self._autocast():
            decoded = self.model._decoder(*first, *second)
        shape = torch.tensor([[height, width]] * len(first[0]))
        outputs = []
        with torch.autocast(self.device.type, enabled=False):
            for number, side in enumerate(decoded, start=1):
                output = self.model._downstream_head(number, [tokens.float() for tokens in side], shape)
                outputs.append([output["pts3d"], output["conf"]])
        return outputs

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")


def _missing(model: Any, stored: set[str]) -> list[str]:
    """Names of the model's weights that a file with the names `stored` does not set."""
    weights = model.state_dict()
    # A file holds weights that have two names, as in the DPT head, under one of them.
    set_places = {weights[name].data_ptr() for name in stored if name in weights}
    # A checkpoint without a second decoder uses a copy of the first one.
    copied = any(name.startswith("dec_blocks2") for name in stored)
    return [
        name
        for name, weight in weights.items()
        if weight.data_ptr() not in set_places and (copied or "dec_blocks2" not in name)
    ]


def _package_model(folder: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        # These settings serve training on mixed picture shapes; all frames of a clip have one shape.
        return network_class().from_pretrained(str(folder), landscape_only=False, patch_embed_cls="PatchEmbedDust3R")
