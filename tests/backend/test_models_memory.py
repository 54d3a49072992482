# SPDX-License-Identifier: Apache-2.0
"""The memory that a video model needs, and what happens if there is less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from reangle.errors import RunAgainError, UserError
from reangle.folders import LoraFolder, UnfinishedLearning
from reangle.motion.spec import LearnContext, LearnParams
from reangle.runtime.stage import StageContext
from reangle.video_models import device_memory as device_memory_module
from reangle.video_models.cogvideox import CogVideoX
from reangle.video_models.device_memory import in_tier
from reangle.video_models.memory import (
    TIERS,
    DeviceMemory,
    Tier,
    choose_tier,
    needed_bytes,
    opening_bytes,
    tier_named,
    weights_in,
)
from reangle.video_models.published_sizes import PUBLISHED_SIZES
from reangle.weights.checkpoints import COGVIDEOX_5B
from reangle.weights.memory_errors import is_out_of_memory
from reangle.weights.shipped import shipped_folder
from reangle.weights.suites import MINI

from tests.backend.tiny_checkpoints import textured_frames

PUBLISHED_5B = PUBLISHED_SIZES[COGVIDEOX_5B.name]
NAMED = {"80 GB": 80, "24 GB": 24, "16 GB": 16, "12 GB": 12}


@pytest.mark.parametrize(("name", "gigabytes"), NAMED.items())
def test_card_of_a_tiers_size_gets_that_tier_or_a_faster_one(name: str, gigabytes: int) -> None:
    # The driver and the desktop use a part of the card.
    free = gigabytes * 2**30 - 0.5e9
    chosen = choose_tier(PUBLISHED_5B, 128, card(free))
    assert chosen is not None
    assert TIERS.index(chosen) <= TIERS.index(tier_named(name))
    if gigabytes > 12:
        assert chosen.name == name


def card(free: float) -> DeviceMemory:
    return DeviceMemory(free, bytes_each=2, apart=True)


def test_a_tier_never_needs_more_than_the_one_before() -> None:
    sizes = [needed_bytes(PUBLISHED_5B, tier, 128, card(0)) for tier in TIERS]
    assert sizes == sorted(sizes, reverse=True)
    assert choose_tier(PUBLISHED_5B, 128, card(8e9)) is None


def test_offloaded_weights_count_as_main_memory() -> None:
    machine = DeviceMemory(0, bytes_each=2, apart=False)
    parts = 0.5 * PUBLISHED_5B.weights + PUBLISHED_5B.vae_bytes
    for tier in TIERS:
        on_card, in_all = (needed_bytes(PUBLISHED_5B, tier, 128, where) for where in (card(0), machine))
        assert in_all >= on_card
        assert in_all >= parts


def test_a_model_on_disk_is_measured() -> None:
    folder = shipped_folder(MINI.main)
    pipe = CogVideoX.open(folder, TIERS[0], "cpu").pipe
    size = CogVideoX.size_of(folder, bytes_each=4)
    assert size.weights == sum(weights.numel() for weights in pipe.transformer.parameters())
    assert weights_in(folder / "vae") == sum(weights.numel() for weights in pipe.vae.parameters())
    assert (size.layers, size.width, size.tokens) == (6, 256, 7 * 8 * 14 + 64)
    assert choose_tier(size, 32, DeviceMemory(4e9, bytes_each=4, apart=False)) == TIERS[0]


def test_tiled_decoding_differs_only_at_the_seams() -> None:
    whole, tiled = (CogVideoX.open(shipped_folder(MINI.main), tier, "cpu").pipe.vae for tier in (TIERS[0], TIERS[2]))
    clip = torch.from_numpy(np.stack(textured_frames(9, 128, 224))).permute(3, 0, 1, 2)[None] / 127.5 - 1
    with torch.no_grad():
        latents, from_tiles = (vae.encode(clip).latent_dist.mode() for vae in (whole, tiled))
        assert from_tiles.shape == latents.shape == (1, 8, 3, 32, 56)
        pictures, again = (vae.decode(latents).sample for vae in (whole, tiled))
    assert again.shape == pictures.shape == clip.shape
    assert (from_tiles - latents).std() < 0.5 * latents.std()
    assert (again - pictures).abs().mean() < 0.05


@pytest.mark.parametrize("tier", [TIERS[0], TIERS[2]], ids=lambda tier: tier.name)
def test_memory_estimate_of_training_is_close_to_the_measurement(tier: Tier) -> None:
    """Memory that torch keeps for the backward pass, counted by autograd's hook, compared with the estimate."""
    from reangle.motion.trainer import recompute

    folder = shipped_folder(MINI.main)
    model = CogVideoX.open(folder, TIERS[0], "cpu")
    transformer: Any = model.transformer
    size = CogVideoX.size_of(folder, bytes_each=2)
    transformer.train()
    recompute(model, tier.recomputed)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {weights.untyped_storage().data_ptr() for weights in transformer.parameters()}
    inputs = torch.randn(1, 7, 16, 32, 56), torch.randn(1, 64, 128), torch.tensor([500])
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        rotary = torch.ones(7 * 8 * 14, 64), torch.zeros(7 * 8 * 14, 64)
        prediction = transformer(*inputs, image_rotary_emb=rotary, return_dict=False)[0]
    assert prediction.requires_grad
    # On a CPU, weights are float32; autocast also keeps them and the inputs of the layers in half precision.
    cast = sum(weights.numel() * 2 for weights in transformer.parameters()) if not tier.recomputed else 0
    measured = sum(size for place, size in kept.items() if place not in own) - cast
    stream = size.tokens * size.width * 2
    estimated = size.layers * ((1 - tier.recomputed) * size.layer_arrays * stream + tier.recomputed * 2 * stream)
    assert 0.8 < measured / estimated < 1.25, f"{measured / 1e6:.1f} MB kept, {estimated / 1e6:.1f} MB estimated"


