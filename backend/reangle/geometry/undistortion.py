# SPDX-License-Identifier: Apache-2.0
"""Take a lens's distortion out of frames and of pixels. The lens models are COLMAP's."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from reangle.errors import UserError
from reangle.folders import Distortion
from reangle.geometry.colmap import pycolmap

_WIDEST = 3.0
"""Frames without distortion reach at most this far from the axis, as the tangent of the angle."""


def K_without_distortion(distortion: Distortion, width: int, height: int) -> np.ndarray:
    """3 x 3: a pinhole for frames of the same size, as wide as it can be with every pixel inside the clip's frame.

    Raises UserError for a lens that sees all around.
    """
    camera = _camera(distortion, width, height)
    try:
        K = np.asarray(camera.calibration_matrix(), np.float64)
    except (ValueError, RuntimeError) as error:
        raise UserError(
            f"The lens model {distortion.model} cannot be made into flat frames.",
            advice="Use a camera with a perspective or fisheye lens.",
        ) from error
    # Along the frame's border, whose pixels are the first to fall outside.
    along_x, along_y = np.linspace(0, width, 41), np.linspace(0, height, 41)
    border = np.concatenate(
        [np.stack(np.broadcast_arrays(along_x, edge), axis=1) for edge in (0.0, float(height))]
        + [np.stack(np.broadcast_arrays(edge, along_y), axis=1) for edge in (0.0, float(width))]
    )
    rays = (border - K[:2, 2]) / np.diag(K)[:2]
    least, most = 0.3, 4.0
    for _ in range(40):
        middle = (least + most) / 2
        wide = rays / middle
        seen = _bent(camera, wide)
        outside = (seen < -1e-6) | (seen > np.array([width, height]) + 1e-6) | ~np.isfinite(seen)
        # Far from the axis a polynomial may turn back: such a pixel is seen, but not where it belongs.
        back = np.asarray(camera.cam_from_img(np.nan_to_num(seen)))[:, :2]
        astray = np.linalg.norm(back - wide, axis=1) > 1e-3 * np.linalg.norm(wide, axis=1)
        if outside.any() or astray.any() or np.linalg.norm(wide, axis=1).max() > _WIDEST:
            least = middle
        else:
            most = middle
    K[0, 0] *= most
    K[1, 1] *= most
    return K


def undistorted(
    image: np.ndarray, distortion: Distortion, K: np.ndarray, interpolation: int = cv2.INTER_CUBIC
) -> np.ndarray:
    """The frame (height x width x channels) without distortion, as a pinhole K of the same size sees it.

    Image and distortion belong to the same pixels. interpolation: OpenCV's; INTER_NEAREST for depth.
    """
    height, width = image.shape[:2]
    columns, rows = _lookup(distortion, tuple(K.ravel().tolist()), width, height)
    return cv2.remap(image, columns, rows, interpolation, borderMode=cv2.BORDER_REPLICATE)


def at_size(distortion: Distortion, size: tuple[int, int], new_size: tuple[int, int]) -> Distortion:
    """The same lens for frames of another size, both width x height of one aspect."""
    camera = _camera(distortion, *size)
    camera.rescale(*new_size)
    return Distortion(model=camera.model_name, params=tuple(camera.params))


def straightened(uv: np.ndarray, distortion: Distortion, K: np.ndarray, width: int, height: int) -> np.ndarray:
    """n x 2 pixels of the clip's own frames as pixels of the frames without distortion."""
    plane = np.asarray(_camera(distortion, width, height).cam_from_img(np.asarray(uv, np.float64)))
    return plane[:, :2] * np.diag(K)[:2] + K[:2, 2]


def bent(uv: np.ndarray, distortion: Distortion, K: np.ndarray, width: int, height: int) -> np.ndarray:
    """The reverse of `straightened`."""
    return _bent(_camera(distortion, width, height), (uv - K[:2, 2]) / np.diag(K)[:2])


@lru_cache(maxsize=2)
def _lookup(distortion: Distortion, K: tuple[float, ...], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel without distortion is in the clip's frame, in OpenCV's pixels (centres at whole numbers)."""
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    pixels = np.stack([columns.ravel(), rows.ravel()], axis=1)
    seen = bent(pixels, distortion, np.reshape(K, (3, 3)), width, height).reshape(height, width, 2) - 0.5
    seen = np.nan_to_num(seen, nan=-1).astype(np.float32)
    return np.ascontiguousarray(seen[..., 0]), np.ascontiguousarray(seen[..., 1])


def _bent(camera: pycolmap.Camera, plane: np.ndarray) -> np.ndarray:
    points = np.concatenate([plane, np.ones((len(plane), 1))], axis=1)
    return np.asarray(camera.img_from_cam(points))


def _camera(distortion: Distortion, width: int, height: int) -> pycolmap.Camera:
    return pycolmap.Camera(model=distortion.model, width=width, height=height, params=list(distortion.params))
