# SPDX-License-Identifier: Apache-2.0
"""Networks that see the depth of single pictures, with tiny random weights of the real classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.errors import UserError
from reangle.folders import DecodedClip
from reangle.geometry.depth.monocular import estimate_frames
from reangle.geometry.depth.monocular_network import HeadInFloat32, Monocular, input_size
from reangle.geometry.footage import Footage
from safetensors.torch import load_file, save_file

from tests.backend.tiny_checkpoints import decoded_clip, save_depth_anything, save_mini_depth, textured_frames


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    return save_mini_depth(tmp_path / "mini")


def footage(tmp_path: Path, count: int = 2) -> Footage:
    return Footage.open(DecodedClip(decoded_clip(tmp_path / "clip", textured_frames(count, 60, 100))))


def test_both_networks_give_inverse_depth_of_every_frame(mini: Path, tmp_path: Path) -> None:
    clip, shares = footage(tmp_path, 3), []
    seen = estimate_frames(clip, mini, shares.append)
    assert (seen.ambiguity, seen.inverse.shape, seen.inverse.dtype) == ("scale", (3, 64, 96), np.float32)
    assert shares[-1] == 1
    assert seen.valid.all()
    assert (seen.inverse >= 0).all()
    other = estimate_frames(clip, save_depth_anything(tmp_path / "depth-anything"), shares.append)
    assert (other.ambiguity, other.inverse.shape) == ("scale-shift", (3, 56, 98))


def test_a_frame_does_not_depend_on_its_batch(mini: Path, tmp_path: Path) -> None:
    network = Monocular.load(mini, "cpu")
    images = [footage(tmp_path).image(index) for index in (0, 1)]
    together = network.inverse_depth(images)
    np.testing.assert_allclose(together[1], network.inverse_depth(images[1:])[0], rtol=1e-4)


def test_missing_weights_and_unknown_classes_are_refused(mini: Path, tmp_path: Path) -> None:
    weights = load_file(mini / "model.safetensors")
    for dropped in ("backbone.norm.bias", "head.conv1.weight_scale"):
        kept = {name: value for name, value in weights.items() if name != dropped}
        save_file(kept, mini / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UserError, match=f"lacks 1 weights, {dropped} first"):
            Monocular.load(mini, "cpu")
    config = json.loads((mini / "config.json").read_text())
    for change, message in (
        ({"model_type": "dpt"}, "class is 'dpt' instead of"),
        ({"reangle": {**config["reangle"], "ambiguity": "any"}}, "ambiguity 'any' is unknown"),
        ({"reangle": {"ambiguity": "scale"}}, "longest_side"),
    ):
        (mini / "config.json").write_text(json.dumps({**config, **change}))
        save_file(weights, mini / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UserError, match=message):
            Monocular.load(mini, "cpu")


def test_eight_bits_on_disk_run_in_single_precision(mini: Path) -> None:
    assert load_file(mini / "model.safetensors")["head.conv1.weight"].dtype == torch.int8
    assert {weights.dtype for weights in Monocular.load(mini, "cpu").model.parameters()} == {torch.float32}


def test_no_patch_of_the_picture_is_lost(mini: Path) -> None:
    """transformers' neck drops a class token, which this backbone has dropped already."""
    network = Monocular.load(mini, "cpu")
    seen: dict[str, Any] = {}
    model: Any = network.model
    model.backbone.register_forward_hook(lambda _, inputs, output: seen.update(backbone=output.feature_maps))
    model.neck.reassemble_stage.register_forward_pre_hook(lambda _, inputs: seen.update(neck=inputs[0]))
    network.inverse_depth([np.zeros((96, 96, 3), np.uint8)])
    for mine, theirs in zip(seen["neck"], seen["backbone"], strict=True):
        assert torch.equal(mine[:, 1:], theirs)


def test_the_head_leaves_mixed_precision() -> None:
    class Head(torch.nn.Linear):
        def forward(self, input: Any) -> torch.Tensor:
            return super().forward(input[0])

    head = HeadInFloat32(Head(4, 4))
    with torch.autocast("cpu", torch.bfloat16):
        assert head([torch.ones(1, 4, dtype=torch.bfloat16)]).dtype == torch.float32


@pytest.mark.parametrize(
    ("size", "expected"), [((480, 720), (352, 512)), ((1280, 720), (512, 288)), ((50, 50), (512, 512))]
)
def test_the_longer_side_decides_the_input(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size(*size, 512, 32) == expected
