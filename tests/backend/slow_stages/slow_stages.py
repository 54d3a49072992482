# SPDX-License-Identifier: Apache-2.0
"""Stages that follow the orders in the folder REANGLE_TEST_STAGES; see `tests.backend.server_harness.Stages`."""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from reangle.errors import RunAgainError
from reangle.runtime.stage import StageContext, StageWarning
from reangle.stages import STAGES

FOLDER = Path(os.environ["REANGLE_TEST_STAGES"])


def _stage(kind: str, context: StageContext[Any, Any]) -> None:
    orders = {path.name for path in FOLDER.iterdir()}
    child = None
    if "stubborn" in orders:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "children" in orders:
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    with (FOLDER / "log").open("a") as log:
        print(json.dumps({"run": kind, "pid": os.getpid(), "child": child and child.pid}), file=log, flush=True)
    if f"raise-{kind}" in orders:
        raise RuntimeError("the first line\nand the second")
    if f"end-{kind}" in orders:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(30)
    if f"die-{kind}" in orders:
        code, _, words = (FOLDER / f"die-{kind}").read_text().partition(" ")
        sys.stderr.write(words)
        sys.stderr.flush()
        faulthandler.disable()  # it would add a stack
        os.kill(os.getpid(), -int(code)) if int(code) < 0 else os._exit(int(code))
        time.sleep(30)
    if f"import-{kind}" in orders:
        importlib.import_module("no_such_package")
    if f"stop-{kind}" in orders:
        os.kill(os.getpid(), signal.SIGSTOP)
    if f"endless-{kind}" in orders:
        raise RunAgainError(f"{kind} needs a new process")
    if f"learn-{kind}" in orders:
        context.report_training(0.5, "step 1", b"")
        context.report_training(0.25, "step 2", b"a picture")
    if f"warn-{kind}" in orders:
        context.warn(StageWarning(3, 7, 5, "It folds."))
    if f"again-{kind}" in orders:
        (FOLDER / f"again-{kind}").unlink()
        raise RunAgainError(f"{kind} needs a new process")
    if f"fill-{kind}" in orders:
        (context.out.path / "large.bin").write_bytes(bytes(8 << 20))
    steps = 0
    while (FOLDER / f"hold-{kind}").exists():
        steps += 1
        context.report(min(steps / 1000, 0.9), f"note of {kind}" if steps == 1 else "")
        time.sleep(0.01)
    _hang(kind)
    if child is not None:
        child.kill()
        child.wait()
    (context.out.path / "frames").mkdir()
    params = STAGES[kind].params_json(context.params)
    (context.out.path / "frames" / "000001.png").write_text(json.dumps([kind, params], sort_keys=True))


def _hang(kind: str) -> None:
    while (FOLDER / f"hang-{kind}").exists():
        time.sleep(0.01)


decode = partial(_stage, "decode")
glance = partial(_stage, "glance")
camera = partial(_stage, "camera")
geometry = partial(_stage, "geometry")
warp = partial(_stage, "warp")
fill = partial(_stage, "fill")
deliver = partial(_stage, "deliver")
