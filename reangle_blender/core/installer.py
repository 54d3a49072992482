# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the installer of the backend that the extension carries: start it, follow its log, cancel it.

It is a program of its own, in a process group of its own, so cancel is a kill and Blender never waits for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .environments import READY, environments_folder
from .errors import UserError
from .files import check_cancel, disk_errors
from .installation import FAILED, MAKING, Carried, read_about, read_progress

POLL_S = 0.1
SCRATCH = "installing-"
DAY_S = 86400.0
_GROUP = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0
_CORE = Path(__file__).parent


class InstallError(UserError):
    """The backend was not installed."""


@dataclass(frozen=True)
class Installed:
    """What of the backend is in a data folder. version: "" if that is unknown. command: whether it can be started."""

    version: str = ""
    command: bool = False


@dataclass(frozen=True)
class Progress:
    """fraction: 0 to 1. words: the step at work."""

    fraction: float
    words: str


def carried_folder(extension: Path = _CORE.parent) -> Path:
    """The extension's folder of the backend; only a built extension has one."""
    return extension / "backend"


def carried() -> Carried | None:
    """The backend that this copy of the add-on can install; None for that of a checkout."""
    return read_about(carried_folder())


def installed(data: Path) -> Installed:
    """What is installed in a data folder, by this or by `scripts/install_backend.py`."""
    found = sorted((data / "application").glob("reangle-*.dist-info"))
    version = found[-1].name.removeprefix("reangle-").removesuffix(".dist-info") if found else ""
    return Installed(version, (data / "backend.json").is_file())


def is_newer(version: str, than: str) -> bool:
    """Whether a version such as 0.10.0 is newer than another; anything is newer than ""."""
    return _numbers(version) > _numbers(than)


def log_file(data: Path) -> Path:
    """Where the installer writes its output."""
    return data / "installation.log"


def blender_python() -> str:
    """The Python to start the installer with: Blender's own. Raises InstallError if Blender has none on the disk."""
    if Path(sys.executable).name.lower().startswith("python") and Path(sys.executable).is_file():
        return sys.executable
    for name in ("python3.13", "python3.12", "python3.11", "python3", "python", "py"):
        if place := shutil.which(name):
            return place
    raise InstallError(
        "This Blender has no Python of its own, and none was found.",
        advice="Install Python 3.13 from https://www.python.org/downloads/, then press Install again.",
    )


def run(
    data: Path,
    *,
    post: Callable[[Progress, str], None],
    cancel: threading.Event,
    only_environment: bool = False,
    folder: Path | None = None,
) -> None:
    """Install the carried backend into `data`, and wait for it: call it from a worker thread.

    post(progress, line): called for each line of the log. folder: of the backend, if not the extension's own. Raises
    InstallError, CanceledError. What is incomplete after a failure or a cancel is removed.
    """
    log = log_file(data)
    with disk_errors(data, writing=True):
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        environments_folder().mkdir(parents=True, exist_ok=True)
        _remove_old_scratch()
        # pip unpacks gigabytes, more than a temporary folder in memory holds.
        scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=environments_folder()))
        command = [blender_python(), "-B", "-m", "core.installation", "--data", str(data)]
        command += ["--carried", str(folder or carried_folder())]
        command += ["--only-environment"] if only_environment else []
        process = None
        try:
            with log.open("wb") as out:
                process = subprocess.Popen(
                    command,
                    cwd=data,
                    env=_variables(scratch),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    creationflags=_GROUP,
                    start_new_session=True,
                )
            _follow(process, log, post, cancel)
        finally:
            if process is not None:
                kill(process)
                _clean_up(data, log)
            shutil.rmtree(scratch, ignore_errors=True)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the installer and what it has started."""
    if process.poll() is None:
        if sys.platform == "win32":
            command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
            subprocess.run(command, capture_output=True, creationflags=_GROUP)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _variables(scratch: Path) -> dict[str, str]:
    """Environment variables of the installer: without what Blender sets for its own Python."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
    }
    own = {"PYTHONPATH": str(_CORE.parent), "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**inherited, **own, **{name: str(scratch) for name in ("TMPDIR", "TEMP", "TMP")}}


def _follow(
    process: subprocess.Popen[bytes], log: Path, post: Callable[[Progress, str], None], cancel: threading.Event
) -> None:
    now, failed, last = Progress(0.0, "Starting"), "", ""
    with log.open("rb") as file:
        while True:
            ended = process.poll() is not None
            rest = b""
            for raw in file:
                if not raw.endswith(b"\n") and not ended:
                    rest = raw
                    break
                line = raw.decode("utf-8", errors="replace").rstrip()
                last = line or last
                if found := read_progress(line):
                    now = Progress(*found)
                elif line.startswith(FAILED):
                    failed = line.removeprefix(FAILED)
                post(now, line)
            file.seek(-len(rest), os.SEEK_CUR)
            if ended:
                break
            check_cancel(cancel)
            time.sleep(POLL_S)
    if process.returncode:
        raise InstallError(
            failed or f"The backend was not installed: {last or f'status {process.returncode}'}",
            advice="Open Log shows all that was tried.",
        )


def _remove_old_scratch() -> None:
    """Remove scratch folders that a crash has left; no installation takes a day."""
    with contextlib.suppress(OSError):
        for folder in environments_folder().glob(f"{SCRATCH}*"):
            if folder.stat().st_mtime < time.time() - DAY_S:
                shutil.rmtree(folder, ignore_errors=True)


def _clean_up(data: Path, log: Path) -> None:
    """Remove what the installer left incomplete."""
    shutil.rmtree(data / "application.new", ignore_errors=True)
    with contextlib.suppress(OSError):
        for place in re.findall(rf"\] {re.escape(MAKING)}(.*)", log.read_text(encoding="utf-8", errors="replace")):
            folder = Path(place.strip())
            if folder.parent == environments_folder() and not (folder / READY).exists():
                shutil.rmtree(folder, ignore_errors=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
