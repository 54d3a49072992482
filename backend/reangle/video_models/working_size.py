# SPDX-License-Identifier: Apache-2.0
"""How long and how large the clips are that a Wan makes, which its configuration does not say. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from reangle.errors import UserError

FILE = "working_size.json"
"""An optional file in a checkpoint's folder, with the fields of `WorkingSize` in place of the published model's."""


@dataclass(frozen=True)
class WorkingSize:
    """frames: of a window, 1 + group * k. width, height: in pixels, of which the area counts: a picture of another
    aspect gets another width and height.
    """

    frames: int
    width: int
    height: int

    def fit(self, width: int, height: int, unit: int) -> tuple[int, int]:
        """Width and height in whole units of pixels, of at most this area, for a picture of width x height.

        A square root of lost area weighs as much as a wrong aspect.
        """
        most = self.width * self.height // unit**2
        aspect = width / height
        sizes = [
            (columns, rows)
            for columns in range(1, most + 1)
            for rows in {most // columns, max(1, min(most // columns, round(columns / aspect)))}
        ]

        def badness(size: tuple[int, int]) -> float:
            columns, rows = size
            return max(columns / rows / aspect, aspect * rows / columns) * (most / (columns * rows)) ** 0.5

        columns, rows = min(sizes, key=badness)
        return columns * unit, rows * unit


def working_size(folder: Path, published: WorkingSize) -> WorkingSize:
    """The size that a checkpoint's folder asks for, else the published model's. Raises UserError for a wrong file."""
    path = folder / FILE
    if not path.exists():
        return published
    try:
        return TypeAdapter(WorkingSize).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise UserError(
            f"{path} cannot be used: {str(error).splitlines()[0]}.", advice="Correct it, or remove it."
        ) from error
