# SPDX-License-Identifier: Apache-2.0
"""Clips of any length from a model that makes a fixed number of frames at once.

A window's first latent holds one frame, each later one `group`. Windows start at multiples of the group, so from its
second latent on, a window's latents hold the same frames as the whole clip's; its first is the frame to start from.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

OVERLAP = 2
"""Latents that two windows share, besides the later one's first frame; fewer in very short windows."""


@dataclass(frozen=True)
class Windows:
    """starts: first frame of each window. length: frames of a window. count: frames of the clip. group: of a latent."""

    starts: tuple[int, ...]
    length: int
    count: int
    group: int

    def frames(self, index: int) -> np.ndarray:
        """The clip's frame for each of a window's frames; the last one is held past the end."""
        return np.minimum(np.arange(self.starts[index], self.starts[index] + self.length), self.count - 1)

    def is_held(self, index: int) -> np.ndarray:
        """length bool: frames past the clip's end."""
        return np.arange(self.starts[index], self.starts[index] + self.length) >= self.count


def plan_windows(count: int, length: int, group: int) -> Windows:
    """As few windows as cover `count` frames. length: group * k + 1 with k > 0; else ValueError."""
    groups, rest = divmod(length - 1, group)
    if rest or groups < 1 or count < 1:
        raise ValueError(f"{count} frames do not fit windows of {length} in groups of {group}")
    stride = group * (groups - min(OVERLAP, groups - 1))
    starts = [0]
    while starts[-1] + length < count:
        starts.append(starts[-1] + stride)
    return Windows(tuple(starts), length, count, group)


def join_windows(parts: list[torch.Tensor], windows: Windows) -> torch.Tensor:
    """Latents of the whole clip, 1 x frames x c x h x w, from each window's; shared ones are cross-faded."""
    whole = parts[0]
    for part, (before, start) in zip(parts[1:], pairwise(windows.starts), strict=True):
        shared = (before + windows.length - 1 - start) // windows.group
        if not shared:
            whole = torch.cat([whole, part[:, 1:].to(whole)], dim=1)
            continue
        fade = torch.arange(1, shared + 1, dtype=torch.float32) / (shared + 1)
        fade = fade.to(whole.device, whole.dtype)[None, :, None, None, None]
        mixed = torch.lerp(whole[:, -shared:], part[:, 1 : shared + 1].to(whole), fade)
        whole = torch.cat([whole[:, :-shared], mixed, part[:, shared + 1 :].to(whole)], dim=1)
    return whole