def context(folder: Path, notes: list[str]) -> LearnContext:
    folder.mkdir(exist_ok=True)
    return StageContext(
        params=LearnParams(),
        out=LoraFolder(folder),
        checkpoint=str(shipped_folder(MINI.main)),
        report=lambda share, note: notes.append(note),
        unfinished=folder,
    )


def test_a_stage_that_runs_out_of_memory_restarts_with_less(tmp_path: Path) -> None:
    notes: list[str] = []
    stage, tried = context(tmp_path / "unfinished", notes), []
    training = UnfinishedLearning(tmp_path / "unfinished").training

    def work(tier: Tier) -> None:
        tried.append(tier.name)
        training.touch()
        raise torch.OutOfMemoryError("CUDA out of memory")

    for tier in TIERS[:-1]:
        with pytest.raises(RunAgainError, match="Memory ran out"):
            in_tier(stage, CogVideoX, 32, work)
        assert tried[-1] == tier.name
        assert not training.exists()
    with pytest.raises(UserError, match="not enough memory"):
        in_tier(stage, CogVideoX, 32, work)
    in_tier(stage, CogVideoX, 32, lambda tier: tried.append(tier.name))
    assert tried[-2:] == [TIERS[-1].name] * 2


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("Error CUDA out of memory at line 380 in file /src/csrc/pythonInterface.cpp"),
        RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:72] data. DefaultCPUAllocator: not enough memory"),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
        OSError("The paging file is too small for this operation to complete. (os error 1455)"),
        MemoryError(),
    ],
    ids=str,
)
def test_the_libraries_words_for_a_lack_of_memory_are_known(error: Exception) -> None:
    assert is_out_of_memory(error)
    wrapped = ValueError("Unable to load weights")
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("CUDA error: invalid argument")]
)
def test_a_full_disk_is_not_a_lack_of_memory(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_other_errors_are_not_treated_as_out_of_memory(tmp_path: Path) -> None:
    def work(tier: Tier) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_tier(context(tmp_path / "unfinished", []), CogVideoX, 32, work)


def test_main_memory_must_hold_the_model_while_it_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opening_bytes(PUBLISHED_5B, card(24e9)) == pytest.approx(11.6e9, rel=0.01)
    monkeypatch.setattr(device_memory_module, "device_memory", lambda: card(24e9))
    memory, swap = psutil.virtual_memory()._replace(available=1_000_000), psutil.swap_memory()._replace(free=0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(psutil, "swap_memory", lambda: swap)
    with pytest.raises(UserError, match=r"of main memory, and 0\.0 GB are free"):
        in_tier(context(tmp_path / "unfinished", []), CogVideoX, 32, lambda tier: None)


def test_little_memory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = psutil.virtual_memory()._replace(available=10_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: small)
    notes: list[str] = []
    in_tier(context(tmp_path / "unfinished", notes), CogVideoX, 32, lambda tier: notes.append(tier.name))
    assert "too little" in notes[0]
    assert notes[1] == TIERS[-1].name
