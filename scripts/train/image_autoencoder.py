# SPDX-License-Identifier: Apache-2.0
"""Train the mini image autoencoder: FLUX's class, 4 x in space, 8 channels.

    python3.11 scripts/train/image_autoencoder.py --minutes 12

The image model uses it (`image.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from scripts.environments import REPOSITORY
from scripts.train.harness import Run, arguments
from scripts.train.pool import clips
from scripts.train.reconstruction import reconstruction_loss, zero_residual_branches

OUT = REPOSITORY / "out" / "train" / "image_autoencoder"
CHANNELS, SIDE = 8, 96


def network() -> AutoencoderKL:
    """The untrained autoencoder, at the size that ships."""
    widths = (32, 64, 64)
    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=2,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        sample_size=192,
        scaling_factor=1.0,
        shift_factor=0.0,
    )
    zero_residual_branches(model)
    return model


def main() -> int:
    parser = arguments("Train the mini image autoencoder.", batch=8, rate=1e-3, out=OUT)
    parser.set_defaults(minutes=12.0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    run = Run(args, {"model": network().to(memory_format=torch.channels_last)}, decay=0.0)
    model, pool = run.modules["model"], clips()

    def batch(rng: np.random.Generator) -> torch.Tensor:
        crops = []
        for _ in range(args.batch):
            clip = pool[int(rng.integers(len(pool)))]
            others = clip.target_rgb.reshape(-1, *clip.rgb.shape[1:])
            frame = int(rng.integers(len(clip.rgb) + len(others)))
            image = clip.rgb[frame] if frame < len(clip.rgb) else others[frame - len(clip.rgb)]
            top, left = int(rng.integers(160 - SIDE + 1)), int(rng.integers(224 - SIDE + 1))
            crops.append(image[top : top + SIDE, left : left + SIDE][..., :: -1 if rng.random() < 0.3 else 1])
        values = torch.from_numpy(np.stack(crops).astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        return values.contiguous(memory_format=torch.channels_last).to(run.device)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        images = batch(rng)
        with run.autocast():
            posterior = model.encode(images).latent_dist
            shown = model.decode(posterior.sample()).sample
        return reconstruction_loss(posterior, shown, images)

    def sample(path: Path) -> None:
        image = pool[0].rgb[0, 16:144]
        values = torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None].to(run.device)
        average = run.averages["model"]
        shown = average.decode(average.encode(values).latent_dist.mode()).sample[0].permute(1, 2, 0).cpu().numpy()
        pair = np.concatenate([image, (shown * 127.5 + 127.5).clip(0, 255).astype(np.uint8)], axis=1)
        Image.fromarray(pair).save(path)

    run.train(loss_of, sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
