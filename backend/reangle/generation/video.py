# SPDX-License-Identifier: Apache-2.0
"""A whole clip from a video model, window after window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import CogVideoXImageToVideoPipeline

from reangle.generation.guide import WarpGuide
from reangle.generation.spec import SamplingSettings
from reangle.generation.window import decode_frames, generate_latents
from reangle.motion.windows import GROUP, Windows, join_windows


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be made. first_frame: H x W x 3 uint8 at the model's size. guides: one for each window, or none."""

    first_frame: np.ndarray
    prompt: str
    windows: Windows
    guides: Sequence[WarpGuide]
    seed: int


def generate_video(
    pipe: CogVideoXImageToVideoPipeline, task: Task, settings: SamplingSettings, report: Callable[[float], None]
) -> np.ndarray:
    """T x H x W x 3 uint8, exactly the windows' count of frames.

    A later window begins with the frame that the one before made for its place; the latents that both made are faded
    into each other before they are decoded.
    """
    windows, count = task.windows, len(task.windows.starts)
    parts: list[torch.Tensor] = []
    first_frame = task.first_frame
    for index, start in enumerate(windows.starts):
        if parts:
            before = decode_frames(pipe, parts[-1])
            first_frame = before[start - windows.starts[index - 1]]
        parts.append(
            generate_latents(
                pipe,
                first_frame,
                task.prompt,
                settings,
                task.seed + index,
                task.guides[index] if task.guides else None,
                lambda share, done=index: report((done + share) / count),
            )
        )
    whole = join_windows(parts, windows)
    assert (whole.shape[1] - 1) * GROUP + 1 >= windows.count
    return decode_frames(pipe, whole)[: windows.count]
