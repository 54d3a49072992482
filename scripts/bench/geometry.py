# SPDX-License-Identifier: Apache-2.0
"""Measure depth and source cameras: the sample, generated scenes that training never uses, and any clip.

    python3.11 scripts/bench/geometry.py [--only sample held-out] [--methods solve/mini still/mini] [--quick]
    python3.11 scripts/bench/geometry.py --only clip --clip crab.mp4 [--frames 49] [--width 720]
    python3.11 scripts/bench/geometry.py --only filmed --filmed DIR

Each method runs as in a job, stage by stage in processes of their own. Where the truth is known, depth is scaled to it
by one factor per clip; `controls` are geometries with the true camera that learn nothing: a constant, a plane through
the true ground, and the truth blurred.

AbsRel: mean relative error of depth. edge F1: of depth edges within 3 px of the true ones. flicker: change of a static
point's depth from frame to frame. torn, stretched: of smooth true surface that a view from 12 degrees beside shows, the
holes; of all that it shows, what is stretched across a true edge; both with the true camera. land: where depth and
camera put static points in other frames, median. turn: the worst wrong turn of a frame's camera. path: its root mean
square error as a share of its extent, of moving cameras. camera px: static points, triangulated, against the camera
alone. right: share of clips whose camera is rightly said to be still, to turn, or to move. movers found, masks right:
recall and precision of the masks of what moves, over pixels. points on movers, points off: of the points that the
camera was solved with, those that lie on movers, and those whose depth is wrong by more than 20 % after one scale.
Seconds and GB are of the stages' processes, imports included. METHOD solve/files measures the camera in little time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
from geometry_clips import HELD_OUT, BenchClip, Workplace, held_out, of_file, of_scene, sample
from geometry_figures import Truth, controls, judge, judge_depth, judge_movers, judge_unknown
from geometry_jobs import GeometryRun, run_geometry
from reangle.contract import GeometrySettings
from reangle.errors import UserError
from reangle.evaluation.tracks import followed_points
from reangle.evaluation.truth import open_scenes
from reangle.runtime.store import Store

TRUE_FILES = "files/files"
GROUPS = ("sample", "held-out", "filmed", "clip")
CONTROLS = "controls"
METHODS = (CONTROLS, "auto/auto", TRUE_FILES)
QUICK_SCENES, QUICK_FRAMES = (0, 2, 3), 13

Row = dict[str, float]
COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    ("abs_rel", "AbsRel", 1, 3),
    ("edge_f1", "edge F1", 1, 2),
    ("flicker", "flicker, %", 100, 2),
    ("torn", "torn, %", 100, 2),
    ("stretched", "stretched, %", 100, 2),
    ("landing_px", "land px", 1, 2),
    ("focal", "focal, %", 100, 1),
    ("fov", "field of view, deg", 1, 1),
    ("rotation", "turn, deg", 1, 2),
    ("path", "path, %", 100, 1),
    ("camera_px", "camera px", 1, 2),
    ("motion", "right", 1, 2),
    ("mover_recall", "movers found", 1, 2),
    ("mover_precision", "masks right", 1, 2),
    ("on_movers", "points on movers, %", 100, 1),
    ("points_off", "points off, %", 100, 1),
    ("camera_s", "camera s", 1, 0),
    ("depth_s", "depth s", 1, 0),
    ("peak_gb", "GB", 1, 1),
)
"""Key, title, factor and decimals."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure depth and source cameras.")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=GROUPS, metavar="GROUP", help=", ".join(GROUPS))
    help_methods = f"{CONTROLS}, CAMERA/DEPTH or CAMERA/DEPTH@CHECKPOINT (default: {' '.join(METHODS)})"
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="METHOD", help=help_methods)
    parser.add_argument("--scenes", type=int, default=HELD_OUT, metavar="N", help="held-out scenes (default: all 24)")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="these held-out scenes instead")
    parser.add_argument("--quick", action="store_true", help="3 scenes, and 13 frames of the sample")
    parser.add_argument(
        "--clip", type=Path, nargs="+", default=(), metavar="FILE", help="movies whose truth is unknown"
    )
    parser.add_argument("--frames", type=int, default=49, metavar="N", help="of each such movie, from its start")
    parser.add_argument("--width", type=int, default=720, metavar="PX", help="working width of each such movie")
    parser.add_argument("--filmed", type=Path, metavar="DIR", help="ground-truth scene folders")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every clip's figures here, too")
    args = parser.parse_args()
    try:
        clips = _clips(args)
    except UserError as error:
        print(f"{error.message} {error.advice}", file=sys.stderr)
        return 2
    rows: dict[str, dict[str, dict[str, Row]]] = {}
    for make in clips:
        clip = make()
        for method, row in measure(clip, args.methods).items():
            rows.setdefault(clip.group, {}).setdefault(method, {})[clip.name] = row
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    held = [methods for group, methods in rows.items() if group.startswith("held-out")]
    if len(held) > 1:
        names = {method: None for of in held for method in of}
        rows["held-out"] = {
            method: {name: row for of in held for name, row in of.get(method, {}).items()} for method in names
        }
    for group, methods in rows.items():
        tables = [("", methods)]
        if group in ("clip", "filmed"):
            names = {name: None for of in methods.values() for name in of}
            tables = [(name, {method: {name: of[name]} for method, of in methods.items()}) for name in names]
        for name, of in tables:
            most = max(len(clips) for clips in of.values())
            print(f"\n{name or group}{f', means of {most} clips' if most > 1 else ''}\n\n{table(of)}")
    return 0


