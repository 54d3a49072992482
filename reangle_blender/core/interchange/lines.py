# SPDX-License-Identifier: GPL-3.0-or-later
"""Text files with a row of numbers on each line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..errors import UserError

SHOWN = 60


def text_lines(file: Path) -> list[tuple[int, str]]:
    """Number, from 1 on, and text of the lines that are neither empty nor a comment."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def numbers_of(file: Path, columns: Collection[int], form: str, *, skip: int = 0) -> np.ndarray:
    """Rows x columns. columns: how many numbers a row may have, all rows alike. skip: lines before them.

    Raises UserError that names the line which is not as `form` says.
    """
    rows: list[list[float]] = []
    lines = text_lines(file)[skip:]
    for number, line in lines:
        try:
            row = [float(one) for one in line.replace(",", " ").split()]
        except ValueError:
            row = []
        if len(row) not in columns or (rows and len(row) != len(rows[0])):
            shown = line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
            raise UserError(
                f"Line {number} of {file.name} is not as it should be: {shown}", advice=f"It reads: {form}."
            )
        rows.append(row)
    if not rows:
        raise UserError(f"{file.name} has no frames.", advice=f"Each of its lines reads: {form}.")
    return np.array(rows, np.float64)
