# SPDX-License-Identifier: Apache-2.0
"""Provider `depth-anything`: disparity of single frames, made steady in time; with DUSt3R, fitted into its world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from transformers import DepthAnythingForDepthEstimation, DPTImageProcessorPil

from reangle.errors import UserError
from reangle.geometry.depth.disparity import (
    FAR_OVER_NEAR,
    apply,
    default_range,
    depth_from_inverse,
    match_frames,
    steady_scale_shift,
)
from reangle.geometry.depth.dust3r import align_footage, describe
from reangle.geometry.depth.fuse import fuse
from reangle.geometry.footage import Footage, K_from_fov, fov_from_settings
from reangle.geometry.spec import GeometryContext
from reangle.geometry.video_geometry import VideoGeometry
from reangle.weights.identity import split_checkpoints
from reangle.weights.registry import licence_of

BATCH = {"cuda": 8, "cpu": 1}


def provide(footage: Footage, context: GeometryContext) -> VideoGeometry:
    """See `reangle.geometry.depth.spec.Provider`. A second checkpoint is for DUSt3R."""
    folder, *dust3r = (Path(one) for one in split_checkpoints(context.checkpoint))
    share = 0.3 if dust3r else 0.9
    disparity = estimate_disparity(footage, folder, lambda done: context.report(share * done, ""))
    grey = [cv2.cvtColor(footage.image(index), cv2.COLOR_RGB2GRAY) for index in range(footage.count)]
    disparity = apply(disparity, *steady_scale_shift(match_frames(disparity, grey), footage.count))
    fov = context.params.horizontal_fov_deg
    if dust3r:
        alignment = align_footage(footage, dust3r[0], lambda done, _: context.report(0.3 + 0.65 * done, ""), fov)
        return fuse(
            disparity,
            alignment,
            checkpoint=f"{folder.name} + {dust3r[0].name}",
            licence=f"{licence_of(str(folder))}; {licence_of(str(dust3r[0]))}",
            notes=(*describe(alignment, fov), f"Scale and cameras: from DUSt3R ({licence_of(str(dust3r[0]))})."),
        )
    scale, shift = default_range(disparity)
    inverse = disparity * np.float32(scale) + np.float32(shift)
    used_fov, lens_note = fov_from_settings(fov)
    nearest = 1 / max(float(np.percentile(inverse[:, ::4, ::4], 98)), 1e-6)
    return VideoGeometry(
        depth=depth_from_inverse(inverse, 2 * FAR_OVER_NEAR * nearest),
        valid=np.ones(disparity.shape, bool),
        confidence=np.ones(disparity.shape, np.float32),
        K=np.tile(K_from_fov(footage.width, footage.height, used_fov), (footage.count, 1, 1)),
        world_from_camera=np.tile(np.eye(4), (footage.count, 1, 1)),
        scale="relative",
        provider="depth-anything",
        checkpoint=folder.name,
        licence=licence_of(str(folder)),
        notes=(
            lens_note,
            "Camera: static, since Depth Anything estimates none.",
            f"Depth: far is assumed to be at most {FAR_OVER_NEAR:g} times as far as near.",
        ),
    )


def estimate_disparity(footage: Footage, folder: Path, progress: Callable[[float], None]) -> np.ndarray:
    """The network's disparity of each frame, T x height x width float32 at the frames' size; larger is nearer.

    Scale and shift are arbitrary and differ from frame to frame. Raises UserError for an unusable checkpoint.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, processor = _load(folder, device)
    maps = []
    for start in range(0, footage.count, BATCH[device]):
        images = [footage.image(index) for index in range(start, min(start + BATCH[device], footage.count))]
        inputs = processor(images=images, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            predicted = model(pixel_values=inputs.to(device)).predicted_depth
        size = (footage.width, footage.height)
        maps += [cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in predicted.float().cpu().numpy()]
        progress(len(maps) / footage.count)
    return np.stack(maps)


def _load(folder: Path, device: str) -> tuple[torch.nn.Module, DPTImageProcessorPil]:
    try:
        model, report = cast(
            "tuple[torch.nn.Module, dict[str, Any]]",
            DepthAnythingForDepthEstimation.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            ),
        )
        processor = DPTImageProcessorPil.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise UserError(
            f"The Depth Anything checkpoint {folder} cannot be loaded: {reason}.",
            advice="Copy its config.json, preprocessor_config.json and model.safetensors again.",
        ) from error
    # transformers fills missing weights with random numbers and only warns.
    if report["missing_keys"]:
        first = sorted(report["missing_keys"])[0]
        raise UserError(
            f"The Depth Anything checkpoint {folder} lacks {len(report['missing_keys'])} weights, {first} first.",
            advice="Copy its model.safetensors again.",
        )
    return model.eval().to(device), processor
