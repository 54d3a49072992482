# SPDX-License-Identifier: Apache-2.0
"""A whole clip from a video model, window after window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from reangle.generation.guide import Guide
from reangle.generation.window import generate_latents
from reangle.video_models.base import Prompt, Shown, VideoModel
from reangle.video_models.settings import SamplingSettings
from reangle.video_models.windows import Windows


@dataclass(frozen=True, eq=False)
class Warp:
    """The warped clip at the model's size, for models that see it. frames: T x H x W x 3 uint8, without holes. known:
    T x H x W bool, where they are the clip's.
    """

    frames: np.ndarray
    known: np.ndarray


@dataclass(frozen=True, eq=False)
class Task:
    """What to generate. first_frame: H x W x 3 uint8 at the model's size. guides: by the warp, one for each window, or
    none. anchors: first frame of a later window -> the image that it starts from, of the model's size. warp: only for a
    model that `sees_warp`.
    """

    first_frame: np.ndarray
    prompt: Prompt
    windows: Windows
    guides: Sequence[Guide]
    seed: int
    anchors: Mapping[int, np.ndarray] = field(default_factory=dict[int, np.ndarray])
    warp: Warp | None = None

    def shown(self, index: int, made: np.ndarray) -> Shown:
        """What the model is shown of a window. made: n x H x W x 3 uint8, the frames that it begins with, n > 0."""
        if self.warp is None:
            return Shown(made[0])
        frames = self.windows.frames(index)
        pictures, known = (
            self.warp.frames[frames],
            self.warp.known[frames] & ~self.windows.is_held(index)[:, None, None],
        )
        if index:
            pictures[: len(made)], known[: len(made)] = made, True
        return Shown(made[0], pictures, known)


def generate_video(
    model: VideoModel, task: Task, settings: SamplingSettings, report: Callable[[float], None]
) -> np.ndarray:
    """T x H x W x 3 uint8, exactly the windows' count of frames.

    A later window starts from the frame that the one before made in its place, and keeps the latents that it made of
    the next ones. Two windows made apart and mixed would lose contrast where they overlap. One that starts from an
    anchor keeps nothing: from the anchor on, the clip is the new window's.
    """
    windows, count = task.windows, len(task.windows.starts)
    whole: torch.Tensor | None = None
    before: torch.Tensor | None = None
    for index, start in enumerate(windows.starts):
        guides = [task.guides[index]] if task.guides else []
        made, shared = task.anchors.get(start, task.first_frame)[None], 0
        if before is not None and start not in task.anchors:
            place, shared = start - windows.starts[index - 1], windows.shared(index)
            seen = 1 + shared * windows.group if model.sees_warp else 1
            made = decode_frames(model, before, place + seen, windows.group)[place:]
            if shared:
                guides.append(Guide.to_keep(before[0, -shared:], before.shape[1]))
        shown = task.shown(index, made)
        if shown.known is not None and shown.known[0].all():
            # It need not copy what it is shown, and the first frame is fixed.
            guides.append(Guide.to_keep(model.encode_frames(made[:1]), windows.latents, first=0))
        before = generate_latents(
            model,
            shown,
            task.prompt,
            settings,
            task.seed + index,
            guides,
            lambda share, done=index: report((done + share) / count),
        )
        if whole is None:
            whole = before
        else:
            made = start // windows.group + 1 + shared
            whole = torch.cat([whole[:, :made], before[:, 1 + shared :].to(whole)], dim=1)
    assert whole is not None
    assert (whole.shape[1] - 1) * windows.group + 1 >= windows.count
    frames = decode_frames(model, whole, windows.count, windows.group)
    for start, image in task.anchors.items():
        frames[start] = image
    return frames


def decode_frames(model: VideoModel, latents: torch.Tensor, count: int, group: int) -> np.ndarray:
    """The first `count` frames of latents, count x H x W x 3 uint8. group: frames of a latent after the first.

    Autoencoders are causal, so later latents are not decoded. CogVideoX's takes the first three, then two at a time.
    """
    needed = max(3, (-(-(count - 1) // group) + 1) | 1)
    return model.decode(latents[:, :needed])[:count]
