# SPDX-License-Identifier: GPL-3.0-or-later
"""TrajectoryCrafter's text: three lines with theta, phi and r of all frames. It is written only.

Its cameras circle a point straight ahead of the clip's camera, at the depth in the middle of the first frame: theta and
phi are degrees about OpenCV's x and y, r moves camera and point forward, in parts of that depth. There is no roll, no
other way to the side and no lens. The clip's camera is taken for still, so each
pose is written as the clip's camera of the same frame sees it. More than three numbers in a line are smoothed by a
spline over 49 frames.
Source: TrajectoryCrafter, models/utils.py (`sphere2pose`, `generate_traj_txt`) and demo.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .rotations import about
from .track import Take

TOLD_DEG, TOLD_SHARE = 0.05, 0.005


def write(take: Take, file: Path) -> tuple[str, ...]:
    poses = take.source_from_camera
    forward, place = poses[:, :3, 2], poses[:, :3, 3] / take.focus
    phi = -np.arcsin(np.clip(forward[:, 0], -1, 1))
    theta = np.arctan2(forward[:, 1], forward[:, 2])
    # The camera is at (1 + r) z - forward, in parts of the focus.
    r = place[:, 2] + forward[:, 2] - 1
    rows = (np.degrees(theta), np.degrees(phi), r)
    text = "\n".join(" ".join(repr(float(value)) for value in row) for row in rows)
    file.write_text(text + "\n", encoding="utf-8")
    notes = ["TrajectoryCrafter's file has no lens."]
    meant = (about(1, phi) @ about(0, theta)).swapaxes(1, 2)
    cosine = (np.trace(meant.swapaxes(1, 2) @ poses[:, :3, :3], axis1=1, axis2=2) - 1) / 2
    turned = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max())
    aside = float(np.linalg.norm(place[:, :2] + forward[:, :2], axis=1).max())
    if turned > TOLD_DEG or aside > TOLD_SHARE:
        notes.append(
            f"TrajectoryCrafter's cameras only circle what they look at: this path is up to {turned:.1f} degrees and "
            f"{100 * aside:.1f} % of the focus distance off."
        )
    return tuple(notes)
