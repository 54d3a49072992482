# SPDX-License-Identifier: Apache-2.0
"""Write the model cards beside the shipped weights, from the logs of the runs and the output of the benchmark.

    python3.11 scripts/bench/mini.py > out/train/mini.txt
    python3.11 scripts/train/cards.py [geometry depth video image] --figures out/train/mini.txt --machine "2 CPU cores"

The figures decide what a card recommends.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

from reangle.weights.eight_bits import SCALE
from safetensors import safe_open

from scripts.environments import REPOSITORY
from scripts.train.ship import CARD, ROLES, SUITE

RUNS = REPOSITORY / "out" / "train"
TEMPLATES = Path(__file__).resolve().parent / "cards"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the model cards.")
    parser.add_argument("roles", nargs="*", choices=[*ROLES, []], metavar="ROLE", help="roles (default: all)")
    parser.add_argument("--figures", type=Path, required=True, help="file with the output of scripts/bench/mini.py")
    parser.add_argument("--machine", required=True, help="machine that the training ran on")
    args = parser.parse_args()
    figures = json.loads(args.figures.read_text(encoding="utf-8").strip().splitlines()[-1])["figures"]
    facts = {**figures, **_runs(), **_weights(), **_verdicts(figures), "machine": args.machine}
    facts["data"] = (TEMPLATES / "data.md").read_text(encoding="utf-8")
    for role in (one for one in args.roles or ROLES if (SUITE / one).is_dir()):
        text = (TEMPLATES / f"{role}.md").read_text(encoding="utf-8").format(**facts)
        (SUITE / role / CARD).write_text(text, encoding="utf-8")
    return 0


def _runs() -> dict[str, str]:
    """Steps and minutes of each run, from the last line of its log."""
    words = {}
    names = {
        "geometry": "geometry",
        "depth": "depth",
        "vae": "video_autoencoder",
        "video": "video",
        "ae": "image_autoencoder",
        "image": "image",
    }
    for key, name in names.items():
        if not (RUNS / name / "log.jsonl").exists():
            continue
        last = json.loads((RUNS / name / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
        words[f"{key}_run"] = f"{last['step']:,} steps in {last['minutes']:.0f} minutes"
    return words


def _weights() -> dict[str, str]:
    places = {
        "geometry_weights": "geometry/model.safetensors",
        "depth_weights": "depth/model.safetensors",
        "video_weights": "video/transformer/diffusion_pytorch_model.safetensors",
        "vae_weights": "video/vae/diffusion_pytorch_model.safetensors",
        "image_weights": "image/transformer/diffusion_pytorch_model.safetensors",
        "ae_weights": "image/vae/diffusion_pytorch_model.safetensors",
    }
    counts = {}
    for key, path in places.items():
        if not (SUITE / path).exists():
            continue
        with safe_open(SUITE / path, "pt") as file:
            names = [name for name in file.keys() if not name.endswith(SCALE)]  # noqa: SIM118
            counts[key] = f"{sum(file.get_tensor(name).numel() for name in names) / 1e6:.1f}"
    return counts


def _verdicts(figures: Mapping[str, float]) -> dict[str, str]:
    """Sentences on whether each network is worth using, decided by the figures alone."""

    def against(learned: float, plain: float, what: str) -> str:
        gain = learned - plain
        if gain < 0:
            return f"**Too weak to help yet:** {-gain:.1f} dB below {what}."
        return f"{gain:.1f} dB above {what}."

    words = {}
    if "video_psnr" in figures:
        best = max(figures["video_psnr_repeat"], figures["video_psnr_blurred"])
        rival = against(figures["video_psnr"], best, "the better of both controls")
        sharp = "reaches" if figures["vae_psnr"] >= 30 else "stays below"
        words["video_verdict"] = f"Held-out clips: {rival} The autoencoder {sharp} the aim of 30 dB."
    if "fill_psnr" in figures:
        best = max(figures["fill_psnr_opencv"], figures["fill_psnr_opencv_blurred"])
        rival = against(figures["fill_psnr"], best, "OpenCV's inpainting, blurred or not")
        words["image_verdict"] = f"Held-out scenes: {rival}"
    return words


if __name__ == "__main__":
    sys.exit(main())
