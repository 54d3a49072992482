# SPDX-License-Identifier: Apache-2.0
"""Train a mini video model that is shown the warped clip and its mask, as VACE is, on new generated clips.

    python3.11 scripts/train/video_inpainting.py --minutes 70

CogVideoX's transformer with patches of 2 and the shipped model's layers, text encoder and autoencoder. It learns the
difference between the truth's latents and those of the warp that the preview has filled, so that an untrained one
gives the preview. Noise hides all of the difference at the last time (v-prediction, zero terminal signal), so one step
from there gives the mean of what may be in a hole, and several draw one possibility.

One process does all: it renders, warps and encodes whenever the steps have used up what was before. Single frames come
first, because a step of them costs least, then windows of 9 frames, then whole clips.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from reangle.video_models.precision import keep_float32
from reangle.weights.checkpoints import MINI_VIDEO
from reangle.weights.shipped import shipped_folder
from torch.nn import functional
from transformers import T5EncoderModel, T5Tokenizer

from scripts.environments import REPOSITORY
from scripts.train import text
from scripts.train.harness import Run, arguments, load_average
from scripts.train.scene_samples import HEIGHT, TEXT_TOKENS, WIDTH
from scripts.train.scenes.draw import FRAMES
from scripts.train.video import HEAD, HEADS, TEXT_WIDTH, scheduler
from scripts.train.warp_samples import fresh_warps

OUT = REPOSITORY / "out" / "train" / "video_inpainting"
PATCH, LATENT, GROUP, SCALE = 2, 8, 4, 4
"""Latents are LATENT channels, SCALE times smaller, GROUP frames each after the first."""
ROWS, COLUMNS = HEIGHT // SCALE, WIDTH // SCALE
PHASES = ((0.0, 1, 6), (0.4, 9, 2), (0.8, FRAMES, 1))
"""Share of the time from which on windows have so many frames, and a step so many windows."""
SPARSE = (0, 8, 16, 24)
"""Frames of a scene that are rendered for windows of one frame."""
USES = 2.0
"""How often a window is used, on average, before there is a new one."""
KEPT, FIRST = 600, 12
LAST_TIME = 999
LAST_SHARE = 0.6
"""Share of draws at the last time, where one step gives the mean."""
LEAST_MASK = 0.005
"""Windows with a smaller share of hidden pixels are left out."""
SEEN_WEIGHT = 0.02
"""Weight of latents that the warp shows beside those that it does not."""


def network() -> CogVideoXTransformer3DModel:
    """The transformer with the shipped model's layers. It is shown noise, the filled warp and the mask."""
    model = CogVideoXTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=HEAD,
        in_channels=2 * LATENT + GROUP,
        out_channels=LATENT,
        time_embed_dim=64,
        text_embed_dim=TEXT_WIDTH,
        num_layers=6,
        patch_size=PATCH,
        sample_height=ROWS,
        sample_width=COLUMNS,
        sample_frames=FRAMES,
        max_text_seq_length=TEXT_TOKENS,
        use_rotary_positional_embeddings=True,
    )
    shipped = CogVideoXTransformer3DModel.from_pretrained(shipped_folder(MINI_VIDEO) / "transformer")
    theirs = {
        name: weights.float()
        for name, weights in shipped.state_dict().items()
        if weights.shape == model.state_dict()[name].shape
    }
    model.load_state_dict(theirs, strict=False)
    torch.nn.init.zeros_(model.proj_out.weight)
    torch.nn.init.zeros_(model.proj_out.bias)
    keep_float32(model.patch_embed.proj)
    return model


def rotary(frames: int) -> Any:
    size = ROWS // PATCH, COLUMNS // PATCH
    return get_3d_rotary_pos_embed(HEAD, ((0, 0), size), size, frames)


@torch.no_grad()
def encode(vae: Any, frames: np.ndarray) -> torch.Tensor:
    """T x H x W x 3 uint8 to frames x channels x h x w."""
    video = torch.from_numpy(np.ascontiguousarray(frames)).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return vae.encode(video).latent_dist.mode()[0].transpose(0, 1).float()


