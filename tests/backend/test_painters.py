# SPDX-License-Identifier: Apache-2.0
"""Image models by twins of their published weights: held against diffusers' own pipelines, in every tier of memory."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from reangle.api.capabilities import capabilities_of
from reangle.errors import RunAgainError, UserError
from reangle.folders import LoraFolder
from reangle.image_models import device_memory
from reangle.image_models.base import Canvas
from reangle.image_models.device_memory import in_image_tier
from reangle.image_models.flux import packed
from reangle.image_models.flux2_klein import Flux2Klein
from reangle.image_models.flux_controlnet import FluxControlNet
from reangle.image_models.flux_fill import FluxFill
from reangle.image_models.memory import (
    IMAGE_TIERS,
    WHOLE,
    ImageModelSize,
    ImageTier,
    choose_image_tier,
    image_tier_named,
    painting_bytes,
)
from reangle.image_models.pictures import hole_in_cells
from reangle.image_models.registry import image_model_class, open_image_model
from reangle.motion.spec import LearnParams
from reangle.runtime.stage import StageContext
from reangle.starting.flow_edit import edited_latents, flow_edit
from reangle.starting.painters import AUTO, PAINTERS, find_painter, painter_infos, suite_painter
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling, sample
from reangle.weights.registry import kind_of
from reangle.weights.shipped import shipped_folder
from reangle.weights.sizes import DeviceMemory
from reangle.weights.suites import MINI, published_parts

from tests.backend import twins

libraries: Any = diffusers
STEPS, SEED, PROMPT = 3, 5, twins.CAPTIONS[0]
HEIGHT, WIDTH = 64, 96
NAMES = ("FLUX.1-Fill-dev", "FLUX.1-dev", "FLUX.2-klein-4B")
BESIDE = {"FLUX.1-dev": ("FLUX.1-dev-Controlnet-Inpainting-Beta",)}
CLASSES: dict[str, type] = {"FLUX.1-Fill-dev": FluxFill, "FLUX.1-dev": FluxControlNet, "FLUX.2-klein-4B": Flux2Klein}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the twins of image models in `models`."""
    data = tmp_path_factory.mktemp("painters")
    for name in (*NAMES, *BESIDE["FLUX.1-dev"]):
        twins.TWINS[name](data / "models" / name)
    return data


def opened(data: Path, name: str, tier: ImageTier = WHOLE, prompts: Sequence[str] = ()) -> Any:
    folders = (data / "models" / one for one in (name, *BESIDE.get(name, ())))
    return open_image_model("\n".join(map(str, folders)), tier, prompts, "cpu")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def hole() -> np.ndarray:
    """Of whole tokens, as masks of all the pipelines are then the same."""
    area = np.zeros((HEIGHT, WIDTH), bool)
    area[16:48, 32:64] = True
    return area


def everywhere() -> np.ndarray:
    return np.ones((HEIGHT, WIDTH), bool)


def ours(model: Any, area: np.ndarray, guidance: float | None = None) -> torch.Tensor:
    """The clean latents of our loop without candidates."""
    random = torch.Generator().manual_seed(SEED)
    asked = model.usual_guidance if guidance is None else guidance
    conditions = model.conditions(Canvas(picture(), area, PROMPT), asked, random)
    return sample(model, conditions, WIDTH, HEIGHT, Sampling.plain(STEPS), SEED)[0]


def given(model: Any, **more: Any) -> dict[str, Any]:
    """The arguments of a pipeline's call that ask for what `ours` makes."""
    return {
        "prompt": PROMPT,
        "height": HEIGHT,
        "width": WIDTH,
        "num_inference_steps": STEPS,
        "guidance_scale": model.usual_guidance,
        "generator": torch.Generator().manual_seed(SEED),
        "output_type": "latent",
        "return_dict": False,
        **more,
    }


def noise(model: Any) -> torch.Tensor:
    shape = 1, *model.latent_shape(WIDTH, HEIGHT)
    return torch.randn(shape, generator=torch.Generator().manual_seed(SEED))


def as_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels)


def mask_image() -> Image.Image:
    return as_image(hole().astype(np.uint8) * 255)


