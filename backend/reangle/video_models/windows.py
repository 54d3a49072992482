# SPDX-License-Identifier: Apache-2.0
"""Clips of any length from a model that makes a fixed number of frames at once.

A window's first latent holds one frame, each later one `group`. Windows start at multiples of the group, so from its
second latent on, a window's latents hold the same frames as the whole clip's; its first is the frame to start from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reangle.video_models.window_starts import window_starts


@dataclass(frozen=True)
class Windows:
    """starts: first frame of each window. length: frames of a window. count: frames of the clip. group: of a latent."""

    starts: tuple[int, ...]
    length: int
    count: int
    group: int

    @property
    def latents(self) -> int:
        """Of a window."""
        return 1 + (self.length - 1) // self.group

    def frames(self, index: int) -> np.ndarray:
        """The clip's frame for each of a window's frames; the last one is held past the end."""
        return np.minimum(np.arange(self.starts[index], self.starts[index] + self.length), self.count - 1)

    def shared(self, index: int) -> int:
        """How many of a window's latents, from its second on, the window before has made; 0 for the first window."""
        return (self.starts[index - 1] + self.length - 1 - self.starts[index]) // self.group if index else 0

    def is_held(self, index: int) -> np.ndarray:
        """length bool: frames past the clip's end."""
        return np.arange(self.starts[index], self.starts[index] + self.length) >= self.count


def plan_windows(count: int, length: int, group: int) -> Windows:
    """As few windows as cover `count` frames. length: group * k + 1 with k > 0; else ValueError."""
    return Windows(window_starts(count, length, group), length, count, group)
