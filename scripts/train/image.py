# SPDX-License-Identifier: Apache-2.0
"""Train the mini image model: FLUX's transformer, which fills holes in images, and its two text encoders.

    python3.11 scripts/train/image.py --minutes 20 --workers 1

Worker processes render new scenes. Holes are true disocclusions between cameras, most of them along the picture's rim,
and random boxes and strokes. Two runs with the same seed differ, because examples arrive in a different order. The
run's folder keeps the tokenizers and the autoencoder that its transformer belongs to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxTransformer2DModel
from PIL import Image
from reangle.weights.checkpoints import MINI_IMAGE
from reangle.weights.shipped import shipped_folder
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from scripts.environments import REPOSITORY
from scripts.train import image_autoencoder, text
from scripts.train.fresh import Makers, Store, wait_for
from scripts.train.harness import Run, arguments, load_average
from scripts.train.scene_samples import HEIGHT, HOLE_FIELDS, TEXT_TOKENS, WIDTH, Holes, add_arguments, captions

OUT = REPOSITORY / "out" / "train" / "image"
LATENT, REDUCTION = 8, 4
TEXT_WIDTH = 128
NO_TEXT = 0.1
HOLE_WEIGHT, REST_WEIGHT = 1.0, 0.1
DRAWS = 4
"""Noises for each example of a step, because encoding its images takes longer than a training step on them."""
SHOWN = 5


def network() -> FluxTransformer2DModel:
    """The untrained transformer, at the size that ships."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * (2 * LATENT + REDUCTION**2),
        out_channels=4 * LATENT,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )


def text_encoders(clip_tokenizer: CLIPTokenizer, t5_tokenizer: T5Tokenizer) -> tuple[CLIPTextModel, T5EncoderModel]:
    """The untrained text encoders of two tokenizers."""
    clip = text.clip_encoder(len(clip_tokenizer), TEXT_WIDTH, 1)
    return clip, text.t5_encoder(len(t5_tokenizer), TEXT_WIDTH, 2)


def build_pipeline(
    autoencoder: AutoencoderKL,
    clip_tokenizer: CLIPTokenizer,
    clip: CLIPTextModel,
    t5_tokenizer: T5Tokenizer,
    t5: T5EncoderModel,
    transformer: FluxTransformer2DModel,
    about: dict[str, float],
) -> FluxFillPipeline:
    """The published pipeline, made of these parts. about: scaling_factor and shift_factor of the latents."""
    autoencoder.register_to_config(**about)
    return FluxFillPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder,
        text_encoder=clip,
        tokenizer=clip_tokenizer,
        text_encoder_2=t5,
        tokenizer_2=t5_tokenizer,
        transformer=transformer,
    )


def load_pipeline(out: Path) -> FluxFillPipeline:
    """The pipeline with a run's moving averages."""
    tokenizers = (
        CLIPTokenizer.from_pretrained(out / "clip_tokenizer"),
        T5Tokenizer.from_pretrained(out / "t5_tokenizer"),
    )
    clip, t5 = text_encoders(*tokenizers)
    return build_pipeline(
        AutoencoderKL.from_pretrained(out / "autoencoder", dtype=torch.float32),
        tokenizers[0],
        load_average(clip, out, "clip"),
        tokenizers[1],
        load_average(t5, out, "t5"),
        load_average(network(), out, "transformer"),
        json.loads((out / "latents.json").read_text(encoding="utf-8")),
    )


