# SPDX-License-Identifier: Apache-2.0
"""The interface of a video model for motion learning and generation.

One clip is a tensor of latents, frames x channels x height x width, scaled as the transformer sees them: its first
latent holds the first frame, each later one `group` frames. A model whose library orders axes otherwise turns them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import nn

from reangle.folders import LoraFolder
from reangle.video_models.memory import Tier, VideoModelSize
from reangle.video_models.settings import SamplingSettings

MOST_QUOTED = 80
"""Letters of a caption that a message repeats."""


@dataclass(frozen=True)
class Truncation:
    """tokens: how many the model reads of a prompt. rest: the text after them."""

    tokens: int
    rest: str

    @property
    def note(self) -> str:
        """One sentence for the artist."""
        rest = self.rest if len(self.rest) <= MOST_QUOTED else f"{self.rest[:MOST_QUOTED]}..."
        return (
            f"The video model reads the first {self.tokens} tokens of camera and caption, not {rest!r}. "
            "Shorten the caption."
        )


@dataclass(frozen=True, eq=False)
class Prompt:
    """A prompt as a video model reads it. words, empty: tokens x width, of it and of an empty one, which guidance moves
    away from.
    """

    words: torch.Tensor
    empty: torch.Tensor


class TextEncoder(Protocol):
    """The part of a checkpoint that reads prompts. It is as large as the rest, so the two are never open together."""

    @classmethod
    def open(cls, folder: Path, device: str | None = None, dtype: torch.dtype | None = None) -> Self:
        """As `VideoModel.open`. dtype: instead of the device's usual one."""
        ...

    def encode(self, prompt: str) -> torch.Tensor:
        """tokens x width, on the CPU."""
        ...

    def truncation(self, prompt: str) -> Truncation | None:
        """The part of a long prompt that the model does not read; None if it reads all."""
        ...


@dataclass(frozen=True, eq=False)
class Shown:
    """What a model is shown of a window, all at its size.

    first_frame: H x W x 3 uint8, without holes. frames: T x H x W x 3 uint8, the warped clip, its holes filled from
    around; known: T x H x W bool, where it is the clip's. Both only for a model that `sees_warp`.
    """

    first_frame: np.ndarray
    frames: np.ndarray | None = None
    known: np.ndarray | None = None


AfterStep = Callable[[torch.Tensor, int, torch.Tensor | None], torch.Tensor]
"""(latents 1 x frames x c x h x w, steps done from 0, time of the next step or None after the last) -> latents."""


class VideoModel(Protocol):
    """A video diffusion model without its text encoder, opened from a checkpoint's folder.

    It continues a first frame, or fills what a warped clip does not show; what it is given of these is its condition.
    """

    text: ClassVar[type[TextEncoder]]
    """What reads the prompts of the same checkpoint."""
    sees_warp: ClassVar[bool]
    """Whether it is shown the warped clip with its mask; else the first frame alone."""
    needs_condition: ClassVar[bool]
    """Whether it cannot run without its condition; training then never leaves that out."""
    lora_targets: Sequence[str]
    """Names of the matrices that a LoRA changes, as peft matches them."""

    @classmethod
    def open(cls, folder: Path, tier: Tier, device: str | None = None) -> Self:
        """Open a checkpoint: bfloat16 on a GPU, float32 on a CPU.

        tier: how to save memory. device: None takes the GPU if there is one. Raises UserError if the folder cannot be
        opened as this model.
        """
        ...

    @classmethod
    def size_of(cls, folder: Path, *, bytes_each: int) -> VideoModelSize:
        """A checkpoint's size for memory estimates, from its configuration and headers; imports no diffusers.

        bytes_each: of a weight as opened. Raises OSError, KeyError or ValueError.
        """
        ...

    @property
    def frames(self) -> int:
        """Frames of one window: 1 + group * k."""
        ...

    @property
    def group(self) -> int:
        """Frames in each latent after the first."""
        ...

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """Width and height in pixels that the model works in for a picture of width x height."""
        ...

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Frames, channels, rows and columns of a window's latents at a size that `size_for` gave."""
        ...

    def is_condition(self, latents: int) -> torch.Tensor:
        """bool, one for each of a clip's latents: conditions stay clean, are not trained and not guided."""
        ...

    # Encoding and decoding; not available after `keep_transformer`.

    def encode_frames(self, frames: np.ndarray) -> torch.Tensor:
        """Latents of T x H x W x 3 uint8 frames, T = 1 + group * k."""
        ...

    def encode_condition(self, shown: Shown, count: int, random: torch.Generator) -> torch.Tensor:
        """The condition in at most `count` random variants, for `predict`: variants x ..."""
        ...

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """T x H x W x 3 uint8 frames of 1 x frames x c x h x w latents."""
        ...

    # Training.

    @property
    def transformer(self) -> Any:
        """The module that carries the LoRA: a diffusers model with peft's `add_adapter`."""
        ...

    @property
    def layers(self) -> nn.ModuleList:
        """The transformer's layers. Each can be recomputed or quantized."""
        ...

    @property
    def float32_layers(self) -> Sequence[nn.Module]:
        """Layers that must not run in bfloat16 on a CPU."""
        ...

    def keep_transformer(self) -> None:
        """Drop everything but the transformer from memory and put that on its device, to train it."""
        ...

    @property
    def times(self) -> int:
        """Training times; a draw is a whole number below it, each as likely."""
        ...

    def training_time(self, drawn: int) -> torch.Tensor:
        """A drawn number as a time of the noise schedule: one element."""
        ...

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Latents under the noise of a time. All of 1 x frames x c x h x w; time: one element."""
        ...

    def target(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """What `predict` should give: for v-prediction the velocity, for flow matching noise - clean."""
        ...

    def predict(
        self, noisy: torch.Tensor, time: torch.Tensor, condition: torch.Tensor | None, prompt: torch.Tensor
    ) -> torch.Tensor:
        """One call of the transformer: 1 x frames x c x h x w.

        condition: one variant of `encode_condition`; None leaves it out, unless the model `needs_condition`. prompt: as
        `TextEncoder.encode` gives it.
        """
        ...

    def clean_estimate(self, prediction: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """The clean latents that a prediction implies."""
        ...

    def save_lora(self, folder: LoraFolder) -> None:
        """Write the LoRA, rank and alpha included, so that diffusers' own `load_lora_weights(folder.lora)` opens it."""
        ...

    # Sampling.

    def load_lora(self, folder: LoraFolder) -> None:
        """Use the LoRA that `save_lora` wrote."""
        ...

    def sample(
        self,
        shown: Shown,
        prompt: Prompt,
        settings: SamplingSettings,
        noise: torch.Tensor,
        random: torch.Generator,
        after_step: AfterStep,
    ) -> torch.Tensor:
        """Latents of one window, 1 x frames x c x h x w.

        noise: in the latents' shape, to start from. after_step: may change the latents before the first step and after
        each.
        """
        ...
