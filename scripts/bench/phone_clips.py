# SPDX-License-Identifier: Apache-2.0
"""Film two clips of phones' kind in Blender, with true depth and camera: a hand-held walk and a pan from a tripod.

    python3.11 scripts/bench/phone_clips.py --out out/phone [--clips walk pan] [--size 640 360] [--frames 60]

Rows are exposed one after the other and blurred by motion, the lens bends the picture (RADIAL_BEND), the exposure
drifts, the sensor is noisy and the movie strongly compressed. Each clip becomes a ground-truth scene folder whose
depth and camera are those of a pinhole in the middle of each frame's time; `clip.mp4` is the film.
`geometry.py --filmed out/phone` measures on them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from phone_lens import CLIPS, FPS, margin
from reangle.media.exr import read_exr_channels
from reangle.media.write import read_images, write_images, write_mp4

from scripts.environments import environment_variables, python_of

RADIAL_BEND = -0.05
"""k1 of x_bent = x * (1 + k1 * r^2), with x, y and r on the image plane at depth 1."""
NOISE = 2.5
QUALITY = 28


def main() -> int:
    parser = argparse.ArgumentParser(description="Film two clips of phones' kind in Blender.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clips", nargs="+", choices=CLIPS, default=CLIPS)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 360), metavar=("W", "H"))
    parser.add_argument("--frames", type=int, default=60, metavar="N")
    parser.add_argument("--samples", type=int, default=4, help="light paths per pixel, before the denoiser")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    for clip in args.clips:
        folder = args.out / clip
        if (folder / "clip.mp4").exists():
            continue
        script = Path(__file__).with_name("phone_render.py")
        options = {"out": folder, "clip": clip, **{key: vars(args)[key] for key in ("frames", "samples", "threads")}}
        words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
        command = [python_of("bpy"), script, *words, "--size", *map(str, args.size)]
        subprocess.run(command, check=True, env=environment_variables())
        film(folder)
        print(folder / "clip.mp4", flush=True)
    return 0


def film(folder: Path) -> None:
    """clip.mp4 and masks/ of a rendered folder."""
    about = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    maps = bent_from_pinhole(np.array(about["source"]["K"][0]), about["width"], about["height"])
    paths = sorted((folder / "depth").glob("*.exr"))
    write_images(folder / "masks", (np.where(movers(path), np.uint8(255), np.uint8(0)) for path in paths))
    write_mp4(folder / "clip.mp4", exposed(read_images(folder / "source"), maps), FPS, quality=QUALITY)


def movers(path: Path) -> np.ndarray:
    channels = read_exr_channels(path)
    return next(values for name, values in channels.items() if "IndexOB" in name) > 0.5


def bent_from_pinhole(K: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the bent picture lies in the wider rendered one: columns and rows for `cv2.remap`."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    x, y = (columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1]
    r = np.hypot(x, y)
    straight = r.copy()
    for _ in range(20):
        straight = r / (1 + RADIAL_BEND * straight**2)
    grow = np.divide(straight, r, out=np.ones_like(r), where=r > 0)
    left, top = margin(width), margin(height)
    return (
        (x * grow * K[0, 0] + K[0, 2] + left - 0.5).astype(np.float32),
        (y * grow * K[1, 1] + K[1, 2] + top - 0.5).astype(np.float32),
    )


def exposed(pictures: np.ndarray, maps: tuple[np.ndarray, np.ndarray]) -> Iterator[np.ndarray]:
    """The film's frames: bent by the lens, with a drifting exposure and a noisy sensor."""
    rng = np.random.default_rng(3)
    for index, picture in enumerate(pictures):
        gain = 1 + 0.12 * np.sin(2 * np.pi * index / 45) + 0.04 * np.sin(2 * np.pi * index / 13)
        bent = cv2.remap(picture, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        # sRGB values are about the square root of light.
        noisy = bent * np.sqrt(gain) + rng.normal(0, NOISE, bent.shape)
        yield np.clip(noisy, 0, 255).round().astype(np.uint8)


if __name__ == "__main__":
    sys.exit(main())