def assert_close(made: torch.Tensor, expected: torch.Tensor) -> None:
    assert made.shape == expected.shape
    assert (made - expected).abs().max() < 1e-4 * expected.abs().max()


def test_flux_fill_makes_what_its_pipeline_makes(data: Path) -> None:
    model = opened(data, "FLUX.1-Fill-dev")
    pipe = libraries.FluxFillPipeline(**model.pipe.components)
    (latents,) = pipe(**given(model, image=as_image(picture()), mask_image=mask_image(), latents=packed(noise(model))))
    assert_close(packed(ours(model, hole())), latents)


def test_flux_makes_what_its_pipeline_makes_of_a_prompt(data: Path) -> None:
    model = opened(data, "FLUX.1-dev")
    (latents,) = libraries.FluxPipeline(**model.pipe.components)(**given(model, latents=packed(noise(model))))
    assert_close(packed(ours(model, everywhere())), latents)


def test_flux_with_its_controlnet_makes_what_the_pipeline_makes(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's pipeline encodes the picture; it lacks the mask, which is appended here to what it hands over."""
    model = opened(data, "FLUX.1-dev")
    text_and_picture = {
        name: part for name, part in model.pipe.components.items() if name not in ("image_encoder", "feature_extractor")
    }
    pipe = libraries.FluxControlNetPipeline(**text_and_picture, controlnet=model.controlnet)
    known = packed(torch.from_numpy(~hole()[::8, ::8])[None, None].float())
    plain = model.controlnet.forward

    def forward(controlnet_cond: torch.Tensor, controlnet_mode: None = None, **others: Any) -> Any:
        return plain(controlnet_cond=torch.cat([controlnet_cond, known], dim=2), **others)

    with monkeypatch.context() as patched:
        patched.setattr(model.controlnet, "forward", forward)
        black = np.where(hole()[..., None], np.uint8(0), picture())
        (latents,) = pipe(
            **given(
                model,
                control_image=as_image(black),
                controlnet_conditioning_scale=0.9,
                latents=packed(noise(model)),
            )
        )
    assert_close(packed(ours(model, hole())), latents)
    assert (ours(model, hole()) - ours(model, everywhere())).abs().max() > 0.1


@pytest.mark.parametrize("distilled", [True, False])
def test_flux2_klein_makes_what_its_pipelines_make(data: Path, tmp_path: Path, *, distilled: bool) -> None:
    if not distilled:
        data = tmp_path
        twins.flux2_klein_4b(data / "models" / "FLUX.2-klein-4B", distilled=False)
    model = opened(data, "FLUX.2-klein-4B")
    assert model.distilled is distilled
    parts = {**model.pipe.components, "is_distilled": distilled}
    (latents,) = libraries.Flux2KleinPipeline(**parts)(**given(model, latents=noise(model)))
    assert_close(model.unscaled(ours(model, everywhere())), latents)

    class WithoutTheHole(libraries.Flux2KleinInpaintPipeline):
        """Refers to the known tokens of the picture alone."""

        def prepare_image_latents(self, *arguments: Any) -> Any:
            tokens, places = super().prepare_image_latents(*arguments)
            seen = ~hole_in_cells(hole(), 16).flatten()
            return tokens[:, seen], places[:, seen]

    (latents,) = WithoutTheHole(**parts)(
        **given(model, image=as_image(picture()), mask_image=mask_image(), latents=noise(model), strength=1.0)
    )
    assert_close(model.unscaled(ours(model, hole())), latents)


@pytest.mark.parametrize("name", NAMES)
def test_a_hole_is_painted_and_nothing_else(name: str, data: Path) -> None:
    folder = data / "models" / name
    assert image_model_class(kind_of(folder)) is CLASSES[name]
    model = opened(data, name)
    # Neither side is a multiple of what the model takes.
    odd, area = picture()[:61, :93], hole()[:61, :93]
    area[20:31, 60:70] = True
    made, _ = paint(model, odd, area, PROMPT, Sampling.plain(2), SEED)
    assert np.array_equal(made[~area], odd[~area])
    assert not np.array_equal(made[area], odd[area])
    assert np.array_equal(made, paint(model, odd, area, PROMPT, Sampling.plain(2), SEED)[0])
    assert not np.array_equal(made, paint(model, odd, area, PROMPT, Sampling.plain(2), SEED + 1)[0])
    whole, _ = paint(model, odd, np.ones_like(area), PROMPT, Sampling.plain(2), SEED)
    other, _ = paint(model, 255 - odd, np.ones_like(area), PROMPT, Sampling.plain(2), SEED)
    assert model.reads_plain_text is (name != "FLUX.1-Fill-dev")
    assert not model.reads_plain_text or np.array_equal(whole, other)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at_once", [0, 2])
def test_candidates_together_get_the_velocities_of_each_alone(name: str, at_once: int, data: Path) -> None:
    model = opened(data, name)
    model.at_once = at_once
    conditions = model.conditions(Canvas(picture(), hole(), PROMPT), 2.0, torch.Generator())
    candidates = torch.randn(3, *model.latent_shape(WIDTH, HEIGHT), generator=torch.Generator().manual_seed(1))
    together = model.velocity(candidates, 0.5, conditions)
    assert_close(together, torch.cat([model.velocity(one, 0.5, conditions) for one in candidates.split(1)]))


@pytest.mark.parametrize("name", NAMES)
def test_every_tier_paints(name: str, data: Path) -> None:
    """On a CPU all of it runs but the move of the text encoder to main memory, where it is already."""
    area = hole()
    latents = torch.randn(
        2, *opened(data, name).latent_shape(WIDTH, HEIGHT), generator=torch.Generator().manual_seed(1)
    )

    def velocity(model: Any) -> torch.Tensor:
        conditions = model.conditions(Canvas(picture(), area, PROMPT), 2.0, torch.Generator().manual_seed(0))
        return model.velocity(latents, 0.5, conditions)

    exact = velocity(opened(data, name))
    for tier, most in zip(IMAGE_TIERS, (0.0, 0.0, 0.1, 0.4), strict=True):
        model = opened(data, name, tier, [PROMPT])
        assert (model.pipe.text_encoder is None) == tier.text_first
        attention = model.pipe.transformer.single_transformer_blocks[0].attn
        linear = type(attention.to_out if name == "FLUX.2-klein-4B" else attention.to_q).__name__
        assert linear == {"whole": "Linear", "int8": "Linear8bitLt", "nf4": "Linear4bit"}[tier.base]
        off = (velocity(model) - exact).norm() / exact.norm()
        assert off <= most + 1e-5, tier.name
        assert (off > 1e-5) == (tier.base != "whole"), tier.name
        if tier.text_first:
            with pytest.raises(ValueError, match="was not among those"):
                model.words("another prompt")


FLUX_AT_A_MEGAPIXEL = ImageModelSize(
    weights=11_902_587_968,
    text_bytes=9_770_000_000,
    vae_bytes=168_000_000,
    width=3072,
    tokens=4096 + 512,
    widest=128 * 1024**2,
)


@pytest.mark.parametrize("tier", IMAGE_TIERS, ids=lambda tier: tier.name)
def test_a_card_gets_the_tier_that_is_named_after_it(tier: ImageTier) -> None:
    free = int(tier.name.split()[0]) * 2**30 - 0.5e9
    card, main = DeviceMemory(free, bytes_each=2, apart=True), 64e9
    assert choose_image_tier(FLUX_AT_A_MEGAPIXEL, 10, card, main) == tier
    needed = [painting_bytes(FLUX_AT_A_MEGAPIXEL, one, 10, card) for one in IMAGE_TIERS]
    assert needed == sorted(needed, reverse=True)
    # Little main memory: all parts together cannot be opened there.
    below = choose_image_tier(FLUX_AT_A_MEGAPIXEL, 10, card, 30e9)
    assert below is not None
    assert below.text_first


def test_an_image_model_on_disk_is_measured(data: Path) -> None:
    model, folder = opened(data, "FLUX.1-dev"), data / "models" / "FLUX.1-dev"
    size = FluxControlNet.size_of(folder, [data / "models" / BESIDE["FLUX.1-dev"][0]], bytes_each=4)
    count = lambda network: sum(weights.numel() for weights in network.parameters())  # noqa: E731
    assert size.weights == count(model.pipe.transformer) + count(model.controlnet)
    assert size.vae_bytes == 4 * count(model.pipe.vae)
    assert size.width == 32
    klein = Flux2Klein.size_of(data / "models" / "FLUX.2-klein-4B", bytes_each=4)
    assert klein.tokens == 2 * (64 * 64 // 256) + 512


def test_a_stage_that_runs_out_of_memory_restarts_in_the_next_tier(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    context = StageContext(
        params=LearnParams(),
        out=LoraFolder(tmp_path),
        report=lambda share, note: notes.append(note),
        unfinished=tmp_path,
    )
    run = partial(in_image_tier, context, str(data / "models" / "FLUX.2-klein-4B"), 2)
    tried: list[str] = []

    def work(tier: ImageTier) -> None:
        tried.append(tier.name)
        raise torch.OutOfMemoryError("CUDA out of memory")

    for _ in IMAGE_TIERS[:-1]:
        with pytest.raises(RunAgainError, match="Memory ran out"):
            run(work)
    with pytest.raises(UserError, match="not enough memory for this image model"):
        run(work)
    assert tried == [tier.name for tier in IMAGE_TIERS]
    (tmp_path / device_memory.NOTED).unlink()
    monkeypatch.setattr(psutil, "virtual_memory", _Little)
    run(lambda tier: tried.append(tier.name))
    assert tried[-1] == IMAGE_TIERS[-1].name
    assert "too little for this image model" in notes[-1]
    monkeypatch.setattr(device_memory, "device_memory", lambda: DeviceMemory(24e9, bytes_each=2, apart=True))
    monkeypatch.setattr(psutil, "swap_memory", _Little)
    with pytest.raises(UserError, match=r"of main memory, and 0\.0 GB are free"):
        run(lambda tier: None)


class _Little:
    available = free = 1_000


@pytest.mark.parametrize(
    ("name", "file", "keep"),
    [
        ("FLUX.2-klein-4B", "transformer/diffusion_pytorch_model.safetensors", 100),
        ("FLUX.2-klein-4B", "vae/config.json", 0),
        ("FLUX.1-Fill-dev", "text_encoder_2/model-00002-of-00002.safetensors", None),
        ("FLUX.1-dev-Controlnet-Inpainting-Beta", "diffusion_pytorch_model.safetensors", 100),
        ("FLUX.1-dev-Controlnet-Inpainting-Beta", "diffusion_pytorch_model.safetensors", None),
    ],
)
def test_a_damaged_part_is_one_clear_error(name: str, file: str, keep: int | None, data: Path, tmp_path: Path) -> None:
    """keep: bytes of the file that stay, None for no file."""
    shutil.copytree(data / "models", tmp_path / "models")
    path = tmp_path / "models" / name / file
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[:keep])
    with pytest.raises(UserError, match="cannot be opened") as caught:
        opened(tmp_path, name if name in NAMES else "FLUX.1-dev", IMAGE_TIERS[1], [PROMPT])
    assert str(tmp_path / "models" / name) in caught.value.message
    assert "again" in caught.value.advice


def test_flux_without_its_controlnet_says_how_to_get_it(data: Path) -> None:
    with pytest.raises(UserError, match="ControlNet") as caught:
        open_image_model(str(data / "models" / "FLUX.1-dev"), device="cpu")
    assert "reangle models download" in caught.value.advice
    with pytest.raises(UserError, match="no image model"):
        open_image_model(str(data / "models" / BESIDE["FLUX.1-dev"][0]), device="cpu")


@pytest.mark.parametrize("name", ["FLUX.1-dev", "FLUX.2-klein-4B"])
def test_flow_edit_with_equal_prompts_changes_nothing(name: str, data: Path) -> None:
    model, before = opened(data, name), picture()[:, :91]
    assert flow_edit(model, before, PROMPT, PROMPT) is before
    canvas = Canvas(picture(), everywhere(), PROMPT)
    told = model.conditions(canvas, 3.0, torch.Generator())
    again = model.conditions(canvas, 3.0, torch.Generator())
    start, levels = model.encode(picture()[None]), model.noise_levels(4, WIDTH, HEIGHT)
    random = torch.Generator().manual_seed(0)
    assert torch.equal(edited_latents(model, start, (told, again), levels, 1.0, 2, random), start)
    after, twice, other = (
        flow_edit(model, before, PROMPT, twins.CAPTIONS[1], 0.8, 3, seed, averages=2) for seed in (1, 1, 2)
    )
    assert after.shape == before.shape
    assert np.array_equal(after, twice)
    assert not np.array_equal(after, other)
    assert not np.array_equal(after, before)


def test_a_fill_model_does_not_edit(data: Path) -> None:
    with pytest.raises(UserError, match="fills holes only"):
        flow_edit(opened(data, "FLUX.1-Fill-dev"), picture(), PROMPT, twins.CAPTIONS[1])


def test_painters_are_found_with_what_runs_beside_them(data: Path, tmp_path: Path) -> None:
    folders = {path.name: str(path) for path in (data / "models").iterdir()}
    beside = BESIDE["FLUX.1-dev"][0]
    assert find_painter("flux-controlnet", "mini", data).split("\n") == [folders["FLUX.1-dev"], folders[beside]]
    assert find_painter("FLUX.1-dev", "mini", data) == find_painter("flux-controlnet", "mini", data)
    assert find_painter(folders["FLUX.2-klein-4B"], "mini", data) == find_painter("flux2-klein", "mini", data)
    assert find_painter("fill", "mini", data) == ""
    assert [one.name for one in published_parts("FLUX.1-dev")] == ["FLUX.1-dev", beside]
    for name in ("flux-fill", "flux-controlnet", "flux2-klein"):
        with pytest.raises(UserError, match="are not on this machine") as caught:
            find_painter(name, "mini", tmp_path)
        assert "reangle models download FLUX" in caught.value.advice
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "FLUX.1-dev").symlink_to(folders["FLUX.1-dev"])
    with pytest.raises(UserError, match=beside):
        find_painter("flux-controlnet", "mini", tmp_path)
    with pytest.raises(UserError, match=r"runs beside FLUX\.1"):
        find_painter(beside, "mini", data)
    with pytest.raises(UserError, match="oil") as caught:
        find_painter("oil", "mini", tmp_path)
    assert "flux2-klein" in caught.value.advice


def test_auto_takes_the_suites_own_image_model_alone(data: Path, tmp_path: Path) -> None:
    """The data folder has weights for commercial work and others; `auto` takes neither for a suite without them."""
    mini = str(shipped_folder(MINI.image))
    assert find_painter("mini", "mini", tmp_path) == suite_painter("mini", data) == mini
    # The small model agrees less from view to view than the fill.
    assert find_painter(AUTO, "mini", data) == ""
    assert find_painter(AUTO, "cogvideox-5b", tmp_path) == ""
    assert find_painter(AUTO, "cogvideox-5b", data) == str(data / "models" / "FLUX.1-Fill-dev")


def test_painters_are_listed_for_clients(data: Path, tmp_path: Path) -> None:
    infos = {info.name: info for info in capabilities_of(tmp_path).painters}
    assert list(infos) == [AUTO, *(spec.name for spec in PAINTERS)]
    assert sorted(info.number for info in infos.values()) == list(range(len(infos)))
    assert [name for name, info in infos.items() if info.available] == [AUTO, "fill", "mini"]
    assert [name for name, info in infos.items() if not info.commercial_ok] == ["flux-fill", "flux-controlnet"]
    for name in ("flux-fill", "flux-controlnet", "flux2-klein"):
        assert infos[name].weights[0].can_be_downloaded
        assert "models download" in infos[name].advice
    assert len(infos["flux-controlnet"].weights) == 2
    assert all(info.available for info in painter_infos(data))


def test_tiers_are_found_by_name() -> None:
    assert [image_tier_named(tier.name) for tier in IMAGE_TIERS] == list(IMAGE_TIERS)
