# SPDX-License-Identifier: Apache-2.0
"""Estimate the memory that an image model needs, and choose how to save some. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reangle.weights.sizes import SPARE, Base, DeviceMemory, base_bytes, config_of, weights_in

LAYER_ARRAYS = 16
"""Arrays of tokens x width that one layer has in memory at once: its input, queries, keys, values and the wide layer
of its perceptron."""
VAE_ARRAYS = 5
"""Arrays of the autoencoder's first level that it has in memory at once."""
TEXT_TOKENS = 512
PIXELS_OF_A_TOKEN = 256


@dataclass(frozen=True)
class ImageTier:
    """One way to run an image model.

    base: the transformer's weights. text_first: prompts are read by a text encoder that is gone before the rest is
    opened. text_in_main_memory: it never goes to the GPU. at_once: candidates that go through the network together, 0
    for all.
    """

    name: str
    base: Base = "whole"
    text_first: bool = False
    text_in_main_memory: bool = False
    at_once: int = 0

    @property
    def words(self) -> str:
        """A description for logs and manifests."""
        measures = {
            "8-bit weights": self.base == "int8",
            "4-bit weights": self.base == "nf4",
            "prompts read first": self.text_first,
            "text encoder in main memory": self.text_in_main_memory,
            f"{self.at_once} candidates at a time": self.at_once > 1,
            "one candidate at a time": self.at_once == 1,
        }
        return ", ".join(words for words, applies in measures.items() if applies) or "everything at once"


IMAGE_TIERS = (
    ImageTier("48 GB"),
    ImageTier("32 GB", text_first=True, at_once=4),
    ImageTier("16 GB", base="int8", text_first=True, at_once=2),
    ImageTier("10 GB", base="nf4", text_first=True, text_in_main_memory=True, at_once=1),
)
"""The fastest first, named after the graphics card that each suits with FLUX.1 Fill at a megapixel."""
WHOLE = IMAGE_TIERS[0]


def image_tier_named(name: str) -> ImageTier:
    """Raises KeyError for an unknown name."""
    return {tier.name: tier for tier in IMAGE_TIERS}[name]


@dataclass(frozen=True)
class ImageModelSize:
    """What memory estimates depend on.

    weights: count, of the transformer and what runs beside it. text_bytes, vae_bytes: of the text encoders and the
    autoencoder, as opened. width: channels of a token. tokens: of a picture, what it refers to, and its prompt. widest:
    channels times pixels in the autoencoder's first level.
    """

    weights: int
    text_bytes: int
    vae_bytes: int
    width: int
    tokens: int
    widest: int


def image_model_size(folder: Path, beside: Sequence[Path], *, bytes_each: int, pictures: int = 1) -> ImageModelSize:
    """The size of a diffusers pipeline on disk. pictures: that one candidate's tokens are of, 2 where the transformer
    sees the known picture as tokens of its own. Raises OSError, KeyError or ValueError.
    """
    transformer, vae = config_of(folder / "transformer"), config_of(folder / "vae")
    text = sum(weights_in(part) for part in folder.iterdir() if part.name.startswith("text_encoder"))
    pixels = int(vae["sample_size"]) ** 2
    return ImageModelSize(
        weights=sum(map(weights_in, (folder / "transformer", *beside))),
        text_bytes=text * bytes_each,
        vae_bytes=weights_in(folder / "vae") * bytes_each,
        width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
        tokens=pictures * (pixels // PIXELS_OF_A_TOKEN) + TEXT_TOKENS,
        widest=vae["block_out_channels"][0] * pixels,
    )


def painting_bytes(size: ImageModelSize, tier: ImageTier, candidates: int, device: DeviceMemory) -> float:
    """Peak of reading the prompts and then painting with so many candidates a step."""
    together = min(candidates, tier.at_once or candidates)
    network = together * LAYER_ARRAYS * size.tokens * size.width * device.bytes_each
    # Pictures are decoded one by one.
    decoding = VAE_ARRAYS * size.widest * device.bytes_each
    painting = base_bytes(size.weights, tier.base, device.bytes_each) + size.vae_bytes + max(network, decoding)
    if not tier.text_first:
        return painting + size.text_bytes
    if tier.text_in_main_memory and device.apart:
        return painting
    return max(painting, size.text_bytes)


def opening_bytes(size: ImageModelSize, tier: ImageTier, device: DeviceMemory) -> float:
    """Main memory to open a model: what is opened together is read there before it goes to the device."""
    rest = size.weights * device.bytes_each + size.vae_bytes
    return max(size.text_bytes, rest) if tier.text_first else size.text_bytes + rest


def choose_image_tier(size: ImageModelSize, candidates: int, device: DeviceMemory, main: float) -> ImageTier | None:
    """The fastest tier that fits into the free memory; None if none does. main: free bytes of main memory, which count
    only where the device's memory is apart.
    """
    free = device.free * (1 - SPARE)
    return next(
        (
            tier
            for tier in IMAGE_TIERS
            if painting_bytes(size, tier, candidates, device) <= free
            and not (device.apart and opening_bytes(size, tier, device) > main)
        ),
        None,
    )
