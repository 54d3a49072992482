# SPDX-License-Identifier: Apache-2.0
"""Copy the contract from the backend into the add-on, which Blender installs alone.

    python3.11 scripts/vendor_contract.py [--check]

--check changes nothing and ends with status 1 if the copy is not up to date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SOURCE = REPO / "backend" / "reangle" / "contract"
COPY = REPO / "reangle_blender" / "core" / "contract"
HEADER = "# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit\n"


def wanted_files() -> dict[str, str]:
    """File name -> text of the copy. The licence line stays in front."""
    files: dict[str, str] = {}
    for path in sorted(SOURCE.glob("*.py")):
        licence, rest = path.read_text(encoding="utf-8").split("\n", 1)
        files[path.name] = f"{licence}\n{HEADER}{rest}"
    return files


def outdated() -> list[str]:
    """Names of files that are missing, changed or too many in the copy."""
    wanted = wanted_files()
    copied = {path.name: path.read_text(encoding="utf-8") for path in COPY.glob("*.py")}
    return sorted(name for name in wanted.keys() | copied.keys() if wanted.get(name) != copied.get(name))


def write_copy() -> None:
    COPY.mkdir(exist_ok=True)
    wanted = wanted_files()
    for path in COPY.glob("*.py"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (COPY / name).write_text(text, encoding="utf-8", newline="\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Copy the contract from the backend into the add-on.")
    parser.add_argument("--check", action="store_true", help="only report files that are not up to date")
    if parser.parse_args().check:
        names = outdated()
        for name in names:
            print(f"{COPY.relative_to(REPO) / name} is not up to date; run python3.11 scripts/vendor_contract.py")
        return 1 if names else 0
    write_copy()
    return 0


if __name__ == "__main__":
    sys.exit(main())
