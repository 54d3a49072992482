# SPDX-License-Identifier: Apache-2.0
"""Checkpoints with the real classes, tiny and random, and decoded clips to run them on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from reangle.contract import SourceCamera
from reangle.folders import CameraFolder, ClipMetadata, DecodedClip, GeometryFolder
from reangle.geometry.camera.stage import find_camera
from reangle.geometry.spec import CameraParams, GeometryParams
from reangle.geometry.stage import estimate
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import write_images
from reangle.runtime.stage import StageContext


def save_dust3r(folder: Path, **changes: Any) -> Path:
    """A DUSt3R of 64 x 64 pixels, linear head. changes: other arguments of the class."""
    import torch
    from mini_dust3r.model import AsymmetricCroCo3DStereo

    torch.manual_seed(0)
    infinity = float("inf")
    settings: dict[str, Any] = {
        "output_mode": "pts3d",
        "head_type": "linear",
        "depth_mode": ("exp", -infinity, infinity),
        "conf_mode": ("exp", 1, infinity),
        "pos_embed": "RoPE100",
        "img_size": (64, 64),
        "enc_embed_dim": 96,
        "enc_depth": 2,
        "enc_num_heads": 4,
        "dec_embed_dim": 96,
        "dec_depth": 2,
        "dec_num_heads": 4,
        "landscape_only": False,
    }
    model: Any = AsymmetricCroCo3DStereo(**{**settings, **changes})
    if changes.get("head_type") == "dpt":
        for head in (model.downstream_head1, model.downstream_head2):
            head.dpt.head[-1].bias.data[2] = 1.0  # points in front of the camera
    model.save_pretrained(folder)
    return folder


def ship_mini(package: Path, *, video_runs: bool = False) -> Path:
    """Write a suite `mini` to `package/mini`, like the shipped one; return its folder.

    Depth and geometry are networks that run, with `video_runs` video, too. Otherwise video and image have the layout
    of pipelines without weights.
    """
    folder = package / "mini"
    save_mini_depth(folder / "depth")
    save_dust3r(folder / "geometry")
    for role, pipeline in (("video", "CogVideoXImageToVideoPipeline"), ("image", "FluxFillPipeline")):
        (folder / role / "transformer").mkdir(parents=True)
        (folder / role / "model_index.json").write_text(json.dumps({"_class_name": pipeline}), encoding="utf-8")
        (folder / role / "transformer" / "config.json").write_text("{}", encoding="utf-8")
        (folder / role / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"placeholder")
    if video_runs:
        from tests.backend.tiny_video import tiny_pipeline

        tiny_pipeline().save_pretrained(folder / "video")
    checkpoints = {}
    for role in ("depth", "geometry", "video", "image"):
        files = sorted(path for path in (folder / role).rglob("*") if path.is_file())
        checkpoints[role] = {
            "files": {
                path.relative_to(folder / role).as_posix(): {
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                    "size": path.stat().st_size,
                }
                for path in files
                if path.name != "README.md"
            }
        }
    about = {"suite": "mini", "version": 1, "checkpoints": checkpoints}
    (folder / "suite.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def save_depth_anything(folder: Path) -> Path:
    """A Depth Anything of 56 pixels on the short side."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessorPil

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        patch_size=14,
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    processor: Any = DPTImageProcessorPil
    processor(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14, do_normalize=True
    ).save_pretrained(folder)
    return folder


def save_mini_depth(folder: Path) -> Path:
    """A twin of the mini depth network, whose input is 96 pixels long."""
    import torch
    from reangle.geometry.depth.monocular_network import save_ours
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DINOv3ViTConfig

    torch.manual_seed(0)
    backbone = DINOv3ViTConfig(
        patch_size=16,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=96,
        out_indices=[1, 2, 3, 4],  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        patch_size=16,
        neck_hidden_sizes=[16, 16, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type="metric",
        max_depth=1,
    )
    save_ours(DepthAnythingForDepthEstimation(config), folder, 96, 16)
    return folder


def decoded_clip(folder: Path, frames: list[np.ndarray], **about: Any) -> Path:
    """A `decode` folder with these h x w x 3 RGB frames."""
    clip = DecodedClip(folder)
    write_images(clip.frames, frames)
    height, width = frames[0].shape[:2]
    clip.write_metadata(ClipMetadata(**{"fps": 24, "frames": len(frames), "width": width, "height": height, **about}))
    return folder


def textured_frames(count: int, height: int, width: int, shift: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Smooth random images that move `shift` pixels a frame."""
    noise = np.random.default_rng(seed).integers(0, 255, (height, width + shift * count, 3)).astype(np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 1.5)
    noise = cv2.normalize(noise, np.zeros(0), 0, 255, cv2.NORM_MINMAX)
    return [np.ascontiguousarray(noise[:, index * shift : index * shift + width]) for index in range(count)]


def run_geometry(
    decode: Path,
    out: Path,
    *,
    depth: str,
    camera: str = "still",
    files: Sequence[Path] = (),
    checkpoint: str = "",
    camera_checkpoint: str = "",
    start: int = 0,
    horizontal_fov_deg: float | None = None,
    depth_files_scale: float = 1.0,
    given: SourceCamera | None = None,
) -> VideoGeometry:
    """Run the stages `camera` and `geometry`, which write to `out` and the folder `camera` in it."""
    clip, solved = DecodedClip(decode), CameraFolder(out / "camera")
    solved.path.mkdir(parents=True)
    sent = {"geometry": tuple((path.name, path) for path in files)}
    find_camera(
        StageContext(
            params=CameraParams(camera=camera, start=start, horizontal_fov_deg=horizontal_fov_deg, given=given),
            out=solved,
            inputs={"decode": clip},
            files=sent if camera == "files" else {},
            checkpoint=camera_checkpoint,
        )
    )
    estimate(
        StageContext(
            params=GeometryParams(depth=depth, start=start, depth_files_scale=depth_files_scale),
            out=GeometryFolder(out),
            inputs={"decode": clip, "camera": solved},
            files=sent if depth == "files" else {},
            checkpoint=checkpoint,
        )
    )
    return VideoGeometry.load(GeometryFolder(out))
