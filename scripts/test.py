# SPDX-License-Identifier: Apache-2.0
"""Run the checks and tests: `python3.11 scripts/test.py [SUITE ...] [--all-blenders] [--gui] [-- PYTEST ARGUMENTS]`.

Suites: lint, types, core, backend, blender, e2e, gui; without a name, all but gui. Two run at a time; each prints its
output when it ends. Exit status 0 only if all passed. --all-blenders leaves out, with a line, those that need a Python
that is not on this machine; `--blenders 4.2 5.3` fails without it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from environments import BLENDERS, REPOSITORY, SetupError, environment_variables, interpreter_for, python_of

# Suite -> the environments that it needs.
NEEDS = {
    "lint": ["bpy"],
    "types": ["bpy", "tests"],
    "core": ["bpy"],
    "backend": ["tests"],
    "blender": ["bpy", "tests"],
    "e2e": ["bpy", "tests"],
    "gui": ["bpy", "tests"],
}
# Version of Blender, such as 4.5 -> the environment with it.
NAMES = {version.rpartition(".")[0]: name for name, version in BLENDERS.items()}
# Ends a suite that hangs. Ten times what the longest takes on two idle cores: a busy machine is no failure.
LIMIT_SECONDS = 7200
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
PYTEST_NO_TESTS = 5
CORE = "reangle_blender/core"


@dataclass(frozen=True)
class Check:
    """One command; `counted` if its output ends with pytest's summary."""

    name: str
    command: list[str]
    counted: bool = True


def main() -> int:
    own, _, pytest_arguments = " ".join(sys.argv[1:]).partition("-- ")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("suites", nargs="*", choices=[*NEEDS, []], default=[])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--all-blenders", action="store_true", help=f"tests/blender on {', '.join(NAMES)}")
    chosen.add_argument("--blenders", nargs="+", choices=NAMES, metavar="VERSION", help="tests/blender on these")
    parser.add_argument("--gui", action="store_true", help="also tests/gui, in a real Blender window")
    arguments = parser.parse_args(own.split())
    wanted = arguments.suites or [suite for suite in NEEDS if suite != "gui" or arguments.gui]
    started = time.monotonic()
    try:
        backend = str(python_of("backend")) if any("tests" in NEEDS[suite] for suite in wanted) else ""
        blenders = [NAMES[version] for version in arguments.blenders or ["4.5"]]
        checks = make_checks(wanted, pytest_arguments.split(), available() if arguments.all_blenders else blenders)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(lambda check: perform(check, backend), checks))
    return summarise(checks, results, time.monotonic() - started)


def available() -> list[str]:
    """The environments of all Blenders whose Python is on this machine; prints a line about each other one."""
    names = []
    for name in BLENDERS:
        try:
            interpreter_for(name)
        except SetupError as error:
            print(f"Left out: {error}", flush=True)
        else:
            names.append(name)
    return names


def make_checks(wanted: list[str], pytest_arguments: list[str], blenders: list[str]) -> list[Check]:
    """The commands of the wanted suites, the longest first; makes the environments they need. Raises SetupError.

    blenders: the environments that tests/blender runs in.
    """
    needed = {name for suite in wanted for name in NEEDS[suite]}
    tests, bpy = (str(python_of(name)) if name in needed else "" for name in ("tests", "bpy"))
    pythons = {name: str(python_of(name)) for name in blenders if "blender" in wanted}
    pytest = ["-m", "pytest", *pytest_arguments]
    pyright = [bpy, "-m", "pyright", "--pythonpath"]
    # The add-on's core needs no bpy, and only a newer numpy than Blender's has types that are strict.
    python = ["backend/reangle", "scripts", "tests/backend", "tests/e2e", "tests/conftest.py", CORE]
    addon = [str(path) for path in (REPOSITORY / CORE).parent.iterdir() if path.name not in ("core", "__pycache__")]
    every = {
        "e2e": [Check("e2e", [tests, *pytest, "tests/e2e"])],
        "backend": [Check("backend", [tests, *pytest, "tests/backend"])],
        "blender": [
            Check(f"blender {BLENDERS[name]}", [path, *pytest, "tests/blender"]) for name, path in pythons.items()
        ],
        "types": [
            Check("types, backend", [*pyright, tests, *python], counted=False),
            Check("types, add-on", [*pyright, bpy, *addon], counted=False),
        ],
        "core": [Check("core", [bpy, *pytest, "tests/core"])],
        "lint": [
            Check("ruff check", [bpy, "-m", "ruff", "check", "."], counted=False),
            Check("ruff format", [bpy, "-m", "ruff", "format", "--check", "."], counted=False),
            Check("imports", [bpy, "-c", LINT_IMPORTS, "--no-cache"], counted=False),
        ],
        "gui": [Check("gui", [bpy, *pytest, "-rs", "tests/gui"])],
    }
    return [check for suite, checks in every.items() if suite in wanted for check in checks]


def perform(check: Check, backend: str) -> tuple[int, Counter[str]]:
    """Run one check with data folders of its own, print its output, and return exit status and counts.

    backend: the Python that the tests start the backend with.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reangle-test-", ignore_cleanup_errors=True) as home:
        variables = environment_variables() | {
            "BLENDER_USER_RESOURCES": os.path.join(home, "blender"),
            "REANGLE_DATA": os.path.join(home, "data"),
            "REANGLE_BACKEND_PYTHON": backend,
            "HF_HUB_OFFLINE": "1",
        }
        try:
            done = subprocess.run(
                check.command,
                cwd=REPOSITORY,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_SECONDS,
            )
            status, output = done.returncode, done.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as error:
            status, output = 1, (error.stdout or b"").decode(errors="replace") + f"\nended after {LIMIT_SECONDS} s"
    counts = Counter[str]()
    if check.counted:
        summaries = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|skipped|error)", line)]
        for number, what in re.findall(r"(\d+) (passed|failed|skipped|error)", summaries[-1] if summaries else ""):
            counts["failed" if what == "error" else what] += int(number)
        status = 0 if status == PYTEST_NO_TESTS else status
    if status and not counts["failed"]:
        counts["failed"] += 1
    verdict = "ok" if status == 0 else f"FAILED with status {status}"
    print(f"\n{output.rstrip()}\n[{check.name}: {verdict}, {time.monotonic() - started:.0f} s]", flush=True)
    return status, counts


def summarise(checks: list[Check], results: list[tuple[int, Counter[str]]], seconds: float) -> int:
    """Print the verdict; return the exit status."""
    total = sum((counts for _, counts in results), Counter[str]())
    failed = [check.name for check, (status, _) in zip(checks, results, strict=True) if status]
    print(f"\n{seconds:.0f} s. " + (f"Failed: {', '.join(failed)}." if failed else "All checks passed."))
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
