# SPDX-License-Identifier: Apache-2.0
"""Train the mini video model: CogVideoX's image-to-video transformer with its text encoder, on generated clips.

    python3.11 scripts/train/video.py --minutes 40 --workers 1

Worker processes render a new scene for each clip; the autoencoder encodes each once, and a step draws from the newest.
Two runs with the same seed differ, because the clips arrive in a different order. The run's folder keeps the tokenizer
and the autoencoder that its transformer belongs to.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
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
from reangle.weights.checkpoints import MINI_VIDEO
from reangle.weights.shipped import shipped_folder
from transformers import T5EncoderModel, T5Tokenizer

from scripts.environments import REPOSITORY
from scripts.train import text, video_autoencoder
from scripts.train.fresh import Makers, Store, wait_for
from scripts.train.harness import Run, arguments, load_average
from scripts.train.pool import FIRST_SEED
from scripts.train.scene_samples import CLIP_FIELDS, HEIGHT, TEXT_TOKENS, WIDTH, Clips, add_arguments, captions
from scripts.train.scenes.draw import FRAMES, draw_scene
from scripts.train.scenes.raycast import render

OUT = REPOSITORY / "out" / "train" / "video"
PATCH, TEXT_WIDTH, HEADS, HEAD = 4, 128, 4, 64
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


def load_pipeline(out: Path) -> CogVideoXImageToVideoPipeline:
    """The pipeline with a run's moving averages."""
    about = json.loads((out / "latents.json").read_text(encoding="utf-8"))
    tokenizer = T5Tokenizer.from_pretrained(out / "tokenizer")
    encoder = load_average(text.t5_encoder(len(tokenizer), TEXT_WIDTH, 2), out, "text")
    transformer = load_average(network(*about["shape"]), out, "transformer")
    autoencoder = AutoencoderKLCogVideoX.from_pretrained(out / "autoencoder", dtype=torch.float32)
    return build_pipeline(tokenizer, encoder, autoencoder, transformer, about["scaling_factor"])


class EncodedClips(Store):
    """The newest clips as latents, not yet scaled: `clip` frames x c x h x w, and of its first frame alone `still`
    2 x c x h x w, clean and with the noise that CogVideoX adds to conditions.
    """

    def __init__(self, autoencoder: Any, capacity: int, device: torch.device) -> None:
        rows, columns = HEIGHT // 4, WIDTH // 4
        channels, frames = autoencoder.config.latent_channels, (FRAMES - 1) // 4 + 1
        words = {"words": CLIP_FIELDS["words"]}
        latents = {"clip": (frames, channels, rows, columns), "still": (2, channels, rows, columns)}
        super().__init__({**words, **{name: (shape, "float16") for name, shape in latents.items()}}, capacity, device)
        self.fields = CLIP_FIELDS
        self._autoencoder, self._device = autoencoder, device

    @torch.no_grad()
    def add(self, samples: Mapping[str, torch.Tensor]) -> None:
        values = samples["rgb"].to(self._device).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        strength = torch.exp(-3 + 0.5 * torch.randn(len(values), 1, 1, 1, 1, device=self._device))
        still = values[:, :, :1]
        stills = torch.cat([still, still + strength * torch.randn_like(still)])
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            latents = self._autoencoder.encode(values).latent_dist.mode()
        firsts = self._autoencoder.encode(stills).latent_dist.mode()[:, :, 0]
        encoded = {"clip": latents.transpose(1, 2), "still": torch.stack(firsts.chunk(2), dim=1)}
        super().add({**encoded, "words": samples["words"]})


