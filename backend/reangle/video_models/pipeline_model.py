# SPDX-License-Identifier: Apache-2.0
"""What all `VideoModel`s around a diffusers pipeline have in common."""

from __future__ import annotations

import gc
from typing import Any

import torch

from reangle.folders import LoraFolder
from reangle.video_models.adapter import save_adapter
from reangle.video_models.base import AfterStep, Prompt, Shown
from reangle.video_models.memory import Tier
from reangle.video_models.quantized import quantize
from reangle.video_models.settings import SamplingSettings


class PipelineModel:
    """A model adds how it is opened, its sizes, its noise, and what its pipeline is shown."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    def _put(self, tier: Tier, device: str) -> None:
        """Bring the opened pipeline to its device, in a tier of memory."""
        quantize(self, tier.base)  # pyright: ignore[reportArgumentType]
        if tier.tiled:
            self._tile()
        if tier.parts_apart and device == "cuda":
            self.pipe.enable_model_cpu_offload()
        else:
            self.pipe.to(device)

    def _tile(self) -> None:
        """Let the autoencoder work on tiles."""
        raise NotImplementedError

    @property
    def frames(self) -> int:
        raise NotImplementedError

    @property
    def transformer(self) -> Any:
        return self.pipe.transformer

    def keep_transformer(self) -> None:
        device = self.pipe._execution_device
        self.pipe.remove_all_hooks()
        self.pipe.register_modules(vae=None)
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        self.transformer.to(device)

    @property
    def times(self) -> int:
        return self.pipe.scheduler.config["num_train_timesteps"]

    def save_lora(self, folder: LoraFolder) -> None:
        save_adapter(self.pipe, folder)

    def load_lora(self, folder: LoraFolder) -> None:
        self.pipe.load_lora_weights(str(folder.lora))

    def sample(
        self,
        shown: Shown,
        prompt: Prompt,
        settings: SamplingSettings,
        noise: torch.Tensor,
        random: torch.Generator,
        after_step: AfterStep,
    ) -> torch.Tensor:
        scheduler, device = self.pipe.scheduler, self.pipe._execution_device
        scheduler.set_timesteps(settings.steps)
        height, width = shown.first_frame.shape[:2]

        def between(_: Any, step: int, time: torch.Tensor, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            done, times = step + 1, scheduler.timesteps
            latents = self._turned(given["latents"])
            return {"latents": self._turned(after_step(latents, done, times[done] if done < len(times) else None))}

        made = self.pipe(
            **self._given(shown, settings),
            # The pipelines take prompts where and as they are.
            prompt_embeds=prompt.words[None].to(device, self.transformer.dtype),
            negative_prompt_embeds=prompt.empty[None].to(device, self.transformer.dtype),
            height=height,
            width=width,
            num_frames=self.frames,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=random,
            latents=self._turned(after_step(noise, 0, scheduler.timesteps[0])).to(self._precision),
            callback_on_step_end=between,
            callback_on_step_end_tensor_inputs=["latents"],
            output_type="latent",
        ).frames
        return self._turned(made)

    def _given(self, shown: Shown, settings: SamplingSettings) -> dict[str, Any]:
        """What the pipeline is called with beside what all pipelines take."""
        raise NotImplementedError

    def _turned(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents with frames and channels in the pipeline's order, or back from it."""
        return latents

    @property
    def _precision(self) -> torch.dtype:
        """Of the latents that the pipeline works on."""
        raise NotImplementedError
