# SPDX-License-Identifier: Apache-2.0
"""Writes a clip's frames without the distortion of its lens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from reangle.errors import UserError
from reangle.folders import DecodedClip, Distortion
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage, decode_image
from reangle.geometry.undistortion import undistorted
from reangle.media.parallel import in_order
from reangle.media.write import ImageWriter


def write_undistorted(
    footage: Footage, camera: ClipCamera, folder: DecodedClip, report: Callable[[float, str], None]
) -> None:
    """Write what the camera's pinhole sees: frames, their opacity if the clip has any, and metadata."""
    distortion = camera.distortion
    assert distortion is not None
    folder.path.mkdir()
    # Only one lens bends all frames, so one pinhole shows them.
    K = camera.K[0]
    with ImageWriter(folder.frames) as writer:
        straight = in_order(lambda index: undistorted(footage.image(index), distortion, K), range(footage.count))
        for number, image in enumerate(straight, start=1):
            writer.add(image)
            report(number / footage.count, "")
    if footage.clip.alpha.is_dir():
        with ImageWriter(folder.alpha) as writer:
            for index in range(footage.count):
                writer.add(_alpha(footage.clip.alpha / f"{index + 1:06d}.png", distortion, K))
    shutil.copyfile(footage.clip.metadata_file, folder.metadata_file)


def _alpha(path: Path, distortion: Distortion, K: np.ndarray) -> np.ndarray:
    alpha = decode_image(path, cv2.IMREAD_UNCHANGED)
    if alpha is None:
        raise UserError(f"The opacity of a frame cannot be read: {path}.", advice="Import the clip again.")
    return undistorted(alpha, distortion, K)
