# SPDX-License-Identifier: Apache-2.0
"""The one place that touches DUSt3R's code and weights (CC BY-NC-SA 4.0, not for commercial work)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from reangle.errors import UserError

PATCH = 16


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
    """`AsymmetricCroCo3DStereo`, encoding each frame only once for all its pairs.

    On a GPU it runs in bfloat16, with heads in float32.
    """

    def __init__(self, model: torch.nn.Module, device: str) -> None:
        self.model: Any = model.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)

    @classmethod
    def load(cls, folder: Path, device: str) -> Dust3rNetwork:
        """From a folder with config.json and model.safetensors. Raises UserError if they cannot be loaded."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                # These settings serve training on mixed picture shapes; all frames of a clip have one shape.
                model = network_class().from_pretrained(
                    str(folder), landscape_only=False, patch_embed_cls="PatchEmbedDust3R"
                )
            with safe_open(folder / "model.safetensors", "pt") as file:
                stored = set(file.keys())
        except (OSError, ValueError, TypeError, KeyError, AssertionError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"The DUSt3R checkpoint {folder} cannot be loaded: {reason}.",
                advice="Copy its config.json and model.safetensors again.",
            ) from error
        # A checkpoint without a second decoder uses a copy of the first one.
        copied = any(name.startswith("dec_blocks2") for name in stored)
        missing = [name for name in model.state_dict() if name not in stored and (copied or "dec_blocks2" not in name)]
        if missing:
            raise UserError(
                f"The DUSt3R checkpoint {folder} lacks {len(missing)} weights, {missing[0]} first.",
                advice="Copy its model.safetensors again.",
            )
        return cls(model, device)

    @property
    def longest_side(self) -> int:
        """The longer side of the pictures that the network was trained on."""
        return int(max(self.model.patch_embed.img_size))

    @torch.inference_mode()
    def encode(self, images: Sequence[np.ndarray]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Features and positions of each image; images are h x w x 3 uint8 RGB of one size, sides multiples of 16."""
        batch = torch.from_numpy(np.stack(images)).to(self.device).permute(0, 3, 1, 2).float() / 127.5 - 1
        shape = torch.tensor([batch.shape[-2:]] * len(batch))
        with self._autocast():
            features, positions, _ = self.model._encode_image(batch, shape)
        return list(zip(features.split(1), positions.split(1), strict=True))

    @torch.inference_mode()
    def decode(
        self,
        pairs: Sequence[tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]],
        height: int,
        width: int,
    ) -> Iterator[PairOutput]:
        """The point maps of a batch of encoded pairs. height, width: of the pictures given to `encode`."""
        features, positions = ([torch.cat([pair[side][part] for pair in pairs]) for side in (0, 1)] for part in (0, 1))
        shape = torch.tensor([[height, width]] * len(pairs))
        with self._autocast():
            decoded = self.model._decoder(features[0], positions[0], features[1], positions[1])
        first, second = ([tokens.float() for tokens in side] for side in decoded)
        with torch.autocast(self.device.type, enabled=False):
            outputs = [self.model._downstream_head(1, first, shape), self.model._downstream_head(2, second, shape)]
        maps = [[output[key].float().cpu().numpy() for key in ("pts3d", "conf")] for output in outputs]
        for index in range(len(pairs)):
            yield PairOutput(maps[0][0][index], maps[0][1][index], maps[1][0][index], maps[1][1][index])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda")