def _clips(args: argparse.Namespace) -> list[Callable[[], BenchClip]]:
    """Clips in order, made when they are due."""
    makers: list[Callable[[], BenchClip]] = []
    if "sample" in args.only:
        makers.append(lambda: sample(QUICK_FRAMES if args.quick else None))
    if "held-out" in args.only:
        seeds = args.seeds or (QUICK_SCENES if args.quick else range(args.scenes))
        makers += [lambda seed=seed: held_out(seed) for seed in seeds]
    if "filmed" in args.only and args.filmed:
        makers += [lambda scene=scene: of_scene(scene.folder) for scene in open_scenes(args.filmed)]
    if "clip" in args.only:
        makers += [lambda path=path: of_file(path, args.frames, args.width) for path in args.clip]
    return makers


def measure(clip: BenchClip, methods: Sequence[str]) -> dict[str, Row]:
    """method -> figures; a method that fails is named on standard error and has none."""
    rows: dict[str, Row] = {}
    with Workplace() as store:
        selection = clip.selection(store)
        truth: Truth | None = None
        if clip.truth:
            run = run_geometry(clip.name, selection, settings_of(TRUE_FILES, clip, store), store)
            static = clip.static(run.geometry.depth.shape)
            truth = Truth.of(run.geometry, static, clip.world_from_first, run.frames())
            if CONTROLS in methods:
                rows |= {name: judge_depth(geometry, truth) for name, geometry in controls(truth).items()}
        tracks: np.ndarray | None = None
        for method in methods:
            if method == CONTROLS or ("files" in method and truth is None):
                continue
            try:
                run = run_geometry(clip.name, selection, settings_of(method, clip, store), store)
            except UserError as error:
                print(f"{clip.name}, {method}: {error.message}", file=sys.stderr, flush=True)
                continue
            if truth is not None:
                figures = judge(run.geometry, truth, run.motion()) | judge_movers(run.geometry, run.camera(), truth)
            else:
                frames = run.frames()
                if tracks is None:
                    tracks = followed_points(iter(frames))
                figures = judge_unknown(run.geometry, tracks, frames.shape[2], frames.shape[1])
                print(f"{clip.name}, {method}: the camera is {run.motion()}", file=sys.stderr)
            rows[method] = figures | costs(run)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in rows[method].items())
            print(f"{clip.name}, {method}: {shown}", file=sys.stderr, flush=True)
    return rows


def settings_of(method: str, clip: BenchClip, store: Store) -> GeometrySettings:
    """Of a method as `--methods` names it. Files are the clip's truth."""
    pair, _, checkpoint = method.partition("@")
    camera, _, depth = pair.partition("/")
    files = tuple(store.add_file(path) for path in clip.truth) if "files" in (camera, depth) else ()
    return GeometrySettings(camera=camera, depth=depth, files=files, checkpoint=checkpoint or None)


def costs(run: GeometryRun) -> Row:
    """Seconds of the stages camera and geometry, and the peak memory of the larger one."""
    kinds = {"camera": "camera_s", "geometry": "depth_s"}
    known = {kind: cost for kind, cost in run.costs.items() if kind in kinds}
    row = {kinds[kind]: cost.seconds for kind, cost in known.items()}
    return {**row, "peak_gb": max(cost.peak_bytes for cost in known.values()) / 1e9} if known else row


def table(methods: Mapping[str, Mapping[str, Row]]) -> str:
    """Markdown: a line for each method with the means over its clips, a column for each figure that any has."""
    means = {method: _means(list(clips.values())) for method, clips in methods.items()}
    columns = [column for column in COLUMNS if any(column[0] in row for row in means.values())]
    lines = [
        "| method | " + " | ".join(title for _, title, _, _ in columns) + " |",
        "|" + " --- |" * (len(columns) + 1),
    ]
    for method, row in means.items():
        cells = [
            f"{factor * row[key]:.{decimals}f}" if np.isfinite(row.get(key, np.nan)) else ""
            for key, _, factor, decimals in columns
        ]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _means(rows: Sequence[Row]) -> Row:
    """Mean of each figure over the clips that have it."""
    keys = {key: None for row in rows for key in row}
    values = {key: [row[key] for row in rows if np.isfinite(row.get(key, np.nan))] for key in keys}
    return {key: float(np.mean(known)) for key, known in values.items() if known}


if __name__ == "__main__":
    sys.exit(main())