@torch.no_grad()
def decode(vae: Any, latents: torch.Tensor) -> np.ndarray:
    """frames x channels x h x w to T x H x W x 3 float32, 0 to 255."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        video = vae.decode(latents.transpose(0, 1)[None]).sample[0]
    return ((video.float().permute(1, 2, 3, 0) + 1) * 127.5).clamp(0, 255).numpy()


def mask_latents(known: np.ndarray) -> torch.Tensor:
    """T x H x W bool to frames x GROUP x h x w: the share of each latent pixel that is unknown, by frame."""
    unknown = torch.from_numpy(1 - known.astype(np.float32))
    small = functional.avg_pool2d(unknown[:, None], SCALE)[:, 0]
    first = small[:1].expand(GROUP, -1, -1)
    return torch.cat([first, small[1:]]).unflatten(0, (-1, GROUP))


def model_input(noisy: torch.Tensor, fill: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return torch.cat([noisy, fill, mask], dim=-3)


@dataclass(frozen=True, eq=False)
class Parts:
    """What is shipped and does not learn here."""

    tokenizer: T5Tokenizer
    encoder: T5EncoderModel
    vae: AutoencoderKLCogVideoX

    @classmethod
    def shipped(cls) -> Self:
        folder = shipped_folder(MINI_VIDEO)
        encoder = T5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        vae = AutoencoderKLCogVideoX.from_pretrained(folder / "vae", dtype=torch.float32)
        for part in (encoder, vae):
            part.eval().requires_grad_(False)
        return cls(T5Tokenizer.from_pretrained(folder / "tokenizer"), encoder, vae)


class Windows:
    """The newest windows as latents: change, fill, mask and words. frames: of each window."""

    def __init__(self, parts: Parts, seed: int) -> None:
        self.parts, self.frames, self.made = parts, 1, 0
        self._warps = fresh_warps(seed, lambda: SPARSE if self.frames == 1 else None)
        self.kept: list[tuple[torch.Tensor, ...]] = []

    def resize(self, frames: int) -> None:
        if frames != self.frames:
            self.frames, self.made = frames, 0
            self.kept.clear()
            # The generator may still hold a camera of the last kind.
            next(self._warps)

    def make(self) -> None:
        """Add the windows of one more camera; windows share their first and last frames."""
        warp, caption = next(self._warps)
        words = text.token_ids(self.parts.tokenizer, [caption], TEXT_TOKENS)
        with torch.no_grad():
            embedded = self.parts.encoder(words)[0][0]
        last = len(warp.known) - 1
        for start in range(len(SPARSE)) if self.frames == 1 else range(0, last, self.frames - 1):
            some = slice(start, start + self.frames)
            mask = mask_latents(warp.known[some])
            if mask.mean() < LEAST_MASK:
                continue
            fill = encode(self.parts.vae, warp.filled[some])
            self.kept.append((encode(self.parts.vae, warp.truth.rgb[some]) - fill, fill, mask, embedded))
            self.made += 1
        del self.kept[:-KEPT]


class Inpainter:
    """A trained model."""

    def __init__(self, parts: Parts, transformer: Any, scale: float) -> None:
        self.parts, self.transformer, self.scale = parts, transformer.eval(), scale

    @classmethod
    def of_run(cls, folder: Path) -> Self:
        scale = float((folder / "scale.txt").read_text(encoding="utf-8"))
        return cls(Parts.shipped(), load_average(network(), folder, "transformer"), scale)

    @torch.no_grad()
    def inpaint(self, filled: np.ndarray, known: np.ndarray, caption: str, steps: int, seed: int = 42) -> np.ndarray:
        """T x H x W x 3 float32, 0 to 255, of a `Warp`'s filled clip and known pixels. steps: one gives the mean."""
        fill, mask = encode(self.parts.vae, filled), mask_latents(known)
        words = self.parts.encoder(text.token_ids(self.parts.tokenizer, [caption], TEXT_TOKENS))[0]
        noisy = torch.randn(fill[None].shape, generator=torch.Generator().manual_seed(seed))
        schedule, tables = scheduler(), rotary(len(fill))
        schedule.set_timesteps(steps)
        times = [*schedule.timesteps.tolist(), None]
        clean = torch.zeros_like(noisy)
        for time, after in pairwise(times):
            shown = model_input(noisy, fill[None], mask[None])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                velocity = self.transformer(
                    shown, words, torch.tensor([time]), image_rotary_emb=tables, return_dict=False
                )[0].float()
            alpha = schedule.alphas_cumprod[time]
            clean = alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity
            if after is not None:
                # DDIM: the same noise at the next time.
                noise = alpha.sqrt() * velocity + (1 - alpha).sqrt() * noisy
                alpha = schedule.alphas_cumprod[after]
                noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
        return decode(self.parts.vae, fill + clean[0] * self.scale)


def main() -> int:
    parser = arguments("Train a video model that is shown the warp.", batch=1, rate=8e-4, out=OUT)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    parts = Parts.shipped()
    run = Run(args, {"transformer": network()}, ema=0.998)
    windows = Windows(parts, args.seed + 1000 * run.step)
    for _ in range(FIRST):
        windows.make()
    known = run.folder / "scale.txt"
    if not known.exists():
        hidden = [change.square().mean(1)[mask.mean(1) > 0.5] for change, _, mask, _ in windows.kept]
        known.write_text(f"{torch.cat(hidden).mean().sqrt():.4f}", encoding="utf-8")
    scale = float(known.read_text(encoding="utf-8"))
    model, schedule, used = run.modules["transformer"], scheduler(), 0.0
    tables = {frames: rotary((frames - 1) // GROUP + 1) for _, frames, _ in PHASES}

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        nonlocal used
        frames, count = next((frames, count) for start, frames, count in reversed(PHASES) if run.progress >= start)
        if frames != windows.frames:
            windows.resize(frames)
            used = 0.0
        while used + count > USES * windows.made:
            windows.make()
        used += count
        picked = [windows.kept[index] for index in rng.integers(len(windows.kept), size=count)]
        change, fill, mask, words = (torch.stack(some) for some in zip(*picked, strict=True))
        times = rng.integers(1000, size=count)
        times = torch.from_numpy(np.where(rng.random(count) < LAST_SHARE, LAST_TIME, times))
        clean, noise = change / scale, torch.randn_like(change)
        noisy, target = schedule.add_noise(clean, noise, times), schedule.get_velocity(clean, noise, times)
        with run.autocast():
            prediction = model(
                model_input(noisy, fill, mask), words, times, image_rotary_emb=tables[frames], return_dict=False
            )[0]
        weight = mask.mean(2, keepdim=True) + SEEN_WEIGHT
        error = ((prediction.float() - target).square() * weight).flatten(1).sum(1)
        # Beside the error of the preview's fill, which is that of an untrained model at the last time.
        fill_error = (clean.square() * weight).flatten(1).sum(1)
        total = weight.sum() * LATENT
        last = times == LAST_TIME
        figures = {"windows": float(windows.made), "hidden": float(mask.mean())}
        if last.any():
            figures |= {
                "last": float(error[last].sum().detach() / total),
                "fill": float(fill_error[last].sum().detach() / total),
            }
        return error.sum() / total, figures

    run.train(loss_of)
    return 0


if __name__ == "__main__":
    sys.exit(main())
