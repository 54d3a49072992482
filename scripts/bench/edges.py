# SPDX-License-Identifier: Apache-2.0
"""Measure what becomes of a surface's edges: torn, stretched and misplaced surface, and the time of sharpening.

    python3.11 scripts/bench/edges.py [--seeds 0 3 6] [--no-time]

Depth of generated scenes at 720x480 is spoilt as a network spoils it (a third of the size, blurred, with a smooth error
of scale and noise that neighbours share), brought to the frame's size in several ways, and warped to the scene's two
other cameras. `small` is warped as it is; `linear` interpolates 1 / depth; `sharpened` is the product's. `noisy` and
`8 bits` are true depth with independent noise, or rounded 1 / depth, at full size: what a file of somebody's may hold.
`grown` is true depth whose nearer surfaces reach so many pixels too far: what misplaced edges alone cost.
Torn, unseen and stretched: see `reangle.evaluation.tears`. AbsRel is after one factor per frame.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from reangle.contract import CameraPath, from_data
from reangle.evaluation.tears import torn_share
from reangle.geometry.edges import sharpen
from reangle.geometry.video_geometry import VideoGeometry
from warp import copy_bandwidth

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render

WIDTH, HEIGHT, SMALLER = 720, 480, 3
FRAMES = (0, 24)
BYTES = WIDTH * HEIGHT * (3 + 4 + 1 + 4) + WIDTH * HEIGHT // SMALLER**2 * (4 + 1 + 4)
"""Colour read, depth, validity and confidence written and, small, read: once each."""

SPOILT = {"blurred": (1.0, 0.005), "very blurred": (1.6, 0.005), "blurred, noisy": (1.0, 0.015)}
"""Deviation of the blur in small pixels, and of the noise as a share of the median 1 / depth."""

GROWN = (1, 2)
"""Pixels of the frame's 720."""

Scene = tuple[np.ndarray, VideoGeometry, list[CameraPath]]


def load_scene(seed: int) -> Scene:
    """Frames, true geometry and the paths of the other cameras."""
    scene = draw_scene(seed, width=WIDTH, height=HEIGHT)
    seen = render(scene, scene.source, FRAMES)
    pick = list(FRAMES)
    valid = seen.depth < 1e6
    lens, poses = (array[pick].astype(np.float64) for array in (scene.source.K, scene.source.world_from_camera))
    truth = VideoGeometry(
        np.where(valid, seen.depth, 0), valid, valid.astype(np.float32), lens, poses, "metric", "files", "files"
    )
    paths = [
        from_data(
            CameraPath,
            {
                "name": name,
                "fps": scene.fps,
                "width": WIDTH,
                "height": HEIGHT,
                "frames": list(range(len(pick))),
                "world_from_camera": camera.world_from_camera[pick].tolist(),
                "K": camera.K[pick].tolist(),
            },
        )
        for name, camera in scene.targets.items()
    ]
    return seen.rgb, truth, paths


