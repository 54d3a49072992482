# SPDX-License-Identifier: Apache-2.0
"""The checkpoints that geometry knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["dust3r", "depth-anything"]


@dataclass(frozen=True)
class Checkpoint:
    """Weights that geometry can use.

    name: the folder under `models`. size: bytes on disk. files: what the folder must hold.
    """

    name: str
    kind: Kind
    title: str
    licence: str
    commercial_ok: bool
    size: int
    hub: str
    files: tuple[str, ...]


_TRANSFORMERS_FILES = ("config.json", "model.safetensors", "preprocessor_config.json")


def _depth_anything(size: str, megabytes: int, licence: str, commercial_ok: bool) -> Checkpoint:
    name = f"Depth-Anything-V2-{size}-hf"
    hub = f"depth-anything/{name}"
    title = f"Depth Anything V2 {size}"
    files = _TRANSFORMERS_FILES
    return Checkpoint(name, "depth-anything", title, licence, commercial_ok, megabytes * 10**6, hub, files)


CHECKPOINTS: tuple[Checkpoint, ...] = (
    _depth_anything("Small", 99, "Apache-2.0", True),
    _depth_anything("Base", 390, "CC BY-NC 4.0", False),
    _depth_anything("Large", 1341, "CC BY-NC 4.0", False),
    Checkpoint(
        name="DUSt3R_ViTLarge_BaseDecoder_512_dpt",
        kind="dust3r",
        title="DUSt3R ViT-L 512 dpt",
        licence="CC BY-NC-SA 4.0",
        commercial_ok=False,
        size=2_285_000_000,
        hub="naver/DUSt3R_ViTLarge_BaseDecoder_512_dpt",
        files=("config.json", "model.safetensors"),
    ),
)
"""The first of each kind is what is offered first."""


def known_checkpoint(name: str) -> Checkpoint | None:
    """The registered checkpoint of this name or hub name, upper and lower case aside."""
    wanted = name.casefold()
    return next((known for known in CHECKPOINTS if wanted in (known.name.casefold(), known.hub.casefold())), None)


def default_checkpoint(kind: Kind) -> Checkpoint:
    """What a provider uses when no checkpoint is named."""
    return next(known for known in CHECKPOINTS if known.kind == kind)