def main() -> int:
    parser = arguments("Train the mini image model.", batch=4, rate=1.2e-3, out=OUT)
    add_arguments(parser, "examples", capacity=4000, first=200)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    if args.autoencoder:
        autoencoder: Any = load_average(image_autoencoder.network(), args.autoencoder, "model")
    else:
        autoencoder = AutoencoderKL.from_pretrained(shipped_folder(MINI_IMAGE) / "vae", dtype=torch.float32)
    words = captions()
    tokenizers = text.clip_tokenizer(words), text.t5_tokenizer(words, TEXT_TOKENS)
    args.out.mkdir(parents=True, exist_ok=True)
    folders = args.out / "clip_tokenizer", args.out / "t5_tokenizer"
    for tokenizer, folder in zip(tokenizers, folders, strict=True):
        tokenizer.save_pretrained(folder)
    autoencoder.save_pretrained(args.out / "autoencoder")
    clip, t5 = text_encoders(*tokenizers)
    run = Run(args, {"transformer": network(), "clip": clip, "t5": t5})
    autoencoder.to(run.device, memory_format=torch.channels_last).eval().requires_grad_(False)
    store = Store(HOLE_FIELDS, args.capacity, run.device)
    makers = Makers(Holes(*folders), store, args.workers, args.seed, at_once=96)
    wait_for(makers, max(args.first, SHOWN))
    data, model = store.arrays, run.modules["transformer"]
    empty = {
        "clip_words": text.token_ids(tokenizers[0], [""], text.CLIP_LENGTH).to(run.device),
        "t5_words": text.token_ids(tokenizers[1], [""], TEXT_TOKENS).to(run.device),
    }

    def encode(images: torch.Tensor, *, sampled: bool = False) -> torch.Tensor:
        """Latents of images n x 3 x h x w in -1..1."""
        with torch.no_grad(), run.autocast():
            values = images.contiguous(memory_format=torch.channels_last)
            posterior = autoencoder.encode(values).latent_dist
            return (posterior.sample() if sampled else posterior.mode()).float()

    def pixels(images: torch.Tensor) -> torch.Tensor:
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1

    known_about = run.folder / "latents.json"
    if known_about.exists():
        about = json.loads(known_about.read_text(encoding="utf-8"))
    else:
        latents = encode(pixels(data["truth"][: min(64, store.filled)]))
        about = {"scaling_factor": float(1 / latents.std()), "shift_factor": float(latents.mean())}
        known_about.write_text(json.dumps(about), encoding="utf-8")
    averages = run.averages
    sampler = build_pipeline(
        autoencoder, tokenizers[0], averages["clip"], tokenizers[1], averages["t5"], averages["transformer"], about
    )
    sampler.set_progress_bar_config(disable=True)
    rows, columns = HEIGHT // REDUCTION, WIDTH // REDUCTION
    image_ids = FluxFillPipeline._prepare_latent_image_ids(1, rows // 2, columns // 2, run.device, torch.float32)
    text_ids = torch.zeros(TEXT_TOKENS, 3, device=run.device)

    def packed(latents: torch.Tensor) -> torch.Tensor:
        """Tokens of latents, repeated for each noise."""
        tokens = FluxFillPipeline._pack_latents(latents, len(latents), latents.shape[1], rows, columns)
        return tokens.repeat(DRAWS, 1, 1)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        makers.refresh()
        slots, wordless, sigma = (
            torch.from_numpy(values).to(run.device)
            for values in (
                rng.integers(store.filled, size=args.batch),
                rng.random((args.batch, 1)) < NO_TEXT,
                rng.random(args.batch * DRAWS).astype(np.float32),
            )
        )
        hole = data["hole"][slots][:, None].float()
        shifted = [
            (latents - about["shift_factor"]) * about["scaling_factor"]
            # FluxFillPipeline samples the latents of the masked image, too.
            for latents in (
                encode(pixels(data["truth"][slots])),
                encode(pixels(data["known"][slots]) * (1 - hole), sampled=True),
            )
        ]
        clean, masked = (packed(latents) for latents in shifted)
        # The mask's pixels become channels of their latent pixel, as in FluxFillPipeline.prepare_mask_latents.
        cells = hole[:, 0].view(len(hole), rows, REDUCTION, columns, REDUCTION).permute(0, 2, 4, 1, 3)
        mask = packed(cells.reshape(len(hole), REDUCTION**2, rows, columns))
        noise = torch.randn_like(clean)
        level = sigma[:, None, None]
        noisy = (1 - level) * clean + level * noise
        ids = {name: torch.where(wordless, nothing, data[name][slots]) for name, nothing in empty.items()}
        with run.autocast():
            pooled = run.modules["clip"](ids["clip_words"]).pooler_output.repeat(DRAWS, 1)
            embedded = run.modules["t5"](ids["t5_words"])[0].repeat(DRAWS, 1, 1)
            prediction = model(
                hidden_states=torch.cat([noisy, masked, mask], dim=2),
                timestep=sigma,
                pooled_projections=pooled,
                encoder_hidden_states=embedded,
                txt_ids=text_ids,
                img_ids=image_ids,
                return_dict=False,
            )[0]
        error = (prediction.float() - (noise - clean)).square().mean(dim=2)
        inside = mask.amax(dim=2)
        weight = REST_WEIGHT + (HOLE_WEIGHT - REST_WEIGHT) * inside
        figures = {"hole": ((error * inside).sum() / inside.sum().clamp_min(1)).item(), "examples": float(store.made)}
        return (error * weight).sum() / weight.sum(), figures

    shown = {name: values[:SHOWN].cpu().numpy() for name, values in data.items() if name in ("known", "hole", "truth")}
    caption = tokenizers[1].batch_decode(data["t5_words"][:SHOWN].cpu(), skip_special_tokens=True)

    def sample(path: Path) -> None:
        lines = []
        for known, hole, truth, words in zip(shown["known"], shown["hole"], shown["truth"], caption, strict=True):
            generated = sampler(
                prompt=words,
                image=Image.fromarray(known),
                mask_image=Image.fromarray(hole.astype(np.uint8) * 255),
                height=HEIGHT,
                width=WIDTH,
                num_inference_steps=10,
                max_sequence_length=TEXT_TOKENS,
                generator=torch.Generator().manual_seed(0),
                output_type="np",
            ).images[0]
            filled = np.where(hole[..., None], (generated * 255).round().astype(np.uint8), known)
            lines.append(np.concatenate([np.where(hole[..., None], 0, known), filled, truth], axis=1).astype(np.uint8))
        Image.fromarray(np.concatenate(lines)).save(path)

    for block in (*model.transformer_blocks, *model.single_transformer_blocks):
        block.compile(dynamic=False)
    run.train(loss_of, sample)
    makers.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
