# SPDX-License-Identifier: Apache-2.0
"""Check the ray caster on this machine's GPU: one line per step. Takes under a minute.

python -m scripts.train.meshes.check [--assets out/train/assets.npz] [--device cuda] [--seconds 10]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch

from scripts.train.meshes.caster import Caster, compilers
from scripts.train.meshes.degrade import degrade
from scripts.train.meshes.stream import SceneStream, cameras_of, together


def main() -> None:
    parser = argparse.ArgumentParser(description="Check the ray caster on this machine.")
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    print(f"compilers: {compilers()}; torch {torch.__version__}; {os.cpu_count()} cores", flush=True)
    start = time.time()
    with SceneStream(options.assets, 3, options.device, options.workers) as stream:
        sizes = sum(array.nbytes for array in stream.library.arrays().values()) / 2**20
        print(f"assets loaded, caster compiled: {time.time() - start:.1f} s, {sizes:.0f} MiB", flush=True)
        start = time.time()
        batch = stream.batch(4, 64, 96)
        print(f"first batch: {time.time() - start:.1f} s, mean depth {batch.depth.mean():.2f} m", flush=True)
        agree(stream)
        speed(stream, options.seconds)


def agree(stream: SceneStream) -> None:
    """Render the same scenes with this device and with the CPU."""
    scenes = [stream.next_scene() for _ in range(4)]
    _, _, views = cameras_of(scenes, 128, 192, 1)
    built = together([scene.built for scene in scenes])
    here = stream.caster.cast(built, views, 1, 128, 192)
    there = Caster(stream.library, "cpu").cast(built, views, 1, 128, 192)
    depth = (here.depth.cpu() - there.depth).abs() / there.depth.clamp(min=0.1)
    wrong = (depth > 1e-3).float().mean().item()
    colour = (here.rgb.cpu().clamp(0, 2) - there.rgb.clamp(0, 2)).abs().mean().item()
    print(f"against the CPU: {100 * wrong:.3f} % of depths differ by over 0.1 %, colours by {colour:.4f} in the mean")
    if wrong > 0.005 or colour > 0.02:
        raise SystemExit("The devices disagree: do not train on these scenes.")


def speed(stream: SceneStream, seconds: float) -> None:
    """Pictures a second: rendering alone, with fresh scenes, and degrade()."""
    cuda = stream.device.type == "cuda"

    def done() -> float:
        if cuda:
            torch.cuda.synchronize()
        return time.time()

    size, many = ((256, 384), 32) if cuda else ((48, 72), 4)
    scenes = [stream.next_scene() for _ in range(many)]
    stream.render(scenes, *size)
    start, count = done(), 0
    while done() - start < seconds / 3:
        stream.render(scenes, *size)
        count += len(scenes)
    print(f"rendering alone: {count / (done() - start):.0f} pictures of {size[1]} x {size[0]} a second", flush=True)
    start, count, waited = done(), 0, 0.0
    while True:
        before = time.time()
        drawn = [stream.next_scene() for _ in range(many)]
        waited += time.time() - before
        batch = stream.render(drawn, *size)
        count += many
        if (spent := done() - start) > seconds:
            break
    print(f"fresh scenes: {count / spent:.0f} a second, {100 * waited / spent:.0f} % of it waiting", flush=True)
    generator = torch.Generator(stream.device).manual_seed(1)
    bright = degrade(batch.rgb, generator).mean().item()
    start, count = done(), 0
    while done() - start < seconds / 5:
        degrade(batch.rgb, generator)
        count += many
    print(f"degrade: {count / (done() - start):.0f} a second; mean {bright:.3f}", flush=True)
    instances = np.mean([len(scene.built.rows) for scene in drawn])
    sky = 100 * batch.sky.float().mean().item()
    print(f"{instances:.0f} instances, {sky:.0f} % sky, median depth {batch.depth.median():.2f} m", flush=True)


if __name__ == "__main__":
    main()
