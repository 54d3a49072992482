# SPDX-License-Identifier: Apache-2.0
"""Networks that see the depth of single pictures: the mini depth network and Depth Anything.

Both are classes of transformers. What their output means depends on the training: Depth Anything gives inverse depth
up to a factor and an offset per picture, the mini network up to a factor alone. The latter says so in `config.json`:
`"reangle": {"output": "inverse-depth", "ambiguity": "scale", "longest_side": 512, "multiple": 32}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    DepthAnythingForDepthEstimation,
    DPTImageProcessorPil,
    GLPNForDepthEstimation,
    PreTrainedModel,
)

from reangle.errors import UserError

CLASSES: dict[str, type[PreTrainedModel]] = {
    "depth_anything": DepthAnythingForDepthEstimation,
    "glpn": GLPNForDepthEstimation,
}
"""By `model_type` in `config.json`. No other class is ever loaded."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the mini network's input channels, in 0..1: ImageNet's."""

_OUR_KEY = "reangle"


@dataclass(frozen=True, eq=False)
class Monocular:
    """A loaded network. prepare: images of one size, h x w x 3 uint8 RGB, to the network's input, n x 3 x h x w."""

    model: nn.Module
    prepare: Callable[[Sequence[np.ndarray]], Tensor]
    ambiguity: Literal["scale", "scale-shift"]
    device: str

    @classmethod
    def load(cls, folder: Path, device: str) -> Monocular:
        """Raises UserError if the checkpoint is damaged, lacks weights or has a class that is not in CLASSES."""
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            kind = CLASSES.get(config.get("model_type"))
            if kind is None:
                raise ValueError(f"its class {config.get('model_type')!r} is none of {', '.join(CLASSES)}")
            ours = config.get(_OUR_KEY)
            if (ours is None) != (kind is DepthAnythingForDepthEstimation):
                raise ValueError("its config.json does not say what its output means")
            # Half precision on disk; half precision on a CPU is slow and loses fine steps of depth.
            model, report = cast(
                "tuple[PreTrainedModel, dict[str, Any]]",
                kind.from_pretrained(
                    folder, use_safetensors=True, local_files_only=True, output_loading_info=True, dtype=torch.float32
                ),
            )
            prepare = _resizing(**_input_of(ours)) if ours else _processing(folder)
            ambiguity = ours["ambiguity"] if ours else "scale-shift"
            if ambiguity not in ("scale", "scale-shift"):
                raise ValueError(f"its ambiguity {ambiguity!r} is unknown")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"The depth checkpoint {folder} cannot be loaded: {reason}.",
                advice="Copy all its files again.",
            ) from error
        # transformers fills missing weights with random numbers and only warns.
        if report["missing_keys"]:
            first = sorted(report["missing_keys"])[0]
            raise UserError(
                f"The depth checkpoint {folder} lacks {len(report['missing_keys'])} weights, {first} first.",
                advice="Copy its model.safetensors again.",
            )
        cast("Any", model).head = HeadInFloat32(cast("nn.Module", model.head))
        return cls(model.eval().to(device), prepare, ambiguity, device)

    @torch.inference_mode()
    def inverse_depth(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """n x h x w float32, at least 0, at the network's size; larger is nearer. Images of one size, see `prepare`."""
        inputs = self.prepare(images).to(self.device)
        with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda"):
            predicted = self.model(pixel_values=inputs).predicted_depth
        return predicted.float().clamp_min(0).cpu().numpy()


class HeadInFloat32(nn.Module):
    """A network's head outside mixed precision: the eight bits of bfloat16 would turn slopes into terraces."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, hidden_states: Sequence[Tensor], *sizes: int) -> Tensor:
        with torch.autocast(hidden_states[-1].device.type, enabled=False):
            # These heads read the last map only.
            return self.head([hidden_states[-1].float()], *sizes)


def input_size(height: int, width: int, longest_side: int, multiple: int) -> tuple[int, int]:
    """Height and width of the mini network's input: the longer side at `longest_side`, both multiples."""
    scale = longest_side / max(height, width)
    return (
        max(multiple, round(height * scale / multiple) * multiple),
        max(multiple, round(width * scale / multiple) * multiple),
    )


def _input_of(ours: dict[str, Any]) -> dict[str, int]:
    return {name: int(ours[name]) for name in ("longest_side", "multiple")}


def _resizing(longest_side: int, multiple: int) -> Callable[[Sequence[np.ndarray]], Tensor]:
    def prepare(images: Sequence[np.ndarray]) -> Tensor:
        height, width = input_size(*images[0].shape[:2], longest_side, multiple)
        smaller = width < images[0].shape[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        shown = np.stack([cv2.resize(image, (width, height), interpolation=how) for image in images])
        values = (shown.astype(np.float32) / 255 - MEAN) / DEVIATION
        return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()

    return prepare


def _processing(folder: Path) -> Callable[[Sequence[np.ndarray]], Tensor]:
    """As the checkpoint's `preprocessor_config.json` says."""
    processor = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
    return lambda images: processor(images=list(images), return_tensors="pt", input_data_format="channels_last")[
        "pixel_values"
    ]
