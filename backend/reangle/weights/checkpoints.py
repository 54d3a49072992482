# SPDX-License-Identifier: Apache-2.0
"""What is known about weights before they are looked for: files, licences, sizes, where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["dust3r", "depth-anything", "cogvideox", "flux-fill"]
"""Which class reads the weights: AsymmetricCroCo3DStereo, DepthAnythingForDepthEstimation,
CogVideoXImageToVideoPipeline, FluxFillPipeline."""

NOT_COMMERCIAL = "not for commercial work"


@dataclass(frozen=True)
class Checkpoint:
    """Weights that the backend can use.

    name: the folder under `models`. licence: of the weights. commercial_ok: whether they, with the code that they need,
    may be used in commercial work; restriction says what stands against it. size: bytes on disk. hub: where they are
    published, "" if nowhere. files: what the folder must hold, the one that tells its kind first.
    shipped: the folder under `weights` for weights that come with the backend, else ""; their files and sizes are
    in `suite.json`, so `files` is empty and `size` 0. limits: what results show that were made with small weights.
    """

    name: str
    kind: Kind
    title: str
    licence: str
    commercial_ok: bool
    size: int
    hub: str
    files: tuple[str, ...]
    restriction: str = ""
    shipped: str = ""
    limits: str = ""

    @property
    def terms(self) -> str:
        """Licence and restriction in one phrase."""
        return f"{self.licence}, {self.restriction}" if self.restriction else self.licence


def size_in_words(size: int) -> str:
    """Bytes as MB or GB; 0 is unknown."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{round(size / 1e6, 1):g} MB" if size else "size unknown"


def _depth_anything(size: str, megabytes: int, licence: str) -> Checkpoint:
    name = f"Depth-Anything-V2-{size}-hf"
    free = licence == "Apache-2.0"
    return Checkpoint(
        name=name,
        kind="depth-anything",
        title=f"Depth Anything V2 {size}",
        licence=licence,
        commercial_ok=free,
        restriction="" if free else NOT_COMMERCIAL,
        size=megabytes * 10**6,
        hub=f"depth-anything/{name}",
        files=("config.json", "model.safetensors", "preprocessor_config.json"),
    )


DEPTH_ANYTHING = (
    _depth_anything("Small", 99, "Apache-2.0"),
    _depth_anything("Base", 390, "CC BY-NC 4.0"),
    _depth_anything("Large", 1341, "CC BY-NC 4.0"),
)
"""The first is what is offered first."""

DUST3R = Checkpoint(
    name="DUSt3R_ViTLarge_BaseDecoder_512_dpt",
    kind="dust3r",
    title="DUSt3R ViT-L 512 dpt",
    licence="CC BY-NC-SA 4.0",
    commercial_ok=False,
    restriction=NOT_COMMERCIAL,
    size=2_285_000_000,
    hub="naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt",
    files=("config.json", "model.safetensors"),
)


def _shards(stem: str, count: int) -> tuple[str, ...]:
    parts = tuple(f"{stem}-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1))
    return (f"{stem}.safetensors.index.json", *parts)


COGVIDEOX = Checkpoint(
    name="CogVideoX-5b-I2V",
    kind="cogvideox",
    title="CogVideoX 5B image-to-video",
    licence="CogVideoX License",
    commercial_ok=False,
    restriction="commercial work only after registering with its makers",
    size=21_700_000_000,
    hub="THUDM/CogVideoX-5b-I2V",
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

FLUX_FILL = Checkpoint(
    name="FLUX.1-Fill-dev",
    kind="flux-fill",
    title="FLUX.1 Fill [dev]",
    licence="FLUX.1 [dev] Non-Commercial License",
    commercial_ok=False,
    restriction=NOT_COMMERCIAL,
    size=33_700_000_000,
    hub="black-forest-labs/FLUX.1-Fill-dev",
    files=(
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
    ),
)
