# SPDX-License-Identifier: Apache-2.0
"""The mini geometry network: point maps of two pictures, both in the first one's camera.

A network like DUSt3R (Wang et al., CVPR 2024, section 3.1) with a linear head, written from the paper so that it needs
none of DUSt3R's code. Its weights have the names of DUSt3R's; matrices may be stored in eight bits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from reangle.weights import eight_bits

PATCH = 16
MLP_RATIO = 4
ROTARY_BASE = 100.0
EPSILON = 1e-6
CHANNELS = 4
"""Of each pixel of the head: x, y, z and confidence."""


@dataclass(frozen=True)
class TwoViewConfig:
    """enc: encoder, dec: each of both decoders. img_size: height and width of the pictures it was trained on."""

    img_size: tuple[int, int]
    enc_embed_dim: int
    enc_depth: int
    enc_num_heads: int
    dec_embed_dim: int
    dec_depth: int
    dec_num_heads: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> TwoViewConfig:
        """From a DUSt3R's config.json. Raises KeyError for missing entries and ValueError for another network."""
        expected = {
            "head_type": "linear",
            "output_mode": "pts3d",
            "pos_embed": f"RoPE{ROTARY_BASE:.0f}",
            "depth_mode": ["exp", float("-inf"), float("inf")],
            "conf_mode": ["exp", 1, float("inf")],
        }
        for name, value in expected.items():
            if config[name] != value:
                raise ValueError(f"its {name} is {config[name]!r} instead of {value!r}")
        height, width = config["img_size"]
        sizes = {name: int(config[name]) for name in cls.__annotations__ if name != "img_size"}
        return cls(img_size=(int(height), int(width)), **sizes)


