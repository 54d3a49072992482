# SPDX-License-Identifier: Apache-2.0
"""Sizes of the parts of a model on disk, and of the memory of a device. Imports no torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Base = Literal["whole", "int8", "nf4"]
"""A transformer's weights as opened, in 8 bits, or in 4 (NF4, Dettmers et al., QLoRA, NeurIPS 2023)."""
SPARE = 0.08
"""Share of the free memory that stays free, for allocators and libraries."""


@dataclass(frozen=True)
class DeviceMemory:
    """Memory of the device that models run on. free: bytes. bytes_each: of one weight as opened. apart: whether it is
    separate from main memory, so that what waits there takes none of it.
    """

    free: float
    bytes_each: int
    apart: bool


def base_bytes(weights: int, base: Base, bytes_each: int) -> float:
    """Bytes of a transformer. bytes_each: of a weight as opened."""
    # NF4 keeps a scale of 8 bits for each 64 weights, int8 a float for each row.
    return weights * {"whole": bytes_each, "int8": 1.01, "nf4": 0.5 + 1 / 64}[base]


def weights_in(folder: Path) -> int:
    """The number of weights in all safetensors files of a folder, from their headers. Raises OSError or ValueError."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError(f"{path} is no safetensors file")
            header: dict[str, Any] = json.loads(file.read(length))
        count += sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
    return count


def config_of(folder: Path) -> dict[str, Any]:
    """A model part's config.json. Raises OSError or ValueError."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))
