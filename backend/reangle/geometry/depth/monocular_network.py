# SPDX-License-Identifier: Apache-2.0
"""Networks that see the depth of single pictures: the mini depth network and Depth Anything.

Both are transformers' class for Depth Anything. What their output means depends on the training: Depth Anything gives
inverse depth up to a factor and an offset per picture, the mini network up to a factor alone. The latter says so in
`config.json`: `"reangle": {"output": "inverse-depth", "ambiguity": "scale", "longest_side": 512, "multiple": 16}`.
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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTImageProcessorPil

from reangle.errors import UserError
from reangle.weights import eight_bits

CLASS = "depth_anything"
"""`model_type` in config.json. No other class is ever loaded."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the mini network's input channels, in 0..1: ImageNet's."""

_OUR_KEY = "reangle"
_WITHOUT_CLASS_TOKEN = "dinov3_vit"
_WEIGHTS = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Monocular:
    """A loaded network. prepare: images of one size, h x w x 3 uint8 RGB, to the network's input, n x 3 x h x w."""

    model: nn.Module
    prepare: Callable[[Sequence[np.ndarray]], Tensor]
    ambiguity: Literal["scale", "scale-shift"]
    device: str

    @classmethod
    def load(cls, folder: Path, device: str) -> Monocular:
        """Raises UserError if the checkpoint is damaged, lacks weights or is of another class."""
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            if config.get("model_type") != CLASS:
                raise ValueError(f"its class is {config.get('model_type')!r} instead of {CLASS!r}")
            ours = config.get(_OUR_KEY)
            model, missing = _ours(folder) if ours else _published(folder)
            prepare = _resizing(int(ours["longest_side"]), int(ours["multiple"])) if ours else _processing(folder)
            ambiguity = ours["ambiguity"] if ours else "scale-shift"
            if ambiguity not in ("scale", "scale-shift"):
                raise ValueError(f"its ambiguity {ambiguity!r} is unknown")
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"The depth checkpoint {folder} cannot be loaded: {reason}.",
                advice="Copy all its files again.",
            ) from error
        if missing:
            raise UserError(
                f"The depth checkpoint {folder} lacks {len(missing)} weights, {missing[0]} first.",
                advice="Copy its model.safetensors again.",
            )
        network: Any = ready(model).eval()
        return cls(network.to(device), prepare, ambiguity, device)

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
            # The head reads the last map only.
            return self.head([hidden_states[-1].float()], *sizes)


def ready(model: DepthAnythingForDepthEstimation) -> DepthAnythingForDepthEstimation:
    """The same network, whose head runs in single precision and whose neck fits its backbone."""
    if cast("Any", model.config.backbone_config).model_type == _WITHOUT_CLASS_TOKEN:
        model.neck.register_forward_pre_hook(_with_class_token)
    cast("Any", model).head = HeadInFloat32(model.head)
    return model


def save_ours(model: DepthAnythingForDepthEstimation, folder: Path, longest_side: int, multiple: int) -> None:
    """Write config.json and model.safetensors of a network whose output is inverse depth up to one factor a picture.

    longest_side: of the frames that it will be given, in pixels; multiple: of which both their sides are.
    """
    meaning = {"output": "inverse-depth", "ambiguity": "scale", "longest_side": longest_side, "multiple": multiple}
    folder.mkdir(parents=True, exist_ok=True)
    config = {**model.config.to_dict(), _OUR_KEY: meaning}
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    state = {name.replace("head.head.", "head.", 1): values for name, values in model.state_dict().items()}
    save_file(eight_bits.pack(state), folder / _WEIGHTS, metadata={"format": "pt"})


def input_size(height: int, width: int, longest_side: int, multiple: int) -> tuple[int, int]:
    """Height and width of the mini network's input: the longer side at `longest_side`, both multiples."""
    scale = longest_side / max(height, width)
    return (
        max(multiple, round(height * scale / multiple) * multiple),
        max(multiple, round(width * scale / multiple) * multiple),
    )


def _ours(folder: Path) -> tuple[DepthAnythingForDepthEstimation, list[str]]:
    """The network and the names of weights that the checkpoint lacks."""
    config = DepthAnythingConfig.from_pretrained(folder, local_files_only=True)
    model = DepthAnythingForDepthEstimation(config)
    with safe_open(folder / _WEIGHTS, "pt") as file:
        names = {name: name for name in model.state_dict()}
        missing = eight_bits.missing(file, names)
        if not missing:
            model.load_state_dict(eight_bits.read(file, names))
    return model, missing


def _published(folder: Path) -> tuple[DepthAnythingForDepthEstimation, list[str]]:
    """As `_ours`. transformers fills missing weights with random numbers and only warns."""
    model, report = cast(
        "tuple[DepthAnythingForDepthEstimation, dict[str, Any]]",
        DepthAnythingForDepthEstimation.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True, dtype=torch.float32
        ),
    )
    return model, sorted(report["missing_keys"])


def _with_class_token(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """A token in front of each feature map: the neck drops the class token, which this backbone has dropped itself."""
    return (tuple(functional.pad(tokens, (0, 0, 1, 0)) for tokens in inputs[0]), *inputs[1:])


def _resizing(longest_side: int, multiple: int) -> Callable[[Sequence[np.ndarray]], Tensor]:
    def prepare(images: Sequence[np.ndarray]) -> Tensor:
        given_height, given_width = images[0].shape[:2]
        height, width = input_size(given_height, given_width, longest_side, multiple)
        how = cv2.INTER_AREA if width < given_width else cv2.INTER_LINEAR
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
