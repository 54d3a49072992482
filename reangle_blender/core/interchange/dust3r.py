# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder in which programs made from DUSt3R (MonST3R, Easi3R, ...) save a scene: `pred_traj.txt` and
`pred_intrinsics.txt`, with the depth of each frame in `frame_0000.npy`, ... It is read only.

Axes: those of OpenCV, camera to world. A line of `pred_traj.txt` is `frame x y z qw qx qy qz`: unlike the TUM format,
which it resembles, the quaternion's real part comes first. A line of `pred_intrinsics.txt` is K, row by row, in pixels
of the network's picture (512 wide or high), whose centres are whole numbers: 0.5 is added. The unit is arbitrary.
DUSt3R's own demo saves a mesh alone; docs/interchange.md has the lines of Python that save the rest.
Source: Junyi42/monst3r, dust3r/cloud_opt/base_opt.py, dust3r/utils/vo_eval.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UserError
from .lines import numbers_of
from .rotations import from_quaternions
from .track import Hints, Track

POSES, LENSES = "pred_traj.txt", "pred_intrinsics.txt"


def folder_of(file: Path) -> Path | None:
    """The scene's folder that a chosen file or folder belongs to."""
    folder = file if file.is_dir() else file.parent
    return folder if (folder / POSES).is_file() and (folder / LENSES).is_file() else None


def read(file: Path, _hints: Hints) -> Track:
    folder = folder_of(file)
    if folder is None:
        raise UserError(f"There are no {POSES} and {LENSES} in {file}.", advice="Choose the folder of the scene.")
    poses = numbers_of(folder / POSES, (8,), "frame x y z qw qx qy qz")
    K = numbers_of(folder / LENSES, (9,), "the nine numbers of K").reshape(-1, 3, 3)
    if len(K) != len(poses):
        raise UserError(f"{POSES} has {len(poses)} frames and {LENSES} {len(K)}.", advice="Save the scene again.")
    width, height = size_of(folder, K)
    K[:, :2, 2] += 0.5
    return Track(from_quaternions(poses[:, 4:], poses[:, 1:4]), K, width, height)


def size_of(folder: Path, K: np.ndarray) -> tuple[int, int]:
    """Width and height of the network's picture: of its depth, else twice the centre of its lens."""
    depth = next(iter(sorted(folder.glob("frame_*.npy"))), None)
    if depth is not None:
        height, width = np.load(depth, mmap_mode="r", allow_pickle=False).shape
        return int(width), int(height)
    width, height = np.rint(2 * K[:, :2, 2].mean(axis=0)).astype(int)
    return int(width), int(height)
