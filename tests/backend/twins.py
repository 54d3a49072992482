# SPDX-License-Identifier: Apache-2.0
"""Twins of published checkpoints: tiny and random, of the same classes, laid out file for file and flag for flag.

`python -m tests.backend.twins FOLDER` writes all of them, each into a folder of the published name.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import diffusers
import sentencepiece
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2Model,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from scripts.train import text
from tests.backend.tiny_checkpoints import save_dust3r

libraries: Any = diffusers  # its classes have wrong annotations
FRAMES, HEIGHT, WIDTH = 9, 64, 96
"""Of the twin of CogVideoX; the published one makes 49 frames of 720 x 480."""
CAPTIONS = (
    "CAMERA_ORBIT_LEFT Camera movement orbit left, a red ball rolls over the table.",
    "CAMERA_STATIC Camera movement static, two people walk through a street at night.",
    "CAMERA_DOLLY_ZOOM_OUT Camera movement dolly zoom out, the cat sleeps in the sun.",
    "0123456789 !?\"'()-:;ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz",
)
T5_WORDS = 100
"""Extra words of T5, <extra_id_0> and so on."""


def cogvideox_5b(folder: Path) -> Path:
    """THUDM/CogVideoX-5b-I2V, called zai-org/CogVideoX-5b-I2V today.

    Its transformer adds learned positions of one size to rotary ones; its scheduler is DDIM's; its tokenizer has
    `spiece.model` and no tokenizer.json; text encoder and transformer are in shards.
    """
    torch.manual_seed(0)
    channels = 16
    vae = libraries.AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=channels,
        layers_per_block=3,
        norm_num_groups=4,
        sample_height=HEIGHT,
        sample_width=WIDTH,
        scaling_factor=0.7,
        invert_scale_latents=False,
    )
    # Like the posterior of a trained encoder, a narrow one.
    vae.encoder.conv_out.conv.bias.data[channels:] = -12.0
    transformer = libraries.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=64,
        in_channels=2 * channels,
        out_channels=channels,
        time_embed_dim=16,
        text_embed_dim=32,
        num_layers=2,
        patch_size=2,
        sample_height=HEIGHT // 8,
        sample_width=WIDTH // 8,
        sample_frames=FRAMES,
        spatial_interpolation_scale=1.875,
        max_text_seq_length=226,
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
    )
    scheduler = libraries.CogVideoXDDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
    )
    words = save_t5_tokenizer(folder / "tokenizer", 226)
    _add_json(folder / "tokenizer" / "added_tokens.json", {f"<extra_id_{n}>": words - 1 - n for n in range(T5_WORDS)})
    return save_pipeline(
        folder,
        "CogVideoXImageToVideoPipeline",
        {"scheduler": scheduler, "text_encoder": t5_v1_1(words), "transformer": transformer, "vae": vae},
        tokenizers={"tokenizer": "T5Tokenizer"},
        shards={"text_encoder": 2, "transformer": 3},
    )


def flux_fill(folder: Path) -> Path:
    """black-forest-labs/FLUX.1-Fill-dev: the guidance is embedded, times are shifted by the count of tokens."""
    return _flux(folder, "FluxFillPipeline", in_channels=384, out_channels=64)


def flux_dev(folder: Path) -> Path:
    """black-forest-labs/FLUX.1-dev: its transformer's `out_channels` is null."""
    return _flux(folder, "FluxPipeline", in_channels=64)


def flux_inpainting_controlnet(folder: Path) -> Path:
    """alimama-creative/FLUX.1-dev-Controlnet-Inpainting-Beta: no single layers, and a mask among the conditions.

    A ControlNet that is not trained adds nothing; this one does.
    """
    from reangle.image_models.inpainting_controlnet import InpaintingControlNet

    torch.manual_seed(1)
    network = InpaintingControlNet(num_layers=2, num_single_layers=0, **FLUX_WIDTHS)
    layers: Any = (*network.controlnet_blocks, network.controlnet_x_embedder)
    for layer in layers:
        torch.nn.init.normal_(layer.weight, std=0.5)
    network.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    _add_json(folder / "config.json", {**config, "_class_name": "FluxControlNetModel", "_diffusers_version": "0.30.2"})
    return folder


FLUX_WIDTHS: dict[str, Any] = {
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "guidance_embeds": True,
    "axes_dims_rope": (4, 6, 6),
}


