# SPDX-License-Identifier: Apache-2.0
"""A second video model behind the protocol: Wan 2.2 image-to-video with the real classes, tiny and random.

Unlike CogVideoX, it uses flow matching, its first latent is the clean first frame, and its axes are in the order
channels, frames, rows, columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from reangle.folders import LoraFolder
from reangle.video_models.adapter import save_adapter
from reangle.video_models.base import AfterStep, Prompt, TextEncoder, Truncation
from reangle.video_models.memory import Tier, VideoModelSize, config_of, weights_in
from reangle.video_models.quantized import quantize
from reangle.video_models.registry import VIDEO_MODELS
from reangle.video_models.settings import SamplingSettings
from reangle.weights import registry
from reangle.weights.checkpoints import KINDS, Kind
from reangle.weights.pipelines import open_pipeline
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel

from scripts.train import text

libraries: Any = diffusers  # its classes have wrong annotations
FRAMES, HEIGHT, WIDTH, TOKENS = 9, 32, 48, 16
WAN = Kind("tiny-wan", "video", pipeline="WanImageToVideoPipeline")


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the model to the registry."""
    monkeypatch.setattr(registry, "KINDS", (*KINDS, WAN))
    monkeypatch.setitem(VIDEO_MODELS, WAN.name, "tests.backend.tiny_wan:TinyWan")


def tiny_wan_pipeline(prompts: Sequence[str]) -> Any:
    """9 frames of 48 x 32 in latents of 3 x 8 x 12; the same weights each time."""
    torch.manual_seed(0)
    tokenizer = text.t5_tokenizer(prompts, TOKENS)
    vae = libraries.AutoencoderKLWan(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[True, True],
        latents_mean=[0.1, -0.1, 0.2, 0.0],
        latents_std=[0.5, 0.6, 0.4, 0.5],
        scale_factor_spatial=4,
    )
    transformer = libraries.WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        text_dim=32,
        freq_dim=16,
        ffn_dim=64,
        num_layers=2,
        rope_max_seq_len=32,
    )
    config = UMT5Config(vocab_size=len(tokenizer), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2)
    encoder = UMT5EncoderModel(config)
    pipe = libraries.WanImageToVideoPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder.eval(),
        vae=vae.eval(),
        transformer=transformer,
        scheduler=libraries.FlowMatchEulerDiscreteScheduler(shift=2.0),
        expand_timesteps=True,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


