# SPDX-License-Identifier: Apache-2.0
"""Depth Anything 3 from a tiny checkpoint that is laid out like the published ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.contract import SourceCamera, from_data
from reangle.errors import UserError
from reangle.folders import DecodedClip
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.depth.depth_anything_3 import load_network, normalised_poses, provide
from reangle.geometry.footage import Footage
from reangle.weights.kinds import DEPTH_ANYTHING_3
from reangle.weights.registry import kind_of
from safetensors.torch import load_file, save_file

from tests.backend.tiny_checkpoints import decoded_clip, run_geometry, textured_frames
from tests.backend.tiny_depth_anything_3 import config, narrow, save_depth_anything_3


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    narrow(monkeypatch)
    return save_depth_anything_3(tmp_path / "DA3-SMALL")


class Context:
    """The fields of a stage's context that the provider reads."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = str(checkpoint)
        self.shares: list[float] = []

    def report(self, share: float, _message: str) -> None:
        self.shares.append(share)


def clip_and_camera(tmp_path: Path, count: int, step_m: float = 0.1) -> tuple[Footage, ClipCamera]:
    footage = Footage.open(DecodedClip(decoded_clip(tmp_path / "clip", textured_frames(count, 60, 100))))
    K = np.tile([[90.0, 0, 50], [0, 90, 30], [0, 0, 1]], (count, 1, 1))
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, 0, 3] = step_m * np.arange(count)
    return footage, ClipCamera(K, poses, 100, 60, "moving", "relative", "solve", "solved")


def test_depth_of_every_frame_up_to_a_scale(checkpoint: Path, tmp_path: Path) -> None:
    footage, camera = clip_and_camera(tmp_path, 10)
    context: Any = Context(checkpoint)
    seen = provide(footage, camera, context)
    assert (seen.inverse.shape, seen.inverse.dtype, seen.ambiguity) == ((10, 56, 84), np.float32, "scale")
    assert np.isfinite(seen.inverse).all()
    assert (seen.inverse > 0).all()
    assert ((seen.confidence >= 0) & (seen.confidence <= 1)).all()
    assert context.shares == [0.8, 1.0]
    assert (seen.checkpoint, seen.licence) == ("DA3-SMALL", "Apache-2.0")


def test_the_network_is_told_the_cameras(checkpoint: Path, tmp_path: Path) -> None:
    footage, camera = clip_and_camera(tmp_path, 3)
    context: Any = Context(checkpoint)
    known = provide(footage, camera, context).inverse
    _, larger = clip_and_camera(tmp_path / "larger", 3, step_m=5.0)
    assert np.allclose(provide(footage, larger, context).inverse, known, rtol=1e-4)
    turned = ClipCamera(**{**vars(camera), "K": camera.K * [[2], [2], [1]]})
    assert not np.allclose(provide(footage, turned, context).inverse, known, rtol=1e-4)


@pytest.mark.parametrize("camera", ["still", "given"])
def test_it_gives_the_geometry_of_a_clip(camera: str, checkpoint: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "decoded", textured_frames(3, 60, 100))
    _, known = clip_and_camera(tmp_path, 3)
    path = {"width": 100, "height": 60, "K": known.K.tolist(), "world_from_camera": known.world_from_camera.tolist()}
    geometry = run_geometry(
        clip,
        tmp_path / "out",
        camera=camera,
        depth="depth-anything-3",
        checkpoint=str(checkpoint),
        given=from_data(SourceCamera, path) if camera == "given" else None,
    )
    assert (geometry.depth.shape, geometry.depth_from, geometry.camera_from) == (
        (3, 60, 100),
        "depth-anything-3",
        camera,
    )
    assert geometry.valid.any()
    assert "Apache-2.0" in geometry.licence


def test_other_and_damaged_checkpoints_are_refused(checkpoint: Path) -> None:
    assert kind_of(checkpoint) is DEPTH_ANYTHING_3
    weights = load_file(checkpoint / "model.safetensors")
    dropped = "model.backbone.pretrained.cls_token"
    save_file({name: value for name, value in weights.items() if name != dropped}, checkpoint / "model.safetensors")
    with pytest.raises(UserError, match=r"lacks 1 weights, backbone\.pretrained\.cls_token"):
        load_network(checkpoint)
    save_file({**weights, "model.gs_head.x": torch.zeros(1)}, checkpoint / "model.safetensors")
    with pytest.raises(UserError, match="unknown weights"):
        load_network(checkpoint)
    other = config()
    other["config"]["head"]["__object__"] = {"path": "os", "name": "system"}
    (checkpoint / "config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"head is a os\.system"):
        load_network(checkpoint)


def test_poses_are_relative_and_of_unit_distance() -> None:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 0, 3] = [2, 5, 8]
    given = normalised_poses(poses)
    assert np.allclose(given[0], np.eye(4))
    assert np.allclose(given[:, 0, 3], [0, -1, -2])
    assert np.allclose(normalised_poses(poses[:1]), np.eye(4))
