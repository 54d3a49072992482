# SPDX-License-Identifier: Apache-2.0
"""Weights as clients see them: licence, size, and whether they are on this machine."""

from __future__ import annotations

from pathlib import Path

from reangle.contract.capabilities import PartInfo
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.registry import describe


def part_info(known: Checkpoint, data: Path) -> PartInfo:
    """data: the data folder."""
    row = describe(known, data)
    return PartInfo(
        role=row["role"],
        name=row["name"],
        label=row["title"],
        help=row["limits"],
        licence=row["licence"],
        commercial_ok=row["commercial_ok"],
        installed=row["installed"],
        size=row["size"],
        problem=row["problem"],
        page=known.page,
    )
