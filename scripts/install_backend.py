# SPDX-License-Identifier: Apache-2.0
"""Install the backend for the add-on: run once, `python3.11 scripts/install_backend.py`.

Makes the backend's environment, copies the backend's code into the data folder, and leaves there `backend.json`, which
tells the add-on how to start it, and a `reangle` command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from environments import REPOSITORY, SetupError, environment_variables, python_of


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder (default: REANGLE_DATA or the system's place)")
    parser.add_argument("--torch-index", metavar="URL", help="package index to take torch from, for another CUDA build")
    arguments = parser.parse_args()
    try:
        python = python_of("backend", torch_index=arguments.torch_index)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    data = (arguments.data or default_data_folder(python)).absolute()
    try:
        application = copy_application(data)
        launcher = write_launchers(data, python, application)
    except OSError as error:
        print(
            f"{error.filename or data} could not be written: {error.strerror}; give another folder with --data.",
            file=sys.stderr,
        )
        return 2
    status = subprocess.run([launcher, "doctor"]).returncode
    print(f"\nThe backend is installed in {data}.\nThe add-on finds it there; on the command line it is {launcher}.")
    return status


def default_data_folder(python: Path) -> Path:
    """The data folder that the backend itself would use, and in which the add-on looks for it."""
    command = [python, "-c", "from reangle.runtime.data_folder import data_folder; print(data_folder())"]
    answer = subprocess.run(command, env=environment_variables(), check=True, capture_output=True, encoding="utf-8")
    return Path(answer.stdout.strip())


def copy_application(data: Path) -> Path:
    """Copy the backend's code to `data/application`, replacing an older copy in one rename."""
    data.mkdir(parents=True, exist_ok=True)
    target, fresh, old = data / "application", data / "application.new", data / "application.old"
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(REPOSITORY / "backend" / "reangle", fresh / "reangle", ignore=shutil.ignore_patterns("__pycache__"))
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target


def write_launchers(data: Path, python: Path, application: Path) -> Path:
    """Write `backend.json` and the `reangle` command; returns the command's path."""
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


if __name__ == "__main__":
    sys.exit(main())
