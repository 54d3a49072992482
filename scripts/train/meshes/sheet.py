# SPDX-License-Identifier: Apache-2.0
"""A contact sheet of training scenes: pictures, and their depth below.

python -m scripts.train.meshes.sheet OUT.png [--assets out/train/assets.npz] [--kind room] [--seed 1] [--frames 1]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from scripts.train.meshes.degrade import degrade
from scripts.train.meshes.stream import SceneStream


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a contact sheet of training scenes.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--frames", type=int, default=1)
    parser.add_argument("--size", type=int, nargs=2, default=(192, 288), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--degrade", action="store_true", help="add what cameras and compression do")
    options = parser.parse_args()
    stream = SceneStream(options.assets, options.seed, "cpu", kind=options.kind)
    batch = stream.batch(options.count, *options.size, options.frames)
    rgb = batch.rgb.flatten(0, 1)
    if options.degrade:
        rgb = degrade(rgb, torch.Generator().manual_seed(options.seed))
    colours = (rgb.numpy() * 255).astype(np.uint8)
    depth = batch.depth.flatten(0, 1).numpy()
    near = 1 / depth
    near = near / near.max((1, 2), keepdims=True)
    grey = (np.sqrt(near) * 255).astype(np.uint8)[..., None].repeat(3, -1)
    tiles = np.concatenate([colours, grey], 1)
    rows = [np.concatenate(list(tiles[k : k + options.columns]), 1) for k in range(0, len(tiles), options.columns)]
    Image.fromarray(np.concatenate(rows, 0)).save(options.out)


if __name__ == "__main__":
    main()
