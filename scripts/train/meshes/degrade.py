# SPDX-License-Identifier: Apache-2.0
"""What cameras, compression and scaling do to pictures, at random, on the device they are on."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
# The quantisation tables of JPEG, annex K, as one falling surface: exact entries do not matter here.
_FLAT, _SLOPE = 12.0, 7.0


def degrade(rgb: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures as a phone or a video file would hold them: ... x h x w x 3 in 0..1 to the same.

    Exposure, white balance, gamma and contrast; vignette; blur or a smaller copy scaled up; noise; chroma at half size
    and quantised 8 x 8 cosines, as JPEG has; at random per picture. h and w: multiples of 8.
    generator: on the pictures' device.
    """
    shape = rgb.shape
    picture = rgb.reshape(-1, *shape[-3:]).permute(0, 3, 1, 2)
    count, _, height, width = picture.shape
    device = picture.device

    def uniform(low: float, high: float, *size: int) -> torch.Tensor:
        return low + (high - low) * torch.rand((count, *size), generator=generator, device=device)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn((count, *size), generator=generator, device=device)

    def chosen(share: float) -> torch.Tensor:
        return (torch.rand((count, 1, 1, 1), generator=generator, device=device) < share).float()

    picture = picture * torch.exp(0.18 * normal(1, 1, 1) + 0.06 * normal(3, 1, 1))
    picture = picture.clamp(1e-4, 1) ** torch.exp(0.15 * normal(1, 1, 1))
    grey = _luma(picture)
    picture = grey + (picture - grey) * uniform(0.5, 1.3, 1, 1, 1)
    picture = 0.5 + (picture - 0.5) * uniform(0.8, 1.25, 1, 1, 1) + 0.04 * normal(1, 1, 1)
    y = torch.linspace(-1, 1, height, device=device).view(1, 1, -1, 1)
    x = torch.linspace(-1, 1, width, device=device).view(1, 1, 1, -1)
    picture = picture * (1 - chosen(0.3) * uniform(0, 0.25, 1, 1, 1) * (x * x + y * y))
    small = functional.interpolate(picture, scale_factor=0.5, mode="bilinear", antialias=True)
    small = functional.interpolate(small, (height, width), mode="bilinear")
    mix = chosen(0.35) * uniform(0, 1, 1, 1, 1)
    picture = picture + (small - picture) * mix
    picture = _blurred(picture, chosen(0.35) * uniform(0, 1.1, 1, 1, 1))
    sharp = picture - _blurred(picture, torch.full((count, 1, 1, 1), 0.9, device=device))
    picture = picture + chosen(0.3) * uniform(0, 1.0, 1, 1, 1) * sharp
    noise = normal(3, height, width)
    soft = functional.avg_pool2d(noise, 3, 1, 1) * 2.2
    noise = torch.where(chosen(0.4) > 0, soft, noise)
    level = torch.exp(uniform(math.log(0.002), math.log(0.05), 1, 1, 1))
    picture = picture + noise * level * (0.4 + picture.clamp(0, 1).sqrt())
    coded = _coded(picture.clamp(0, 1), torch.exp(uniform(math.log(0.1), math.log(2.4), 1, 1, 1)))
    picture = torch.where(chosen(0.75) > 0, coded, picture).clamp(0, 1)
    picture = torch.round(picture * 255) / 255
    return picture.permute(0, 2, 3, 1).reshape(shape)


def _luma(picture: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor(_LUMA, device=picture.device).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True)


def _blurred(picture: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A Gaussian of up to about 1.2 pixels, each picture its own sigma (n x 1 x 1 x 1), as five taps."""
    count, channels, height, width = picture.shape
    taps = torch.arange(-2, 3, device=picture.device).view(1, 5)
    kernel = torch.exp(-0.5 * (taps / (sigma.view(-1, 1) + 1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    padded = functional.pad(picture, (2, 2, 2, 2), mode="replicate").reshape(1, -1, height + 4, width + 4)
    groups = count * channels
    across = functional.conv2d(padded, kernel.view(groups, 1, 1, 5), groups=groups)
    return functional.conv2d(across, kernel.view(groups, 1, 5, 1), groups=groups).view(picture.shape)


def _coded(picture: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Luma and half-size chroma through quantised 8 x 8 cosines; step: n x 1 x 1 x 1, 1 is about JPEG's quality 50."""
    luma = _luma(picture)
    blue, red = (picture[:, 2:] - luma) * 0.564, (picture[:, :1] - luma) * 0.713
    chroma = torch.cat([blue, red], 1)
    height, width = picture.shape[2:]
    half = functional.avg_pool2d(chroma, 2)
    pad = (0, -half.shape[3] % 8, 0, -half.shape[2] % 8)
    padded = functional.pad(half, pad, mode="replicate")
    coded = _quantised(padded, step * 1.4)[:, :, : half.shape[2], : half.shape[3]]
    chroma = functional.interpolate(coded, (height, width), mode="bilinear")
    luma = _quantised(luma, step)
    red, blue = luma + chroma[:, 1:] / 0.713, luma + chroma[:, :1] / 0.564
    green = (luma - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return torch.cat([red, green, blue], 1)


def _quantised(picture: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    count, channels, height, width = picture.shape
    at = torch.arange(8, device=picture.device, dtype=picture.dtype)
    cosines = torch.cos((2 * at + 1) * at.view(8, 1) * math.pi / 16) * 0.5
    cosines[0] *= math.sqrt(0.5)
    blocks = picture.reshape(count, channels, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    # Products with an 8 x 8 matrix on the right are one large product each.
    waves = (blocks @ cosines.T).transpose(-1, -2) @ cosines.T
    table = (_FLAT + _SLOPE * (at + at.view(8, 1))) / 255 * step.view(-1, 1, 1, 1, 1, 1)
    waves = torch.round(waves / table) * table
    blocks = (waves @ cosines).transpose(-1, -2) @ cosines
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(picture.shape)
