# SPDX-License-Identifier: Apache-2.0
"""Make the README's pictures of the add-on anew: the sample in a Blender window, with what is chosen by default.

    python3.11 scripts/screenshots.py [--work DIR] [--images DIR]

Needs a Blender with a window, as tests/gui do. --work, whose path the pictures show, must not exist yet.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent)]
    from environments import enter

    enter("backend")

from environments import REPOSITORY
from PIL import Image

from tests.gui import window

SAMPLE = REPOSITORY / "scripts" / "sample" / "footage" / "clip.mp4"
FPS = 24
MOVES = (("orbit-left", 12), ("dolly-zoom-in", 0.25))
PICTURES = {"panel.png": "3_cameras", "results.jpg": "6_editing"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the README's pictures of the add-on.")
    parser.add_argument("--work", type=Path, default=Path("/tmp/reangle"), metavar="DIR")
    parser.add_argument("--images", type=Path, default=REPOSITORY / "docs" / "images", metavar="DIR")
    args = parser.parse_args()
    try:
        command = window.blender()
    except window.NoWindowError as error:
        print(f"No pictures: {error}.", file=sys.stderr)
        return 2
    args.work.mkdir(parents=True)
    clip = Path(shutil.copy(SAMPLE, args.work))
    report = window.drive(
        command, sys.executable, args.work, clip=str(clip), depth="", fps=FPS, sources="auto", moves=MOVES, learn=False
    )
    for name, screenshot in PICTURES.items():
        left, top, right, bottom = report["bounds"][screenshot]
        picture = Image.open(args.work / "out" / f"{screenshot}.png").convert("RGB").crop((left, top, right, bottom))
        if name.endswith(".png"):
            picture = picture.quantize(256)
        picture.save(args.images / name, quality=88, optimize=True)
        print(f"wrote {args.images / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
