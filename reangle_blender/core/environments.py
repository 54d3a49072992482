# SPDX-License-Identifier: Apache-2.0
"""Make Python environments from pinned requirements. Standard library only.

`scripts/environments.py` makes those of a checkout with it, `installation.py` that of the backend which the extension
carries; an environment with the same pins and the same Python is the same folder for both.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

BACKEND_PYTHONS = ("3.11", "3.12", "3.13")
BACKEND_GIGABYTES = 7.0 if sys.platform == "linux" else 3.0
BACKEND_IMPORTS = "torch, cv2, av, numba, fastapi"
# What `import bpy` and Cycles load on Linux, beyond a bare Debian or Ubuntu; EGL and Mesa are for Workbench.
DEBIAN_LIBRARIES = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libegl-mesa0 libgl1-mesa-dri"
)
READY = ".ready"
"""The file that a complete environment has; a folder without it is not used."""
SAME_COMMAND = "run the same command again"


class SetupError(Exception):
    """Why something cannot be installed, in one sentence, and what helps."""


class Interpreter(NamedTuple):
    """A Python outside all environments; `version` is such as 3.11.7."""

    path: str
    version: str

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


def environments_folder() -> Path:
    """Where environments are kept: REANGLE_ENVIRONMENTS, else beside the application data of this user."""
    if chosen := os.environ.get("REANGLE_ENVIRONMENTS"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Reangle" / "environments"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reangle" / "environments"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reangle" / "environments"


def folder_of(name: str, content: Sequence[str]) -> Path:
    """The folder of an environment. content: all that decides what is in it."""
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()
    return environments_folder() / f"{name}-{digest[:12]}"


def backend_content(pins: Sequence[str], interpreter: Interpreter, torch_index: str) -> list[str]:
    """What decides what is in the backend's environment. torch_index: "" for the usual one."""
    return [*pins, interpreter.version, platform.machine(), torch_index]


def pins_of(lock: Path) -> list[str]:
    """The pinned requirements of a lock file, in their order."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def running_interpreter() -> Interpreter:
    """The Python that runs this, or, if that is an environment's, the one that the environment was made from."""
    return Interpreter(getattr(sys, "_base_executable", None) or sys.executable, platform.python_version())


def find_python(minor: str) -> Interpreter | None:
    """A Python of this version on this machine, None if there is none."""
    if sys.platform == "win32":
        return ask_python("py", f"-{minor}")
    # pyenv has commands for all of its Pythons, but starts only the chosen ones.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [f"python{minor}", *map(str, sorted(pyenv.glob(f"versions/{minor}.*/bin/python{minor}")))]
    return next((found for place in places if (found := ask_python(place))), None)


