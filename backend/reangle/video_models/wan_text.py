# SPDX-License-Identifier: Apache-2.0
"""The text encoder of Wan, which is open only while prompts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch

from reangle.video_models.base import Truncation
from reangle.weights.devices import default_device
from reangle.weights.pipelines import open_pipeline, pipeline_class

TOKENS = 512
"""That Wan's pipelines let it read of a prompt."""


class WanText:
    """The `TextEncoder` of Wan, UMT5: the pipeline with its text parts alone.

    Wan's authors move guidance away from a list of unwanted words. It has "static" in it, which held cameras are, so it
    moves away from the empty prompt here.
    """

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    @classmethod
    def open(cls, folder: Path, device: str | None = None, dtype: torch.dtype | None = None) -> Self:
        device = device or default_device()
        # All Wan pipelines read prompts alike; this one does not ask for ftfy, which mends broken letters.
        others = dict.fromkeys(("transformer", "transformer_2", "vae"))
        pipe = open_pipeline(pipeline_class("WanPipeline"), folder, device, dtype, **others)
        pipe.to(device)
        return cls(pipe)

    @torch.inference_mode()
    def encode(self, prompt: str) -> torch.Tensor:
        encoded, _ = self.pipe.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=TOKENS)
        return encoded[0].cpu()

    def truncation(self, prompt: str) -> Truncation | None:
        tokens = self.pipe.tokenizer(prompt, verbose=False).input_ids
        if len(tokens) <= TOKENS:
            return None
        # The last token that the model reads is the end of the text.
        return Truncation(TOKENS, self.pipe.tokenizer.decode(tokens[TOKENS - 1 : -1]))
