# SPDX-License-Identifier: Apache-2.0
"""Measure what a video model that is shown the warp could gain in holes, and what one gains, on generated scenes.

    python3.11 scripts/bench/video_inpainting.py [--scenes 8] [--first 0] [--model DIR] [--steps 0] [--window 25]

With true depth, as `ablations.py`, whose controls and figures it shares. Without --model it prints the bounds: what the
shipped video autoencoder alone costs, and what a model would gain that knew nothing but the truth's rough colours.
DIR is a run of scripts/train/video_inpainting.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKLCogVideoX
from reangle.evaluation.holes import split_at_rim
from reangle.evaluation.judge import judge
from reangle.evaluation.texture import patch_distance, texture_ratio
from reangle.finishing.composite import composite
from reangle.weights.checkpoints import MINI_VIDEO
from reangle.weights.shipped import shipped_folder

from scripts.bench.ablation_figures import averaged_with_telea, blurred, by_camera
from scripts.bench.ablation_tables import print_tables
from scripts.train import video_inpainting
from scripts.train.scene_samples import HEIGHT, WIDTH
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import visible
from scripts.train.warp_samples import Warp, warps

DETAIL_PX = 2.0
"""Gaussian radius above which colours come from a guess, and below which detail comes from the preview's fill."""
WORDS = {
    "preview": "the preview's fill",
    "blur1": "control: the fill blurred",
    "mean_telea": "control: the fill averaged with Telea's",
    "telea_detail": "control: that, with the fill's detail",
    "floor": "bound: the truth, coded",
    "fill_coded": "bound: the fill, coded",
    "truth_16px": "bound: truth above 16 px, fill below",
    "truth_8px": "bound: truth above 8 px, fill below",
    "mean": "the model's mean picture",
    "joined": "the mean, shifted to meet the rim",
    "change": "the fill and the model's change",
    "sampled": "the model sampled",
    "sampled_change": "the fill and the sampled change",
}


class Rows:
    """The pictures of all rows for one camera.

    model: None shows the bounds instead. steps: of sampling; 0: none. window: frames that the model sees at a time.
    """

    def __init__(self, model: video_inpainting.Inpainter | None, steps: int, window: int) -> None:
        self.model, self.steps, self.window = model, steps, window
        vae = AutoencoderKLCogVideoX.from_pretrained(shipped_folder(MINI_VIDEO) / "vae", dtype=torch.float32)
        self.vae = vae.eval().requires_grad_(False)

    def __call__(self, warp: Warp, caption: str) -> Iterator[tuple[str, np.ndarray]]:
        """Name and T x H x W x 3 frames, of which only pixels that no frame saw are used."""
        fill, truth = warp.filled, warp.truth.rgb

        def each(control: Callable[..., np.ndarray]) -> np.ndarray:
            return np.stack([control(*one) for one in zip(fill, warp.rgb, ~warp.known, strict=True)])

        yield "preview", fill
        yield "blur1", each(blurred)
        telea = each(averaged_with_telea)
        yield "mean_telea", telea
        yield "telea_detail", detailed(telea, fill)
        decoded = self._coded(fill)
        if self.model is None:
            yield "floor", self._coded(truth)
            yield "fill_coded", decoded
            for radius in (16, 8):
                yield f"truth_{radius}px", soft(truth, radius) + fill - soft(fill, radius)
            return
        mean = self._made(self.model, warp, caption, 1)
        yield "mean", mean
        yield "joined", joined(warp, mean)
        change = mean - decoded
        yield "change", fill + change
        if self.steps:
            sampled = self._made(self.model, warp, caption, self.steps)
            yield "sampled", sampled
            yield "sampled_change", fill + (sampled - decoded)

    def _by_window(self, count: int, make: Callable[[slice], np.ndarray]) -> np.ndarray:
        """A clip of `count` frames, window by window; the frame that two windows share is the first one's."""
        starts = range(0, count - 1, self.window - 1)
        return np.concatenate([make(slice(start, start + self.window))[min(start, 1) :] for start in starts])

    def _coded(self, frames: np.ndarray) -> np.ndarray:
        vae = self.vae
        return self._by_window(
            len(frames), lambda some: video_inpainting.decode(vae, video_inpainting.encode(vae, frames[some]))
        )

    def _made(self, model: video_inpainting.Inpainter, warp: Warp, caption: str, steps: int) -> np.ndarray:
        return self._by_window(
            len(warp.known), lambda some: model.inpaint(warp.filled[some], warp.known[some], caption, steps)
        )


def soft(frames: np.ndarray, radius: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame.astype(np.float32), (0, 0), radius) for frame in frames])


def detailed(guess: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """The guess's colours with the fill's detail."""
    return soft(guess, DETAIL_PX) + fill - soft(fill, DETAIL_PX)


def joined(warp: Warp, guess: np.ndarray) -> np.ndarray:
    """The guess shifted so that it meets the known pixels, as the product does it."""
    parts = zip(warp.rgb, warp.known, warp.depth, guess.astype(np.float32), strict=True)
    return np.stack([composite(*one) for one in parts])


def figures_of(guess: np.ndarray, warp: Warp, seen: np.ndarray) -> dict[str, float]:
    """guess: T x H x W x 3. seen: T x H x W bool, pixels whose point the source sees in the same frame."""
    truth = warp.truth.rgb
    frames = np.where(warp.known[..., None], warp.filled, np.rint(guess).clip(0, 255).astype(np.uint8))
    parts = {"occluded": ~seen, "visible": seen, **split_at_rim(~seen), "invented": ~seen & ~warp.known}
    figures = {
        **judge(frames, truth, parts),
        "texture": texture_ratio(frames, truth, parts["invented"]),
        "patches": patch_distance(frames, truth, parts["invented"]),
    }
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def measure(number: int, rows: Rows) -> dict[str, dict[str, float]]:
    """Row and its mean figures over the cameras of scene `number`."""
    scene = draw_scene(number, width=WIDTH, height=HEIGHT)
    views: dict[str, list[tuple[str, dict[str, float]]]] = {}
    for warp in warps(scene):
        seen = visible(scene, warp.camera, warp.truth.depth, scene.source)
        poses = warp.camera.world_from_camera
        kind = "still" if np.allclose(poses, poses[0]) else "moving"
        for name, guess in rows(warp, scene.caption):
            views.setdefault(name, []).append((kind, figures_of(guess, warp, seen)))
    figures = {name: by_camera(some) for name, some in views.items()}
    shown = {name: (round(one["psnr_occluded"], 2), round(one["texture"], 2)) for name, one in figures.items()}
    print(f"scene {number}: {shown}", flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure a video model that is shown the warp.")
    parser.add_argument("--scenes", type=int, default=8, metavar="N", help="how many (default: 8)")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number (default: 0)")
    parser.add_argument("--model", type=Path, metavar="DIR", help="run of scripts/train/video_inpainting.py")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="sample in N steps, too (default: 0, not)")
    parser.add_argument("--window", type=int, default=25, metavar="N", help="frames that it sees at a time: 25 or 9")
    args = parser.parse_args()
    rows = Rows(video_inpainting.Inpainter.of_run(args.model) if args.model else None, args.steps, args.window)
    results = [[measure(number, rows)] for number in range(args.first, args.first + args.scenes)]
    words = {name: WORDS[name] for name in results[0][0]}
    table = print_tables(results, words, f"true depth, {args.scenes} scenes from {args.first}")
    print(json.dumps({"bench": "video_inpainting", "figures": table}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
