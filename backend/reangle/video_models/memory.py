# SPDX-License-Identifier: Apache-2.0
"""Estimate the memory that a video model needs, and choose how to save some. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from reangle.weights.sizes import SPARE, Base, DeviceMemory, base_bytes
from reangle.weights.sizes import config_of as config_of
from reangle.weights.sizes import weights_in as weights_in

TILE_SHARE = 0.35
"""Share of a frame's area in one tile of the autoencoder."""


@dataclass(frozen=True)
class Tier:
    """One way to run a video model.

    base: the transformer's weights. recomputed: share of the layers whose activations are computed again in the
    backward pass. parked: activations wait in main memory for the backward pass. parts_apart: only the part at work is
    on the device. prompts_apart: the text encoder reads prompts in main memory, which takes a CPU some seconds each.
    tiled: the autoencoder works on tiles. small_moments: the optimizer's moments are in 8 bits.
    """

    name: str
    base: Base = "whole"
    recomputed: float = 1.0
    parked: bool = False
    parts_apart: bool = False
    prompts_apart: bool = False
    tiled: bool = True
    small_moments: bool = False

    @property
    def words(self) -> str:
        """A description for logs and manifests."""
        measures = {
            "8-bit weights": self.base == "int8",
            "4-bit weights": self.base == "nf4",
            "half of the activations recomputed": self.recomputed == 0.5,
            "activations recomputed": self.recomputed == 1,
            "activations parked in main memory": self.parked,
            "one part of the model at a time": self.parts_apart,
            "prompts read in main memory": self.prompts_apart,
            "autoencoder in tiles": self.tiled,
            "8-bit optimizer": self.small_moments,
        }
        return ", ".join(words for words, applies in measures.items() if applies) or "everything at once"


TIERS = (
    Tier("ample", recomputed=0.0, tiled=False),
    Tier("80 GB", recomputed=0.5),
    Tier("24 GB"),
    Tier("16 GB", base="int8", parked=True, parts_apart=True, small_moments=True),
    Tier("12 GB", base="nf4", parked=True, parts_apart=True, small_moments=True),
    Tier("8 GB", base="nf4", parked=True, parts_apart=True, prompts_apart=True, small_moments=True),
)
"""The fastest first, named after the graphics card that each suits with CogVideoX 5B at 49 frames of 720 x 480."""


def tier_named(name: str) -> Tier:
    """Raises KeyError for an unknown name."""
    return {tier.name: tier for tier in TIERS}[name]


@dataclass(frozen=True)
class VideoModelSize:
    """What memory estimates depend on.

    weights: count, of the transformer. text_bytes, vae_bytes: of the text encoder and the autoencoder, as opened.
    width: channels of a token. tokens: of one clip and its prompt. lora_matrices: matrices with a LoRA in one layer.
    layer_arrays: arrays of tokens x width that one layer keeps for the backward pass. widest: channels times pixels of
    one frame in the autoencoder's first level. vae_frames: frames that the autoencoder takes at a time. vae_arrays:
    arrays of its first level in memory at once.
    """

    weights: int
    text_bytes: int
    vae_bytes: int
    layers: int
    width: int
    tokens: int
    widest: int
    lora_matrices: int
    layer_arrays: int
    vae_frames: int
    vae_arrays: int


def learning_bytes(size: VideoModelSize, tier: Tier, rank: int, device: DeviceMemory) -> float:
    """Peak of encoding clips and then learning from them."""
    base = _base_bytes(size, tier, device)
    # Weights and gradients in float32, two moments.
    lora = _lora_weights(size, rank) * (8 + (2 if tier.small_moments else 8))
    stream = size.tokens * size.width * device.bytes_each
    layer = size.layer_arrays * stream
    parked = tier.parked and device.apart
    kept = 0 if parked else size.layers * ((1 - tier.recomputed) * layer + tier.recomputed * stream)
    # In the backward pass the layer at work has its arrays and their gradients.
    return max(base + lora + kept + 1.5 * layer, _encoding_bytes(size, tier, device))


def generating_bytes(size: VideoModelSize, tier: Tier, rank: int, device: DeviceMemory) -> float:
    """Peak of generating: the transformer runs on each clip with its prompt and without."""
    layer = size.layer_arrays / 2 * size.tokens * size.width * device.bytes_each
    others = 0 if tier.parts_apart and device.apart else size.vae_bytes
    base = _base_bytes(size, tier, device) + 4 * _lora_weights(size, rank)
    return max(base + others + 2 * layer, _encoding_bytes(size, tier, device))


def needed_bytes(size: VideoModelSize, tier: Tier, rank: int | None, device: DeviceMemory) -> float:
    """The larger of the two peaks; of generating alone if nothing is learned, which is rank None."""
    if rank is None:
        return generating_bytes(size, tier, 0, device)
    return max(learning_bytes(size, tier, rank, device), generating_bytes(size, tier, rank, device))


def opening_bytes(size: VideoModelSize, device: DeviceMemory) -> float:
    """Main memory to open a model: the text encoder, then the rest, is read there before it goes to the device."""
    return max(size.text_bytes, size.weights * device.bytes_each + size.vae_bytes)


def choose_tier(size: VideoModelSize, rank: int | None, device: DeviceMemory) -> Tier | None:
    """The fastest tier in which learning and generating fit into the free memory; None if none does.

    rank: of the LoRA; None if nothing is learned.
    """
    return next((tier for tier in TIERS if needed_bytes(size, tier, rank, device) <= device.free * (1 - SPARE)), None)


def _lora_weights(size: VideoModelSize, rank: int) -> int:
    """Two matrices, to and from the rank, for each adapted one."""
    return size.layers * size.lora_matrices * 2 * rank * size.width


def _base_bytes(size: VideoModelSize, tier: Tier, device: DeviceMemory) -> float:
    return base_bytes(size.weights, tier.base, device.bytes_each)


def _encoding_bytes(size: VideoModelSize, tier: Tier, device: DeviceMemory) -> float:
    pictures = size.vae_frames * size.widest * device.bytes_each * size.vae_arrays * (TILE_SHARE if tier.tiled else 1)
    others = 0 if tier.parts_apart and device.apart else _base_bytes(size, tier, device)
    # The text encoder is gone before the rest is opened.
    text = 0 if tier.prompts_apart and device.apart else size.text_bytes
    return max(text, others + size.vae_bytes + pictures)
