# SPDX-License-Identifier: Apache-2.0
"""Measure quality and speed of the shipped small weights for video and images, and of baselines without learning.

    python3.11 scripts/bench/mini.py [--scenes 24] [--only vae fill video]

On generated scenes of seeds that training never uses, and on the Blender sample. PSNR rewards blur, so each baseline
also runs blurred, and texture is the mean |Laplacian| beside the truth's. Weights are opened as in the product:
from the package, with verified hashes, in float32 on the CPU. Those for depth are measured by geometry.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from mini_data import (
    FRAMES,
    HELD_OUT,
    SAMPLE_PROMPT,
    Shot,
    decode_sample,
    held_out,
    psnr,
    sample_shot,
)
from reangle.evaluation.texture import texture_ratio
from reangle.generation.window import generate_latents
from reangle.image_models.registry import image_model_class
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling
from reangle.video_models.base import Shown
from reangle.video_models.memory import TIERS
from reangle.video_models.prompts import read_prompts
from reangle.video_models.registry import video_model_class
from reangle.video_models.settings import SamplingSettings
from reangle.weights.shipped import check_shipped
from reangle.weights.suites import MINI

from scripts.train.disocclusion import disocclusion

STEPS = 20
GUIDANCE = 1.5
BLUR = 4.0
"""Deviation, in pixels, of the Gaussian that blurs a baseline; of 1, 2 and 4 the one that brings most."""
PARTS = ("vae", "fill", "video")

Rows = dict[str, list[dict[str, float]]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the mini suite.")
    parser.add_argument("--scenes", type=int, default=HELD_OUT, metavar="N", help="held-out scenes (default: all 24)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="keep the generated images here")
    args = parser.parse_args()
    if args.pictures:
        args.pictures.mkdir(parents=True, exist_ok=True)
    shots = [held_out(seed) for seed in range(args.scenes)]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        decoded = decode_sample(Path(folder) / "sample")
        sample = sample_shot(decoded)
        if {"vae", "video"} & set(args.only):
            figures |= autoencoder(shots, sample) if "vae" in args.only else {}
            figures |= video(shots, sample, args.pictures) if "video" in args.only else {}
        if "fill" in args.only:
            figures |= fill(shots, sample, args.pictures)
    known = {key: round(value, 4) for key, value in figures.items() if np.isfinite(value)}
    print(json.dumps({"bench": "mini", "figures": known}))
    return 0


def autoencoder(shots: Sequence[Shot], sample: Shot) -> dict[str, float]:
    model = video_model_class(MINI.main.kind).open(check_shipped(MINI.main), TIERS[0], "cpu")
    decibels, seconds = [], []
    for shot in (*shots, sample):
        started = time.perf_counter()
        decoded = model.decode(model.encode_frames(shot.rgb)[None])
        seconds.append(time.perf_counter() - started)
        decibels.append(psnr(decoded, shot.rgb))
    result = {
        "vae_psnr": float(np.mean(decibels[:-1])),
        "vae_sample_psnr": decibels[-1],
        "vae_25_s": float(np.median(seconds)),
    }
    print(f"\nVideo autoencoder: {result['vae_psnr']:.1f} dB on held-out clips (worst {min(decibels[:-1]):.1f}),")
    print(f"{decibels[-1]:.1f} dB on the sample; {FRAMES} frames there and back: {result['vae_25_s']:.1f} s")
    return result


def fill(shots: Sequence[Shot], sample: Shot, pictures: Path | None) -> dict[str, float]:
    from PIL import Image

    model = image_model_class(MINI.image.kind).open(check_shipped(MINI.image), "cpu")
    sampling = Sampling.plain(STEPS)
    rows: Rows = {"held-out": [], "sample": []}
    seconds = []
    for shot in (*shots, sample):
        for index, target in enumerate(shot.targets):
            place = target.frame
            warped, hole = disocclusion(
                shot.rgb[place], shot.depth[place], shot.K[place], shot.world_from_camera[place],
                target.world_from_camera, target.K,
            )  # fmt: skip
            if hole.sum() < 50:
                continue
            started = time.perf_counter()
            learned = paint(model, warped, hole, shot.caption, sampling)[0]
            seconds.append(time.perf_counter() - started)
            telea = cv2.inpaint(warped, hole.astype(np.uint8), 5, cv2.INPAINT_TELEA)
            kind = "sample" if shot is sample else "held-out"
            rows[kind].append(
                {
                    "learned": psnr(learned, target.rgb, hole),
                    "opencv": psnr(telea, target.rgb, hole),
                    "blurred": psnr(cv2.GaussianBlur(telea, (0, 0), BLUR), target.rgb, hole),
                    "texture": texture_ratio(learned[None], target.rgb[None], hole[None]),
                    "texture opencv": texture_ratio(telea[None], target.rgb[None], hole[None]),
                    "hole": hole.mean(),
                }
            )
            if pictures:
                shown = np.concatenate([warped, learned, telea, target.rgb], axis=1)
                Image.fromarray(shown).save(pictures / f"fill_{shot.name.replace(' ', '_')}_{index}.png")
    means = {kind: _means(part) for kind, part in rows.items()}
    print(
        f"\nImage fill, PSNR in the hole, {len(rows['held-out'])} pictures; {STEPS} steps: {np.median(seconds):.1f} s"
    )
    for kind, row in means.items():
        print(
            f"{kind:12} learned {row['learned']:.2f} dB, OpenCV's Telea {row['opencv']:.2f} dB, blurred "
            f"{row['blurred']:.2f} dB; texture {row['texture']:.2f} and {row['texture opencv']:.2f}; "
            f"hole {row['hole']:.1%}"
        )
    return {
        "fill_psnr": means["held-out"]["learned"],
        "fill_psnr_opencv": means["held-out"]["opencv"],
        "fill_psnr_opencv_blurred": means["held-out"]["blurred"],
        "fill_texture": means["held-out"]["texture"],
        "fill_texture_opencv": means["held-out"]["texture opencv"],
        "fill_sample_psnr": means["sample"]["learned"],
        "fill_sample_psnr_opencv": means["sample"]["opencv"],
        "fill_sample_psnr_opencv_blurred": means["sample"]["blurred"],
        "fill_20_s": float(np.median(seconds)),
    }


def video(shots: Sequence[Shot], sample: Shot, pictures: Path | None) -> dict[str, float]:
    from PIL import Image

    kind, folder = video_model_class(MINI.main.kind), check_shipped(MINI.main)
    words = [SAMPLE_PROMPT if shot is sample else shot.prompt for shot in (*shots, sample)]
    prompts, _ = read_prompts(kind.text, folder, words)
    model = kind.open(folder, TIERS[0], "cpu")
    settings = SamplingSettings(STEPS, GUIDANCE, dynamic_guidance=False)
    rows: Rows = {"held-out": [], "sample": []}
    seconds = []
    for shot, prompt in zip((*shots, sample), prompts, strict=True):
        started = time.perf_counter()
        frames = model.decode(generate_latents(model, Shown(shot.rgb[0]), prompt, settings, seed=0))
        seconds.append(time.perf_counter() - started)
        rest, blurred = shot.rgb[1:], cv2.GaussianBlur(shot.rgb[0], (0, 0), BLUR)
        row = {
            "learned": psnr(frames[1:], rest),
            "repeat": psnr(np.broadcast_to(shot.rgb[:1], rest.shape), rest),
            "blurred": psnr(np.broadcast_to(blurred[None], rest.shape), rest),
            "texture": texture_ratio(frames[1:], rest, np.ones(rest.shape[:3], bool)),
            "moving": float(shot.moving_camera),
        }
        rows["sample" if shot is sample else "held-out"].append(row)
        if pictures:
            shown = [np.concatenate([part[index] for index in (0, 8, 16, 24)], axis=1) for part in (shot.rgb, frames)]
            Image.fromarray(np.concatenate(shown)).save(pictures / f"video_{shot.name.replace(' ', '_')}.png")
    held = rows["held-out"]
    groups = {"held-out": held, "moving camera": [row for row in held if row["moving"]], "sample": rows["sample"]}
    groups["still camera"] = [row for row in held if not row["moving"]]
    means = {name: _means(part) for name, part in groups.items() if part}
    print(
        f"\nVideo, PSNR of frames 2 to {FRAMES}, {STEPS} steps, guidance {GUIDANCE}; {np.median(seconds):.1f} s a clip"
    )
    for name, row in means.items():
        print(
            f"{name:14} learned {row['learned']:.2f} dB, the first frame repeated {row['repeat']:.2f} dB, blurred "
            f"{row['blurred']:.2f} dB; texture {row['texture']:.2f}"
        )
    result = {"sample_20_s": float(np.median(seconds))}
    for name, row in means.items():
        key = "" if name == "held-out" else "_" + name.replace(" ", "_")
        result |= {f"video{key}_psnr": row["learned"], f"video{key}_psnr_repeat": row["repeat"]}
        result |= {f"video{key}_psnr_blurred": row["blurred"], f"video{key}_texture": row["texture"]}
    return result


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure; texture has none where the truth is flat."""
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]}


if __name__ == "__main__":
    sys.exit(main())
