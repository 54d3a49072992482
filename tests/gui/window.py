# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `drive.py` in a Blender window: a whole job by mouse, against a real backend.

REANGLE_BLENDER is the command of a Blender from 4.2 on, with arguments if it needs any; else `blender` on the path.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts")]

from environments import python_of  # noqa: E402

from reangle_blender.core import backend_process  # noqa: E402


class NoWindowError(Exception):
    """Why there can be no Blender window here."""


def blender() -> list[str]:
    """The command of Blender. Raises NoWindowError."""
    if command := os.environ.get("REANGLE_BLENDER"):
        return shlex.split(command)
    path = shutil.which("blender")
    if not path:
        raise NoWindowError(
            "there is no Blender with a window: REANGLE_BLENDER is not set and no blender is on the path"
        )
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise NoWindowError("there is no display")
    return [path]


def drive(command: list[str], python: str, folder: Path, script: str = "drive.py", **config: Any) -> dict[str, Any]:
    """The report of a run; it and the screenshots are in `folder/out`. Raises RuntimeError if the run fails.

    command: of Blender. python: with the backend's packages. folder: everything that Blender reads must be in it.
    script: what is run in the window. config: as in `drive.py`; what has to do with this machine is added.
    """
    data, out = folder / "data", folder / "out"
    data.mkdir()
    out.mkdir()
    # One thread: drawing a window without a GPU needs the other core.
    variables = {"PYTHONPATH": str(REPOSITORY / "backend"), "OMP_NUM_THREADS": "1"}
    about = {"command": [python, "-m", "reangle"], "environment": variables}
    (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
    build = [python_of("bpy"), REPOSITORY / "scripts" / "build_extension.py", "--out", folder / "dist"]
    archive = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    config |= {
        "archive": archive,
        "data": str(data),
        "results": str(folder / "results"),
        "out": str(out),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name in ("mouse.py", "drive.py", script):
        shutil.copy(Path(__file__).with_name(name), folder)
    environment = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "resources")}
    # The window connects to this backend; a sandboxed Blender could not start one.
    backend = backend_process.ensure(data)
    try:
        done = subprocess.run(
            [
                *command,
                *("--factory-startup", "--enable-event-simulate", "--window-geometry", "0", "0", "1920", "1080"),
                *("--python", str(folder / script), "--", str(folder / "config.json")),
            ],
            cwd=folder,
            env=environment,
            timeout=3600,
            capture_output=True,
            text=True,
        )
    finally:
        backend_process.stop(backend)
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    return json.loads((out / "report.json").read_text(encoding="utf-8"))
