# SPDX-License-Identifier: GPL-3.0-or-later
"""The npz files of Vista4D and WanGP: `cam_c2w`, N x 4 x 4, and `intrinsics`, N x 4: fx, fy, cx, cy.

Axes: those of OpenCV, camera to world. Focal lengths and centre in pixels; Vista4D's renderer adds 0.5 to pixel
numbers, so centres are at +0.5, as here. The files do not say for how many pixels: as Vista4D does, the centre is taken
for the middle. Reangle adds `width`, `height` and `fps`, which others leave alone.
MegaSaM's npz is read, too: `cam_c2w` with one `intrinsic`, 3 x 3.
Sources: Eyeline-Labs/Vista4D, utils/media.py and utils/point_cloud/point_cloud.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .track import Hints, Take, Track, pinholes


def read(file: Path, _hints: Hints) -> Track:
    with np.load(file, allow_pickle=False) as arrays:
        matrices = np.asarray(arrays["cam_c2w"], np.float64)
        K = _lenses(arrays, len(matrices))
        middle = np.rint(2 * K[:, :2, 2].mean(axis=0)).astype(int)
        width, height = (int(arrays[name]) if name in arrays else int(middle[at]) for at, name in enumerate(_SIZE))
        fps = float(arrays["fps"]) if "fps" in arrays else 0.0
    if min(width, height) < 1:
        raise ValueError("its lenses have no centre")
    return Track(matrices, K, width, height, fps)


_SIZE = ("width", "height")


def _lenses(arrays: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """count x 3 x 3."""
    K = (
        pinholes(*np.asarray(arrays["intrinsics"], np.float64).reshape(-1, 4).T)
        if "intrinsics" in arrays
        else np.asarray(arrays["intrinsic"], np.float64).reshape(-1, 3, 3)
    )
    if len(K) not in (1, count):
        raise ValueError(f"it has {count} poses and {len(K)} lenses")
    return np.broadcast_to(K, (count, 3, 3))


def write(take: Take, file: Path) -> tuple[str, ...]:
    with file.open("wb") as out:  # numpy would add its own suffix to another name
        np.savez(
            out,
            cam_c2w=take.world_from_camera,
            intrinsics=take.K[:, (0, 1, 0, 1), (0, 1, 2, 2)],
            width=take.path.width,
            height=take.path.height,
            fps=take.path.fps,
        )
    return ()