class TinyWanText:
    """The `TextEncoder` of the same pipeline."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    @classmethod
    def open(cls, folder: Path, device: str | None = None) -> Self:
        others = dict.fromkeys(("transformer", "vae"))
        return cls(open_pipeline(libraries.WanImageToVideoPipeline, folder, "cpu", **others))

    @torch.inference_mode()
    def encode(self, prompt: str) -> torch.Tensor:
        """Like the pipeline, but without ftfy, which it uses to clean up text."""
        padded = {"padding": "max_length", "max_length": TOKENS, "truncation": True, "return_tensors": "pt"}
        tokens = self.pipe.tokenizer(prompt, **padded)
        encoded = self.pipe.text_encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
        return encoded * tokens.attention_mask[0, :, None]

    def truncation(self, prompt: str) -> Truncation | None:
        tokens = self.pipe.tokenizer(prompt, verbose=False).input_ids
        if len(tokens) <= TOKENS:
            return None
        return Truncation(TOKENS, self.pipe.tokenizer.decode(tokens[TOKENS - 1 : -1]))


class TinyWan:
    """A `VideoModel` around diffusers' `WanImageToVideoPipeline`."""

    text: ClassVar[type[TextEncoder]] = TinyWanText
    lora_targets: Sequence[str] = ("to_q", "to_k", "to_v", "to_out.0")
    published_size = VideoModelSize(10**6, 10**6, 10**6, 2, 32, 88, 8 * 32 * 48, 8, 24, 4, 5)

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        config = pipe.vae.config
        self._mean, self._std = (
            torch.tensor(values)[:, None, None, None] for values in (config.latents_mean, config.latents_std)
        )

    @classmethod
    def open(cls, folder: Path, tier: Tier, device: str | None = None) -> Self:
        others = dict.fromkeys(("text_encoder", "tokenizer"))
        model = cls(open_pipeline(libraries.WanImageToVideoPipeline, folder, "cpu", **others))
        quantize(model, tier.base)
        model.pipe.to("cpu")
        return model

    @classmethod
    def size_of(cls, folder: Path, *, bytes_each: int) -> VideoModelSize:
        transformer, vae = config_of(folder / "transformer"), config_of(folder / "vae")
        return VideoModelSize(
            weights=weights_in(folder / "transformer"),
            text_bytes=weights_in(folder / "text_encoder") * bytes_each,
            vae_bytes=weights_in(folder / "vae") * bytes_each,
            layers=transformer["num_layers"],
            width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
            tokens=3 * 4 * 6 + TOKENS,
            widest=vae["base_dim"] * HEIGHT * WIDTH,
            lora_matrices=8,
            layer_arrays=24,
            vae_frames=4,
            vae_arrays=5,
        )

    @property
    def frames(self) -> int:
        return FRAMES

    @property
    def group(self) -> int:
        return self.pipe.vae_scale_factor_temporal

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        return WIDTH, HEIGHT

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        return 3, 4, height // 4, width // 4

    def is_condition(self, latents: int) -> torch.Tensor:
        """The first latent is the clean first frame."""
        return torch.arange(latents) == 0

    @torch.inference_mode()
    def encode_frames(self, frames: np.ndarray) -> torch.Tensor:
        video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
        latents = self.pipe.vae.encode(video).latent_dist.mode()[0]
        return ((latents - self._mean) / self._std).transpose(0, 1)

    def encode_first_frame(self, frame: np.ndarray, count: int, random: torch.Generator) -> torch.Tensor:
        return self.encode_frames(frame[None])

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> np.ndarray:
        video = self.pipe.vae.decode(latents[0].transpose(0, 1)[None] * self._std + self._mean).sample
        return (video[0].permute(1, 2, 3, 0) * 127.5 + 127.5).round().clamp(0, 255).byte().numpy()

    @property
    def transformer(self) -> Any:
        return self.pipe.transformer

    @property
    def layers(self) -> nn.ModuleList:
        return self.transformer.blocks

    @property
    def float32_layers(self) -> Sequence[nn.Module]:
        return (self.transformer.patch_embedding,)

    def keep_transformer(self) -> None:
        self.pipe.register_modules(vae=None)

    @property
    def times(self) -> int:
        return self.pipe.scheduler.config["num_train_timesteps"]

    def training_time(self, drawn: int) -> torch.Tensor:
        """Shifted towards noise, like the scheduler's sampling times."""
        share, shift = (drawn + 1) / self.times, self.pipe.scheduler.config["shift"]
        return torch.tensor([self.times * shift * share / (1 + (shift - 1) * share)])

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return torch.lerp(clean, noise, self._level(time))

    def target(self, clean: torch.Tensor, noise: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return noise - clean

    def predict(
        self, noisy: torch.Tensor, time: torch.Tensor, first_frame: torch.Tensor | None, prompt: torch.Tensor
    ) -> torch.Tensor:
        latents = noisy if first_frame is None else torch.cat([first_frame[None, None], noisy[:, 1:]], dim=1)
        tokens = latents.shape[3] // 2 * latents.shape[4] // 2
        later = (~self.is_condition(latents.shape[1])).repeat_interleave(tokens)
        return self.transformer(
            hidden_states=latents.transpose(1, 2),
            timestep=later[None] * time,
            encoder_hidden_states=prompt[None],
            return_dict=False,
        )[0].transpose(1, 2)

    def clean_estimate(self, prediction: torch.Tensor, noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        later = ~self.is_condition(noisy.shape[1])[None, :, None, None, None]
        return noisy - later * self._level(time) * prediction

    def save_lora(self, folder: LoraFolder) -> None:
        save_adapter(self.pipe, folder)

    def load_lora(self, folder: LoraFolder) -> None:
        self.pipe.load_lora_weights(str(folder.lora))

    def sample(
        self,
        first_frame: np.ndarray,
        prompt: Prompt,
        settings: SamplingSettings,
        noise: torch.Tensor,
        random: torch.Generator,
        after_step: AfterStep,
    ) -> torch.Tensor:
        scheduler = self.pipe.scheduler
        scheduler.set_timesteps(settings.steps)

        def between(_: Any, step: int, time: torch.Tensor, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            done, times = step + 1, scheduler.timesteps
            latents = given["latents"].transpose(1, 2)
            return {"latents": after_step(latents, done, times[done] if done < len(times) else None).transpose(1, 2)}

        return self.pipe(
            image=Image.fromarray(first_frame),
            prompt_embeds=prompt.words[None],
            negative_prompt_embeds=prompt.empty[None],
            height=first_frame.shape[0],
            width=first_frame.shape[1],
            num_frames=FRAMES,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=random,
            latents=after_step(noise, 0, scheduler.timesteps[0]).transpose(1, 2),
            callback_on_step_end=between,
            callback_on_step_end_tensor_inputs=["latents"],
            output_type="latent",
        ).frames.transpose(1, 2)

    def _level(self, time: torch.Tensor) -> torch.Tensor:
        return time / self.times
