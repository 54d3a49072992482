# SPDX-License-Identifier: Apache-2.0
"""Provider `depth-anything-3`: depth of several frames at once, by a network that is told their cameras.

Lin et al., "Depth Anything 3: Recovering the Visual Space from Any Views", 2025. The network is the one of the package
`depth-anything-3` (Apache-2.0); the checkpoints are the published ones: `config.json` describes the network's parts,
`model.safetensors` holds their weights, all under "model.".
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reangle.errors import UserError
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth.monocular_network import DEVIATION, MEAN, input_size
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth
from reangle.weights.registry import licence_of, name_of

if TYPE_CHECKING:
    from reangle.geometry.spec import DepthContext

LONGEST_SIDE, PATCH = 504, 14
WINDOW = {"cuda": 32, "cpu": 8}
"""Frames that the network sees together: attention between all their patches needs memory and time."""

PARTS = {
    "net": ("depth_anything_3.model.dinov2.dinov2", "DinoV2"),
    "head": ("depth_anything_3.model.dualdpt", "DualDPT"),
    "cam_enc": ("depth_anything_3.model.cam_enc", "CameraEnc"),
    "cam_dec": ("depth_anything_3.model.cam_dec", "CameraDec"),
}
NETWORK = ("depth_anything_3.model.da3", "DepthAnything3Net")
"""Module and class as `config.json` names them. No other class is ever loaded."""

UNUSED = "head.scratch.output_conv2_aux."
"""Parts of the head that predict rays at coarser sizes. Published checkpoints lack some of their weights."""


def provide(footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth:
    """See `reangle.geometry.provider.DepthProvider`."""
    folder = Path(context.checkpoint)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = load_network(folder).to(device)
    size = input_size(footage.height, footage.width, LONGEST_SIDE, PATCH)
    K = torch.from_numpy(camera.K_at(size[1], size[0])).float().to(device)
    inverse, confidence = (np.empty((footage.count, *size), np.float32) for _ in range(2))
    for start in range(0, footage.count, WINDOW[device]):
        window = slice(start, min(start + WINDOW[device], footage.count))
        images = network_input([footage.image(index) for index in range(window.start, window.stop)], size).to(device)
        poses = torch.from_numpy(normalised_poses(camera.world_from_camera[window])).float().to(device)
        with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            seen = network(images[None], poses[None], K[window][None])
        inverse[window] = (1 / seen["depth"][0].float().clamp_min(1e-6)).cpu().numpy()
        # The network's confidence starts at 1, without an upper end.
        confidence[window] = (1 - 1 / seen["depth_conf"][0].float().clamp_min(1)).cpu().numpy()
        context.report(window.stop / footage.count, "")
    return FrameDepth(
        inverse=inverse,
        valid=np.ones(inverse.shape, bool),
        confidence=confidence,
        ambiguity="scale",
        checkpoint=name_of(context.checkpoint),
        licence=licence_of(context.checkpoint),
    )


def network_input(images: list[np.ndarray], size: tuple[int, int]) -> Tensor:
    """n x 3 x h x w float32 of n pictures, H x W x 3 uint8 RGB. size: h, w, multiples of PATCH."""
    height, width = size
    how = cv2.INTER_AREA if width < images[0].shape[1] else cv2.INTER_CUBIC
    shown = np.stack([cv2.resize(image, (width, height), interpolation=how) for image in images])
    return torch.from_numpy((shown.astype(np.float32) / 255 - MEAN) / DEVIATION).permute(0, 3, 1, 2).contiguous()


def normalised_poses(world_from_camera: np.ndarray) -> np.ndarray:
    """camera_from_first, n x 4 x 4, as the network was trained: the median distance from the first camera is 1."""
    camera_from_first = np.linalg.inv(world_from_camera) @ world_from_camera[0]
    first_from_camera = np.linalg.inv(camera_from_first)
    distance = float(np.median(np.linalg.norm(first_from_camera[:, :3, 3], axis=1)))
    if distance > 0:
        camera_from_first[:, :3, 3] /= distance
    return camera_from_first


def load_network(folder: Path) -> nn.Module:
    """The network of a published checkpoint, ready to run. Raises UserError if the checkpoint is damaged or another."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        _check_class(config, NETWORK, "the network")
        parts = {name: _part(config[name], known, name) for name, known in PARTS.items()}
        network: nn.Module = _class(NETWORK)(**parts)
        weights = {
            name.removeprefix("model."): value.float()
            for name, value in load_file(folder / "model.safetensors").items()
        }
        missing, unknown = network.load_state_dict(weights, strict=False)
    except (OSError, ValueError, KeyError, TypeError, AssertionError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The Depth Anything 3 checkpoint {folder} cannot be loaded: {reason}.",
            advice="Copy its config.json and model.safetensors again; small and base are supported.",
        ) from error
    missing = [name for name in missing if not name.startswith(UNUSED)]
    if missing or unknown:
        what = f"lacks {len(missing)} weights, {missing[0]} first" if missing else f"has unknown weights, {unknown[0]}"
        raise UserError(f"The Depth Anything 3 checkpoint {folder} {what}.", advice="Copy its model.safetensors again.")
    return network.eval()


def _part(config: Mapping[str, Any], known: tuple[str, str], name: str) -> nn.Module:
    _check_class(config, known, name)
    return _class(known)(**{key: value for key, value in config.items() if key != "__object__"})


def _check_class(config: Mapping[str, Any], known: tuple[str, str], name: str) -> None:
    what = config["__object__"]
    if (what["path"], what["name"]) != known:
        raise ValueError(f"{name} is a {what['path']}.{what['name']}, not a {known[1]}")


def _class(known: tuple[str, str]) -> Any:
    module, name = known
    return getattr(importlib.import_module(module), name)
