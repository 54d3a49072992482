# SPDX-License-Identifier: Apache-2.0
"""Measure how much a busy machine slows Reangle down, and which thread settings help.

    python3.11 scripts/bench/busy.py                                 the shipped settings and the libraries' own
    python3.11 scripts/bench/busy.py --settings ours spin-0 one-thread     others of SETTINGS

Three kinds of work, each in a fresh process: `geometry` (torch inference on three frames), `learn` (training steps of
the mini video model) and `preview` (warp and fill of 16 frames by compiled kernels on Python threads). Each runs alone,
beside busy loops (twice as many as cores, so that the load is three times the cores) and beside a second copy of
itself. Settings alternate, so that a change of the machine affects all. Times are medians without the start of
Python. A run that reaches the limit is killed and counts as the limit.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

from reangle.runtime.threads import CHOSEN_BY_USER, WAITING

from scripts.environments import REPOSITORY

WORKS = ("geometry", "learn", "preview")
PLACES = ("alone", "busy", "twice")
SAMPLE = REPOSITORY / "scripts" / "sample" / "footage"
VIDEO_MODEL = REPOSITORY / "backend" / "reangle" / "weights" / "mini" / "video"
STEPS = 6

SETTINGS: dict[str, Mapping[str, str]] = {
    "library": {"GOMP_SPINCOUNT": "300000"},
    "ours": WAITING,
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{f"spin-{count}": {"GOMP_SPINCOUNT": str(count)} for count in (0, 100, 1000, 3000, 30000)},
    "one-thread": {"OMP_NUM_THREADS": "1"},
    "one-numba-thread": {"NUMBA_NUM_THREADS": "1"},
}
"""Name -> environment variables. `library` is libgomp's default, set explicitly so that ours does not replace it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how much a busy machine slows Reangle down.")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=["library", "ours"], metavar="NAME")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=WORKS, metavar="WORK")
    parser.add_argument("--places", nargs="+", choices=PLACES, default=PLACES, metavar="PLACE")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each kind (5)")
    parser.add_argument("--loops", type=int, metavar="N", help="busy loops (default: twice the number of cores)")
    parser.add_argument("--limit", type=float, default=60, metavar="S", help="seconds after which a run ends (60)")
    parser.add_argument("--child", choices=WORKS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(run_work(args.child)))
        return 0
    loops = 2 * (os.cpu_count() or 1) if args.loops is None else args.loops
    times: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(args.rounds):
        for work, place, setting in itertools.product(args.works, args.places, args.settings):
            copies = 2 if place == "twice" else 1
            with (
                started(work, SETTINGS[setting], copies=copies) as processes,
                busy_loops(loops if place == "busy" else 0),
            ):
                seconds = measure(processes, args.limit)
            times.setdefault((work, place, setting), []).append(seconds)
    print_table(times, loops)
    return 0


@contextmanager
def started(work: str, variables: Mapping[str, str], *, copies: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that have imported what the work needs and wait for a line of input."""
    command = [sys.executable, __file__, "--child", work]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    inherited = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USER}
    environment = {**inherited, **variables}
    processes = [subprocess.Popen(command, env=environment, text=True, **pipes) for _ in range(copies)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(processes: Sequence[subprocess.Popen[str]], limit: float) -> float:
    """Let the processes work at the same time; returns their mean seconds, at most `limit`."""
    deadline = time.monotonic() + limit
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = []
    for process in processes:
        try:
            output, _ = process.communicate(timeout=max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            seconds.append(limit)
            continue
        if process.returncode:
            raise SystemExit(f"The work failed: {' '.join(map(str, process.args))}")
        seconds.append(float(output.splitlines()[-1]))
    return statistics.mean(seconds)


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Other programs: processes that only compute."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5 if loops else 0)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def run_work(work: str) -> float:
    """Import, wait for a line of input, do the work; returns its seconds."""
    import diffusers  # noqa: F401
    import reangle.cli.render  # noqa: F401
    import scipy.optimize  # noqa: F401
    import torch  # noqa: F401

    step = learning_step() if work == "learn" else None
    if step:
        step()
    print("ready", flush=True)
    sys.stdin.readline()
    if step:
        start = time.perf_counter()
        for _ in range(STEPS):
            step()
        return time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        os.environ["REANGLE_DATA"] = str(Path(folder) / "data")
        if work == "geometry":
            options = ["--geometry", "mini", "--frames", "3", "--size", "240x160"]
        else:
            options = ["--geometry", f"files:{SAMPLE / 'depth'}", "--frames", "16"]
        seconds = seconds_of_preview(Path(folder) / "out", options)
    return seconds["geometry"] if work == "geometry" else seconds["warp"] + seconds["fill"]


def seconds_of_preview(out: Path, options: Sequence[str]) -> dict[str, float]:
    """Run the command line in this process; returns the seconds of each stage from the result's manifest."""
    from reangle.cli.main import main as reangle

    clip = ["--clip", str(SAMPLE / "clip.mp4"), "--view", "orbit-left:8", "--out", str(out)]
    standard_output = os.dup(1)
    os.dup2(2, 1)
    status = reangle(["run", *clip, *options, "--json"])
    os.dup2(standard_output, 1)
    if status:
        raise SystemExit(status)
    return json.loads(next(out.glob("*/manifest.json")).read_text(encoding="utf-8"))["seconds"]


def learning_step() -> Callable[[], None]:
    """A training step of the mini video model's transformer, on noise."""
    import torch
    from diffusers import CogVideoXTransformer3DModel

    torch.manual_seed(0)
    model = CogVideoXTransformer3DModel.from_pretrained(VIDEO_MODEL, subfolder="transformer").train()
    config = model.config
    frames = 1 + (config.sample_frames - 1) // config.temporal_compression_ratio
    latents = torch.randn(1, frames, config.in_channels, config.sample_height, config.sample_width)
    target = torch.randn(1, frames, config.out_channels, config.sample_height, config.sample_width)
    words = torch.randn(1, config.max_text_seq_length, config.text_embed_dim)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step() -> None:
        predicted = model(latents, words, torch.tensor([500]), return_dict=False)[0]
        (predicted - target).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def print_table(times: Mapping[tuple[str, str, str], Sequence[float]], loops: int) -> None:
    """Print the seconds of each work and setting, the factor to running alone, and the figures as the last line."""
    figures: dict[str, float] = {}
    print(f"{os.cpu_count()} cores, {loops} busy loops; median seconds, in brackets the fastest and the slowest run")
    medians = {key: statistics.median(values) for key, values in times.items()}
    print(f"{'':34}" + "".join(f"{place:>22}{'x alone':>9}" for place in PLACES if any(place in key for key in times)))
    for work, setting in dict.fromkeys((work, setting) for work, _, setting in times):
        line = f"{work + ', ' + setting:34}"
        for place in PLACES:
            if (values := times.get((work, place, setting))) is None:
                continue
            median = medians[work, place, setting]
            line += f"{f'{median:.2f} ({min(values):.2f}-{max(values):.2f})':>22}"
            line += f"{median / medians.get((work, 'alone', setting), float('nan')):9.2f}"
            figures[f"{work}_{place}_{setting}_s"] = round(median, 3)
        print(line)
    print(json.dumps({"bench": "busy", "figures": figures}))


if __name__ == "__main__":
    sys.exit(main())
