# SPDX-License-Identifier: Apache-2.0
"""Train the mini video autoencoder: CogVideoX's class, 4 x in time and 4 x in space, 8 channels.

    python3.11 scripts/train/video_autoencoder.py --minutes 30

The video model uses it (`video.py`).
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from diffusers import AutoencoderKLCogVideoX
from PIL import Image

from scripts.environments import REPOSITORY
from scripts.train.harness import Run, arguments
from scripts.train.pool import clips
from scripts.train.reconstruction import reconstruction_loss, zero_residual_branches

OUT = REPOSITORY / "out" / "train" / "video_autoencoder"
CHANNELS = 8
GROUPS = 2
"""Each norm removes the mean and scale of every group, so few groups preserve colours better."""
SHAPES = (((9, 64, 64), 0.9), ((1, 80, 112), 0.1))
"""Frames, height and width of the clips in a step, and their probability.

torch 2.13 on CPUs with AMX: the bfloat16 gradient of a 3D convolution is wrong for 9 x 128 x 224 and corrupts memory
for one frame. At 9 x 64 x 64 and 9 x 80 x 80 it agrees with float32 within 3 %. Single frames use float32.
"""


def network() -> AutoencoderKLCogVideoX:
    """The untrained autoencoder, at the size that ships.

    It reduces space half as much as CogVideoX's, because sharpness takes the most training. The transformer's patches
    are twice as large instead, so its tokens cover as many pixels as those of the full-size model.
    """
    widths = (32, 64, 64)
    model = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * len(widths),
        up_block_types=("CogVideoXUpBlock3D",) * len(widths),
        block_out_channels=widths,
        latent_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=GROUPS,
        sample_height=128,
        sample_width=224,
        scaling_factor=1.0,
    )
    zero_residual_branches(model)
    return model


def prepare_for_training(model: torch.nn.Module) -> Any:
    """The same network, with its kernels in channels-last layout, which is faster on a CPU."""
    for weights in model.parameters():
        if weights.ndim == 5:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last_3d)
    return model


def main() -> int:
    parser = arguments("Train the mini video autoencoder.", batch=2, rate=1e-3, out=OUT)
    parser.add_argument("--decoder-only", action="store_true", help="freeze the encoder, so that latents stay valid")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    untrained = prepare_for_training(network())
    untrained.encoder.requires_grad_(not args.decoder_only)
    run = Run(args, {"model": untrained}, decay=0.0)
    model, pool = run.modules["model"], clips()

    def batch(rng: np.random.Generator) -> torch.Tensor:
        """n x 3 x frames x height x width in [-1, 1]."""
        frames, height, width = SHAPES[int(rng.choice(len(SHAPES), p=[share for _, share in SHAPES]))][0]
        crops = []
        for _ in range(args.batch):
            clip = pool[int(rng.integers(len(pool)))]
            pace = int(rng.integers(1, 3))
            first = int(rng.integers(len(clip.rgb) - pace * (frames - 1)))
            top, left = int(rng.integers(160 - height + 1)), int(rng.integers(224 - width + 1))
            span = slice(first, first + pace * (frames - 1) + 1, pace)
            crops.append(
                clip.rgb[span, top : top + height, left : left + width][..., :: -1 if rng.random() < 0.3 else 1]
            )
        values = torch.from_numpy(np.stack(crops).astype(np.float32) / 127.5 - 1).permute(0, 4, 1, 2, 3)
        return values.contiguous(memory_format=torch.channels_last_3d).to(run.device)

    def loss_of(rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        clip = batch(rng)
        with run.autocast() if clip.shape[2] > 1 else contextlib.nullcontext():
            posterior = model.encode(clip).latent_dist
            shown = model.decode(posterior.sample()).sample
        return reconstruction_loss(posterior, shown, clip)

    def sample(path: Path) -> None:
        clip = pool[0].rgb[:9, 16:144]
        values = torch.from_numpy(clip.astype(np.float32) / 127.5 - 1).permute(3, 0, 1, 2)[None].to(run.device)
        average = run.averages["model"]
        shown = average.decode(average.encode(values).latent_dist.mode()).sample[0].permute(1, 2, 3, 0).cpu().numpy()
        pair = np.concatenate([clip[8], (shown[8] * 127.5 + 127.5).clip(0, 255).astype(np.uint8)], axis=1)
        Image.fromarray(pair).save(path)

    run.train(loss_of, sample)
    return 0


if __name__ == "__main__":
    sys.exit(main())
