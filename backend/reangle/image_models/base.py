# SPDX-License-Identifier: Apache-2.0
"""The interface of an image model that paints the holes of a picture.

All models here are rectified flows: x_s = (1 - s) x_0 + s e for a clean latent x_0, noise e and a noise level s from 1
to 0, with velocity e - x_0. The sampling loops are in `reangle.starting`, so that they can choose between candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch

from reangle.image_models.memory import WHOLE, ImageModelSize, ImageTier


@dataclass(frozen=True, eq=False)
class Canvas:
    """What is to be painted. picture: H x W x 3 uint8. hole: H x W bool, True where to paint. prompt: what it shows.

    Both sides are multiples of `ImageModel.multiple`. A hole everywhere makes a picture of the prompt alone.
    """

    picture: np.ndarray
    hole: np.ndarray
    prompt: str = ""


@dataclass(frozen=True, eq=False)
class Held:
    """For models that are not conditioned on the picture: its latents, put back after each step where they are known.

    latents: 1 x c x h x w. hole: 1 x 1 x h x w bool.
    """

    latents: torch.Tensor
    hole: torch.Tensor


@dataclass(frozen=True, eq=False)
class Conditions:
    """What a model is told of a canvas, computed once. inputs: its own business."""

    inputs: Any
    held: Held | None = None


class ImageModel(Protocol):
    """A diffusion model that paints, its weights opened from a checkpoint's folder."""

    reads_plain_text: bool
    """Whether it makes pictures of a prompt alone, as FlowEdit needs; a fill model was never shown that."""

    @property
    def usual_steps(self) -> int:
        """Denoising steps that suit it; few where it is distilled."""
        ...

    @property
    def usual_guidance(self) -> float:
        """The `guidance` of `conditions` that suits it."""
        ...

    @property
    def edit_guidance(self) -> tuple[float, float]:
        """The `guidance` of `conditions` that suits an edit by words, for the source's prompt and the target's."""
        ...

    @classmethod
    def open(
        cls,
        folder: Path,
        device: str | None = None,
        *,
        tier: ImageTier = WHOLE,
        prompts: Sequence[str] = (),
        beside: Sequence[Path] = (),
    ) -> Self:
        """Open a checkpoint: bfloat16 on a GPU, float32 on a CPU.

        device: None takes the GPU if there is one. tier: how to save memory. prompts: those that it will be asked for,
        all of them where the tier reads them first. beside: folders of what runs beside it. Raises UserError if a
        folder cannot be opened as this model.
        """
        ...

    @classmethod
    def size_of(cls, folder: Path, beside: Sequence[Path] = (), *, bytes_each: int) -> ImageModelSize:
        """A checkpoint's size for memory estimates, from its configuration and headers.

        bytes_each: of a weight as opened. Raises OSError, KeyError or ValueError.
        """
        ...

    @property
    def multiple(self) -> int:
        """Pixels that both sides of a picture are a multiple of."""
        ...

    @property
    def pixels(self) -> int:
        """About how many pixels the pictures had that it was trained on."""
        ...

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        """Channels, rows and columns of a picture's latents."""
        ...

    def conditions(self, canvas: Canvas, guidance: float, generator: torch.Generator) -> Conditions:
        """guidance: how closely the picture follows the prompt, for models that were trained so. generator: for what
        the model draws at random of the picture, once for each canvas.
        """
        ...

    def noise_levels(self, steps: int, width: int, height: int) -> list[float]:
        """steps + 1 falling noise levels, from about 1 to 0."""
        ...

    def velocity(self, latents: torch.Tensor, level: float, conditions: Conditions) -> torch.Tensor:
        """n x c x h x w float32, for n candidates of one canvas at one noise level."""
        ...

    def encode(self, pictures: np.ndarray) -> torch.Tensor:
        """n x c x h x w float32. pictures: n x H x W x 3 uint8."""
        ...

    def decode(self, latents: torch.Tensor) -> np.ndarray:
        """n x H x W x 3 uint8."""
        ...

    def sketch(self, latents: torch.Tensor) -> np.ndarray:
        """What `decode` shows, about right and much faster: n x h x w x 3 uint8, of the picture's aspect, perhaps
        smaller. A model without a small decoder decodes.
        """
        ...
