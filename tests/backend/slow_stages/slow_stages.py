# SPDX-License-Identifier: Apache-2.0
"""Stages that do as the files in the folder REANGLE_TEST_STAGES say; see `tests.backend.server_harness.Stages`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from reangle.errors import RunAgainError
from reangle.runtime.stage import StageContext

FOLDER = Path(os.environ["REANGLE_TEST_STAGES"])


def _stage(run: str, context: StageContext) -> None:
    orders = {path.name for path in FOLDER.iterdir()}
    child = None
    if "stubborn" in orders:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "children" in orders:
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    with (FOLDER / "log").open("a") as log:
        print(json.dumps({"run": run, "pid": os.getpid(), "child": child and child.pid}), file=log, flush=True)
    if f"raise-{run}" in orders:
        raise RuntimeError("the first line\nand the second")
    if f"learn-{run}" in orders:
        context.show(0.5, "step 1", b"")
        context.show(0.25, "step 2", b"a picture")
    if f"again-{run}" in orders:
        (FOLDER / f"again-{run}").unlink()
        raise RunAgainError(f"{run} wants to begin again")
    if f"fill-{run}" in orders:
        (context.out / "large.bin").write_bytes(bytes(8 << 20))
    steps = 0
    while (FOLDER / f"hold-{run}").exists():
        steps += 1
        context.report(min(steps / 1000, 0.9), f"note of {run}" if steps == 1 else "")
        time.sleep(0.01)
    if child is not None:
        child.kill()
        child.wait()
    (context.out / "frames").mkdir()
    (context.out / "frames" / "000001.png").write_text(json.dumps([run, context.params], sort_keys=True))


def decode(context: StageContext) -> None:
    _stage("decode", context)


def geometry(context: StageContext) -> None:
    _stage("geometry", context)


def warp(context: StageContext) -> None:
    _stage("warp", context)


def preview(context: StageContext) -> None:
    _stage("preview", context)


def deliver(context: StageContext) -> None:
    _stage("deliver", context)
