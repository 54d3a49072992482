# SPDX-License-Identifier: Apache-2.0
"""Render the pictures that the depth network is trained on, before it is.

    python3.11 scripts/train/depth_pool.py --assets out/train/assets.npz --meshes 12000 --solids 6000

Where one CPU renders and trains, rendering first is faster than both at once. Started again with another --seed, it
adds pictures.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch

from scripts.environments import REPOSITORY
from scripts.train.depth_pictures import FIELDS, meshes, solids
from scripts.train.fresh import Make, Store, one_thread_each

POOL = REPOSITORY / "out" / "train" / "depth-pool"
IN_A_FILE = 64


class FromFiles:
    """A feed of the pictures of one kind in a folder: a file a step until all are in the store."""

    def __init__(self, folder: Path, kind: str, store: Store) -> None:
        self.store, self._left = store, sorted(folder.glob(f"{kind}_*.npz"), reverse=True)
        if not self._left:
            raise SystemExit(f"{folder} holds no pictures of {kind}: render them with scripts/train/depth_pool.py.")

    def refresh(self) -> None:
        if self._left:
            with np.load(self._left.pop()) as file:
                self.store.add({name: torch.from_numpy(file[name]) for name in self.store.fields})

    def stop(self) -> None:
        self._left = []


def write(folder: Path, kind: str, make: Make, seed: int, count: int) -> None:
    """Render at least `count` pictures into files of IN_A_FILE; a file that is there is complete."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = make(seed)
    for number in range(-(-count // IN_A_FILE)):
        path = folder / f"{kind}_{seed}_{number:04d}.npz"
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **_gathered(pictures))  # pyright: ignore[reportArgumentType]
        part.replace(path)
        print(path, flush=True)


def _gathered(pictures: Iterator) -> dict[str, np.ndarray]:
    parts = []
    while sum(len(part["depth"]) for part in parts) < IN_A_FILE:
        parts.append(next(pictures))
    return {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}


def main() -> int:
    parser = argparse.ArgumentParser(description="Render pictures with true depth for training the depth network.")
    parser.add_argument("--assets", type=Path, metavar="FILE", help="packed meshes, which --meshes needs")
    parser.add_argument("--meshes", type=int, default=0, metavar="N", help="pictures of mesh scenes")
    parser.add_argument("--solids", type=int, default=0, metavar="N", help="pictures of generated scenes of solids")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    parser.add_argument("--out", type=Path, default=POOL, metavar="DIR")
    args = parser.parse_args()
    if args.meshes and not args.assets:
        parser.error("--meshes needs --assets, which scripts/train/meshes/pack_assets.py writes")
    context = multiprocessing.get_context("spawn")
    failed = False
    for kind, make, count in (
        ("meshes", partial(meshes, assets=args.assets), args.meshes),
        ("solids", solids, args.solids),
    ):
        seeds = [1000 * args.seed + worker for worker in range(args.workers if count else 0)]
        each = -(-count // args.workers)
        started = [context.Process(target=write, args=(args.out, kind, make, seed, each)) for seed in seeds]
        with one_thread_each():
            for process in started:
                process.start()
        for process in started:
            process.join()
            failed |= process.exitcode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
