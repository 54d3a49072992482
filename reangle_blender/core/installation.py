# SPDX-License-Identifier: Apache-2.0
"""Install the backend into the data folder, with an environment of its own. Standard library only.

`installer.py` runs this as a program, `python -m core.installation --carried FOLDER --data FOLDER`: it installs the
backend that the extension carries. It prints pip's lines, and for each step one as `progress_line` makes it; the last
one is `[100%] ...`, or starts with "Failed: ". `scripts/install_backend.py` shares the functions.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from .environments import (
    BACKEND_PYTHONS,
    READY,
    Interpreter,
    SetupError,
    backend_content,
    check_imports,
    check_room,
    check_venv,
    environments_folder,
    find_python,
    folder_of,
    install_pins,
    install_torch,
    locked,
    make_venv,
    pins_of,
    python_in,
    running_interpreter,
    works,
)

SOURCE, ABOUT, LOCKS = "backend.zip", "about.json", "locks"
"""What the extension's folder of the backend has: the distribution's source with its weights, `Carried`, lock files."""
FAILED = "Failed: "
MAKING = "Making the environment in "
AGAIN = "press Install again"

T = TypeVar("T")


@dataclass(frozen=True)
class Carried:
    """The backend that the extension carries.

    sha256: of its zip. imports: modules that its environment must be able to import. gigabytes: free space that the
    environment needs.
    """

    version: str
    sha256: str
    imports: str
    gigabytes: float


def write_about(folder: Path, about: Carried) -> None:
    (folder / ABOUT).write_text(json.dumps(asdict(about), indent=1), encoding="utf-8")


def read_about(folder: Path) -> Carried | None:
    """What the extension carries in this folder; None if it carries no backend, as in a checkout."""
    try:
        return Carried(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def install_application(data: Path, python: Path, source: Path) -> Path:
    """Install the distribution in `source` into `data/application`, replacing an older one by renaming.

    python: the environment whose pip and setuptools build it; its packages are what the distribution depends on.
    Raises SetupError if pip fails, OSError if `data` cannot be written.
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    target, fresh, old = data / "application", data / "application.new", data / "application.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="reangle-build-", ignore_cleanup_errors=True) as folder:
        # setuptools writes beside what it builds: the checkout stays as it is.
        copy = Path(folder) / "backend"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
        command += ["--no-deps", "--no-build-isolation", "--no-compile", "--target", fresh, copy]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"Installing the backend in {data} failed: {done.stderr.strip()}")
    # pip's own command would not find the package here; `write_launchers` writes one that does.
    for scripts in ("bin", "Scripts"):
        shutil.rmtree(fresh / scripts, ignore_errors=True)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def write_launchers(data: Path, python: Path, application: Path) -> Path:
    """Write `backend.json` and the `reangle` command; return the command's path."""
    environment = {"PYTHONPATH": str(application), "PYTHONUTF8": "1", "REANGLE_DATA": str(data)}
    about = {"command": [str(python), "-m", "reangle"], "environment": environment}
    temporary = data / "backend.json.new"
    temporary.write_text(json.dumps(about, indent=1), encoding="utf-8")
    temporary.replace(data / "backend.json")
    if os.name == "nt":
        launcher = data / "reangle.cmd"
        settings = "".join(f'@set "{name}={value}"\r\n' for name, value in environment.items())
        launcher.write_text(f'{settings}@"{python}" -m reangle %*\r\n', encoding="utf-8")
    else:
        launcher = data / "reangle"
        settings = "".join(f"export {name}='{_quoted(value)}'\n" for name, value in environment.items())
        launcher.write_text(f"#!/bin/sh\n{settings}exec '{_quoted(str(python))}' -m reangle \"$@\"\n", encoding="utf-8")
        launcher.chmod(0o755)
    return launcher


def _quoted(text: str) -> str:
    return text.replace("'", "'\\''")


def progress_line(fraction: float, words: str) -> str:
    return f"[{fraction:4.0%}] {words}"


def read_progress(line: str) -> tuple[float, str] | None:
    """Fraction and words of a progress line, None for any other."""
    found = re.match(r"\[ *(\d+)%\] (.*)", line)
    return (int(found[1]) / 100, found[2]) if found else None


def with_a_python(candidates: Sequence[Interpreter | None], make: Callable[[Interpreter], T]) -> T:
    """What `make` returns for the first Python that fits and with which it works. Raises SetupError.

    candidates: first the one that Blender runs, which the message names. make: raises SetupError where a Python cannot
    make an environment.
    """
    problems: list[str] = []
    for found in dict.fromkeys(candidates):
        if found is None or found.minor not in BACKEND_PYTHONS:
            continue
        try:
            check_venv(found)
            return make(found)
        except SetupError as error:
            problems.append(str(error))
    first = candidates[0]
    problems = problems or [f"Blender's Python {first.version if first else ''} is not one of them."]
    raise SetupError(
        f"Reangle needs a Python {', '.join(BACKEND_PYTHONS[:-1])} or {BACKEND_PYTHONS[-1]} that can make virtual"
        f" environments. {problems[0]} Or install Python 3.13 from https://www.python.org/downloads/, then {AGAIN}."
    )


# "Processing" is for files on this machine.
_PACKAGE = re.compile(
    r"Collecting ([\w.\-]+)|Processing (?:.*[/\\])?([\w.]+)-[^/\\]*\.(?:whl|zip|gz)|Ignoring |Requirement already"
)


