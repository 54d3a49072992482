# SPDX-License-Identifier: GPL-3.0-or-later
"""Nuke's .chan, which 3DEqualizer, SynthEyes and Houdini have, too: `frame tx ty tz rx ry rz vfov`.

Axes: world with y up; cameras look along -z with y up. Angles are in degrees about the axes; the file does not say
in which order they turn: Nuke's cameras use ZXY unless the artist chose another. `vfov` is the vertical field of view
in degrees and may be missing; there is no shift of the lens. Lines are the scene's frames.
Source: docs.blender.org/manual/en/2.83/addons/import_export/anim_nuke_chan.html; nukescripts.import_boujou.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..camera import FLIP
from .gaps import filled
from .lines import numbers_of
from .rotations import angles_of, from_angles
from .track import Hints, Take, Track, lost_by_fov, of_vertical_fov, vertical_fov

FORM = "frame tx ty tz rx ry rz, and vfov"


def read(file: Path, hints: Hints) -> Track:
    rows = numbers_of(file, (7, 8), FORM)
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    matrices = np.tile(np.eye(4), (len(rows), 1, 1))
    matrices[:, :3, :3] = from_angles(rows[:, 4:7], hints.rotation_order)
    matrices[:, :3, 3] = rows[:, 1:4]
    K = of_vertical_fov(rows[:, 7], hints.width, hints.height) if rows.shape[1] == 8 else None
    poses, lenses, notes = filled(np.rint(rows[:, 0]).astype(int), FLIP @ matrices @ FLIP, K)
    return Track(poses, lenses, hints.width, hints.height, notes=notes)


def write(take: Take, file: Path) -> tuple[str, ...]:
    matrices = FLIP @ take.world_from_camera @ FLIP
    angles = angles_of(matrices[:, :3, :3], take.rotation_order)
    lines: list[str] = []
    for index, (matrix, turns, fov) in enumerate(zip(matrices, angles, vertical_fov(take), strict=True)):
        values = (*matrix[:3, 3], *turns, fov)
        lines.append(f"{take.first_frame + index}\t" + "\t".join(repr(float(value)) for value in values))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return (f"Set the rotation order of Nuke's camera to {take.rotation_order}.", *lost_by_fov(take))
