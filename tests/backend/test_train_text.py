# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers and text encoders: ids survive saving, and saved pipelines open like published ones."""

from __future__ import annotations

import string
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import CLIPTokenizer, T5Tokenizer

from scripts.train import text, video

# Untyped: a type checker cannot follow the package's lazy exports, and `tuple[int]` there means tuples of any length.
diffusers: Any = import_module("diffusers")

SCENE = "a small red checkered sphere slides right and a tall blue striped box spins in a room with a wooden floor"
CAPTIONS = (
    "",
    f"Camera movement orbit left, {SCENE} and green walls",
    f"CAMERA_ORBIT_LEFT Camera movement orbit left, {SCENE} and green walls",
)
UNSEEN = (
    "A zebra's 42 greens, [reddish] (orbiting) CAMERA_ORBIT_LEFTWARDS!",
    "two  spaces\tand a line\nbreak",
    string.printable,
)
WIDTH = 32
TEXT_LENGTH = 48
LATENTS = 4
ROWS, COLUMNS = 32, 48


@pytest.fixture(scope="module")
def t5() -> T5Tokenizer:
    return text.t5_tokenizer(CAPTIONS, TEXT_LENGTH)


@pytest.fixture(scope="module")
def clip() -> CLIPTokenizer:
    return text.clip_tokenizer(CAPTIONS)


def test_every_word_of_a_caption_is_one_t5_token(t5: T5Tokenizer) -> None:
    words = CAPTIONS[2].replace(",", "").split()
    assert t5.tokenize(CAPTIONS[2].replace(",", "")) == [f"▁{word}" for word in words]
    assert t5.tokenize("left, a") == ["▁left", ",", "▁a"]
    assert t5.decode(t5(CAPTIONS[2]).input_ids, skip_special_tokens=True) == CAPTIONS[2]
    assert (t5.pad_token_id, t5.eos_token_id, t5.unk_token_id) == (0, 1, 2)
    assert t5("").input_ids == [t5.eos_token_id]
    assert len(t5) == t5.vocab_size < 1000


def test_every_run_of_letters_is_one_clip_token(clip: CLIPTokenizer) -> None:
    words = CAPTIONS[1].lower().replace(",", " ,").split()
    assert clip.tokenize(CAPTIONS[1].upper()) == [f"{word}</w>" for word in words]
    assert clip.tokenize("CAMERA_ORBIT_LEFT") == ["camera</w>", "_</w>", "orbit</w>", "_</w>", "left</w>"]
    assert clip.eos_token_id == max(clip.get_vocab().values()) == len(clip) - 1


def test_words_that_share_letters_do_not_break_each_other() -> None:
    words = ["red", "green", "greens", "reds", "re", "aaa", "aaaa", "baa", "one", "none", "tone", "toned"]
    clip = text.clip_tokenizer([" ".join(words)])
    assert clip.tokenize(" ".join(words)) == [f"{word}</w>" for word in words]


@pytest.mark.parametrize("prompt", UNSEEN)
def test_unknown_words_are_spelled(prompt: str, t5: T5Tokenizer, clip: CLIPTokenizer) -> None:
    pieces = t5.tokenize(prompt)
    assert t5.unk_token not in pieces
    assert "".join(pieces).replace("▁", " ").split() == prompt.split()
    spelled = clip.tokenize(prompt)
    assert clip.unk_token not in spelled
    assert "".join(spelled).replace("</w>", "") == "".join(prompt.lower().split())


def test_t5_prefers_a_known_word_to_its_letters(t5: T5Tokenizer) -> None:
    assert t5.tokenize("reddish") == ["▁red", "d", "i", "s", "h"]
    assert t5.tokenize("Red") == ["▁R", "e", "d"]


def test_ids_do_not_depend_on_the_order_of_the_captions(t5: T5Tokenizer, clip: CLIPTokenizer) -> None:
    backwards = [*reversed(CAPTIONS), CAPTIONS[1]]
    assert text.t5_tokenizer(backwards, TEXT_LENGTH).get_vocab() == t5.get_vocab()
    again = text.clip_tokenizer(backwards)
    assert again.get_vocab() == clip.get_vocab()
    assert all(again(prompt).input_ids == clip(prompt).input_ids for prompt in (*CAPTIONS, *UNSEEN))


@pytest.mark.parametrize("kind", ["T5Tokenizer", "T5TokenizerFast", "CLIPTokenizer", "CLIPTokenizerFast"])
def test_ids_survive_saving(kind: str, tmp_path: Path, t5: T5Tokenizer, clip: CLIPTokenizer) -> None:
    tokenizer = t5 if kind.startswith("T5") else clip
    # Padding changes settings of the tokenizer, which are saved with it.
    tokenizer(CAPTIONS[1], padding="max_length", max_length=9, truncation=True)
    tokenizer.save_pretrained(tmp_path)
    loaded = getattr(transformers, kind).from_pretrained(tmp_path)
    assert loaded.model_max_length == tokenizer.model_max_length
    assert len(loaded) == len(tokenizer)
    for prompt in (*CAPTIONS, *UNSEEN):
        assert loaded(prompt).input_ids == tokenizer(prompt).input_ids
        padded = {"padding": "max_length", "max_length": 40, "truncation": True}
        assert loaded(prompt, **padded).input_ids == tokenizer(prompt, **padded).input_ids