class TwoViewNetwork(nn.Module):
    """Encodes each picture by itself and decodes pairs, whose decoders read each other's tokens."""

    def __init__(self, config: TwoViewConfig) -> None:
        super().__init__()
        self.config = config
        width, half = config.enc_embed_dim, config.dec_embed_dim
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, PATCH, PATCH)})
        self.enc_blocks = nn.ModuleList(_Block(width, config.enc_num_heads) for _ in range(config.enc_depth))
        self.enc_norm = nn.LayerNorm(width, EPSILON)
        self.decoder_embed = nn.Linear(width, half)
        self.dec_blocks, self.dec_blocks2 = (
            nn.ModuleList(_CrossBlock(half, config.dec_num_heads) for _ in range(config.dec_depth)) for _ in range(2)
        )
        self.dec_norm = nn.LayerNorm(half, EPSILON)
        self.downstream_head1, self.downstream_head2 = (_Head(half) for _ in range(2))
        self.apply(_initialise)

    def encode(self, images: Tensor) -> Tensor:
        """Tokens, n x tokens x channels, of pictures n x 3 x h x w in [-1, 1], sides multiples of PATCH."""
        rows, columns = (side // PATCH for side in images.shape[-2:])
        tokens = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        for block in self.enc_blocks:
            tokens = block(tokens, rows, columns)
        return self.enc_norm(tokens)

    def decode(self, first: Tensor, second: Tensor, height: int, width: int) -> tuple[tuple[Tensor, Tensor], ...]:
        """Points n x height x width x 3 in the first camera and confidences n x height x width, at least 1, of both.

        first, second: tokens of `encode`; height, width: of its pictures.
        """
        rows, columns = height // PATCH, width // PATCH
        first, second = self.decoder_embed(first), self.decoder_embed(second)
        for one, other in zip(self.dec_blocks, self.dec_blocks2, strict=True):
            first, second = one(first, second, rows, columns), other(second, first, rows, columns)
        with torch.autocast(first.device.type, enabled=False):
            tokens = [self.dec_norm(tokens.float()) for tokens in (first, second)]
            heads = self.downstream_head1, self.downstream_head2
            return tuple(head(some, rows, columns) for head, some in zip(heads, tokens, strict=True))

    def read(self, file: safe_open) -> list[str]:
        """Take the weights of an open file and return the names of those that it lacks; then nothing is changed.

        A file without a second decoder has one for both.
        """
        both = any(name.startswith("dec_blocks2") for name in file.keys())  # noqa: SIM118
        names = {name: name if both else name.replace("dec_blocks2", "dec_blocks") for name in self.state_dict()}
        lacking = eight_bits.missing(file, names)
        if not lacking:
            self.load_state_dict(eight_bits.read(file, names))
        return lacking

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors as DUSt3R has them, but with matrices in eight bits."""
        folder.mkdir(parents=True, exist_ok=True)
        modes = {"depth_mode": ["exp", float("-inf"), float("inf")], "conf_mode": ["exp", 1, float("inf")]}
        names = {"head_type": "linear", "output_mode": "pts3d", "pos_embed": f"RoPE{ROTARY_BASE:.0f}"}
        config = {**asdict(self.config), **modes, **names}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        save_file(eight_bits.pack(self.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        q, k, v = (_heads(part, self.heads) for part in self.qkv(tokens).chunk(3, dim=-1))
        turns = _turns(rows, columns, q.shape[-1], q.device)
        return self.proj(_merged(functional.scaled_dot_product_attention(_turned(q, turns), _turned(k, turns), v)))


class _CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projq, self.projk, self.projv, self.proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, tokens: Tensor, others: Tensor, rows: int, columns: int) -> Tensor:
        q = _heads(self.projq(tokens), self.heads)
        k, v = (_heads(layer(others), self.heads) for layer in (self.projk, self.projv))
        turns = _turns(rows, columns, q.shape[-1], q.device)
        return self.proj(_merged(functional.scaled_dot_product_attention(_turned(q, turns), _turned(k, turns), v)))


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, MLP_RATIO * width), nn.Linear(MLP_RATIO * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(tokens)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, EPSILON) for _ in range(2))
        self.attn, self.mlp = _Attention(width, heads), _Mlp(width)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens), rows, columns)
        return tokens + self.mlp(self.norm2(tokens))


class _CrossBlock(nn.Module):
    """A block of a decoder: attention to itself, to the other picture's tokens, and a perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3, self.norm_y = (nn.LayerNorm(width, EPSILON) for _ in range(4))
        self.attn, self.cross_attn, self.mlp = _Attention(width, heads), _CrossAttention(width, heads), _Mlp(width)

    def forward(self, tokens: Tensor, others: Tensor, rows: int, columns: int) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens), rows, columns)
        tokens = tokens + self.cross_attn(self.norm2(tokens), self.norm_y(others), rows, columns)
        return tokens + self.mlp(self.norm3(tokens))


class _Head(nn.Module):
    """A linear map from each token to its patch's pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, CHANNELS * PATCH**2)

    def forward(self, tokens: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        maps = self.proj(tokens).transpose(1, 2).unflatten(2, (rows, columns))
        maps = functional.pixel_shuffle(maps, PATCH).permute(0, 2, 3, 1)
        towards = maps[..., :3]
        length = towards.norm(dim=-1, keepdim=True)
        return towards / length.clamp_min(1e-8) * length.expm1(), 1 + maps[..., 3].exp()


def _heads(tokens: Tensor, heads: int) -> Tensor:
    """n x tokens x channels as n x heads x tokens x channels of one head."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def _merged(tokens: Tensor) -> Tensor:
    return tokens.transpose(1, 2).flatten(2)


@lru_cache(maxsize=32)
def _turns(rows: int, columns: int, channels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each token's turn in each channel: the first half of the channels turns by the token's row,
    the second by its column (rotary positions, Su et al., arXiv 2104.09864, in two dimensions)."""
    half = channels // 2
    rates = ROTARY_BASE ** (-torch.arange(0, half, 2, device=device) / half)
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    down, across = (place.reshape(-1, 1) * rates for place in (y, x))
    angles = torch.cat((down, down, across, across), dim=1)
    return angles.cos(), angles.sin()


def _turned(tokens: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    cosine, sine = (part.to(tokens.dtype) for part in turns)
    a, b, c, d = tokens.chunk(4, dim=-1)
    return tokens * cosine + torch.cat((-b, a, -d, c), dim=-1) * sine


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
