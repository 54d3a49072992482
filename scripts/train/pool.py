# SPDX-License-Identifier: Apache-2.0
"""Render the pool of generated clips that the networks are trained on.

    python3.11 scripts/train/pool.py --scenes 1600

Started again, it continues where it stopped. Scene n has the seed FIRST_SEED + n; no training uses smaller seeds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np

from scripts.environments import REPOSITORY
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render

FIRST_SEED = 1000
"""Smaller seeds are held out."""
POOL = REPOSITORY / "out" / "train" / "pool"
TARGET_FRAMES = (0, 8, 16, 24)


@dataclass(frozen=True)
class Clip:
    """One scene of the pool. Arrays are read from disk on access.

    rgb: 25 x 160 x 224 x 3 uint8; depth: 25 x 160 x 224 float16, planar z in metres; targets: the same of each target
    camera at TARGET_FRAMES, 2 x 4 x ...; K: 3 x 3; source_poses: 25 x 4 x 4; target_poses: 2 x 25 x 4 x 4,
    world_from_camera.
    """

    folder: Path

    def _array(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    @cached_property
    def rgb(self) -> np.ndarray:
        return self._array("rgb")

    @cached_property
    def depth(self) -> np.ndarray:
        return self._array("depth")

    @cached_property
    def target_rgb(self) -> np.ndarray:
        return self._array("target_rgb")

    @cached_property
    def target_depth(self) -> np.ndarray:
        return self._array("target_depth")

    @cached_property
    def cameras(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "cameras.npz") as file:
            return dict(file)

    @cached_property
    def words(self) -> dict[str, Any]:
        """seed, prompt, camera and caption."""
        return json.loads((self.folder / "words.json").read_text(encoding="utf-8"))

    @property
    def prompt(self) -> str:
        return self.words["prompt"]


def clips(pool: Path = POOL) -> list[Clip]:
    """All finished clips of a pool, in order. Raises SystemExit, with advice, if there are none."""
    finished = [Clip(folder) for folder in sorted(pool.glob("[0-9]*")) if folder.suffix == ""]
    if not finished:
        sys.exit(f"There are no clips in {pool}: run `python3.11 scripts/train/pool.py` first.")
    return finished


def add_scene(index: int, pool: Path) -> int:
    """Render scene `index` into the pool; returns the number of frames rendered, 0 if it exists already."""
    folder = pool / f"{index:06d}"
    if folder.exists():
        return 0
    scene = draw_scene(FIRST_SEED + index)
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    seen = render(scene, scene.source)
    others = [render(scene, camera, TARGET_FRAMES) for camera in scene.targets.values()]
    np.save(part / "rgb.npy", seen.rgb)
    np.save(part / "depth.npy", seen.depth.astype(np.float16))
    np.save(part / "target_rgb.npy", np.stack([one.rgb for one in others]))
    np.save(part / "target_depth.npy", np.stack([one.depth for one in others]).astype(np.float16))
    np.savez(
        part / "cameras.npz",
        K=scene.source.K[0],
        source_poses=scene.source.world_from_camera,
        target_poses=np.stack([camera.world_from_camera for camera in scene.targets.values()]),
    )
    words = {"seed": scene.seed, "prompt": scene.prompt, "camera": scene.camera_words, "caption": scene.caption}
    (part / "words.json").write_text(json.dumps(words), encoding="utf-8")
    part.rename(folder)
    return len(seen.rgb) + sum(len(one.rgb) for one in others)


def main() -> int:
    parser = argparse.ArgumentParser(description="Render a pool of clips for training.")
    parser.add_argument("--scenes", type=int, default=1600, metavar="N")
    parser.add_argument("--pool", type=Path, default=POOL, metavar="DIR")
    args = parser.parse_args()
    started, frames = time.perf_counter(), 0
    for index in range(args.scenes):
        frames += add_scene(index, args.pool)
        if (index + 1) % 50 == 0:
            rate = frames / (time.perf_counter() - started)
            print(f"{index + 1} scenes, {rate:.0f} frames a second", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
