# SPDX-License-Identifier: Apache-2.0
"""The Python environments of this project, made on first use.

`backend` holds the models and the server, `tests` adds the test tools to it; `bpy` holds Blender 4.5 as a module and
the tools that check the code, `bpy-4.2` and `bpy-5.0` the same with other Blenders, `bpy-5.1` to `bpy-5.3` Blenders
with the test tools alone. Each is a folder named after what its locks pin, so a changed lock makes a new one and all
checkouts share those that fit. Standard library only: this runs before anything is installed.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
IMPORTABLE = [str(REPOSITORY), str(REPOSITORY / "backend")]
BACKEND_PYTHONS = ("3.11", "3.12", "3.13")
# The one that the checks run on comes first.
BLENDERS = {
    "bpy": "4.5.15",
    "bpy-4.2": "4.2.23",
    "bpy-5.0": "5.0.1",
    "bpy-5.1": "5.1.2",
    "bpy-5.2": "5.2.3",
    "bpy-5.3": "5.3.0",
}
GIGABYTES_NEEDED = {"backend": 7.0 if sys.platform == "linux" else 3.0, "tests": 0.1}
GIGABYTES_FOR_BLENDER = 1.5
# What `import bpy` and Cycles load on Linux, beyond a bare Debian or Ubuntu; EGL and Mesa are for Workbench.
DEBIAN_LIBRARIES = (
    "libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libgl1 libegl1 libegl-mesa0 libgl1-mesa-dri"
)


class SetupError(Exception):
    """Why an environment cannot be made, in one sentence, and the command that helps."""


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


def environment_folder(name: str) -> Path:
    """The environment's folder, whether it exists or not. Raises SetupError where no Python fits."""
    content = [*requirements(name), interpreter_for(name).version, platform.machine(), os.environ.get(_INDEX, "")]
    if name == "tests":
        content.append(str(environment_folder("backend")))
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()
    return environments_folder() / f"{name}-{digest[:12]}"


def requirements(name: str) -> list[str]:
    """The pinned requirements of an environment, in the order of its locks. Raises SetupError where no Python fits."""
    if name == "backend":
        return _pins(f"backend-{interpreter_for(name).minor}")
    if name == "tests":
        return _pins("tests")
    if blender_python(name) == "3.11":
        rest = [*_pins("blender")[1:], *_pins("tests"), *_pins("checks")]
    else:
        rest = [*_pins(f"blender-{blender_python(name)}")[1:], *_pins("tests")]
    return [f"bpy=={BLENDERS[name]}", *dict.fromkeys(rest)]


def blender_python(name: str) -> str:
    """The one Python that a Blender of `BLENDERS` runs in."""
    return "3.11" if tuple(map(int, BLENDERS[name].split("."))) < (5, 1) else "3.13"


def interpreter_for(name: str) -> Interpreter:
    """The Python that an environment is made from: the running one where it fits. Raises SetupError."""
    running = Interpreter(getattr(sys, "_base_executable", None) or sys.executable, platform.python_version())
    if name in BLENDERS:
        python = blender_python(name)
        result = running if running.minor == python else _find_python(python)
        if result is None:
            raise SetupError(
                f"Blender {BLENDERS[name]} as a module needs Python {python}, beside this {running.version}: install it"
                f" ({_how_to_install(python)})."
            )
        return result
    chosen = os.environ.get(_PYTHON)
    result = _ask_python(chosen) if chosen and chosen != running.path else running
    if result is None or result.minor not in BACKEND_PYTHONS:
        what = (
            f"this is {running.version}" if result is running else f"{_PYTHON}={chosen} is {result and result.version}"
        )
        raise SetupError(
            f"Reangle needs Python {', '.join(BACKEND_PYTHONS[:-1])} or {BACKEND_PYTHONS[-1]}, and {what}: run it as"
            f" `{_START} {sys.argv[0]}` ({_how_to_install('3.11')})."
        )
    return result


def python_of(name: str, *, torch_index: str | None = None) -> Path:
    """The environment's Python; makes the environment first if need be. Raises SetupError.

    torch_index: another package index for torch alone, e.g. one with builds for a certain CUDA.
    """
    if torch_index:
        os.environ[_INDEX] = torch_index
    folder = environment_folder(name)
    if not (folder / _READY).exists():
        if name == "tests":
            python_of("backend")
        _check_machine(name)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with _locked(folder.with_suffix(".lock")):
                if not (folder / _READY).exists():
                    _make(name, folder)
        except OSError as error:
            raise SetupError(
                f"{error.filename or folder} cannot be written: {error.strerror}; set REANGLE_ENVIRONMENTS to another"
                " folder and run the same command again."
            ) from error
    return _python_in(folder)


def enter(name: str) -> None:
    """Continue in the named environment: return if this is its Python, else run this script with it and exit."""
    fitting = ("backend", "tests") if name == "backend" else (name,)
    try:
        folders = [environment_folder(one).resolve() for one in fitting]
    except SetupError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if Path(sys.prefix).resolve() in folders:
        # Before this folder, whose `reangle.py` would hide the package.
        sys.path[:] = [*IMPORTABLE, *(folder for folder in sys.path if folder not in IMPORTABLE)]
        return
    exit_with(run(name, sys.argv))


