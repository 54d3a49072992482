# SPDX-License-Identifier: Apache-2.0
"""Look at clips from the side: one JPEG for each, a row for each way to find camera and depth.

    python3.11 scripts/bench/side_views.py --out DIR [--clips sample MOVIE SCENE_FOLDER ...] [--methods auto/auto]

Columns: the clip's frame, and the same frame warped to still cameras to its left and right. Only what that frame sees
is shown: no memory, no filling; what is dark is a hole. Stages run as in a job. The view is around the focus that each
method's own depth gives.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from geometry import settings_of
from geometry_clips import BenchClip, Workplace, of_file, of_scene, sample
from geometry_jobs import run_geometry, warped
from reangle.errors import UserError
from reangle.warping.moves import move_path, parse_move

GAP = 4


def main() -> int:
    parser = argparse.ArgumentParser(description="Look at clips from the side.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clips", nargs="+", default=["sample"], help="sample, movies, ground-truth scene folders")
    parser.add_argument("--methods", nargs="+", default=["auto/auto"], metavar="CAMERA/DEPTH")
    parser.add_argument("--degrees", type=float, default=17.0)
    parser.add_argument("--at", type=float, default=0.5, help="which frame, 0 to 1 of the clip")
    parser.add_argument("--frames", type=int, default=49, metavar="N", help="of a movie, from its start")
    parser.add_argument("--width", type=int, default=720, metavar="PX", help="working width of a movie")
    parser.add_argument("--picture-width", type=int, default=400, metavar="PX", help="of each picture in the JPEG")
    parser.add_argument("--quality", type=int, default=82, help="of the JPEG, 0 to 100")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.clips:
        clip = _clip(name, args.frames, args.width)
        rows = []
        for method in args.methods:
            try:
                rows.append(_row(clip, method, args.degrees, args.at, args.picture_width))
            except UserError as error:
                print(f"{clip.name}, {method}: {error.message}", file=sys.stderr)
        if rows:
            path = args.out / f"{clip.name}.jpg"
            picture = np.concatenate(rows)[..., ::-1]
            path.write_bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, args.quality))[1].tobytes())
            print(path, flush=True)
    return 0


def _clip(name: str, frames: int, width: int) -> BenchClip:
    if name == "sample":
        return sample()
    path = Path(name)
    return of_scene(path) if path.is_dir() else of_file(path, frames, width)


def _row(clip: BenchClip, method: str, degrees: float, at: float, width: int) -> np.ndarray:
    with Workplace() as store:
        selection, settings = clip.selection(store), settings_of(method, clip, store)
        run = run_geometry(clip.name, selection, settings, store)
        frames = run.frames()
        number = round(at * (len(frames) - 1))
        paths = [
            move_path(
                parse_move(f"orbit-{side}:{degrees:g}", held=True), run.geometry, frames.shape[2], frames.shape[1], 24.0
            )
            for side in ("left", "right")
        ]
        pictures = [frames[number], *(warped(run, selection, settings, path, number, store) for path in paths)]
    height = round(width * frames.shape[1] / frames.shape[2])
    small = [cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA) for one in pictures]
    cv2.putText(small[0], method, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(small[0], method, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([np.pad(one, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for one in small], axis=1)


if __name__ == "__main__":
    sys.exit(main())
