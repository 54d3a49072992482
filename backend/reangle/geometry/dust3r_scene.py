# SPDX-License-Identifier: Apache-2.0
"""Cameras of the scenes that MonST3R and other programs made from DUSt3R save: pred_traj.txt and pred_intrinsics.txt.

A line of pred_traj.txt is `frame x y z qw qx qy qz`, camera to world with the axes of OpenCV; unlike the TUM format,
which it resembles, the quaternion's real part comes first. A line of pred_intrinsics.txt is K, row by row, in pixels of
the network's picture, whose centres are whole numbers. That picture is the frame scaled to 512 pixels and cropped in
the middle to multiples of 16. Source: Junyi42/monst3r, dust3r/cloud_opt/base_opt.py, dust3r/utils/image.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.contract.file_kinds import DUST3R_FILES
from reangle.errors import UserError
from reangle.folders import ClipMetadata
from reangle.geometry.camera_files import CameraTrack

STEP = 16
"""The network's picture is a multiple of this many pixels wide and high."""
ADVICE = "Save the scene again, with its poses and its intrinsics."


def read_dust3r(files: Mapping[str, Path], clip: ClipMetadata | None = None) -> CameraTrack:
    """Read a scene from its files by name. clip: its shape tells what of the frames the network's picture lacks.

    Raises UserError for files that are missing, damaged or do not fit each other.
    """
    named = {name.lower(): path for name, path in files.items()}
    if missing := [name for name in DUST3R_FILES if name not in named]:
        present = next(name for name in DUST3R_FILES if name in named)
        raise UserError(f"{missing[0]} is missing beside {present}.", advice=ADVICE)
    poses, lenses = (_table(name, named[name], columns) for name, columns in zip(DUST3R_FILES, (8, 9), strict=True))
    if len(poses) != len(lenses):
        raise UserError(f"There are {len(poses)} poses and {len(lenses)} lenses.", advice=ADVICE)
    try:
        turns = Rotation.from_quat(poses[:, [5, 6, 7, 4]]).as_matrix()
    except ValueError as error:
        raise UserError(f"A rotation in {DUST3R_FILES[0]} is zero.", advice=ADVICE) from error
    path = np.tile(np.eye(4), (len(poses), 1, 1))
    path[:, :3, :3], path[:, :3, 3] = turns, poses[:, 1:4]
    K = lenses.reshape(-1, 3, 3)
    if not (K[:, 0, 0] > 0).all() or not (K[:, 1, 1] > 0).all():
        raise UserError(f"A lens in {DUST3R_FILES[1]} has no focal length.", advice=ADVICE)
    width, height = _picture(named, K)
    left, top, right, bottom = margins = _margins(width, height, clip)
    K[:, :2, 2] += 0.5 + np.array([left, top])
    notes: tuple[str, ...] = ()
    if any(margins):
        notes = ("DUSt3R saw the frames without a few pixels at their edges; depth continues there.",)
    return CameraTrack(K, path, width + left + right, height + top + bottom, "relative", margins=margins, notes=notes)


def _table(name: str, path: Path, columns: int) -> np.ndarray:
    """N x columns, finite."""
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise UserError(f"{name} cannot be read as rows of numbers.", advice=ADVICE) from error
    if table.size == 0 or table.shape[1] != columns or not np.isfinite(table).all():
        raise UserError(f"The rows of {name} should have {columns} finite numbers.", advice=ADVICE)
    return table


def _picture(named: Mapping[str, Path], K: np.ndarray) -> tuple[int, int]:
    """Width and height of the network's picture: of its depth, else twice the centre of its lens."""
    depth = next((path for name, path in named.items() if name.startswith("frame_") and name.endswith(".npy")), None)
    if depth is not None:
        shape = np.load(depth, mmap_mode="r", allow_pickle=False).shape
        if len(shape) == 2:
            return int(shape[1]), int(shape[0])
    width, height = np.rint(2 * K[:, :2, 2].mean(axis=0)).astype(int)
    return int(width), int(height)


def _margins(width: int, height: int, clip: ClipMetadata | None) -> tuple[int, int, int, int]:
    """What the network's picture lacks (left, top, right, bottom) of the whole or the cropped source, at its scale."""
    sizes = [] if clip is None else [(clip.width, clip.height)]
    if clip is not None and clip.source_width and clip.source_height:
        sizes.insert(0, (clip.source_width, clip.source_height))
    for wide, high in sizes:
        scale = max(width / wide, height / high)
        lacking = round(wide * scale) - width, round(high * scale) - height
        if all(0 <= one < STEP for one in lacking):
            left, top = lacking[0] // 2, lacking[1] // 2
            return left, top, lacking[0] - left, lacking[1] - top
    return 0, 0, 0, 0
