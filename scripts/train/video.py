# SPDX-License-Identifier: Apache-2.0
"""Train the mini video model: CogVideoX's image-to-video transformer with its text encoder, on generated clips.

    python3.11 scripts/train/video.py --minutes 40

Needs a trained video autoencoder (`video_autoencoder.py`). Computes the latents of all clips once.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDPMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXTransformer3DModel,
)
from PIL import Image
from reangle.video_models.precision import keep_float32
from transformers import T5EncoderModel, T5Tokenizer

from scripts.environments import REPOSITORY
from scripts.train import text, video_autoencoder
from scripts.train.harness import Run, arguments, load_average
from scripts.train.pool import Clip, clips

OUT = REPOSITORY / "out" / "train" / "video"
LATENTS = REPOSITORY / "out" / "train" / "video_latents"
FRAMES, HEIGHT, WIDTH = 25, 128, 224
PATCH, TEXT_WIDTH, TEXT_TOKENS, HEADS, HEAD = 4, 128, 64, 4, 64
NO_TEXT, NO_IMAGE = 0.1, 0.05


def network(latent_channels: int, latent_height: int, latent_width: int) -> CogVideoXTransformer3DModel:
    """The untrained transformer, at the size that ships. Sizes in latent pixels."""
    return CogVideoXTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=HEAD,
        in_channels=2 * latent_channels,
        out_channels=latent_channels,
        time_embed_dim=64,
        text_embed_dim=TEXT_WIDTH,
        num_layers=6,
        patch_size=PATCH,
        sample_height=latent_height,
        sample_width=latent_width,
        sample_frames=FRAMES,
        max_text_seq_length=TEXT_TOKENS,
        use_rotary_positional_embeddings=True,
    )


def scheduler() -> CogVideoXDPMScheduler:
    """CogVideoX-5B's schedule: v-prediction with zero terminal signal."""
    return CogVideoXDPMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        snr_shift_scale=1.0,
        timestep_spacing="trailing",
    )


def attend_along_time(model: Any) -> None:
    """Initialise half of the heads of the first layers to attend to the same place in all frames.

    With rotary positions, a query equal to its key scores highest where positions agree. Values in the channels of rows
    and columns alone ignore time. So the heads can copy from the first frame, the condition, from the first step.
    """
    peak = torch.zeros(HEAD)
    peak[HEAD // 4 :: 2], peak[HEAD // 4 + 1 :: 2] = 1.0, -1.0
    for block in model.transformer_blocks[:4]:
        for part in (block.attn1.to_q, block.attn1.to_k):
            with torch.no_grad():
                for head in range(HEADS // 2):
                    rows = slice(head * HEAD, (head + 1) * HEAD)
                    part.weight[rows] *= 0.2
                    part.bias[rows] = 2 * peak


def build_pipeline(
    tokenizer: T5Tokenizer,
    encoder: T5EncoderModel,
    autoencoder: AutoencoderKLCogVideoX,
    transformer: CogVideoXTransformer3DModel,
    scaling_factor: float,
) -> CogVideoXImageToVideoPipeline:
    """The published pipeline, made of these parts."""
    autoencoder.register_to_config(scaling_factor=scaling_factor)
    return CogVideoXImageToVideoPipeline(
        tokenizer=tokenizer, text_encoder=encoder, vae=autoencoder, transformer=transformer, scheduler=scheduler()
    )


def load_pipeline(out: Path, autoencoder_out: Path) -> CogVideoXImageToVideoPipeline:
    """The pipeline with the moving averages of two runs."""
    about = json.loads((out / "latents.json").read_text(encoding="utf-8"))
    tokenizer = text.t5_tokenizer([clip.prompt for clip in clips()], TEXT_TOKENS)
    model = network(*about["shape"])
    encoder = text.t5_encoder(len(tokenizer), TEXT_WIDTH, 2)
    autoencoder = load_average(video_autoencoder.network(), autoencoder_out, "model")
    parts = load_average(encoder, out, "text"), autoencoder, load_average(model, out, "transformer")
    return build_pipeline(tokenizer, *parts, about["scaling_factor"])


def main() -> int:
    parser = arguments("Train the mini video model.", batch=2, rate=7e-4, out=OUT)
    parser.add_argument("--clips", type=int, default=1000, metavar="N", help="number of clips of the pool to train on")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    pool = clips()
    prompts = [clip.prompt for clip in pool]
    autoencoder = load_average(video_autoencoder.network(), video_autoencoder.OUT, "model")
    data, images, scale = latents_of(autoencoder, pool[: args.clips], LATENTS)
    tokenizer = text.t5_tokenizer(prompts, TEXT_TOKENS)
    model = network(data.shape[2], *data.shape[3:])
    attend_along_time(model)
    run = Run(args, {"transformer": model, "text": text.t5_encoder(len(tokenizer), TEXT_WIDTH, 2)})
    model, encoder = run.modules["transformer"], run.modules["text"]
    autoencoder.to(run.device)
    averages = run.averages["text"], autoencoder, run.averages["transformer"]
    sampler = build_pipeline(tokenizer, *averages, scaling_factor=scale)
    tables = sampler._prepare_rotary_positional_embeddings(HEIGHT, WIDTH, data.shape[1], run.device)
    schedule = scheduler()
    keep_float32(model.patch_embed.proj)
    for block in model.transformer_blocks:
        block.compile(dynamic=False)
    about = {"scaling_factor": scale, "shape": [data.shape[2], *data.shape[3:]]}
    (run.folder / "latents.json").write_text(json.dumps(about), encoding="utf-8")

    def condition(image: torch.Tensor, frames: int) -> torch.Tensor:
        """n x c x h x w to n x frames x c x h x w, zero after the first frame."""
        return torch.cat([image[:, None], torch.zeros_like(image[:, None]).expand(-1, frames - 1, -1, -1, -1)], dim=1)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        chosen_clips = rng.integers(len(data), size=args.batch)
        clean = torch.from_numpy(data[chosen_clips].astype(np.float32)).to(run.device) * scale
        image = torch.from_numpy(images[chosen_clips, int(rng.integers(2))].astype(np.float32)).to(run.device) * scale
        image *= torch.from_numpy(rng.random((len(image), 1, 1, 1)) >= NO_IMAGE).to(run.device)
        words = ["" if rng.random() < NO_TEXT else prompts[index] for index in chosen_clips]
        times = torch.from_numpy(rng.integers(1000, size=len(clean))).to(run.device)
        noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32)).to(run.device)
        noisy = schedule.add_noise(clean, noise, times)
        target = schedule.get_velocity(clean, noise, times)
        with run.autocast():
            embedded = encoder(text.token_ids(tokenizer, words, TEXT_TOKENS).to(run.device))[0]
            shown = torch.cat([noisy, condition(image, clean.shape[1])], dim=2)
            prediction = model(shown, embedded, times, image_rotary_emb=tables, return_dict=False)[0]
        error = (prediction.float() - target).square().mean(dim=(1, 2, 3, 4))
        late = times > 750
        figures = {"noisy": error[late].mean().item() if late.any() else error.mean().item()}
        return error.mean(), figures

    def sample(path: Path) -> None:
        rows = []
        for clip in pool[:3]:
            true = clip.rgb[:, 16 : 16 + HEIGHT]
            generated = sampler(
                image=Image.fromarray(true[0]),
                prompt=clip.prompt,
                height=HEIGHT,
                width=WIDTH,
                num_frames=FRAMES,
                num_inference_steps=10,
                guidance_scale=2.0,
                max_sequence_length=TEXT_TOKENS,
                generator=torch.Generator().manual_seed(0),
                output_type="np",
            ).frames[0]
            for frames in (true, (generated * 255).round().astype(np.uint8)):
                rows.append(np.concatenate([frames[index] for index in (0, 8, 16, 24)], axis=1))
        Image.fromarray(np.concatenate(rows)).save(path)

    run.train(loss_of, sample)
    return 0


