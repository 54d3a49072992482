# SPDX-License-Identifier: Apache-2.0
"""The Python environments of this project, made on first use.

`backend` holds the models and the server, `bpy` holds Blender 4.5 as a module and the tools that check the code;
`bpy-4.2` and `bpy-5.0` are the same with other Blenders. Each is a folder named after the content of its lock file, so
a changed lock makes a new one and all checkouts share those that fit. Standard library only: this runs before anything
is installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
IMPORTABLE = [str(REPOSITORY), str(REPOSITORY / "backend")]
BLENDERS = {"bpy": "4.5.15", "bpy-4.2": "4.2.23", "bpy-5.0": "5.0.1"}
GIGABYTES_NEEDED = {"backend": 7.0 if sys.platform == "linux" else 3.0, "bpy": 1.5, "bpy-4.2": 1.5, "bpy-5.0": 1.5}
# What `import bpy` and Cycles load on Linux, beyond a bare Debian or Ubuntu; EGL and Mesa are for Workbench.
DEBIAN_LIBRARIES = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libegl-mesa0 libgl1-mesa-dri"
)


class SetupError(Exception):
    """Why an environment cannot be made, in one sentence, and the command that helps."""


def environments_folder() -> Path:
    """Where environments are kept: REANGLE_ENVIRONMENTS, else beside the application data of this user."""
    if chosen := os.environ.get("REANGLE_ENVIRONMENTS"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Reangle" / "environments"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reangle" / "environments"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reangle" / "environments"


def environment_folder(name: str) -> Path:
    """Where this environment lies, or would lie."""
    content = "\n".join(
        [*requirements(name), platform.python_version(), platform.machine(), os.environ.get(_INDEX, "")]
    )
    return environments_folder() / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def requirements(name: str) -> list[str]:
    """The pinned requirements of an environment, in the order of its lock file."""
    lock = REPOSITORY / ("backend.lock" if name == "backend" else "blender.lock")
    lines = [line.strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    pins = [line for line in lines if line and not line.startswith("#")]
    return pins if name == "backend" else [f"bpy=={BLENDERS[name]}", *pins[1:]]


def python_of(name: str, *, torch_index: str | None = None) -> Path:
    """The environment's Python, made first if need be. Raises SetupError.

    torch_index: another package index for torch alone, e.g. one with builds for a certain CUDA.
    """
    if torch_index:
        os.environ[_INDEX] = torch_index
    folder = environment_folder(name)
    if not (folder / _READY).exists():
        _check_machine(name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock")):
            if not (folder / _READY).exists():
                _make(name, folder)
    return _python_in(folder)


def enter(name: str) -> None:
    """Go on in the named environment: returns if this is its Python, else starts this script again with it."""
    if Path(sys.prefix).resolve() == environment_folder(name).resolve():
        # In front of this folder, whose `reangle.py` would hide the package.
        sys.path[:] = [*IMPORTABLE, *(folder for folder in sys.path if folder not in IMPORTABLE)]
        return
    exit_with(run(name, sys.argv))


def run(name: str, arguments: Sequence[str]) -> int:
    """Run the environment's Python with the project importable; returns its exit status. Ctrl-C reaches it, too."""
    try:
        python = python_of(name)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    process = subprocess.Popen([python, *arguments], env=environment_variables())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def environment_variables() -> dict[str, str]:
    """This process's environment variables, with the project importable."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(IMPORTABLE), "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def exit_with(status: int) -> NoReturn:
    """Leave with a child's status; one that was killed by a signal counts as 128 + signal, as in a shell."""
    sys.exit(status if status >= 0 else 128 - status)


_READY = ".ready"
_INDEX = "REANGLE_TORCH_INDEX"


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _check_machine(name: str) -> None:
    if sys.version_info[:2] != (3, 11):
        raise SetupError(
            f"Reangle needs Python 3.11, and this is {platform.python_version()}: run it as `python3.11 {sys.argv[0]}`"
            " (from https://www.python.org/downloads/, `apt install python3.11 python3.11-venv`, or `brew install"
            " python@3.11`)."
        )
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise SetupError(
            "This Python cannot make virtual environments; on Debian or Ubuntu: `sudo apt install python3.11-venv`."
        ) from None
    place = environments_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < GIGABYTES_NEEDED[name]:
        raise SetupError(
            f"The environment {name!r} needs {GIGABYTES_NEEDED[name]:.1f} GB and {place} has {free:.1f} GB free:"
            " make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk."
        )


def _make(name: str, folder: Path) -> None:
    started = time.monotonic()
    print(f"Making the environment {name!r} in {folder}; this happens once and takes a few minutes.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise SetupError(
            f"The environment {name!r} could not be made: {(error.stderr or error.stdout).strip()}"
        ) from None
    pins = requirements(name)
    if name == "backend":
        index = ["--index-url", os.environ[_INDEX]] if os.environ.get(_INDEX) else []
        _pip(folder, "torch", [*index, pins[0]])
        pins = pins[1:]
    lock = folder / "requirements.txt"
    lock.write_text("\n".join(pins), encoding="utf-8")
    _pip(folder, "the pinned packages", ["--no-deps", "-r", str(lock)])
    _check_imports(name, folder)
    (folder / _READY).touch()
    print(f"The environment {name!r} is ready after {time.monotonic() - started:.0f} s.", flush=True)


def _pip(folder: Path, what: str, arguments: list[str]) -> None:
    print(f"  installing {what} ...", flush=True)
    command = [_python_in(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[
            -3:
        ]
        if any("No space left" in line for line in done.stderr.splitlines()):
            reason = ["the disk is full; make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk"]
        raise SetupError(
            f"Installing {what} failed: {' '.join(reason)}\nCheck the network (behind a proxy, set HTTPS_PROXY) and run"
            " the same command again; it starts afresh."
        )


def _check_imports(name: str, folder: Path) -> None:
    modules = "torch, cv2, av, numba, fastapi" if name == "backend" else "bpy"
    done = subprocess.run([_python_in(folder), "-c", f"import {modules}"], capture_output=True, text=True)
    if done.returncode == 0:
        return
    if missing := re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", done.stderr):
        raise SetupError(
            f"The system library {missing.group(1)} is missing; on Debian or Ubuntu: `sudo apt install"
            f" {DEBIAN_LIBRARIES}`, then run the same command again."
        )
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
    raise SetupError(f"The environment {name!r} was installed but does not work: {last}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an operating-system lock on a file, so that two scripts do not make one environment at once."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError:
                    time.sleep(0.5)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