class PipProgress:
    """Turns pip's lines into progress between two fractions, and prints the lines.

    total: how many packages there will be; 0 if that is unknown.
    """

    def __init__(self, start: float, end: float, what: str, total: int = 0) -> None:
        self._start, self._end, self._what, self._total = start, end, what, total
        self._count, self._part, self._now, self._said = 0, 0.0, "", ""

    def __call__(self, line: str) -> None:
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            self._part = int(found[1]) / max(1, int(found[2]))
        else:
            print(line, flush=True)
            if line.startswith("Installing collected packages"):
                return self._say(0.85, f"{self._what}: unpacking {self._count} packages")
            if found := _PACKAGE.match(line):
                self._count, self._part, self._now = self._count + 1, 0.0, found[1] or found[2] or self._now
            elif found := re.match(r" +(?:Downloading|Using cached) \S+ \((.+)\)", line):
                self._now = f"{self._now.split(' (')[0]} ({found[1]})"
            else:
                return None
        done = self._count - 1 + self._part
        share = min(1.0, done / self._total) if self._total else done / (done + 6)
        place = f"{self._count} of {max(self._total, self._count)}" if self._total else f"package {self._count}"
        return self._say(0.85 * share, f"{self._what}: {place}, {self._now}" if self._now else self._what)

    def _say(self, share: float, words: str) -> None:
        line = progress_line(self._start + max(0.0, share) * (self._end - self._start), words)
        if line != self._said:
            self._said = line
            print(line, flush=True)


def install(carried: Path, data: Path, *, only_environment: bool = False) -> None:
    """Install the backend that is in `carried` into `data`, with an environment. Raises SetupError, OSError.

    only_environment: leave `data` alone. What is complete already is not made again.
    """
    about = read_about(carried)
    if about is None:
        raise SetupError(f"This copy of the add-on carries no backend in {carried}: install the add-on from its zip.")
    with tempfile.TemporaryDirectory(prefix="reangle-source-", ignore_cleanup_errors=True) as unpacked:
        source = Path(unpacked) / "backend"
        with zipfile.ZipFile(carried / SOURCE) as archive:
            archive.extractall(source)
        folder = _environment(about, carried / LOCKS, _torch_index(source))
        if only_environment:
            return
        say(0.94, f"Installing Reangle {about.version}")
        application = install_application(data, python_in(folder), source)
    say(0.98, "Checking the installation")
    launcher = write_launchers(data, python_in(folder), application)
    check = subprocess.run([launcher, "--help"], cwd=data, capture_output=True, text=True)
    if check.returncode:
        raise SetupError(f"The backend was installed and does not start: {check.stderr.strip()[-300:]}")
    say(1.0, f"Reangle {about.version} is installed")


def say(fraction: float, words: str) -> None:
    print(progress_line(fraction, words), flush=True)


def _environment(about: Carried, locks: Path, torch_index: str) -> Path:
    """The backend's environment, made if need be."""
    say(0.0, "Looking for a Python")
    running = running_interpreter()
    others: list[Callable[[], Interpreter | None]] = [
        lambda: running,
        *(lambda minor=minor: find_python(minor) for minor in BACKEND_PYTHONS),
    ]
    candidates = [find() for find in others]
    for found in candidates:
        # One that is there needs no trial, and no search for a better Python.
        if found is not None and found.minor in BACKEND_PYTHONS:
            folder = _folder(locks, found, torch_index)
            if works(folder):
                return folder
    environments_folder().mkdir(parents=True, exist_ok=True)
    check_room("backend", about.gigabytes)
    with ExitStack() as held:

        def begin(python: Interpreter) -> tuple[Path, Interpreter]:
            folder = _folder(locks, python, torch_index)
            held.enter_context(locked(folder.with_suffix(".lock")))
            if not works(folder):  # else another program has just made it
                say(0.02, f"{MAKING}{folder}")
                make_venv("backend", folder, python)
            return folder, python

        folder, python = with_a_python(candidates, begin)
        if works(folder):
            return folder
        torch, *rest = pins_of(_lock(locks, python))
        install_torch(folder, torch, torch_index, said=PipProgress(0.04, 0.5, "Installing PyTorch"), again=AGAIN)
        install_pins(folder, rest, said=PipProgress(0.5, 0.9, "Installing packages", len(rest)), again=AGAIN)
        say(0.9, "Checking the packages")
        check_imports("backend", folder, about.imports, again=AGAIN)
        (folder / READY).touch()
    return folder


def _lock(locks: Path, interpreter: Interpreter) -> Path:
    return locks / f"backend-{interpreter.minor}.txt"


def _folder(locks: Path, interpreter: Interpreter, torch_index: str) -> Path:
    return folder_of("backend", backend_content(pins_of(_lock(locks, interpreter)), interpreter, torch_index))


def _torch_index(source: Path) -> str:
    """Where torch for this machine's graphics card is; "" for the usual place."""
    if chosen := os.environ.get("REANGLE_TORCH_INDEX"):
        return chosen
    module = source / "reangle" / "runtime" / "graphics_card.py"
    return runpy.run_path(str(module))["wanted_torch_index"]() or ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--carried", type=Path, required=True, help="folder of the backend in the extension")
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--only-environment", action="store_true", help="leave the data folder alone")
    arguments = parser.parse_args()
    # It is for finding this module alone.
    os.environ.pop("PYTHONPATH", None)
    try:
        install(arguments.carried, arguments.data, only_environment=arguments.only_environment)
    except SetupError as error:
        print(f"{FAILED}{' '.join(str(error).split())}", flush=True)
        return 2
    except OSError as error:
        place = error.filename or environments_folder()
        print(f"{FAILED}{place} could not be written: {error.strerror or error}; then {AGAIN}.", flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
