# SPDX-License-Identifier: Apache-2.0
"""Write generated scenes as ground-truth scene folders, for evaluation.

    python3.11 scripts/train/write_scenes.py --out DIR --seeds 0-23

Seed n becomes DIR/00000n; existing folders are kept. Training uses seeds from 1000 up.
The height does not change the lens: a lower image is the middle rows of a higher one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene


def _size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.split("x"))
    return width, height


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write generated scenes with true depth, views and visibility.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=_seeds, required=True, metavar="FIRST-LAST")
    parser.add_argument("--size", type=_size, default=(224, 128), metavar="WxH")
    parser.add_argument("--frames", type=int, default=25, metavar="N")
    args = parser.parse_args()
    width, height = args.size
    for seed in args.seeds:
        folder = args.out / f"{seed:06d}"
        if not folder.exists():
            write_scene(draw_scene(seed, frames=args.frames, width=width, height=height), folder)
            print(folder, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
