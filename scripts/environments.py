# SPDX-License-Identifier: Apache-2.0
"""The Python environments of this project, made on first use.

`backend` holds the models and the server, `tests` adds the test tools to it; `bpy` holds Blender 4.5 as a module and
the tools that check the code, `bpy-4.2` and `bpy-5.0` the same with other Blenders, `bpy-5.1` to `bpy-5.3` Blenders
with the test tools alone. Each is a folder named after what its locks pin, so a changed lock makes a new one and all
checkouts share those that fit. Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY) not in sys.path:
    sys.path.append(str(REPOSITORY))

from reangle_blender.core.environments import (
    BACKEND_GIGABYTES,
    BACKEND_IMPORTS,
    BACKEND_PYTHONS,
    DEBIAN_LIBRARIES,
    READY,
    Interpreter,
    SetupError,
    ask_python,
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
)

IMPORTABLE = [str(REPOSITORY), str(REPOSITORY / "backend")]
# The one that the checks run on comes first.
BLENDERS = {
    "bpy": "4.5.15",
    "bpy-4.2": "4.2.23",
    "bpy-5.0": "5.0.1",
    "bpy-5.1": "5.1.2",
    "bpy-5.2": "5.2.3",
    "bpy-5.3": "5.3.0",
}
GIGABYTES_NEEDED = {"backend": BACKEND_GIGABYTES, "tests": 0.1}
GIGABYTES_FOR_BLENDER = 1.5
# What an environment must import; Blender where none is named.
IMPORTED = {"backend": BACKEND_IMPORTS, "tests": "pytest, torch"}

__all__ = [
    "BACKEND_PYTHONS",
    "BLENDERS",
    "DEBIAN_LIBRARIES",
    "REPOSITORY",
    "Interpreter",
    "SetupError",
    "canceled",
    "enter",
    "environment_folder",
    "environment_variables",
    "environments_folder",
    "exit_with",
    "interpreter_for",
    "python_of",
    "requirements",
    "run",
]


def environment_folder(name: str) -> Path:
    """The environment's folder, whether it exists or not. Raises SetupError where no Python fits."""
    content = backend_content(requirements(name), interpreter_for(name), os.environ.get(_INDEX, ""))
    if name == "tests":
        content.append(str(environment_folder("backend")))
    return folder_of(name, content)


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
    running = running_interpreter()
    if name in BLENDERS:
        python = blender_python(name)
        result = running if running.minor == python else find_python(python)
        if result is None:
            raise SetupError(
                f"Blender {BLENDERS[name]} as a module needs Python {python}, beside this {running.version}: install it"
                f" ({_how_to_install(python)})."
            )
        return result
    chosen = os.environ.get(_PYTHON)
    result = ask_python(chosen) if chosen and chosen != running.path else running
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
    if not (folder / READY).exists():
        if name == "tests":
            python_of("backend")
        _check_machine(name)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder.with_suffix(".lock")):
                if not (folder / READY).exists():
                    _make(name, folder)
        except OSError as error:
            raise SetupError(
                f"{error.filename or folder} cannot be written: {error.strerror}; set REANGLE_ENVIRONMENTS to another"
                " folder and run the same command again."
            ) from error
    return python_in(folder)


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


_INDEX = "REANGLE_TORCH_INDEX"
_PYTHON = "REANGLE_PYTHON"
_START = "py -3.11" if sys.platform == "win32" else "python3.11"


def _how_to_install(minor: str) -> str:
    return (
        f"from https://www.python.org/downloads/, `apt install python{minor} python{minor}-venv`, or"
        f" `brew install python@{minor}`"
    )


def _pins(lock: str) -> list[str]:
    return pins_of(REPOSITORY / "locks" / f"{lock}.txt")


def _check_machine(name: str) -> None:
    check_venv(interpreter_for(name))
    check_room(name, GIGABYTES_NEEDED.get(name, GIGABYTES_FOR_BLENDER))


def _make(name: str, folder: Path) -> None:
    started = time.monotonic()
    print(f"Making the environment {name!r} in {folder}; this happens once and takes a few minutes.", flush=True)
    make_venv(name, folder, interpreter_for(name))
    pins = requirements(name)
    if name == "backend":
        print("  installing torch ...", flush=True)
        install_torch(folder, pins[0], os.environ.get(_INDEX, ""))
        pins = pins[1:]
    print("  installing the pinned packages ...", flush=True)
    install_pins(folder, pins)
    if name == "tests":
        _add_packages_of(environment_folder("backend"), folder)
    check_imports(name, folder, IMPORTED.get(name, "bpy"))
    (folder / READY).touch()
    print(f"The environment {name!r} is ready after {time.monotonic() - started:.0f} s.", flush=True)


def _add_packages_of(other: Path, folder: Path) -> None:
    """Make another environment's packages importable in this one, after its own."""
    # venv may bring an old setuptools, which would hide the other's.
    own = [python_in(folder), "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"]
    subprocess.run(own, capture_output=True, check=True)
    lines = [f"import site; site.addsitedir({place!r})" for place in _package_folders(other)]
    (Path(_package_folders(folder)[0]) / f"{other.name}.pth").write_text("\n".join(lines), encoding="utf-8")


def _package_folders(folder: Path) -> list[str]:
    code = "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), sep='\\n')"
    answer = subprocess.run([python_in(folder), "-c", code], capture_output=True, encoding="utf-8", check=True)
    return list(dict.fromkeys(answer.stdout.split("\n")[:2]))
