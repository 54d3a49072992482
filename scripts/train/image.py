# SPDX-License-Identifier: Apache-2.0
"""Train the mini image model: FLUX's transformer, which fills holes in images, and its two text encoders.

    python3.11 scripts/train/image.py --minutes 20

Needs a trained image autoencoder (`image_autoencoder.py`). Holes are true disocclusions between cameras of the pool,
and random boxes and strokes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxTransformer2DModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from scripts.environments import REPOSITORY
from scripts.train import image_autoencoder, text
from scripts.train.disocclusion import disocclusion, scribbles
from scripts.train.harness import Run, arguments, load_average
from scripts.train.pool import TARGET_FRAMES, clips

OUT = REPOSITORY / "out" / "train" / "image"
HEIGHT, WIDTH = 128, 224
LATENT, REDUCTION = 8, 4
TEXT_WIDTH, TEXT_TOKENS = 128, 64
NO_TEXT, SCRIBBLED, WARPED = 0.1, 0.35, 0.5
HOLE_WEIGHT, REST_WEIGHT = 1.0, 0.1
DRAWS = 4
"""Noises for each example of a step, because encoding its images takes longer than a training step on them."""


def network() -> FluxTransformer2DModel:
    """The untrained transformer, at the size that ships."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * (2 * LATENT + REDUCTION**2),
        out_channels=4 * LATENT,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=5,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )


def text_parts() -> tuple[CLIPTokenizer, CLIPTextModel, T5Tokenizer, T5EncoderModel]:
    """CLIP's tokenizer and encoder, T5's tokenizer and encoder, for the pool's words; the encoders are untrained."""
    captions = [clip.prompt for clip in clips()]
    clip_tokenizer, t5_tokenizer = text.clip_tokenizer(captions), text.t5_tokenizer(captions, TEXT_TOKENS)
    clip = text.clip_encoder(len(clip_tokenizer), TEXT_WIDTH, 1)
    return clip_tokenizer, clip, t5_tokenizer, text.t5_encoder(len(t5_tokenizer), TEXT_WIDTH, 2)


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


def load_pipeline(autoencoder_out: Path, out: Path) -> FluxFillPipeline:
    """The pipeline with the moving averages of two runs."""
    clip_tokenizer, clip, t5_tokenizer, t5 = text_parts()
    return build_pipeline(
        load_average(image_autoencoder.network(), autoencoder_out, "model"),
        clip_tokenizer,
        load_average(clip, out, "clip"),
        t5_tokenizer,
        load_average(t5, out, "t5"),
        load_average(network(), out, "transformer"),
        json.loads((out / "latents.json").read_text(encoding="utf-8")),
    )