def latents_of(autoencoder: Any, pool: Sequence[Clip], folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """Latents of each clip and of its first frame alone, clean and with the noise that CogVideoX adds to conditions.

    n x 7 x c x h x w and n x 2 x c x h x w float16, and the factor that scales them to unit deviation. Cached in
    `folder` by the encoder's fingerprint; started again, it continues where it stopped.
    """
    digest = hashlib.sha256()
    for weights in autoencoder.encoder.parameters():
        digest.update(weights.detach().numpy().tobytes())
    place = folder / digest.hexdigest()[:12]
    place.mkdir(parents=True, exist_ok=True)
    random = torch.Generator().manual_seed(0)
    clips, stills = [], []
    started = time.perf_counter()
    for index, clip in enumerate(pool):
        path = place / f"{clip.folder.name}.npz"
        if not path.exists():
            top = (clip.rgb.shape[1] - HEIGHT) // 2
            values = torch.from_numpy(clip.rgb[:, top : top + HEIGHT].astype(np.float32) / 127.5 - 1)
            values = values.permute(3, 0, 1, 2)[None]
            strength = torch.exp(-3 + 0.5 * torch.randn(1, generator=random))
            still = torch.cat([values[:, :, :1]] * 2)
            still[1] += strength * torch.randn(still[1].shape, generator=random)
            with torch.no_grad():
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    latents = autoencoder.encode(values).latent_dist.mode()[0]
                firsts = autoencoder.encode(still).latent_dist.mode()[:, :, 0]
            part = path.with_suffix(".part.npz")
            np.savez(part, clip=latents.float().permute(1, 0, 2, 3).half().numpy(), still=firsts.half().numpy())
            part.rename(path)
            if index % 50 == 0:
                print(f"latents of {index + 1} clips, {time.perf_counter() - started:.0f} s", flush=True)
        with np.load(path) as file:
            clips.append(file["clip"])
            stills.append(file["still"])
    data = np.stack(clips)
    return data, np.stack(stills), float(1 / data[::7].astype(np.float32).std())


if __name__ == "__main__":
    sys.exit(main())
