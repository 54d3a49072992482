# SPDX-License-Identifier: Apache-2.0
"""Make the film from import to edit anew: the sample in a Blender window, whose screen is grabbed as a mouse works it.

    python3.11 scripts/films.py [--work DIR] [--images DIR]

Needs a Blender with a window, as tests/gui do. --work, whose path the film shows, must not exist yet. Waiting is
shortened: a grab every few seconds. Beside the film a poster is written, a picture that stands for it in a document.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parent)]
    from environments import enter

    enter("backend")

import av
import screenshots
from environments import REPOSITORY
from PIL import Image, ImageDraw, ImageFont

from tests.gui import window

NAME = "import-to-edit"
FPS = 10
WIDTH, HEIGHT = 1280, 720
LONGEST_S = 20.0
MOST_BYTES = 1_000_000
WAIT_S = 0.2
"""How long a grab that `mouse.wait` took is shown."""
MOST_WAITING = 10
GLIDE_S = 0.5
"""How long the mouse takes from one click to the next, at most; less where the screen is shown for less."""

ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (12, 12))
"""The mouse's outline in pixels."""

Point = tuple[float, float]


def frames(grabs: list[dict[str, Any]], folder: Path, speed: float) -> Iterator[Image.Image]:
    """The film's pictures. speed: how many times faster than the grabs' own seconds."""
    mouse: Point | None = None
    owed = 0.0
    for grab in grabs:
        screen = Image.open(folder / grab["file"]).convert("RGB")
        scale = WIDTH / screen.width
        picture = screen.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        _caption(picture, grab["caption"])
        owed += grab["seconds"] * FPS / speed
        count, owed = int(owed), owed - int(owed)
        at = None if grab["at"] is None else (grab["at"][0] * scale, HEIGHT - grab["at"][1] * scale)
        begin = mouse or at
        gliding = max(1, min(count - 1, round(GLIDE_S * FPS)))
        for number in range(count):
            shown = picture.copy()
            if at is not None and begin is not None:
                share = min(1.0, (number + 1) / gliding)
                smooth = share * share * (3 - 2 * share)
                mouse = begin[0] + (at[0] - begin[0]) * smooth, begin[1] + (at[1] - begin[1]) * smooth
                _draw_mouse(shown, mouse, pressed=number == count - 1)
            yield shown


def shortened(grabs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The grabs without most of those that were taken while waiting, which are many where the machine is slow."""
    kept = []
    for _, group in itertools.groupby(grabs, lambda grab: (grab["caption"], grab["seconds"] == WAIT_S)):
        row = list(group)
        if row[0]["seconds"] == WAIT_S and len(row) > MOST_WAITING:
            row = [row[number * (len(row) - 1) // (MOST_WAITING - 1)] for number in range(MOST_WAITING)]
        kept += row
    return kept


def _caption(picture: Image.Image, text: str) -> None:
    draw = ImageDraw.Draw(picture, "RGBA")
    font = ImageFont.load_default(26)
    left, _, right, bottom = draw.textbbox((0, 0), text, font)
    x, y = 40, HEIGHT - 140
    draw.rounded_rectangle((x - 14, y - 10, x + right - left + 14, y + bottom + 10), 8, fill=(0, 0, 0, 190))
    draw.text((x, y), text, (255, 255, 255, 255), font)


def _draw_mouse(picture: Image.Image, at: Point, *, pressed: bool) -> None:
    draw = ImageDraw.Draw(picture, "RGBA")
    x, y = at
    if pressed:
        draw.ellipse((x - 14, y - 14, x + 14, y + 14), fill=(255, 190, 60, 130))
    draw.polygon([(x + right, y + down) for right, down in ARROW], fill="white", outline="black")


def encode(pictures: list[Image.Image], path: Path) -> None:
    """Write H.264 that every browser plays, in the best quality that fits MOST_BYTES."""
    for crf in range(24, 44, 3):
        with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
            stream = film.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.options = {"crf": str(crf), "preset": "slow"}
            for picture in pictures:
                for packet in stream.encode(av.VideoFrame.from_image(picture)):
                    film.mux(packet)
            for packet in stream.encode():
                film.mux(packet)
        if path.stat().st_size <= MOST_BYTES:
            return


def poster(picture: Image.Image, path: Path) -> None:
    """A picture of the film with the sign that starts one."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture, "RGBA")
    x, y, size = WIDTH // 2 - 60, HEIGHT // 2, 60
    draw.ellipse((x - size, y - size, x + size, y + size), fill=(0, 0, 0, 150))
    draw.polygon(((x - 20, y - 32), (x - 20, y + 32), (x + 36, y)), fill=(255, 255, 255, 235))
    picture.save(path, quality=82, optimize=True, progressive=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the film of the add-on from import to edit.")
    parser.add_argument("--work", type=Path, default=Path("/tmp/reangle"), metavar="DIR")
    parser.add_argument("--images", type=Path, default=REPOSITORY / "docs" / "images", metavar="DIR")
    args = parser.parse_args()
    try:
        grabs = shortened(screenshots.drive(args.work, film=True)["film"])
    except window.NoWindowError as error:
        print(f"No film: {error}.", file=sys.stderr)
        return 2
    speed = max(1.0, sum(grab["seconds"] for grab in grabs) / (LONGEST_S - 0.5))
    pictures = list(frames(grabs, args.work / "out", speed))
    path = args.images / f"{NAME}.mp4"
    encode(pictures, path)
    poster(pictures[-1], path.with_suffix(".jpg"))
    print(f"wrote {path}: {len(pictures) / FPS:.1f} s, {path.stat().st_size / 1000:.0f} kB, and its poster")
    return 0


if __name__ == "__main__":
    sys.exit(main())