def spoil(inverse: np.ndarray, seed: int, blur: float, noise: float) -> np.ndarray:
    """1 / depth as a network of a third of the size might see it, h x w float32."""
    rng = np.random.default_rng(seed)
    size = WIDTH // SMALLER, HEIGHT // SMALLER
    small = cv2.GaussianBlur(cv2.resize(inverse, size, interpolation=cv2.INTER_AREA), (0, 0), blur)
    field = cv2.resize(rng.normal(size=(4, 6)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    shared = cv2.GaussianBlur(rng.normal(size=size[::-1]).astype(np.float32), (0, 0), 1.0)
    typical = np.median(small)
    spoilt = small * np.exp(0.1 * field) + noise * typical * shared / shared.std()
    return np.maximum(spoilt, 1e-3 * typical).astype(np.float32)


def with_depth(truth: VideoGeometry, inverse: list[np.ndarray]) -> VideoGeometry:
    depth = (1 / np.stack(inverse)).astype(np.float32)
    everywhere = np.ones(depth.shape, bool)
    K = truth.K_at(depth.shape[2], depth.shape[1])
    return replace(truth, depth=depth, valid=everywhere, confidence=everywhere.astype(np.float32), K=K)


def rivals(rgb: np.ndarray, truth: VideoGeometry) -> dict[str, VideoGeometry]:
    """Name of a row -> geometry."""
    known = np.where(truth.valid, truth.depth, 1e4)
    inverse = list((1 / known).astype(np.float32))
    rows = {"true": truth}
    noise = np.random.default_rng(0).normal(0, 0.01, known.shape).astype(np.float32)
    rows["noisy"] = with_depth(
        truth, [np.maximum(w + np.median(w) * n, 1e-4) for w, n in zip(inverse, noise, strict=True)]
    )
    steps = [255 / np.percentile(w, 99.9) for w in inverse]
    rows["8 bits"] = with_depth(
        truth, [np.maximum(np.round(np.minimum(w * k, 255)), 0.5) / k for w, k in zip(inverse, steps, strict=True)]
    )
    for reach in GROWN:
        wider = np.ones((2 * reach + 1, 2 * reach + 1))
        rows[f"grown by {reach}"] = with_depth(truth, [cv2.dilate(w, wider) for w in inverse])
    for name, (blur, amount) in SPOILT.items():
        small = [spoil(w, seed, blur, amount) for seed, w in enumerate(inverse)]
        rows[f"{name}: small"] = with_depth(truth, small)
        rows[f"{name}: linear"] = with_depth(truth, [cv2.resize(w, (WIDTH, HEIGHT)) for w in small])
        sharp = [sharpen(*full(1 / w), image) for w, image in zip(small, rgb, strict=True)]
        depth, valid, confidence = (np.stack(part) for part in zip(*sharp, strict=True))
        rows[f"{name}: sharpened"] = replace(truth, depth=depth, valid=valid, confidence=confidence)
    return rows


def full(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth that is valid and certain everywhere."""
    return depth, np.ones(depth.shape, bool), np.ones(depth.shape, np.float32)


def absolute_error(geometry: VideoGeometry, truth: VideoGeometry) -> float:
    errors = []
    for one, true, known in zip(geometry.depth, truth.depth, truth.valid, strict=True):
        depth = one if one.shape == true.shape else 1 / cv2.resize(1 / one, true.shape[::-1])
        both = known & (depth > 0)
        factor = np.median(true[both] / depth[both])
        errors.append(np.abs(factor * depth[both] / true[both] - 1).mean())
    return float(np.mean(errors))


def milliseconds(work: Callable[[], object], rounds: int = 15) -> float:
    """Of this thread's processor time in the fastest round: other programs may run on the machine."""
    work()
    times = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Torn and stretched surface, and the time of sharpening.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[*range(0, 24, 3)], help="generated scenes")
    parser.add_argument("--no-time", action="store_true", help="no timing")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows: dict[str, list[list[float]]] = {}
    rgb, truth = np.empty(0), None
    for seed in options.seeds:
        rgb, truth, paths = load_scene(seed)
        for name, geometry in rivals(rgb, truth).items():
            tears = np.mean([torn_share(rgb, geometry, truth, path, range(len(FRAMES))) for path in paths], axis=0)
            rows.setdefault(name, []).append([*(100 * tears), absolute_error(geometry, truth)])
    print(f"{len(options.seeds)} scenes of {WIDTH}x{HEIGHT}, {len(FRAMES)} frames each, to two cameras")
    print(f"{'':30}{'torn, %':>10}{'unseen, %':>12}{'stretched, %':>14}{'AbsRel':>9}")
    figures: dict[str, float] = {}
    for name, values in rows.items():
        torn, unseen, stretched, error = np.mean(values, axis=0)
        print(f"{name:30}{torn:10.2f}{unseen:12.2f}{stretched:14.2f}{error:9.4f}")
        figures |= {f"torn {name}": round(torn, 3), f"stretched {name}": round(stretched, 3)}
    if not options.no_time and truth is not None:
        small = spoil((1 / np.where(truth.valid[0], truth.depth[0], 1e4)).astype(np.float32), 0, *SPOILT["blurred"])
        parts = full(1 / small)
        bandwidth = copy_bandwidth(1)
        figures["sharpen_ms"] = milliseconds(lambda: sharpen(*parts, rgb[0]))
        figures["resize_ms"] = milliseconds(lambda: cv2.resize(small, (WIDTH, HEIGHT)))
        figures["floor_ms"] = 1e3 * BYTES / bandwidth
        print(f"\none {WIDTH}x{HEIGHT} frame on one core: sharpen {figures['sharpen_ms']:.1f} ms, ", end="")
        print(f"cv2.resize of 1 / depth {figures['resize_ms']:.2f} ms, memory floor {figures['floor_ms']:.2f} ms")
        print(f"({BYTES / 1e6:.1f} MB at {bandwidth / 1e9:.1f} GB/s copied)")
    print(json.dumps({"bench": "edges", "figures": {name: round(value, 3) for name, value in figures.items()}}))


if __name__ == "__main__":
    main()
