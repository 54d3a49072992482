# SPDX-License-Identifier: Apache-2.0
"""Copy trained weights into the package and list their hashes and sizes.

Matrices of geometry and depth are stored in eight bits, all other weights in half precision.

    python3.11 scripts/train/ship.py [geometry depth video image tiny-decoder]

The small decoder lies in the image model's folder and belongs to its autoencoder.

Reads the moving averages of the runs in out/train. `cards.py` writes the model cards beside the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import torch
from diffusers import CogVideoXImageToVideoPipeline, FluxFillPipeline
from reangle.geometry.depth.monocular_network import save_ours
from reangle.geometry.depth.two_view_network import TwoViewNetwork
from reangle.image_models import sketches
from reangle.weights.identity import file_hash
from transformers import DepthAnythingForDepthEstimation

from scripts.environments import REPOSITORY
from scripts.train import depth, geometry, image, image_tiny_decoder, video
from scripts.train.harness import load_average

SUITE = REPOSITORY / "backend" / "reangle" / "weights" / "mini"
ROLES = ("geometry", "depth", "video", "image")
LIMIT = 48 * 2**20
CARD = "README.md"
TINY_DECODER = "tiny-decoder"


def main() -> int:
    parser = argparse.ArgumentParser(description="Copy trained weights into the package.")
    parts = [*ROLES, TINY_DECODER]
    parser.add_argument("parts", nargs="*", choices=[*parts, []], metavar="PART", help="what to copy (default: all)")
    args = parser.parse_args()
    for part in args.parts or parts:
        ship(part) if part in ROLES else ship_tiny_decoder()
    write_list()
    return 0


def ship(role: str) -> None:
    """Replace the weights of one role; keep its card. If the run cannot be loaded, keep everything."""
    trained = {"geometry": _geometry, "depth": _depth, "video": _video, "image": _image}[role]()
    folder = SUITE / role
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and path.name != sketches.FOLDER:
            shutil.rmtree(path)
        elif path.is_file() and path.name != CARD:
            path.unlink()
    if isinstance(trained, TwoViewNetwork):
        trained.save(folder)
    elif isinstance(trained, DepthAnythingForDepthEstimation):
        save_ours(trained, folder, depth.LONGEST_SIDE, depth.MULTIPLE)
    else:
        trained.to(torch.float16).save_pretrained(folder)
        for path in folder.rglob("config.json"):
            _forget_origin(path)
    print(f"{role}: {size_of(folder) / 2**20:.1f} MiB")


def ship_tiny_decoder() -> None:
    """Replace the image model's small decoder."""
    trained = load_average(image_tiny_decoder.network(), image_tiny_decoder.OUT, "model")
    folder = SUITE / "image" / sketches.FOLDER
    trained.to(torch.float16).save_pretrained(folder)
    config = folder / "config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    # diffusers adds this key, and warns of it when it opens the folder.
    values.pop("block_out_channels", None)
    config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    print(f"{TINY_DECODER}: {size_of(folder) / 2**20:.1f} MiB")


def _forget_origin(path: Path) -> None:
    """Drop the folder that a part was read from, which belongs to this machine."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.pop("_name_or_path", None) is not None:
        path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _geometry() -> torch.nn.Module:
    return load_average(geometry.network(), geometry.OUT, "model")


def _depth() -> torch.nn.Module:
    return load_average(depth.in_logs(depth.network()), depth.OUT, "model")


def _video() -> CogVideoXImageToVideoPipeline:
    return video.load_pipeline(video.OUT)


def _image() -> FluxFillPipeline:
    return image.load_pipeline(image.OUT)


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_list() -> None:
    """Write suite.json: size and SHA-256 of every file of the roles that exist.

    Ends the script if all files together exceed LIMIT.
    """
    checkpoints = {}
    for role in (one for one in ROLES if (SUITE / one).is_dir()):
        files = sorted(path for path in (SUITE / role).rglob("*") if path.is_file() and path.name != CARD)
        checkpoints[role] = {
            "files": {
                path.relative_to(SUITE / role).as_posix(): {
                    "sha256": file_hash(path, read_again=True),
                    "size": path.stat().st_size,
                }
                for path in files
            }
        }
    about = {"suite": "mini", "version": 1, "checkpoints": checkpoints}
    (SUITE / "suite.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    total = size_of(SUITE)
    print(f"total {total / 2**20:.1f} MiB")
    if total > LIMIT:
        sys.exit(f"That is more than {LIMIT / 2**20:.0f} MiB: make the networks smaller.")


if __name__ == "__main__":
    sys.exit(main())
