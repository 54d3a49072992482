# SPDX-License-Identifier: Apache-2.0
"""Held-out pictures for the depth network, and its errors on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from scripts.train.fresh import Store
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render

HELD_OUT_SEEDS = range(24)
EDGE = 0.1
"""Neighbours whose depths differ by this share are an edge."""
REACH_PX = 3


@dataclass(frozen=True)
class HeldOut:
    """Pictures that training never sees. rgb: n of 3 x h x w in 0..1; depth: n of h x w, 0 in the sky."""

    name: str
    rgb: list[Tensor]
    depth: list[Tensor]

    @classmethod
    def load(cls, path: Path, device: torch.device) -> list[HeldOut]:
        """From a .npz with NAME_rgb (n x h x w x 3 uint8) and NAME_depth (n x h x w)."""
        with np.load(path) as file:
            names = [key.removesuffix("_rgb") for key in file if key.endswith("_rgb")]
            return [cls.of(name, file[f"{name}_rgb"], file[f"{name}_depth"], device) for name in names]

    @classmethod
    def of(cls, name: str, rgb: np.ndarray, depth: np.ndarray, device: torch.device | str) -> HeldOut:
        colours = torch.from_numpy(rgb).to(device).permute(0, 3, 1, 2).float() / 255
        return cls(name, list(colours), list(torch.from_numpy(depth.astype(np.float32)).to(device)))

    @classmethod
    def taken_from(cls, name: str, store: Store, count: int) -> HeldOut:
        """The first pictures of a store that nothing has been drawn from; the store forgets all that it holds."""
        rgb, depth = (store.arrays[key][:count] for key in ("rgb", "depth"))
        store.made = 0
        return cls.of(name, rgb.cpu().numpy(), depth.cpu().numpy(), rgb.device)


def held_out_solids(device: torch.device | str, height: int = 320, width: int = 448) -> list[HeldOut]:
    """The middle frame of each held-out scene of solids."""
    seen = []
    for seed in HELD_OUT_SEEDS:
        scene = draw_scene(seed, width=width, height=height, targets=0)
        seen.append(render(scene, scene.source, [scene.count // 2]))
    rgb, depth = (np.concatenate([getattr(one, key) for one in seen]) for key in ("rgb", "depth"))
    return [HeldOut.of("solids", rgb, depth, device)]


def judge(learned: Sequence[Tensor], truth: Sequence[Tensor]) -> dict[str, float]:
    """Mean errors of depth maps. abs_rel: after one factor per picture; f1: of edges, matched within REACH_PX."""
    errors, scores = [], []
    for guess, depth in zip(learned, truth, strict=True):
        surface = depth > 0
        scale = (depth[surface] / guess[surface]).median()
        errors.append(float((guess[surface] * scale / depth[surface] - 1).abs().mean()))
        scores.append(edge_f1(guess, torch.where(surface, depth, 10 * depth.max())))
    return {"abs_rel": float(np.mean(errors)), "f1": float(np.mean(scores))}


def edge_f1(guess: Tensor, truth: Tensor) -> float:
    """F1 of the depth edges of a map, h x w: the harmonic mean of precision and recall, both within REACH_PX."""
    mine, theirs = edges(guess), edges(truth)
    if not mine.any() or not theirs.any():
        return float(not mine.any() and not theirs.any())
    precision = float((mine & _grown(theirs)).sum() / mine.sum())
    recall = float((theirs & _grown(mine)).sum() / theirs.sum())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def edges(depth: Tensor) -> Tensor:
    """Pixels beside a step of more than EDGE within two pixels, h x w bool."""
    log = depth.clamp_min(1e-6).log()
    found = torch.zeros_like(depth, dtype=torch.bool)
    for axis in (0, 1):
        size = depth.shape[axis] - 2
        step = (log.narrow(axis, 2, size) - log.narrow(axis, 0, size)).abs() > EDGE
        found.narrow(axis, 1, size).logical_or_(step)
    return found


def _grown(mask: Tensor) -> Tensor:
    side = 2 * REACH_PX + 1
    return functional.max_pool2d(mask[None, None].float(), side, stride=1, padding=REACH_PX)[0, 0] > 0