def starting_parts(args: Any) -> tuple[T5Tokenizer, T5EncoderModel, AutoencoderKLCogVideoX, Any, float | None]:
    """Tokenizer, text encoder, autoencoder, transformer, and the latents' scale where it is known."""
    shipped = shipped_folder(MINI_VIDEO)
    if args.start_shipped:
        pipe = CogVideoXImageToVideoPipeline.from_pretrained(shipped, dtype=torch.float32)
        return pipe.tokenizer, pipe.text_encoder, pipe.vae, pipe.transformer, pipe.vae.config.scaling_factor
    if args.autoencoder:
        autoencoder: Any = load_average(video_autoencoder.network(), args.autoencoder, "model")
    else:
        autoencoder = AutoencoderKLCogVideoX.from_pretrained(shipped / "vae", dtype=torch.float32)
    tokenizer = text.t5_tokenizer(captions(), TEXT_TOKENS)
    model = network(autoencoder.config.latent_channels, HEIGHT // 4, WIDTH // 4)
    attend_along_time(model)
    return tokenizer, text.t5_encoder(len(tokenizer), TEXT_WIDTH, 2), autoencoder, model, None


def main() -> int:
    parser = arguments("Train the mini video model.", batch=4, rate=1.2e-3, out=OUT)
    add_arguments(parser, "clips", capacity=1000, first=100)
    parser.add_argument("--start-shipped", action="store_true", help="start with the weights that ship")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    tokenizer, encoder, autoencoder, model, scale = starting_parts(args)
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(args.out / "tokenizer")
    autoencoder.save_pretrained(args.out / "autoencoder")
    run = Run(args, {"transformer": model, "text": encoder})
    autoencoder.to(run.device).eval().requires_grad_(False)
    store = EncodedClips(autoencoder, args.capacity, run.device)
    makers = Makers(Clips(args.out / "tokenizer"), store, args.workers, args.seed, at_once=4)
    wait_for(makers, args.first)
    data = store.arrays
    known = run.folder / "latents.json"
    if known.exists():
        scale = json.loads(known.read_text(encoding="utf-8"))["scaling_factor"]
    scale = scale or float(1 / data["clip"][: store.filled].float().std())
    model, encoder = run.modules["transformer"], run.modules["text"]
    averages = run.averages["text"], autoencoder, run.averages["transformer"]
    sampler = build_pipeline(tokenizer, *averages, scaling_factor=scale)
    sampler.set_progress_bar_config(disable=True)
    tables = sampler._prepare_rotary_positional_embeddings(HEIGHT, WIDTH, data["clip"].shape[1], run.device)
    schedule = scheduler()
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(run.device)
    empty = text.token_ids(tokenizer, [""], TEXT_TOKENS).to(run.device)
    keep_float32(model.patch_embed.proj)
    for block in model.transformer_blocks:
        block.compile(dynamic=False)
    about = {"scaling_factor": scale, "shape": list(data["clip"].shape[2:])}
    known.write_text(json.dumps(about), encoding="utf-8")

    def condition(image: torch.Tensor, frames: int) -> torch.Tensor:
        """n x c x h x w to n x frames x c x h x w, zero after the first frame."""
        return torch.cat([image[:, None], torch.zeros_like(image[:, None]).expand(-1, frames - 1, -1, -1, -1)], dim=1)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        makers.refresh()
        slots, noised, dropped, wordless, times = (
            torch.from_numpy(values).to(run.device)
            for values in (
                rng.integers(store.filled, size=args.batch),
                rng.integers(2, size=args.batch),
                rng.random((args.batch, 1, 1, 1)) < NO_IMAGE,
                rng.random((args.batch, 1)) < NO_TEXT,
                rng.integers(1000, size=args.batch),
            )
        )
        clean = data["clip"][slots].float() * scale
        image = data["still"][slots, noised].float() * scale * ~dropped
        words = torch.where(wordless, empty, data["words"][slots])
        noise = torch.randn_like(clean)
        noisy = schedule.add_noise(clean, noise, times)
        target = schedule.get_velocity(clean, noise, times)
        with run.autocast():
            embedded = encoder(words)[0]
            shown = torch.cat([noisy, condition(image, clean.shape[1])], dim=2)
            prediction = model(shown, embedded, times, image_rotary_emb=tables, return_dict=False)[0]
        error = (prediction.float() - target).square().mean(dim=(1, 2, 3, 4))
        late = times > 750
        figures = {"noisy": error[late].mean().item() if late.any() else error.mean().item()}
        return error.mean(), {**figures, "clips": float(store.made)}

    run.train(loss_of, lambda path: sample(sampler, path))
    makers.stop()
    return 0


def sample(pipeline: CogVideoXImageToVideoPipeline, path: Path) -> None:
    """Three true clips, each above what the pipeline makes of its first frame."""
    rows = []
    for seed in range(FIRST_SEED - 3, FIRST_SEED):
        scene = draw_scene(seed)
        true = render(scene, scene.source.cropped(HEIGHT)).rgb
        call: Callable[..., Any] = pipeline
        generated = call(
            image=Image.fromarray(true[0]),
            prompt=scene.prompt,
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


if __name__ == "__main__":
    sys.exit(main())