def _flux(folder: Path, pipeline: str, **channels: int) -> Path:
    torch.manual_seed(0)
    vae = libraries.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    transformer = libraries.FluxTransformer2DModel(num_layers=2, num_single_layers=2, **channels, **FLUX_WIDTHS)
    first = text.clip_tokenizer(CAPTIONS)
    words = save_t5_tokenizer(folder / "tokenizer_2", 512)
    T5Tokenizer.from_pretrained(folder / "tokenizer_2").save_pretrained(folder / "tokenizer_2")
    save_clip_tokenizer(first, folder / "tokenizer")
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(first), hidden_size=32, intermediate_size=64, projection_dim=32, num_hidden_layers=1,
            num_attention_heads=2, eos_token_id=2, bos_token_id=0,
        )
    )  # fmt: skip
    parts = {"text_encoder": clip, "text_encoder_2": t5_v1_1(words)}
    return save_pipeline(
        folder,
        pipeline,
        {"scheduler": _flux_scheduler(), **parts, "transformer": transformer, "vae": vae},
        tokenizers={"tokenizer": "CLIPTokenizer", "tokenizer_2": "T5TokenizerFast"},
        shards={"text_encoder_2": 2, "transformer": 3},
    )


def _flux_scheduler() -> Any:
    return libraries.FlowMatchEulerDiscreteScheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15, shift=3.0,
        use_dynamic_shifting=True,
    )  # fmt: skip


def flux2_klein_4b(folder: Path, *, distilled: bool = True) -> Path:
    """black-forest-labs/FLUX.2-klein-4B: layers 9, 18 and 27 of a Qwen3 read the prompt; a running mean and deviation
    scale the latents. distilled: False for the index of FLUX.2-klein-base-4B.
    """
    torch.manual_seed(2)
    vae = libraries.AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), latent_channels=32, norm_num_groups=4, sample_size=64
    )
    vae.bn.running_mean.normal_(std=0.1)
    vae.bn.running_var.uniform_(0.5, 2.0)
    transformer = libraries.Flux2Transformer2DModel(
        in_channels=128,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=32,
        num_attention_heads=2,
        joint_attention_dim=3 * 16,
        timestep_guidance_channels=32,
        axes_dims_rope=(8, 8, 8, 8),
        guidance_embeds=False,
    )
    words = save_qwen_tokenizer(folder / "tokenizer")
    qwen = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=words, hidden_size=16, intermediate_size=32, num_hidden_layers=28, num_attention_heads=2,
            num_key_value_heads=1, head_dim=8, tie_word_embeddings=True,
        )
    )  # fmt: skip
    save_pipeline(
        folder,
        "Flux2KleinPipeline",
        {"scheduler": _flux_scheduler(), "text_encoder": qwen, "transformer": transformer, "vae": vae},
        tokenizers={"tokenizer": "Qwen2TokenizerFast"},
        shards={"text_encoder": 2},
    )
    if distilled:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        _add_json(folder / "model_index.json", {**index, "is_distilled": True})
    return folder


def dust3r_large(folder: Path) -> Path:
    """naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt, as the hub's mixin writes it: eight weights of the DPT heads have two
    names, of which the file holds one.
    """
    with narrow_dpt():
        return save_dust3r(folder, head_type="dpt", dec_embed_dim=48, dec_depth=12)


@contextmanager
def narrow_dpt() -> Iterator[None]:
    """DPT heads of 40,000 weights instead of 40 million: their widths are constants of the package, in no config."""
    from mini_dust3r.heads import dpt_head

    class Narrow(dpt_head.DPTOutputAdapter_fix):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**{**settings, "feature_dim": 16, "last_dim": 8, "layer_dims": [8, 8, 16, 16]})

    with patch.object(dpt_head, "DPTOutputAdapter_fix", Narrow):
        yield


def depth_anything_v2_small(folder: Path) -> Path:
    """depth-anything/Depth-Anything-V2-Small-hf."""
    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=12,
        num_attention_heads=2,
        image_size=518,
        patch_size=14,
        out_features=["stage3", "stage6", "stage9", "stage12"],  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        patch_size=14,
        reassemble_factors=[4, 2, 1, 0.5],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_in_index=-1,
        head_hidden_size=8,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    _add_json(
        folder / "preprocessor_config.json",
        {
            "do_normalize": True,
            "do_pad": False,
            "do_rescale": True,
            "do_resize": True,
            "ensure_multiple_of": 14,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "DPTImageProcessor",
            "image_std": [0.229, 0.224, 0.225],
            "keep_aspect_ratio": True,
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 518, "width": 518},
            "size_divisor": None,
        },
    )
    return folder


def dinov2_small(folder: Path) -> Path:
    """facebook/dinov2-small, whose config names no stages."""
    torch.manual_seed(0)
    Dinov2Model(
        Dinov2Config(hidden_size=32, num_hidden_layers=12, num_attention_heads=2, image_size=518, patch_size=14)
    ).save_pretrained(folder)
    _add_json(
        folder / "preprocessor_config.json",
        {
            "crop_size": {"height": 224, "width": 224},
            "do_center_crop": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "BitImageProcessor",
            "image_std": [0.229, 0.224, 0.225],
            "resample": 3,
            "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 256},
        },
    )
    return folder