def main() -> int:
    parser = arguments("Train the mini image model.", batch=4, rate=7e-4, out=OUT)
    parser.add_argument(
        "--autoencoder", type=Path, default=image_autoencoder.OUT, metavar="DIR", help="run of the autoencoder"
    )
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    pool = clips()
    clip_tokenizer, clip, t5_tokenizer, t5 = text_parts()
    autoencoder = load_average(image_autoencoder.network(), args.autoencoder, "model").requires_grad_(False)
    run = Run(args, {"transformer": network(), "clip": clip, "t5": t5})
    autoencoder.to(run.device, memory_format=torch.channels_last)
    model = run.modules["transformer"]
    top = (160 - HEIGHT) // 2

    def example(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
        """Known image (h x w x 3), hole (h x w), true image and caption."""
        one = pool[int(rng.integers(len(pool)))]
        words = "" if rng.random() < NO_TEXT else one.words["caption"]
        if rng.random() < SCRIBBLED:
            truth = one.rgb[int(rng.integers(len(one.rgb))), top : top + HEIGHT]
            return truth, scribbles(rng, HEIGHT, WIDTH), truth, words
        camera, place = int(rng.integers(2)), int(rng.integers(len(TARGET_FRAMES)))
        frame = TARGET_FRAMES[place]
        K, poses = one.cameras["K"], one.cameras
        views = poses["source_poses"][frame], poses["target_poses"][camera, frame]
        warped, hole = disocclusion(one.rgb[frame], one.depth[frame], K, *views, K)
        truth = one.target_rgb[camera, place][top : top + HEIGHT]
        # Estimated depth is wrong along edges, so pixels right beside a hole are unreliable.
        radius = int(rng.integers(1, 4))
        hole = cv2.dilate(hole.astype(np.uint8), np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)) > 0
        known = warped[top : top + HEIGHT] if rng.random() < WARPED else truth
        return known, hole[top : top + HEIGHT], truth, words

    def encode(images: torch.Tensor, *, sampled: bool = False) -> torch.Tensor:
        with torch.no_grad(), run.autocast():
            values = images.contiguous(memory_format=torch.channels_last)
            posterior = autoencoder.encode(values).latent_dist
            return (posterior.sample() if sampled else posterior.mode()).float()

    def pixels(images: list[np.ndarray]) -> torch.Tensor:
        values = torch.from_numpy(np.stack(images).astype(np.float32) / 127.5 - 1)
        return values.permute(0, 3, 1, 2).to(run.device)

    latents = encode(pixels([one.rgb[0, top : top + HEIGHT] for one in pool[:64]]))
    about = {"scaling_factor": float(1 / latents.std()), "shift_factor": float(latents.mean())}
    (run.folder / "latents.json").write_text(json.dumps(about), encoding="utf-8")
    averages = run.averages
    sampler = build_pipeline(
        autoencoder, clip_tokenizer, averages["clip"], t5_tokenizer, averages["t5"], averages["transformer"], about
    )
    rows, columns = HEIGHT // REDUCTION, WIDTH // REDUCTION

    def packed(latents: torch.Tensor) -> torch.Tensor:
        """Tokens of latents, repeated for each noise."""
        tokens = FluxFillPipeline._pack_latents(latents, len(latents), latents.shape[1], rows, columns)
        return tokens.repeat(DRAWS, 1, 1)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        known, holes, truths, words = zip(*(example(rng) for _ in range(args.batch)), strict=True)
        hole = torch.from_numpy(np.stack(holes).astype(np.float32))[:, None].to(run.device)
        shifted = [
            (latents - about["shift_factor"]) * about["scaling_factor"]
            # FluxFillPipeline samples the latents of the masked image, too.
            for latents in (encode(pixels(list(truths))), encode(pixels(list(known)) * (1 - hole), sampled=True))
        ]
        clean, masked = (packed(latents) for latents in shifted)
        # The mask's pixels become channels of their latent pixel, as in FluxFillPipeline.prepare_mask_latents.
        cells = hole[:, 0].view(len(hole), rows, REDUCTION, columns, REDUCTION).permute(0, 2, 4, 1, 3)
        mask = packed(cells.reshape(len(hole), REDUCTION**2, rows, columns))
        sigma = torch.from_numpy(rng.random(len(clean)).astype(np.float32)).to(run.device)
        noise = torch.from_numpy(rng.standard_normal(clean.shape, np.float32)).to(run.device)
        level = sigma[:, None, None]
        noisy = (1 - level) * clean + level * noise
        clip_ids = text.token_ids(clip_tokenizer, words, text.CLIP_LENGTH)
        t5_ids = text.token_ids(t5_tokenizer, words, TEXT_TOKENS)
        with run.autocast():
            pooled = run.modules["clip"](clip_ids.to(run.device)).pooler_output.repeat(DRAWS, 1)
            embedded = run.modules["t5"](t5_ids.to(run.device))[0].repeat(DRAWS, 1, 1)
            prediction = model(
                hidden_states=torch.cat([noisy, masked, mask], dim=2),
                timestep=sigma,
                pooled_projections=pooled,
                encoder_hidden_states=embedded,
                txt_ids=torch.zeros(TEXT_TOKENS, 3, device=run.device),
                img_ids=FluxFillPipeline._prepare_latent_image_ids(
                    1, rows // 2, columns // 2, run.device, torch.float32
                ),
                return_dict=False,
            )[0]
        error = (prediction.float() - (noise - clean)).square().mean(dim=2)
        inside = mask.amax(dim=2)
        weight = REST_WEIGHT + (HOLE_WEIGHT - REST_WEIGHT) * inside
        figures = {"hole": ((error * inside).sum() / inside.sum().clamp_min(1)).item()}
        return (error * weight).sum() / weight.sum(), figures

    def sample(path: Path) -> None:
        rng = np.random.default_rng(3)
        shown = []
        for _ in range(5):
            known, hole, truth, words = example(rng)
            generated = sampler(
                prompt=words,
                image=Image.fromarray(np.ascontiguousarray(known)),
                mask_image=Image.fromarray(hole.astype(np.uint8) * 255),
                height=HEIGHT,
                width=WIDTH,
                num_inference_steps=10,
                max_sequence_length=TEXT_TOKENS,
                generator=torch.Generator().manual_seed(0),
                output_type="np",
            ).images[0]
            filled = np.where(hole[..., None], (generated * 255).round().astype(np.uint8), known)
            shown.append(np.concatenate([np.where(hole[..., None], 0, known), filled, truth], axis=1).astype(np.uint8))
        Image.fromarray(np.concatenate(shown)).save(path)

    for block in (*model.transformer_blocks, *model.single_transformer_blocks):
        block.compile(dynamic=False)
    run.train(loss_of, sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