@functools.cache
def ask_python(*command: str) -> Interpreter | None:
    """The Python that a command starts, None if it starts none."""
    code = "import platform, sys; print(sys._base_executable, platform.python_version(), sep='\\n')"
    try:
        answer = subprocess.run([*command, "-c", code], capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return Interpreter(*answer.stdout.splitlines()[:2])


def python_in(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def works(folder: Path) -> bool:
    """Whether an environment is complete and its Python still starts: the one it was made from may be gone."""
    if not (folder / READY).exists():
        return False
    try:
        return subprocess.run([python_in(folder), "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def check_venv(interpreter: Interpreter) -> None:
    """Raises SetupError if a Python lacks what virtual environments are made with."""
    command = [interpreter.path, "-c", "import ensurepip, venv"]
    if subprocess.run(command, capture_output=True).returncode:
        raise SetupError(
            f"{interpreter.path} cannot make virtual environments; on Debian or Ubuntu:"
            f" `sudo apt install python{interpreter.minor}-venv`."
        )


def check_room(name: str, needed_gb: float) -> None:
    """Raises SetupError if the disk of the environments has less than `needed_gb` GB free."""
    place = environments_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    if free < needed_gb:
        raise SetupError(
            f"The environment {name!r} needs {needed_gb:.1f} GB and {place} has {free:.1f} GB free:"
            " make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk."
        )


def make_venv(name: str, folder: Path, interpreter: Interpreter) -> None:
    """Make an empty environment with pip, in place of what is there. Raises SetupError."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        command = [interpreter.path, "-m", "venv", folder]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip()
        raise SetupError(f"The environment {name!r} could not be made: {reason}") from None


def install_pins(
    folder: Path,
    pins: Sequence[str],
    *,
    said: Callable[[str], None] | None = None,
    again: str = SAME_COMMAND,
) -> None:
    """Install exactly these requirements, without what they depend on. Raises SetupError.

    said: called with each line that pip prints; it prints little without. again: what to do after a failure.
    """
    lock = folder / "requirements.txt"
    lock.write_text("\n".join(pins), encoding="utf-8")
    # The pins fit this Python; depth-anything-3 says it needs at most 3.13, which no 3.13.1 is.
    arguments = ["--no-deps", "--ignore-requires-python", "-r", str(lock)]
    pip(folder, "the pinned packages", arguments, said=said, again=again)


def install_torch(
    folder: Path,
    pin: str,
    torch_index: str,
    *,
    said: Callable[[str], None] | None = None,
    again: str = SAME_COMMAND,
) -> None:
    """Install torch and what it depends on, which differs by system. As `install_pins`."""
    index = ["--index-url", torch_index] if torch_index else []
    pip(folder, "torch", [*index, pin], said=said, again=again)


def pip(
    folder: Path,
    what: str,
    arguments: Sequence[str],
    *,
    said: Callable[[str], None] | None = None,
    again: str = SAME_COMMAND,
) -> None:
    """Run `pip install` in an environment. Raises SetupError; see `install_pins`."""
    command = [str(python_in(folder)), "-m", "pip", "install", "--disable-pip-version-check"]
    command += [*(["--quiet"] if said is None else ["--progress-bar", _progress_bar(folder)]), *arguments]
    last, errors, is_full = deque[str](maxlen=3), list[str](), False
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                line = line.rstrip()
                if said is not None:
                    said(line)
                last.append(line)
                errors += [line] if line.startswith("ERROR") else []
                is_full |= "No space left" in line
        except BaseException:
            process.kill()
            raise
    if process.returncode == 0:
        return
    reason = errors or [*last]
    if is_full:
        reason = ["the disk is full; make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk"]
    raise SetupError(
        f"Installing {what} failed: {' '.join(reason)}\nCheck the network (behind a proxy, set HTTPS_PROXY) and"
        f" {again}; it starts afresh."
    )


def _progress_bar(folder: Path) -> str:
    """How pip tells the progress of a download in lines that can be read: since 24.1."""
    for about in (
        *folder.glob("lib/*/site-packages/pip-*.dist-info"),
        *folder.glob("Lib/site-packages/pip-*.dist-info"),
    ):
        if found := re.match(r"pip-(\d+)\.(\d+)", about.name):
            return "raw" if (int(found[1]), int(found[2])) >= (24, 1) else "off"
    return "off"


def check_imports(name: str, folder: Path, modules: str, *, again: str = SAME_COMMAND) -> None:
    """Raises SetupError if the environment cannot import these modules, with the name of a library it lacks."""
    done = subprocess.run([python_in(folder), "-c", f"import {modules}"], capture_output=True, text=True)
    if done.returncode == 0:
        return
    if missing := re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", done.stderr):
        raise SetupError(
            f"The system library {missing.group(1)} is missing; on Debian or Ubuntu: `sudo apt install"
            f" {DEBIAN_LIBRARIES}`, then {again}."
        )
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit status {done.returncode}"
    raise SetupError(f"The environment {name!r} was installed but does not work: {last}")


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold an operating-system lock on a file, so that two programs do not make one environment at once."""
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
