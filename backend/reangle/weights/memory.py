# SPDX-License-Identifier: Apache-2.0
"""How much memory a video model needs to learn and to generate, and how to get by with less. Imports no torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Base = Literal["whole", "int8", "nf4"]

SPARE = 0.08
"""Share of the free memory that is left free: allocators and libraries take some that nobody counts."""
LAYER_ARRAYS = 24
"""Arrays of tokens x width that one layer keeps for the way back (counted by tests/backend/test_models_memory.py)."""
WIDEST_VAE = 5
"""Arrays of the autoencoder's first width, at full resolution, that are in memory at once."""
TILE_SHARE = 0.35
"""Of a picture that the autoencoder's tiling takes at a time, in area."""
VAE_FRAMES = 9
"""Frames that CogVideoX's autoencoder takes at a time."""


@dataclass(frozen=True)
class Tier:
    """One way to run a video model.

    base: how its transformer's weights are kept: as they are opened, in 8 bits, or in 4 (NF4, Dettmers et al., QLoRA,
    NeurIPS 2023). recomputed: share of the layers whose activations are computed again on the way back. parked: what is
    kept for the way back waits in main memory. parts_apart: only the part at work is on the device. tiled: the
    autoencoder works on tiles. small_moments: the optimizer's moments are kept in 8 bits.
    """

    name: str
    base: Base = "whole"
    recomputed: float = 1.0
    parked: bool = False
    parts_apart: bool = False
    tiled: bool = True
    small_moments: bool = False

    @property
    def words(self) -> str:
        """What it does, for a log and a manifest."""
        said = {
            "8-bit weights": self.base == "int8",
            "4-bit weights": self.base == "nf4",
            "half of the activations recomputed": self.recomputed == 0.5,
            "activations recomputed": self.recomputed == 1,
            "activations parked in main memory": self.parked,
            "one part of the model at a time": self.parts_apart,
            "autoencoder in tiles": self.tiled,
            "8-bit optimizer": self.small_moments,
        }
        return ", ".join(words for words, true in said.items() if true) or "everything at once"


TIERS = (
    Tier("ample", recomputed=0.0, tiled=False),
    Tier("80 GB", recomputed=0.5),
    Tier("48 GB"),
    Tier("24 GB", parts_apart=True),
    Tier("16 GB", base="int8", parked=True, parts_apart=True, small_moments=True),
    Tier("12 GB", base="nf4", parked=True, parts_apart=True, small_moments=True),
)
"""The fastest first. Their names are the cards that they are for with CogVideoX 5B at 49 frames of 720 x 480."""


def tier_named(name: str) -> Tier:
    """Raises KeyError if there is none."""
    return {tier.name: tier for tier in TIERS}[name]


def tier_below(tier: Tier) -> Tier | None:
    """The next that needs less; None after the last."""
    place = TIERS.index(tier) + 1
    return TIERS[place] if place < len(TIERS) else None


@dataclass(frozen=True)
class VideoModelSize:
    """weights: of the transformer. text_bytes, vae_bytes: of the other parts as opened. tokens: of one clip and its
    text. widest: channels times pixels of one frame in the autoencoder's first level.
    """

    weights: int
    text_bytes: int
    vae_bytes: int
    layers: int
    width: int
    tokens: int
    widest: int


COGVIDEOX_5B_SIZE = VideoModelSize(
    weights=5_570_283_072,
    text_bytes=9_524_621_312,
    vae_bytes=431_221_142,
    layers=42,
    width=3072,
    tokens=13 * 30 * 45 + 226,
    widest=128 * 480 * 720,
)
"""THUDM/CogVideoX-5b-I2V at 49 frames of 720 x 480 in bfloat16, from its configuration and the sizes of its files."""