def run(name: str, arguments: Sequence[str]) -> int:
    """Run the environment's Python with the project importable; return its exit status. It receives Ctrl-C, too."""
    try:
        python = python_of(name)
        variables = environment_variables()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return canceled()
    process = subprocess.Popen([python, *arguments], env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def environment_variables() -> dict[str, str]:
    """This process's environment variables, with the project importable and the backend's Python as chosen here."""
    return {
        **os.environ,
        _PYTHON: interpreter_for("backend").path,
        "PYTHONPATH": os.pathsep.join(IMPORTABLE),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
    }


def canceled() -> int:
    """Say that Ctrl-C ended a script; returns the exit status for it."""
    print("\nCanceled. The same command may be run again.", file=sys.stderr)
    return 130


def exit_with(status: int) -> NoReturn:
    """Exit with a child's status; one that a signal ended counts as 128 + signal, as in a shell."""
    sys.exit(status if status >= 0 else 128 - status)


_READY = ".ready"
_INDEX = "REANGLE_TORCH_INDEX"
_PYTHON = "REANGLE_PYTHON"
_START = "py -3.11" if sys.platform == "win32" else "python3.11"


def _how_to_install(minor: str) -> str:
    return (
        f"from https://www.python.org/downloads/, `apt install python{minor} python{minor}-venv`, or"
        f" `brew install python@{minor}`"
    )


def _pins(lock: str) -> list[str]:
    lines = (REPOSITORY / "locks" / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _find_python(minor: str) -> Interpreter | None:
    """A Python of this version on this machine, None if there is none."""
    if sys.platform == "win32":
        return _ask_python("py", f"-{minor}")
    # pyenv has commands for all of its Pythons, but starts only the chosen ones.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [f"python{minor}", *map(str, sorted(pyenv.glob(f"versions/{minor}.*/bin/python{minor}")))]
    return next((found for place in places if (found := _ask_python(place))), None)


@functools.cache
def _ask_python(*command: str) -> Interpreter | None:
    """The Python that a command starts, None if it starts none."""
    code = "import platform, sys; print(sys._base_executable, platform.python_version(), sep='\\n')"
    try:
        answer = subprocess.run([*command, "-c", code], capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return Interpreter(*answer.stdout.splitlines()[:2])


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _check_machine(name: str) -> None:
    interpreter = interpreter_for(name)
    command = [interpreter.path, "-c", "import ensurepip, venv"]
    if subprocess.run(command, capture_output=True).returncode:
        raise SetupError(
            f"{interpreter.path} cannot make virtual environments; on Debian or Ubuntu:"
            f" `sudo apt install python{interpreter.minor}-venv`."
        )
    place = environments_folder()
    while not place.exists():
        place = place.parent
    free, needed = shutil.disk_usage(place).free / 1e9, GIGABYTES_NEEDED.get(name, GIGABYTES_FOR_BLENDER)
    if free < needed:
        raise SetupError(
            f"The environment {name!r} needs {needed:.1f} GB and {place} has {free:.1f} GB free:"
            " make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk."
        )


def _make(name: str, folder: Path) -> None:
    started = time.monotonic()
    print(f"Making the environment {name!r} in {folder}; this happens once and takes a few minutes.", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        command = [interpreter_for(name).path, "-m", "venv", folder]
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip()
        raise SetupError(f"The environment {name!r} could not be made: {reason}") from None
    pins = requirements(name)
    if name == "backend":
        index = ["--index-url", os.environ[_INDEX]] if os.environ.get(_INDEX) else []
        _pip(folder, "torch", [*index, pins[0]])
        pins = pins[1:]
    lock = folder / "requirements.txt"
    lock.write_text("\n".join(pins), encoding="utf-8")
    # The pins fit this Python; depth-anything-3 says it needs at most 3.13, which no 3.13.1 is.
    _pip(folder, "the pinned packages", ["--no-deps", "--ignore-requires-python", "-r", str(lock)])
    if name == "tests":
        _add_packages_of(environment_folder("backend"), folder)
    _check_imports(name, folder)
    (folder / _READY).touch()
    print(f"The environment {name!r} is ready after {time.monotonic() - started:.0f} s.", flush=True)


def _add_packages_of(other: Path, folder: Path) -> None:
    """Make another environment's packages importable in this one, after its own."""
    # venv may bring an old setuptools, which would hide the other's.
    own = [_python_in(folder), "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"]
    subprocess.run(own, capture_output=True, check=True)
    lines = [f"import site; site.addsitedir({place!r})" for place in _package_folders(other)]
    (Path(_package_folders(folder)[0]) / f"{other.name}.pth").write_text("\n".join(lines), encoding="utf-8")


def _package_folders(folder: Path) -> list[str]:
    code = "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), sep='\\n')"
    answer = subprocess.run([_python_in(folder), "-c", code], capture_output=True, encoding="utf-8", check=True)
    return list(dict.fromkeys(answer.stdout.split("\n")[:2]))


def _pip(folder: Path, what: str, arguments: list[str]) -> None:
    print(f"  installing {what} ...", flush=True)
    command = [_python_in(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    lines = done.stderr.splitlines()
    reason = [line for line in lines if line.startswith("ERROR")] or lines[-3:]
    if any("No space left" in line for line in lines):
        reason = ["the disk is full; make room, or set REANGLE_ENVIRONMENTS to a folder on a larger disk"]
    raise SetupError(
        f"Installing {what} failed: {' '.join(reason)}\nCheck the network (behind a proxy, set HTTPS_PROXY) and run"
        " the same command again; it starts afresh."
    )


def _check_imports(name: str, folder: Path) -> None:
    modules = {"backend": "torch, cv2, av, numba, fastapi", "tests": "pytest, torch"}.get(name, "bpy")
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
