# SPDX-License-Identifier: Apache-2.0
"""Make the files of `footage/` of a scene folder that `render.py` wrote.

    python3.11 scripts/sample/pack.py --scene DIR [--out scripts/sample/footage]
    python3.11 scripts/sample/pack.py --scene DIR --only-truth      of `render.py --static`; the other files stay

clip.mp4              the clip
depth/000001.png ...  planar depth, 16 bits: 1 / (pixel * scale + offset), with the numbers of camera.json
depth/camera.json     K and world_from_camera of every frame
truth/NAME.mp4        the same scene rendered from the demo's cameras, and truth/NAME.json, the CameraPath of each
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from reangle.contract import CameraPath, from_data, to_json
from reangle.media.exr import read_exr_depth
from reangle.media.write import read_images, write_mp4

from scripts.environments import REPOSITORY

DEPTH_STEPS = 2**14 - 1
"""Of inverse depth over its range: at most 0.02 pixels of error for an orbit of 14 degrees."""
CLIP_QUALITY, TRUTH_QUALITY = 12, 16


def pack(scene: Path, out: Path) -> None:
    """Write the sample's files; replace existing ones."""
    about = json.loads((scene / "scene.json").read_text(encoding="utf-8"))
    for folder in (out / "depth", out / "truth"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    write_mp4(out / "clip.mp4", read_images(scene / "source"), about["fps"], quality=CLIP_QUALITY)
    depth = write_depth(sorted((scene / "depth").glob("*.exr")), out / "depth")
    source = about["source"]
    frames = [
        {"K": K, "world_from_camera": matrix}
        for K, matrix in zip(source["K"], source["world_from_camera"], strict=True)
    ]
    camera = {"width": about["width"], "height": about["height"], "scale": "metric", "depth": depth, "frames": frames}
    (out / "depth" / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
    pack_truth(scene, out)


def pack_truth(scene: Path, out: Path) -> None:
    """Write the true pictures of all targets."""
    about = json.loads((scene / "scene.json").read_text(encoding="utf-8"))
    size = {key: about[key] for key in ("fps", "width", "height")}
    for target in about["targets"]:
        path = from_data(CameraPath, {**size, **target})
        images = read_images(scene / "targets" / path.name)
        if len(images) != len(path.frames):
            raise SystemExit(f"{path.name} has {len(images)} of {len(path.frames)} frames; let render.py finish.")
        write_mp4(out / "truth" / f"{path.name}.mp4", images, path.fps, quality=TRUTH_QUALITY)
        (out / "truth" / f"{path.name}.json").write_text(to_json(path), encoding="utf-8")


def write_depth(maps: list[Path], folder: Path) -> dict[str, object]:
    """Write the maps as PNG. Returns their encoding, for camera.json."""
    inverse = [1.0 / read_exr_depth(path).astype(np.float64) for path in maps]
    low, high = min(image.min() for image in inverse), max(image.max() for image in inverse)
    scale = float((high - low) / DEPTH_STEPS)
    # Pixel 0 means no depth, so the farthest point is 1.
    offset = float(low - scale)
    worst = 0.0
    for number, image in enumerate(inverse, 1):
        pixels = np.rint((image - offset) / scale).astype(np.uint16)
        worst = max(worst, float(np.abs(pixels * scale + offset - image).max()))
        settings = (cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED)
        done, data = cv2.imencode(".png", pixels, settings)
        assert done
        (folder / f"{number:06d}.png").write_bytes(data.tobytes())
    print(f"depth {1 / high:.2f} to {1 / low:.2f} m, error of inverse depth at most {worst:.2e} per metre")
    return {"encoding": "inverse", "scale": scale, "offset": offset}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the files of the sample from a rendered scene folder.")
    parser.add_argument("--scene", type=Path, required=True, help="the folder that render.py wrote")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "scripts" / "sample" / "footage")
    parser.add_argument("--only-truth", action="store_true", help="add the targets alone")
    args = parser.parse_args()
    (pack_truth if args.only_truth else pack)(args.scene, args.out)
    total = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    print(f"{args.out}: {total / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
