# SPDX-License-Identifier: Apache-2.0
"""The demo's command line: its options, and what it prints. Standard library only."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from environments import REPOSITORY

SAMPLE_CAPTION = "an orange person walks right and a red box in a room with a brown wooden floor and beige walls"
GEOMETRIES = "a depth source that `reangle doctor` lists, CAMERA+DEPTH with one of each, or files:DIR"


class Steps:
    """Prints each step when it is done, and keeps how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = self._start = time.perf_counter()

    def done(self, name: str, message: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._since, 2)
        print(f"{now - self._since:6.1f} s  {message}", flush=True)
        self._since = now

    @property
    def total(self) -> float:
        return round(time.perf_counter() - self._start, 2)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Render a clip from new cameras, through Blender and back.")
    modes = ["moving", "static"]
    parser.add_argument(
        "--mode", choices=modes, default="moving", help="two moving cameras, or three held ones (default: moving)"
    )
    engines = ["reangle", "preview"]
    parser.add_argument("--engine", choices=engines, default="reangle", help="how the new frames are made")
    parser.add_argument("--caption", metavar="TEXT", help="what your clip shows, for the engine reangle")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="a movie of yours (default: the sample)")
    parser.add_argument(
        "--geometry",
        default="auto",
        metavar="HOW",
        help=f"{GEOMETRIES}; auto is the default, and files alone the sample's true depth",
    )
    parser.add_argument("--start", type=whole, default=0, metavar="N", help="first frame used, from 0")
    parser.add_argument(
        "--frames", type=whole, default=0, metavar="N", help="how many frames (default: all that remain)"
    )
    parser.add_argument("--size", type=size, metavar="WxH", help="working size (default: the clip's)")
    parser.add_argument(
        "--sample",
        type=Path,
        default=REPOSITORY / "scripts" / "sample" / "footage",
        metavar="DIR",
        help="another sample",
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out" / "demo", metavar="DIR")
    return parser.parse_args()


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 or more, not {text!r}")
    return int(text)


def size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"write width x height, such as 832x480, not {text!r}")
    return int(width), int(height)


def print_figures(report: dict[str, Any], out: Path) -> None:
    """Print the figures of each camera, and the notes."""

    def decibels(figures: dict[str, float | None]) -> str:
        return ", ".join(f"{part} {value:.1f} dB" for part, value in figures.items() if value)

    print(f"{report['seconds']['total']:6.1f} s  in all; see {out}")
    for name, camera in report["cameras"].items():
        shares = ", ".join(f"{share:.1%} {part}" for part, share in camera["coverage"].items())
        print(f"          {name}: {shares}")
        if camera["psnr"]:
            print(f"          {name}: PSNR against the true render: {decibels(camera['psnr'])}")
        if camera["preview_psnr"]:
            print(f"          {name}: the engine 'preview': {decibels(camera['preview_psnr'])}")
    for note in report["notes"]:
        print(f"          {note}")
