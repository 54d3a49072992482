# SPDX-License-Identifier: Apache-2.0
"""The text encoder of CogVideoX, which is open only while prompts are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch

from reangle.video_models.base import Truncation
from reangle.video_models.memory import config_of
from reangle.weights.devices import default_device
from reangle.weights.pipelines import open_pipeline

if TYPE_CHECKING:
    from diffusers import CogVideoXImageToVideoPipeline


class CogVideoXText:
    """The `TextEncoder` of CogVideoX, T5: the pipeline with its text parts alone. tokens: that it reads of a prompt."""

    def __init__(self, pipe: CogVideoXImageToVideoPipeline, tokens: int) -> None:
        self.pipe: Any = pipe
        self._tokens = tokens

    @classmethod
    def open(cls, folder: Path, device: str | None = None, dtype: torch.dtype | None = None) -> Self:
        from diffusers import CogVideoXImageToVideoPipeline

        device = device or default_device()
        others = dict.fromkeys(("transformer", "vae"))
        pipe = open_pipeline(CogVideoXImageToVideoPipeline, folder, device, dtype, **others)
        pipe.to(device)
        return cls(pipe, config_of(folder / "transformer")["max_text_seq_length"])

    @torch.inference_mode()
    def encode(self, prompt: str) -> torch.Tensor:
        encoded, _ = self.pipe.encode_prompt(
            prompt, do_classifier_free_guidance=False, max_sequence_length=self._tokens
        )
        return encoded[0].cpu()

    def truncation(self, prompt: str) -> Truncation | None:
        tokens = self.pipe.tokenizer(prompt, verbose=False).input_ids
        if len(tokens) <= self._tokens:
            return None
        # The last token that the model reads is the end of the text.
        return Truncation(self._tokens, self.pipe.tokenizer.decode(tokens[self._tokens - 1 : -1]))