def test_clip_pools_at_the_first_end_token(clip: CLIPTokenizer) -> None:
    encoder = text.clip_encoder(len(clip), WIDTH, 1).eval()
    ids = clip(list(CAPTIONS), padding="max_length", return_tensors="pt").input_ids
    assert ids.shape == (3, 77)
    with torch.no_grad():
        output = encoder(ids)
    ends = [len(clip(caption).input_ids) - 1 for caption in CAPTIONS]
    assert torch.equal(output.pooler_output, output.last_hidden_state[torch.arange(3), ends])
    assert not torch.allclose(output.pooler_output[1], output.pooler_output[2])


def test_encoders_refuse_a_width_that_does_not_split_into_heads() -> None:
    with pytest.raises(ValueError, match="not a multiple of 32"):
        text.t5_encoder(10, 48, 1)
    with pytest.raises(ValueError, match="not a multiple of 32"):
        text.clip_encoder(10, 48, 1)


def test_a_saved_image_to_video_pipeline_opens_and_runs(tmp_path: Path, t5: T5Tokenizer) -> None:
    pipeline = _image_to_video(t5)
    pipeline.save_pretrained(tmp_path)
    loaded = diffusers.CogVideoXImageToVideoPipeline.from_pretrained(tmp_path)
    first, second = _shoot(pipeline), _shoot(loaded)
    assert first.shape == (9, ROWS, COLUMNS, 3)
    assert np.isfinite(first).all()
    # Weights that lie elsewhere in memory may be added in another order.
    assert np.allclose(first, second, atol=1e-4)


@pytest.mark.parametrize("levels", [3, 4])
def test_a_saved_inpainting_pipeline_opens_and_runs(
    levels: int, tmp_path: Path, t5: T5Tokenizer, clip: CLIPTokenizer
) -> None:
    pipeline = _inpainting(t5, clip, levels)
    pipeline.save_pretrained(tmp_path)
    loaded = diffusers.FluxFillPipeline.from_pretrained(tmp_path)
    first, second = _fill(pipeline), _fill(loaded)
    assert first.shape == (ROWS, COLUMNS, 3)
    assert np.isfinite(first).all()
    # Weights that lie elsewhere in memory may be added in another order.
    assert np.allclose(first, second, atol=1e-4)


def _image_to_video(t5: T5Tokenizer) -> Any:
    torch.manual_seed(0)
    transformer = diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=2 * LATENTS,
        out_channels=LATENTS,
        time_embed_dim=WIDTH,
        text_embed_dim=WIDTH,
        num_layers=1,
        sample_width=COLUMNS // 8,
        sample_height=ROWS // 8,
        sample_frames=9,
        max_text_seq_length=TEXT_LENGTH,
        use_rotary_positional_embeddings=True,
    )
    vae = diffusers.AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=LATENTS,
        layers_per_block=1,
        norm_num_groups=4,
        sample_height=ROWS,
        sample_width=COLUMNS,
    )
    return diffusers.CogVideoXImageToVideoPipeline(
        tokenizer=t5,
        text_encoder=text.t5_encoder(len(t5), WIDTH, 1).eval(),
        vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=video.scheduler(),
    )


def _inpainting(t5: T5Tokenizer, clip: CLIPTokenizer, levels: int) -> Any:
    torch.manual_seed(0)
    vae = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(8,) * levels,
        latent_channels=LATENTS,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=0.1,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    compression = 2 ** (levels - 1)
    transformer = diffusers.FluxTransformer2DModel(
        # Noisy latents, latents of the masked picture and the mask's pixels, each packed 2 x 2.
        in_channels=4 * (2 * LATENTS + compression**2),
        out_channels=4 * LATENTS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(4, 6, 6),
    )
    return diffusers.FluxFillPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=text.clip_encoder(len(clip), WIDTH, 1).eval(),
        tokenizer=clip,
        text_encoder_2=text.t5_encoder(len(t5), WIDTH, 1).eval(),
        tokenizer_2=t5,
        transformer=transformer.eval(),
    )


def _picture() -> torch.Tensor:
    return torch.rand((1, 3, ROWS, COLUMNS), generator=torch.Generator().manual_seed(1))


def _shoot(pipeline: Any) -> np.ndarray:
    """Frames (9, ROWS, COLUMNS, 3) in [0, 1]."""
    pipeline.set_progress_bar_config(disable=True)
    output = pipeline(
        image=_picture(),
        prompt=CAPTIONS[2],
        height=ROWS,
        width=COLUMNS,
        num_frames=9,
        num_inference_steps=2,
        max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(2),
        output_type="np",
    )
    return output.frames[0]


def _fill(pipeline: Any) -> np.ndarray:
    """An image (ROWS, COLUMNS, 3) in [0, 1] whose right half is filled."""
    pipeline.set_progress_bar_config(disable=True)
    mask = torch.zeros((1, 1, ROWS, COLUMNS))
    mask[..., COLUMNS // 2 :] = 1
    output = pipeline(
        prompt=CAPTIONS[1],
        image=_picture(),
        mask_image=mask,
        height=ROWS,
        width=COLUMNS,
        num_inference_steps=2,
        max_sequence_length=TEXT_LENGTH,
        generator=torch.Generator().manual_seed(2),
        output_type="np",
    )
    return output.images[0]
