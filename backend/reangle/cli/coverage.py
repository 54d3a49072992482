# SPDX-License-Identifier: Apache-2.0
"""How much of each camera's picture the clip shows, as a table and as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reangle.folders import WarpMetadata

_TITLES = ("CAMERA", "SEEN, MEAN", "LEAST", "AT FRAME", "LARGEST HOLE", "AT FRAME", "WARNINGS")


def coverage_values(cameras: Mapping[str, WarpMetadata]) -> list[dict[str, Any]]:
    """Of each camera: shares of the picture that the clip shows, and of the largest hole, with their frames from 1."""
    return [_values(name, warp) for name, warp in cameras.items()]


def _values(name: str, warp: WarpMetadata) -> dict[str, Any]:
    frames = warp.trouble_by_frame
    least = max(range(len(frames)), key=lambda n: frames[n].unseen)
    hole = max(range(len(frames)), key=lambda n: frames[n].hole)
    return {
        "camera": name,
        "seen": round(1 - warp.coverage.invented, 4),
        "least_seen": round(1 - frames[least].unseen, 4),
        "least_seen_frame": least + 1,
        "largest_hole": round(frames[hole].hole, 4),
        "largest_hole_frame": hole + 1,
        "warnings": len(warp.trouble),
    }


def coverage_table(cameras: Mapping[str, WarpMetadata]) -> str:
    """The same for people."""
    rows: list[tuple[str, ...]] = [_TITLES]
    for one in coverage_values(cameras):
        shares = (f"{one[key]:.0%}" for key in ("seen", "least_seen", "largest_hole"))
        seen, least, hole = shares
        frames = str(one["least_seen_frame"]), str(one["largest_hole_frame"])
        rows.append((one["camera"], seen, least, frames[0], hole, frames[1], str(one["warnings"])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
