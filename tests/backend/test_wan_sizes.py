# SPDX-License-Identifier: Apache-2.0
"""How Wan's checkpoints are recognised, and what sizes, memory and tiles they work in, by their twins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from peft import LoraConfig
from reangle.video_models.memory import tier_named
from reangle.video_models.published_sizes import PUBLISHED_SIZES
from reangle.video_models.working_size import WorkingSize
from reangle.weights.registry import kind_of
from reangle.weights.suites import known_checkpoint

from tests.backend.test_wan import BOTH, CLASSES, opened
from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.wan_twins import FIRST_FRAME, FRAMES, SIZES, VACE, WAN_TWINS, write_small

libraries: Any = diffusers


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        (FIRST_FRAME, {"expand_timesteps": False}, "words alone"),
        (FIRST_FRAME, {"_class_name": "WanImageToVideoPipeline", "expand_timesteps": None}, "channels of its own"),
        (VACE, {"boundary_ratio": 0.875}, "two transformers"),
    ],
)
def test_wans_of_other_kinds_are_refused_by_name(name: str, index: dict[str, Any], words: str, tmp_path: Path) -> None:
    folder = write_small(name, tmp_path / name)
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **index}), encoding="utf-8")
    kind = kind_of(folder)
    assert kind is not None
    assert words in kind.refusal


@BOTH
def test_the_published_size_follows_from_the_published_numbers(name: str) -> None:
    """Tokens of the published working size; the counts of weights are those of diffusers' classes."""
    if name == FIRST_FRAME:
        with torch.device("meta"):
            network = libraries.WanTransformer3DModel(
                num_attention_heads=24, in_channels=48, out_channels=48, ffn_dim=14336, num_layers=30
            )
        tokens = 11_440
    else:
        with torch.device("meta"):
            network = libraries.WanVACETransformer3DModel(
                num_attention_heads=12, ffn_dim=8960, num_layers=30, vace_layers=list(range(0, 30, 2))
            )
        tokens = 32_760
    size = PUBLISHED_SIZES[name]
    assert size.weights == sum(weights.numel() for weights in network.parameters())
    assert size.tokens == tokens


@BOTH
def test_a_twin_is_measured(name: str, tmp_path: Path) -> None:
    folder = write_small(name, tmp_path / name)
    model, size = opened(folder), CLASSES[name].size_of(folder, bytes_each=4)
    width, height = SIZES[name]
    latents, _, rows, columns = model.latent_shape(*model.size_for(width, height))
    assert size.tokens == latents * (rows // 2) * (columns // 2)
    assert size.weights == sum(weights.numel() for weights in model.transformer.parameters())
    assert size.layers == len(model.layers)


@BOTH
def test_the_memory_of_a_layer_is_what_is_estimated(name: str) -> None:
    """Memory that torch keeps for the backward pass of a LoRA, counted by autograd's hook."""
    width, layers, frames, side = 256, 4, 7, 32
    sizes: dict[str, Any] = {"num_attention_heads": 4, "attention_head_dim": 64, "text_dim": 64, "num_layers": layers}
    tokens = frames * side * side // 4
    if name == VACE:
        network = libraries.WanVACETransformer3DModel(ffn_dim=width * 35 // 6, vace_layers=[0, 2], **sizes)
        given = {"control_hidden_states": torch.randn(1, 96, frames, side, side), "timestep": torch.tensor([500.0])}
        layers += 2
    else:
        network = libraries.WanTransformer3DModel(ffn_dim=width * 14 // 3, **sizes)
        given = {"timestep": torch.full((1, tokens), 500.0)}
    model = CLASSES[name]
    network.requires_grad_(False)
    network.add_adapter(LoraConfig(r=8, target_modules=list(model.lora_targets)))
    network.train()
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {weights.untyped_storage().data_ptr() for weights in network.parameters()}
    given |= {"hidden_states": torch.randn(1, 16, frames, side, side), "encoder_hidden_states": torch.randn(1, 64, 64)}
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        assert network(**given, return_dict=False)[0].requires_grad
    # On a CPU, weights are float32, and autocast keeps them in half precision.
    cast = sum(weights.numel() * 2 for weights in network.parameters())
    measured = sum(size for place, size in kept.items() if place not in own) - cast
    estimated = layers * model.layer_arrays * tokens * width * 2
    assert 0.9 < measured / estimated < 1.1, f"{measured / estimated * model.layer_arrays:.1f} arrays"


def test_a_picture_of_any_aspect_gets_the_area_that_the_model_was_trained_for() -> None:
    size = WorkingSize(frames=49, width=1280, height=704)
    for width, height in ((1920, 1080), (1080, 1920), (720, 480), (1000, 1000), (2048, 858)):
        columns, rows = size.fit(width, height, 32)
        assert columns % 32 == rows % 32 == 0
        assert 0.85 < columns * rows / (1280 * 704) <= 1
        assert 0.94 < columns / rows / (width / height) < 1.06
    assert size.fit(1280, 704, 32) == (1280, 704)


@BOTH
def test_a_tiled_autoencoder_differs_only_at_seams(name: str, tmp_path: Path) -> None:
    folder = write_small(name, tmp_path / name)
    frames = np.stack(textured_frames(FRAMES, 4 * SIZES[name][1], 4 * SIZES[name][0], 1))
    whole, tiled = (CLASSES[name].open(folder, tier_named(tier), "cpu") for tier in ("ample", "24 GB"))
    latents, from_tiles = whole.encode_frames(frames), tiled.encode_frames(frames)
    assert latents.shape == from_tiles.shape
    assert (from_tiles - latents).std() < 0.5 * latents.std()
    pictures, again = whole.decode(latents[None]), tiled.decode(latents[None])
    assert pictures.shape == again.shape == frames.shape
    # An autoencoder that is not trained has large values, and attends to all of a tile.
    assert np.abs(pictures.astype(int) - again.astype(int)).mean() < 0.7 * pictures.std()


def test_every_twin_is_of_the_kind_that_its_row_says(tmp_path: Path) -> None:
    for name, write in WAN_TWINS.items():
        known = known_checkpoint(name)
        assert known is not None
        assert kind_of(write(tmp_path / name)) == known.kind
