# SPDX-License-Identifier: Apache-2.0
"""Measure the peak memory of the stages that find camera and depth, on a long clip in high definition.

    python3.11 scripts/bench/memory.py [--methods solve/mini] [--frames 145] [--width 1280] [--height 720]

The clip is the sample, to and fro, cropped and enlarged. Each stage runs as in a job, in a process of its own, whose
resident memory is measured, imports included. By default the camera is solved, and depth comes from every provider
that has weights on this machine. Ends with status 1 if a stage needs more than the limit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from geometry import settings_of
from geometry_clips import SAMPLE, BenchClip, Workplace
from geometry_jobs import run_geometry
from reangle.errors import UserError
from reangle.geometry.availability import status_of, weights_of
from reangle.geometry.depth.providers import DEPTHS
from reangle.media.decode import decode_frames, select
from reangle.media.probe import probe_clip
from reangle.media.write import write_mp4
from reangle.runtime.data_folder import data_folder

LIMIT_GB = 4.0
FPS = Fraction(24)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the peak memory of camera and depth.")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="as in geometry.py (default: solve with all)")
    parser.add_argument("--frames", type=int, default=145, metavar="N")
    parser.add_argument("--width", type=int, default=1280, metavar="PX")
    parser.add_argument("--height", type=int, default=720, metavar="PX")
    args = parser.parse_args()
    print(f"{args.frames} frames of {args.width}x{args.height}; at most {LIMIT_GB:.0f} GB\n", flush=True)
    print("| method | stage | GB | seconds |\n| --- | --- | --- | --- |", flush=True)
    most = 0.0
    with tempfile.TemporaryDirectory() as folder, Workplace() as store:
        movie = Path(folder) / "clip.mp4"
        write_mp4(movie, long_clip(args.frames, args.width, args.height), FPS)
        clip = BenchClip("memory", "memory", (movie,))
        for method in args.methods or available():
            try:
                run = run_geometry(method, clip.selection(store), settings_of(method, clip, store), store)
            except UserError as error:
                print(f"{method}: {error.message} {error.advice}", file=sys.stderr)
                return 2
            for kind, cost in run.costs.items():
                gigabytes = cost.peak_bytes / 1e9
                most = max(most, gigabytes)
                print(f"| {method} | {kind} | {gigabytes:.2f} | {cost.seconds:.0f} |", flush=True)
    print(f"\nAt most {most:.2f} GB: {'within' if most <= LIMIT_GB else 'ABOVE'} the limit.")
    return 0 if most <= LIMIT_GB else 1


def available() -> list[str]:
    """Methods with every depth provider that can run here, but for depth from files."""
    data = data_folder()
    specs = [spec for spec in DEPTHS if spec.checkpoints and status_of(spec, data)["available"]]
    chosen = [f"@{weights_of(spec, None, data)}" if "checkpoint" in spec.settings else "" for spec in specs]
    return [f"solve/{spec.name}{checkpoint}" for spec, checkpoint in zip(specs, chosen, strict=True)]


def long_clip(count: int, width: int, height: int) -> Iterator[np.ndarray]:
    """`count` frames of the sample, forwards and backwards in turn: height x width x 3 uint8, its middle enlarged."""
    info = probe_clip([("clip.mp4", SAMPLE / "clip.mp4")])
    frames = [frame.rgb for frame in decode_frames(info, select(info))]
    seen_height, seen_width = frames[0].shape[:2]
    scale = max(width / seen_width, height / seen_height)
    inner_width, inner_height = round(width / scale), round(height / scale)
    left, top = (seen_width - inner_width) // 2, (seen_height - inner_height) // 2
    there_and_back = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    for number in range(count):
        frame = frames[there_and_back[number % len(there_and_back)]]
        inner = np.ascontiguousarray(frame[top : top + inner_height, left : left + inner_width])
        yield cv2.resize(inner, (width, height), interpolation=cv2.INTER_CUBIC)


if __name__ == "__main__":
    sys.exit(main())
