# SPDX-License-Identifier: Apache-2.0
"""Make all pictures of the add-on in README and guide anew: the sample in a Blender window of 1920 x 1080.

    python3.11 scripts/screenshots.py [--work DIR] [--images DIR]

Needs a Blender with a window, as tests/gui do. --work, whose path the pictures show, must not exist yet; the whole
screens stay there, with some that no document shows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent)]
    from environments import enter

    enter("backend")

from environments import REPOSITORY
from PIL import Image

from tests.gui import window

SAMPLE = REPOSITORY / "scripts" / "sample" / "footage" / "clip.mp4"
FPS = 24
CHOICES: dict[str, Any] = {
    "depth": "",
    "fps": FPS,
    "sources": "auto",
    "moves": (("orbit-left", 12), ("dolly-zoom-in", 0.25)),
    "look": ((1.2, 0, 0.5), 1.9),
}
PICTURES = ("panel.png", "cameras.jpg", "coverage.jpg", "compare.jpg", "results.jpg", "preferences.jpg")
MOST_BYTES = 250_000


def drive(work: Path, **more: Any) -> dict[str, Any]:
    """Drive the sample through a window; returns the report. Raises NoWindowError, RuntimeError."""
    command = window.blender()
    work.mkdir(parents=True)
    clip = Path(shutil.copy(SAMPLE, work))
    return window.drive(command, sys.executable, work, "pictures.py", clip=str(clip), **CHOICES, **more)


def save(picture: Image.Image, path: Path) -> None:
    """Save a picture in at most MOST_BYTES: PNG in 256 colours, JPEG in the best quality that fits."""
    if path.suffix == ".png":
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        return
    for quality in range(88, 40, -4):
        picture.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= MOST_BYTES:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the pictures of the add-on in README and guide.")
    parser.add_argument("--work", type=Path, default=Path("/tmp/reangle"), metavar="DIR")
    parser.add_argument("--images", type=Path, default=REPOSITORY / "docs" / "images", metavar="DIR")
    args = parser.parse_args()
    try:
        report = drive(args.work)
    except window.NoWindowError as error:
        print(f"No pictures: {error}.", file=sys.stderr)
        return 2
    for name in PICTURES:
        stem = name.partition(".")[0]
        screen = Image.open(args.work / "out" / f"{stem}.png").convert("RGB")
        save(screen.crop(report["bounds"][stem]), args.images / name)
        print(f"wrote {args.images / name}, {(args.images / name).stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