TWINS = {
    "CogVideoX-5b-I2V": cogvideox_5b,
    "FLUX.1-Fill-dev": flux_fill,
    "FLUX.1-dev": flux_dev,
    "FLUX.1-dev-Controlnet-Inpainting-Beta": flux_inpainting_controlnet,
    "FLUX.2-klein-4B": flux2_klein_4b,
    "DUSt3R_ViTLarge_BaseDecoder_512_dpt": dust3r_large,
    "Depth-Anything-V2-Small-hf": depth_anything_v2_small,
    "dinov2-small": dinov2_small,
}
"""By the published name."""


def save_pipeline(
    folder: Path, name: str, parts: Mapping[str, Any], *, tokenizers: Mapping[str, str], shards: Mapping[str, int]
) -> Path:
    """Write the parts of a pipeline and its index, which names their classes; return the folder.

    tokenizers: the classes of those that lie there already. shards: into how many files a part is split.
    """
    classes = {part: ("transformers", kind) for part, kind in tokenizers.items()}
    for part, model in parts.items():
        library, _, _ = type(model).__module__.partition(".")
        classes[part] = (library, type(model).__name__)
        if part in shards:
            _save_sharded(model, folder / part, shards[part])
        else:
            model.save_pretrained(folder / part)
    _add_json(folder / "model_index.json", {"_class_name": name, "_diffusers_version": "0.31.0.dev0", **classes})
    return folder


def t5_v1_1(words: int) -> T5EncoderModel:
    """An encoder of T5 v1.1: gated, its embedding not shared with an output."""
    return T5EncoderModel(
        T5Config(
            vocab_size=words,
            d_model=32,
            d_kv=16,
            d_ff=64,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,  # pyright: ignore[reportCallIssue]
            dropout_rate=0.1,
            layer_norm_epsilon=1e-6,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


def save_t5_tokenizer(folder: Path, length: int) -> int:
    """Write a sentencepiece model and the two small files beside it; return the count of words. length: in tokens."""
    folder.mkdir(parents=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CAPTIONS * 20),
        model_writer=model,
        model_type="unigram",
        vocab_size=120,
        hard_vocab_limit=False,
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()
    special = {
        "additional_special_tokens": [f"<extra_id_{number}>" for number in range(T5_WORDS)],
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    _add_json(folder / "special_tokens_map.json", special)
    _add_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "clean_up_tokenization_spaces": True,
            "extra_ids": T5_WORDS,
            "legacy": True,
            "model_max_length": length,
            "sp_model_kwargs": {},
            "tokenizer_class": "T5Tokenizer",
        },
    )
    return pieces + T5_WORDS


def save_clip_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write vocab.json and merges.txt, as CLIP's slow tokenizer has them, without tokenizer.json."""
    folder.mkdir(parents=True)
    whole = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    _add_json(folder / "vocab.json", whole["vocab"])
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in whole["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    special = {"bos_token": text.CLIP_START, "eos_token": text.CLIP_END, "unk_token": text.CLIP_END}
    _add_json(folder / "special_tokens_map.json", {**special, "pad_token": text.CLIP_END})
    _add_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "add_prefix_space": False,
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
            "pad_token": text.CLIP_END,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def save_qwen_tokenizer(folder: Path) -> int:
    """Write the seven files of Qwen's tokenizer, which spells every word in bytes; return the count of words."""
    folder.mkdir(parents=True)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=letters, merges=[], additional_special_tokens=special)
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    _add_json(folder / "vocab.json", letters)
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    _add_json(folder / "added_tokens.json", {word: len(letters) + number for number, word in enumerate(special)})
    names = {"additional_special_tokens": special, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    _add_json(folder / "special_tokens_map.json", names)
    return len(tokenizer)


def _save_sharded(model: Any, folder: Path, shards: int) -> None:
    """Save a model in so many files: the largest size that gives them is found by trying."""
    size = sum(weights.numel() * weights.element_size() for weights in model.state_dict().values())
    for parts in range(8 * shards, 8, -1):
        for old in folder.glob("*.safetensors*"):
            old.unlink()
        model.save_pretrained(folder, max_shard_size=size * 8 // parts)
        if len(list(folder.glob("*.safetensors"))) == shards:
            return
    raise AssertionError(f"{folder.name} cannot be split into {shards} files")


def _add_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name, write in TWINS.items():
        print(write(Path(sys.argv[1]) / name))
