# SPDX-License-Identifier: Apache-2.0
"""All weights that Reangle knows: one row each, with files, licence, size and where they are published."""

from __future__ import annotations

from dataclasses import dataclass

from reangle.weights.kinds import (
    COGVIDEOX_I2V,
    DEPTH_ANYTHING,
    DEPTH_ANYTHING_3,
    DINOV2,
    DUST3R,
    FLUX,
    FLUX2_KLEIN,
    FLUX_CONTROLNET,
    FLUX_FILL,
    MINI_MONOCULAR,
    WAN_TI2V,
    WAN_VACE,
    Kind,
)
from reangle.weights.licences import APACHE_2, CC_BY_NC, CC_BY_NC_SA, COGVIDEOX, FLUX_DEV, Licence


@dataclass(frozen=True)
class Checkpoint:
    """Weights that Reangle can use.

    name: the folder under `models`. licence: of the weights, with what their code adds. size: bytes on disk. hub: the
    repository they are published in, "" if nowhere. former_hubs: names that it had before. files: what the folder must
    hold, beside the shards that an index among them names; the first one identifies a complete copy in the hub's cache.
    shipped: the folder under `weights` for weights
    that come with Reangle, else ""; `suite.json` lists their files and sizes, so `files` is empty and `size` 0. beside:
    further weights that run with them. limits: what small weights cannot do.
    """

    name: str
    kind: Kind
    title: str
    licence: Licence
    size: int = 0
    hub: str = ""
    former_hubs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    shipped: str = ""
    beside: tuple[Checkpoint, ...] = ()
    limits: str = ""

    @property
    def page(self) -> str:
        """Where it is published, with its licence's text; "" if nowhere."""
        return f"https://huggingface.co/{self.hub}" if self.hub else ""

    @property
    def terms(self) -> str:
        """Licence and restriction in one phrase."""
        return self.licence.terms


