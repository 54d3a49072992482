# SPDX-License-Identifier: Apache-2.0
"""Measure when trouble with a camera is told: on generated scenes with true depth, and with depth that is wrong.

    python3.11 scripts/bench/trouble.py [--seeds 0 3 6]

Two frames of each scene at 720x480 are warped to the scene's two other cameras and to five moves. `bent`: smooth random
errors of log depth, of so large a deviation, on a grid of so many cells across the picture. `blurred`: as a network of
a third of the size might see it; see `edges.py`. `blocks`: constant depth in squares of 20 pixels. Numbers are cameras
of a hundred that are warned of, by kind, then means of the shares of the picture, and the time of the measures a frame.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import astuple
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from edges import HEIGHT, SPOILT, WIDTH, load_scene, milliseconds, spoil, with_depth
from reangle.folders import FrameTrouble
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.bends import bends, doubts
from reangle.warping.cameras import target_from_source
from reangle.warping.moves import move_path, parse_move
from reangle.warping.trouble import find_trouble, largest_hole
from reangle.warping.video import Warper

MOVES = ("orbit-left:10", "orbit-right:20", "crane-up:15", "dolly-in:30", "truck-left:15")
BENT = ((0.1, 6), (0.3, 6), (0.1, 12), (0.3, 12), (0.1, 24), (0.3, 24))
BLOCK = 20
KINDS = ("unseen", "folded", "stretched", "torn")


def bend(inverse: np.ndarray, seed: int, amount: float, cells: int) -> np.ndarray:
    """1 / depth with a smooth random error, h x w float32."""
    errors = np.random.default_rng(seed).normal(size=(cells * 2 // 3, cells)).astype(np.float32)
    return inverse * np.exp(amount * cv2.resize(errors, inverse.shape[::-1], interpolation=cv2.INTER_CUBIC))


def rivals(truth: VideoGeometry) -> dict[str, VideoGeometry]:
    """Name of a row -> geometry."""
    inverse = list((1 / np.where(truth.valid, truth.depth, 1e4)).astype(np.float32))
    rows = {"true": truth}
    for amount, cells in BENT:
        rows[f"bent by {amount:.0%}, {cells} cells"] = with_depth(
            truth, [bend(w, seed, amount, cells) for seed, w in enumerate(inverse)]
        )
    blurred = [spoil(w, seed, *SPOILT["very blurred"]) for seed, w in enumerate(inverse)]
    rows["blurred, interpolated"] = with_depth(truth, [cv2.resize(w, (WIDTH, HEIGHT)) for w in blurred])
    size = WIDTH // BLOCK, HEIGHT // BLOCK
    blocks = [cv2.resize(w, size, interpolation=cv2.INTER_AREA) for w in inverse]
    rows["blocks"] = with_depth(
        truth, [cv2.resize(w, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) for w in blocks]
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="When trouble with a camera is told.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(0, 24, 3)], help="generated scenes")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    told: dict[str, list[list[bool]]] = {}
    shares: dict[str, list[tuple[float, ...]]] = {}
    spent: dict[str, float] = {}
    for seed in options.seeds:
        rgb, truth, paths = load_scene(seed)
        for name, geometry in rivals(truth).items():
            warper = Warper(rgb, geometry, None)
            moved = [move_path(parse_move(move, held=True), geometry, WIDTH, HEIGHT, 24) for move in MOVES]
            for path in (*paths, *moved):
                cameras = list(zip(path.frames, np.asarray(path.K), np.asarray(path.world_from_camera), strict=True))
                frames = [warper.warp_and_measure(*camera, WIDTH, HEIGHT)[1] for camera in cameras]
                kinds = {trouble.kind for trouble in find_trouble(frames)}
                told.setdefault(name, []).append([kind in kinds for kind in KINDS])
                shares.setdefault(name, []).append(tuple(np.mean([astuple(frame) for frame in frames], axis=0)))
                spent = spent or _time(warper, cameras[0])
    print(f"{len(options.seeds)} scenes of {WIDTH}x{HEIGHT}, {len(told['true']) // len(options.seeds)} cameras each\n")
    print("| depth | unseen, told of | folded | stretched | torn | mean folded, % | stretched | torn |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    figures: dict[str, float] = {f"{part}_ms": round(value, 2) for part, value in spent.items()}
    fields = list(FrameTrouble.__dataclass_fields__)
    for name, values in told.items():
        percent = 100 * np.mean(values, axis=0)
        mean = dict(zip(fields, 100 * np.mean(shares[name], axis=0), strict=True))
        cells = [*(f"{value:.0f}" for value in percent), *(f"{mean[kind]:.2f}" for kind in KINDS[1:])]
        print(f"| {name} | {' | '.join(cells)} |")
        figures |= {f"{kind} {name}": round(float(value), 1) for kind, value in zip(KINDS, percent, strict=True)}
    print(f"\na frame: {', '.join(f'{part} {value:.1f} ms' for part, value in spent.items())}")
    print(json.dumps({"bench": "trouble", "figures": figures}))


def _time(warper: Warper, camera: tuple[int, np.ndarray, np.ndarray]) -> dict[str, float]:
    frame, K, world_from_camera = camera
    surface, warped = warper.surface(frame), warper.warp(*camera, WIDTH, HEIGHT)
    known, confidence = warped.known, warper.geometry.confidence[frame]
    seen = confidence, confidence > 0, warped.visible, warped.depth, (WIDTH, HEIGHT)
    forward = target_from_source(world_from_camera, warper.geometry.world_from_camera[frame])
    rgb, source_K = warper.frames[frame], warper.K[frame]
    return {
        "bends": milliseconds(lambda: bends(rgb, surface, source_K, forward, K, WIDTH, HEIGHT)),
        "doubts": milliseconds(lambda: doubts(*seen, source_K, forward, K)),
        "hole": milliseconds(lambda: largest_hole(known)),
    }


if __name__ == "__main__":
    main()