def size_of(folder: Path, *, bytes_each: int) -> VideoModelSize:
    """From a pipeline's folder. bytes_each: of a weight as it is opened. Raises OSError, KeyError or ValueError."""
    transformer, vae = (_config(folder / part) for part in ("transformer", "vae"))
    patch = transformer["patch_size"]
    group = transformer["temporal_compression_ratio"]
    frames = (transformer["sample_frames"] - 1) // group + 1
    frames = math.ceil(frames / (transformer.get("patch_size_t") or 1))
    rows, columns = transformer["sample_height"], transformer["sample_width"]
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    return VideoModelSize(
        weights=weights_in(folder / "transformer"),
        text_bytes=weights_in(folder / "text_encoder") * bytes_each,
        vae_bytes=weights_in(folder / "vae") * bytes_each,
        layers=transformer["num_layers"],
        width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
        tokens=frames * (rows // patch) * (columns // patch) + transformer["max_text_seq_length"],
        widest=vae["block_out_channels"][0] * rows * columns * factor**2,
    )


def weights_in(folder: Path) -> int:
    """How many numbers all safetensors files of a folder hold, from their headers."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        count += sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
    return count


def _config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class DeviceMemory:
    """Of what models run on. free: bytes. bytes_each: that one weight takes as it is opened. apart: whether it is apart
    from main memory, so that what waits there takes none of it.
    """

    free: float
    bytes_each: int
    apart: bool


def learning_bytes(size: VideoModelSize, tier: Tier, rank: int, device: DeviceMemory) -> float:
    """The most that encoding clips and then learning from them has in memory at once."""
    base = _base_bytes(size, tier, device)
    # Two matrices, to and from the rank, for each of q, k, v and out: weights and gradients in float32, two moments.
    lora = size.layers * 4 * 2 * rank * size.width * (8 + (2 if tier.small_moments else 8))
    stream = size.tokens * size.width * device.bytes_each
    layer = LAYER_ARRAYS * stream
    parked = tier.parked and device.apart
    kept = 0 if parked else size.layers * ((1 - tier.recomputed) * layer + tier.recomputed * stream)
    # On the way back the layer at work has its arrays and their gradients.
    return max(base + lora + kept + 1.5 * layer, _encoding_bytes(size, tier, device))


def generating_bytes(size: VideoModelSize, tier: Tier, device: DeviceMemory) -> float:
    """The most that generating has in memory at once: the transformer sees each clip with its prompt and without."""
    layer = LAYER_ARRAYS / 2 * size.tokens * size.width * device.bytes_each
    others = 0 if tier.parts_apart and device.apart else size.text_bytes + size.vae_bytes
    return max(_base_bytes(size, tier, device) + others + 2 * layer, _encoding_bytes(size, tier, device))


def needed_bytes(size: VideoModelSize, tier: Tier, rank: int, device: DeviceMemory) -> float:
    """For both."""
    return max(learning_bytes(size, tier, rank, device), generating_bytes(size, tier, device))


def choose_tier(size: VideoModelSize, rank: int, device: DeviceMemory) -> Tier | None:
    """The fastest tier in which both learning and generating fit into what is free; None if there is none."""
    return next((tier for tier in TIERS if needed_bytes(size, tier, rank, device) <= device.free * (1 - SPARE)), None)


def _base_bytes(size: VideoModelSize, tier: Tier, device: DeviceMemory) -> float:
    # NF4 keeps a factor of 8 bits for each 64 weights, 8-bit a float for each row.
    return size.weights * {"whole": device.bytes_each, "int8": 1.01, "nf4": 0.5 + 1 / 64}[tier.base]


def _encoding_bytes(size: VideoModelSize, tier: Tier, device: DeviceMemory) -> float:
    pictures = VAE_FRAMES * size.widest * device.bytes_each * WIDEST_VAE * (TILE_SHARE if tier.tiled else 1)
    if tier.parts_apart and device.apart:
        return max(size.text_bytes, size.vae_bytes + pictures)
    return _base_bytes(size, tier, device) + size.text_bytes + size.vae_bytes + pictures
