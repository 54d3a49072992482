# SPDX-License-Identifier: Apache-2.0
"""Compare what draws and looks up frames: compiled kernels on one thread of the processor, and torch on a device.

    python3.11 scripts/bench/drawing.py                    on the graphics card if torch can use one, else on the CPU
    python3.11 scripts/bench/drawing.py --device cuda:1

The sample's middle frame is drawn into each of its true cameras, at the sample's size and at twice that, and the
memory's plates too. Prints milliseconds a picture (the least of some runs) and how many pixels differ.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from reangle.warping.drawing import PROCESSOR
from reangle.warping.memory import Memory
from reangle.warping.torch_drawing import OnDevice
from reangle.warping.types import WarpedFrame
from reangle.warping.video import Warper

from scripts.bench.preview import Scene, load_sample

RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(parser.parse_args().device)
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    scene = load_sample()
    print(f"torch {torch.__version__} on {device} ({named}); the processor on one thread")
    for times in (1, 2):
        compare(scene, times, OnDevice(device))


def compare(scene: Scene, times: int, on_device: OnDevice) -> None:
    """times: how much larger the new pictures are than the sample's."""
    memory = Memory.of_clip(scene.frames, scene.geometry)
    spent, pictures = [], []
    for drawing in (PROCESSOR, on_device):
        memory.drawing = drawing
        warper = Warper(scene.frames, scene.geometry, memory, drawing=drawing)
        results = [
            timed(lambda n=n, warper=warper: picture(warper, scene, n, times)) for n in range(len(scene.targets))
        ]
        spent.append(np.mean([seconds for seconds, _ in results]) * 1e3)
        pictures.append([frame for _, frame in results])
    differs = [
        (np.abs(here.rgb.astype(int) - there.rgb).max(-1) > 1) | (here.visible != there.visible)
        for here, there in zip(*pictures, strict=True)
    ]
    height, width = pictures[0][0].visible.shape
    print(f"{width}x{height}: processor {spent[0]:.1f} ms, torch {spent[1]:.1f} ms a picture; ", end="")
    print(f"{np.mean(differs):.4%} of the pixels differ by more than rounding")


def picture(warper: Warper, scene: Scene, target: int, times: int) -> WarpedFrame:
    path = scene.targets[target][0]
    n = len(path.frames) // 2
    K = np.diag([times, times, 1.0]) @ np.asarray(path.K)[n]
    camera = np.asarray(path.world_from_camera)[n]
    return warper.warp(path.frames[n], K, camera, times * path.width, times * path.height)


def timed(make: Callable[[], WarpedFrame]) -> tuple[float, WarpedFrame]:
    """Least seconds of some runs, after one that is not counted, and what was made."""
    made, best = make(), float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        made = make()
        best = min(best, time.perf_counter() - started)
    return best, made


if __name__ == "__main__":
    main()
