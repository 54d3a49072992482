# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's cards in this machine, and which torch can use them. Standard library only; imports no torch."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CUDA_12_6, CUDA_13_0 = "https://download.pytorch.org/whl/cu126", "https://download.pytorch.org/whl/cu130"
"""Package indexes with torch 2.13 for each CUDA (pytorch/pytorch, RELEASE.md, "CUDA Support Matrix")."""
FIRST_DRIVER_13, FIRST_CARD_13 = 580, 7.5
"""CUDA 13 needs this driver, and this compute capability: Turing."""
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader,nounits")
_CUDA_LIBRARIES = ("libtorch_cuda.so", "torch_cuda.dll", "libtorch_hip.so")


@dataclass(frozen=True)
class Card:
    """driver: its version. capability: what NVIDIA calls the compute capability, 8.9 for example. memory: bytes."""

    name: str
    driver: str
    capability: float
    memory: float

    @property
    def torch_index(self) -> str:
        """Where the torch for this card is."""
        old = int(self.driver.split(".")[0]) < FIRST_DRIVER_13 or self.capability < FIRST_CARD_13
        return CUDA_12_6 if old else CUDA_13_0


@functools.cache
def nvidia_cards() -> tuple[Card, ...]:
    """The cards that NVIDIA's driver lists; none without a driver."""
    try:
        listed = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
        rows = [[part.strip() for part in line.rsplit(",", 3)] for line in listed.splitlines() if line.strip()]
        return tuple(
            Card(name, driver, float(capability), float(mebibytes) * 2**20)
            for name, driver, capability, mebibytes in rows
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def wanted_torch_index() -> str | None:
    """The package index that torch must come from to use this machine's card; None where the usual one is right.

    The usual one has CUDA 13 for Linux, and no CUDA for Windows.
    """
    cards = nvidia_cards()
    if not cards or (sys.platform == "linux" and cards[0].torch_index == CUDA_13_0):
        return None
    return cards[0].torch_index


@functools.cache
def torch_uses_cards() -> bool:
    """Whether the installed torch was built for graphics cards."""
    spec = importlib.util.find_spec("torch")
    places = spec.submodule_search_locations if spec else None
    return any((Path(place) / "lib" / name).is_file() for place in places or () for name in _CUDA_LIBRARIES)


def why_no_card() -> str:
    """Why no model can run on a graphics card here, as the end of a sentence; "" if one can."""
    cards = nvidia_cards()
    if cards and not torch_uses_cards():
        return f"the torch that is installed cannot use the {cards[0].name}"
    # An AMD card is not listed by NVIDIA's driver.
    has_amd = sys.platform == "linux" and Path("/dev/kfd").exists() and torch_uses_cards()
    return "" if cards or has_amd else "there is none here"
