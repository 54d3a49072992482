# SPDX-License-Identifier: Apache-2.0
"""Install the backend for the add-on: run once, `python3.11 scripts/install_backend.py`.

Makes the backend's environment, installs the distribution `reangle` into the data folder, and writes there
`backend.json`, which tells the add-on how to start it, and a `reangle` command. Then it offers the recommended weights.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from environments import REPOSITORY, SetupError, canceled, environment_variables, python_of

from reangle_blender.core.installation import install_application, write_launchers


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="data folder (default: REANGLE_DATA or the system's place)")
    parser.add_argument("--torch-index", metavar="URL", help="package index to take torch from, for another CUDA build")
    parser.add_argument(
        "--weights",
        choices=["recommended", "none"],
        help="download the recommended weights, or ask for none (default: ask, where somebody can answer)",
    )
    arguments = parser.parse_args()
    data = arguments.data
    try:
        python = python_of("backend", torch_index=arguments.torch_index or torch_index_for_the_card())
        data = (data or default_data_folder(python)).absolute()
        application = install_application(data, python, REPOSITORY / "backend")
        launcher = write_launchers(data, python, application)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        place = error.filename or data
        print(f"{place} could not be written: {error.strerror}; give another folder with --data.", file=sys.stderr)
        return 2
    download_weights(launcher, data, arguments.weights)
    status = subprocess.run([launcher, "doctor"]).returncode
    print(f"\nThe backend is installed in {data}.\nThe add-on finds it there; on the command line it is {launcher}.")
    return status


def torch_index_for_the_card() -> str | None:
    """Where torch for this machine's graphics card is, and say so; None where the usual index is right."""
    sys.path.insert(0, str(REPOSITORY / "backend"))
    from reangle.runtime.graphics_card import nvidia_cards, wanted_torch_index

    index = None if os.environ.get("REANGLE_TORCH_INDEX") else wanted_torch_index()
    if index:
        print(f"Takes torch for the {nvidia_cards()[0].name} from {index}; another with --torch-index URL.")
    return index


def download_weights(launcher: Path, data: Path, wanted: str | None) -> None:
    """Download the recommended weights if they are wanted, asking where `wanted` is None and somebody can answer.

    A failure does not fail the installation: Reangle works without them.
    """
    sys.path.insert(0, str(REPOSITORY / "backend"))
    from reangle.weights.checkpoints import RECOMMENDED, size_in_words

    what = f"{RECOMMENDED.title} ({size_in_words(RECOMMENDED.size)}, {RECOMMENDED.terms}, {RECOMMENDED.page})"
    command = f"{launcher} models download {RECOMMENDED.name}"
    if wanted is None:
        if (data / "models" / RECOMMENDED.name).is_dir() or not (sys.stdin and sys.stdin.isatty()):
            return
        print("Small weights for depth ship with the backend. The recommended ones are a small download:")
        wanted = "recommended" if _agrees(f"Download {what}?") else "none"
        if wanted == "none":
            print(f"You get it later with: {command}")
    if wanted == "recommended":
        print(f"Downloads {what}.", flush=True)
        if subprocess.run([launcher, "models", "download", RECOMMENDED.name]).returncode:
            print(f"The backend is installed without it. You get it later in Blender, or with: {command}", flush=True)


def _agrees(question: str) -> bool:
    """Whether a person answers yes, or with the Return key alone."""
    print(f"{question} [Y/n] ", end="", flush=True)
    answer = sys.stdin.readline()
    # "" is the end of the input: nobody has answered.
    return answer.strip().lower() in ("", "y", "yes") if answer else False


def default_data_folder(python: Path) -> Path:
    """The data folder that the backend itself would use, and in which the add-on looks for it."""
    command = [python, "-c", "from reangle.runtime.data_folder import data_folder; print(data_folder())"]
    answer = subprocess.run(command, env=environment_variables(), check=True, capture_output=True, encoding="utf-8")
    return Path(answer.stdout.strip())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(canceled())
