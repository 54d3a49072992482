# SPDX-License-Identifier: GPL-3.0-or-later
"""VerseCrafter's `custom_camera_trajectory.npz`: `extrinsics`, N x 4 x 4 in 32 bits.

Axes: Blender's, camera to world: cameras look along -z with y up, the world has z up, and the first image's camera is
at its origin and looks along +y. There is no lens: VerseCrafter takes that of its own depth. It renders 81 frames.
Source: TencentARC/VerseCrafter, inference/blender_script/export_blender_custom_trajectories.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .track import Take, to_blender_axes

FRAMES = 81


def write(take: Take, file: Path) -> tuple[str, ...]:
    with file.open("wb") as out:
        np.savez(out, extrinsics=to_blender_axes(take.world_from_camera).astype(np.float32))
    notes = ["VerseCrafter's file has no lens."]
    if len(take.path.frames) != FRAMES:
        notes.append(f"VerseCrafter renders {FRAMES} frames; the path has {len(take.path.frames)}.")
    return tuple(notes)
