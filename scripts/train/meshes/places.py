# SPDX-License-Identifier: Apache-2.0
"""The kinds of places that scenes are set in."""

from __future__ import annotations

from collections.abc import Callable

from scripts.train.meshes.grounds import heap, outdoors
from scripts.train.meshes.rooms import room, table_top
from scripts.train.meshes.stage import Place, Stage

PLACES: dict[str, tuple[Callable[[Stage], Place], float]] = {
    "room": (room, 0.4),
    "table": (table_top, 0.24),
    "outdoors": (outdoors, 0.26),
    "heap": (heap, 0.1),
}
"""Places by name, with their shares."""