def size_in_words(size: int) -> str:
    """Bytes as MB or GB; 0 is unknown."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{round(size / 1e6, 1):g} MB" if size else "size unknown"


def _shards(stem: str, count: int) -> tuple[str, ...]:
    parts = tuple(f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1))
    return (f"{stem}.safetensors.index.json", *parts)


_DEPTH_ANYTHING_FILES = ("config.json", "model.safetensors", "preprocessor_config.json")

MINI_GEOMETRY = Checkpoint(
    "mini-geometry",
    DUST3R,
    "Reangle mini geometry of two views",
    APACHE_2,
    shipped="mini/geometry",
    limits="This is a small network of 10 million weights, trained on generated scenes, which sees in blocks of 16 "
    "pixels.",
)

MINI_DEPTH = Checkpoint(
    "mini-depth",
    MINI_MONOCULAR,
    "Reangle mini depth",
    APACHE_2,
    shipped="mini/depth",
    beside=(MINI_GEOMETRY,),
    limits="This is depth of two small networks, 16 million weights together, trained on generated scenes: the layout "
    "of rooms, grounds and big shapes is about right, thin things and fine relief are not. Depth Anything, DUSt3R or "
    "depth from files give more.",
)

MINI_VIDEO = Checkpoint(
    "mini-video",
    COGVIDEOX_I2V,
    "Reangle mini video",
    APACHE_2,
    shipped="mini/video",
    limits="This is a small network of 6 million weights, trained on generated scenes: it keeps "
    "the first frame and follows a moving camera roughly, and blurs what moves; where the camera stands still it "
    "is no better than the first frame repeated.",
)

MINI_IMAGE = Checkpoint(
    "mini-image",
    FLUX_FILL,
    "Reangle mini image",
    APACHE_2,
    shipped="mini/image",
    limits="This is a small network, trained on generated scenes: it fills holes with about the right colours and "
    "texture on scenes like those, and less well than a blur on others. It does not read words.",
)

DUST3R_LARGE = Checkpoint(
    "DUSt3R_ViTLarge_BaseDecoder_512_dpt",
    DUST3R,
    "DUSt3R ViT-L 512 dpt",
    CC_BY_NC_SA,
    size=2_285_000_000,
    hub="naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt",
    files=("config.json", "model.safetensors"),
)

DEPTH_ANYTHING_SMALL = Checkpoint(
    "Depth-Anything-V2-Small-hf",
    DEPTH_ANYTHING,
    "Depth Anything V2 Small",
    APACHE_2,
    size=99_000_000,
    hub="depth-anything/Depth-Anything-V2-Small-hf",
    files=_DEPTH_ANYTHING_FILES,
)

DEPTH_ANYTHING_BASE = Checkpoint(
    "Depth-Anything-V2-Base-hf",
    DEPTH_ANYTHING,
    "Depth Anything V2 Base",
    CC_BY_NC,
    size=390_000_000,
    hub="depth-anything/Depth-Anything-V2-Base-hf",
    files=_DEPTH_ANYTHING_FILES,
)

DEPTH_ANYTHING_LARGE = Checkpoint(
    "Depth-Anything-V2-Large-hf",
    DEPTH_ANYTHING,
    "Depth Anything V2 Large",
    CC_BY_NC,
    size=1_341_000_000,
    hub="depth-anything/Depth-Anything-V2-Large-hf",
    files=_DEPTH_ANYTHING_FILES,
)

DEPTH_ANYTHING_3_SMALL = Checkpoint(
    "DA3-SMALL",
    DEPTH_ANYTHING_3,
    "Depth Anything 3 Small",
    APACHE_2,
    size=137_000_000,
    hub="depth-anything/DA3-SMALL",
    files=("config.json", "model.safetensors"),
)

DEPTH_ANYTHING_3_BASE = Checkpoint(
    "DA3-BASE",
    DEPTH_ANYTHING_3,
    "Depth Anything 3 Base",
    APACHE_2,
    size=541_000_000,
    hub="depth-anything/DA3-BASE",
    files=("config.json", "model.safetensors"),
)

COGVIDEOX_5B = Checkpoint(
    "CogVideoX-5b-I2V",
    COGVIDEOX_I2V,
    "CogVideoX 5B image-to-video",
    COGVIDEOX,
    size=21_700_000_000,
    hub="zai-org/CogVideoX-5b-I2V",
    former_hubs=("THUDM/CogVideoX-5b-I2V",),
    files=(
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        *_shards("text_encoder/model", 2),
        "tokenizer/added_tokens.json",
        "tokenizer/special_tokens_map.json",
        "tokenizer/spiece.model",
        "tokenizer/tokenizer_config.json",
        "transformer/config.json",
        *_shards("transformer/diffusion_pytorch_model", 3),
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ),
)

_WAN_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors.index.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/spiece.model",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)

WAN_22_5B = Checkpoint(
    "Wan2.2-TI2V-5B-Diffusers",
    WAN_TI2V,
    "Wan 2.2 5B image-to-video",
    APACHE_2,
    size=34_200_000_000,
    hub="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    files=_WAN_FILES,
)

WAN_VACE_1_3B = Checkpoint(
    "Wan2.1-VACE-1.3B-diffusers",
    WAN_VACE,
    "Wan 2.1 VACE 1.3B",
    APACHE_2,
    size=19_000_000_000,
    hub="Wan-AI/Wan2.1-VACE-1.3B-diffusers",
    files=_WAN_FILES,
)

WAN_VACE_14B = Checkpoint(
    "Wan2.1-VACE-14B-diffusers",
    WAN_VACE,
    "Wan 2.1 VACE 14B",
    APACHE_2,
    size=46_600_000_000,
    hub="Wan-AI/Wan2.1-VACE-14B-diffusers",
    files=_WAN_FILES,
)

_FLUX_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    *_shards("text_encoder_2/model", 2),
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/spiece.model",
    "tokenizer_2/tokenizer.json",
    "tokenizer_2/tokenizer_config.json",
    "transformer/config.json",
    *_shards("transformer/diffusion_pytorch_model", 3),
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)

FLUX_FILL_DEV = Checkpoint(
    "FLUX.1-Fill-dev",
    FLUX_FILL,
    "FLUX.1 Fill [dev]",
    FLUX_DEV,
    size=33_700_000_000,
    hub="black-forest-labs/FLUX.1-Fill-dev",
    files=_FLUX_FILES,
)

FLUX_INPAINTING = Checkpoint(
    "FLUX.1-dev-Controlnet-Inpainting-Beta",
    FLUX_CONTROLNET,
    "Inpainting ControlNet for FLUX.1 [dev]",
    FLUX_DEV,
    size=4_280_000_000,
    hub="alimama-creative/FLUX.1-dev-Controlnet-Inpainting-Beta",
    files=("config.json", "diffusion_pytorch_model.safetensors"),
)

FLUX_1_DEV = Checkpoint(
    "FLUX.1-dev",
    FLUX,
    "FLUX.1 [dev]",
    FLUX_DEV,
    size=33_700_000_000,
    hub="black-forest-labs/FLUX.1-dev",
    files=_FLUX_FILES,
    beside=(FLUX_INPAINTING,),
)

FLUX2_KLEIN_4B = Checkpoint(
    "FLUX.2-klein-4B",
    FLUX2_KLEIN,
    "FLUX.2 [klein] 4B",
    APACHE_2,
    size=16_000_000_000,
    hub="black-forest-labs/FLUX.2-klein-4B",
    files=(
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/generation_config.json",
        *_shards("text_encoder/model", 2),
        "tokenizer/added_tokens.json",
        "tokenizer/chat_template.jinja",
        "tokenizer/merges.txt",
        "tokenizer/special_tokens_map.json",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ),
)

DINOV2_SMALL = Checkpoint(
    "dinov2-small",
    DINOV2,
    "DINOv2 Small",
    APACHE_2,
    size=88_200_000,
    hub="facebook/dinov2-small",
    files=("config.json", "model.safetensors", "preprocessor_config.json"),
)

RECOMMENDED = DEPTH_ANYTHING_SMALL
"""What the installer offers: published depth, a small download, and a licence for any use."""

CHECKPOINTS = (
    MINI_DEPTH,
    MINI_GEOMETRY,
    MINI_VIDEO,
    MINI_IMAGE,
    DUST3R_LARGE,
    COGVIDEOX_5B,
    WAN_22_5B,
    WAN_VACE_1_3B,
    WAN_VACE_14B,
    FLUX_FILL_DEV,
    FLUX_1_DEV,
    FLUX_INPAINTING,
    FLUX2_KLEIN_4B,
    DEPTH_ANYTHING_SMALL,
    DEPTH_ANYTHING_BASE,
    DEPTH_ANYTHING_LARGE,
    DEPTH_ANYTHING_3_SMALL,
    DEPTH_ANYTHING_3_BASE,
    DINOV2_SMALL,
)
"""In the order in which `reangle models list` shows them."""
