# SPDX-License-Identifier: Apache-2.0
"""Train the small decoder of the mini image model: diffusers' `AutoencoderTiny`, which shows latents at half size.

    python3.11 scripts/train/image_tiny_decoder.py --minutes 8

It learns to show what the full decoder shows, of latents of generated scenes and of such latents blurred and noised,
because guidance shows estimates from the middle of sampling. Only the decoder is trained; the class needs an encoder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import AutoencoderTiny
from PIL import Image
from reangle.image_models.flux_fill import FluxFill
from reangle.image_models.pictures import from_pixels, to_pixels
from reangle.weights.checkpoints import MINI_IMAGE
from reangle.weights.shipped import shipped_folder
from torch.nn.functional import avg_pool2d, interpolate

from scripts.environments import REPOSITORY
from scripts.train.harness import Run, arguments
from scripts.train.scene_samples import pictures

OUT = REPOSITORY / "out" / "train" / "image_tiny_decoder"
CHANNELS, CROP = 8, 24
"""Channels of the latents, and the side of a training crop in latent pixels."""
REDUCTION, SHOWN = 4, 2
"""Pixels of a latent pixel in the full decoder's picture and in the small one's."""
AT_ONCE = 8


def network() -> AutoencoderTiny:
    """The untrained decoder, at the size that ships, with as small an encoder as the class allows."""
    return AutoencoderTiny(
        encoder_block_out_channels=(4, 4),
        num_encoder_blocks=(1, 1),
        decoder_block_out_channels=(32, 32),
        num_decoder_blocks=(2, 1),
        latent_channels=CHANNELS,
        scaling_factor=1.0,
    )


@torch.inference_mode()
def examples(model: FluxFill, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents (n x c x h x w float32) and the full decoder's pictures at half size (n x 3 x 2h x 2w, -1 to 1)."""
    random = torch.Generator().manual_seed(seed)
    latents, shown = [], []
    for start, stack in enumerate(pictures(seed, count, AT_ONCE)):
        clean = model.encode(stack)
        if start % 2:
            # Like an estimate under much noise: soft, and off by a little.
            small = interpolate(clean, scale_factor=0.25, mode="area")
            soft = interpolate(small, size=clean.shape[2:], mode="bilinear")
            share = torch.rand((len(clean), 1, 1, 1), generator=random)
            clean = torch.lerp(clean, soft, share) + 0.15 * torch.randn(clean.shape, generator=random)
        full = to_pixels(model.decode(clean), "cpu", torch.float32)
        latents.append(clean)
        shown.append(avg_pool2d(full, REDUCTION // SHOWN))
    return torch.cat(latents), torch.cat(shown)


def main() -> int:
    parser = arguments("Train the mini image model's small decoder.", batch=16, rate=2e-3, out=OUT)
    parser.set_defaults(minutes=8.0)
    parser.add_argument("--pictures", type=int, default=480, help="of generated scenes")
    args: argparse.Namespace = parser.parse_args()
    torch.manual_seed(args.seed)
    run = Run(args, {"model": network()}, decay=0.0)
    full = FluxFill.open(shipped_folder(MINI_IMAGE), run.device.type)
    latents, shown = examples(full, args.pictures, args.seed)
    model = run.modules["model"]

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        rows, columns = latents.shape[2:]
        inputs, targets = [], []
        for index in rng.integers(len(latents), size=args.batch):
            top, left = int(rng.integers(rows - CROP + 1)), int(rng.integers(columns - CROP + 1))
            inputs.append(latents[index, :, top : top + CROP, left : left + CROP])
            pixels = slice(SHOWN * top, SHOWN * (top + CROP)), slice(SHOWN * left, SHOWN * (left + CROP))
            targets.append(shown[index, :, pixels[0], pixels[1]])
        wanted = torch.stack(targets).to(run.device)
        made = model.decode(torch.stack(inputs).to(run.device)).sample
        squared = (made - wanted).square().mean()
        loss = (made - wanted).abs().mean() + squared
        return loss, {"psnr": float(10 * torch.log10(4 / squared.detach()))}

    def sample(path: Path) -> None:
        made = run.averages["model"].decode(latents[:4].to(run.device)).sample
        rows = [np.concatenate(pair, axis=1) for pair in zip(from_pixels(shown[:4]), from_pixels(made), strict=True)]
        Image.fromarray(np.concatenate(rows)).save(path)

    run.train(loss_of, sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
