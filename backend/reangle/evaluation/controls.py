# SPDX-License-Identifier: Apache-2.0
"""Controls: what blurring a fill gains by itself. PSNR rewards blur, so no result is better unless it beats these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np

from reangle.folders import ResultFolder
from reangle.media.write import read_images

BLUR_PX = 1.0
TELEA_PX = 3
"""Radius of OpenCV's infill, as in OpenCV's own example."""

Control = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""A frame, its warp (both H x W x 3 uint8) and the mask of unknown pixels (H x W bool) -> what goes there."""


def blurred(frame: np.ndarray, _warp: np.ndarray, _unknown: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(frame, (0, 0), BLUR_PX)


def averaged_with_telea(frame: np.ndarray, warp: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    infill = cv2.inpaint(warp, unknown.astype(np.uint8), TELEA_PX, cv2.INPAINT_TELEA)
    return np.rint((frame.astype(np.float32) + infill) / 2).astype(np.uint8)


CONTROLS: Mapping[str, Control] = MappingProxyType({"blur1": blurred, "mean_telea": averaged_with_telea})
"""By name; each is made of the preview's frames."""


def unknown_in(result: ResultFolder) -> np.ndarray:
    """N x H x W bool: pixels that no frame of the clip saw, by the result's own masks."""
    return (read_images(result.visibility) | read_images(result.memory)) == 0


def controlled(frames: np.ndarray, warped: np.ndarray, unknown: np.ndarray, control: Control) -> np.ndarray:
    """The frames, N x H x W x 3 uint8, with the control's pixels where no frame of the clip saw.

    warped: like frames, with holes. unknown: see `unknown_in`.
    """
    changed = [control(*one) for one in zip(frames, warped, unknown, strict=True)]
    return np.where(unknown[..., None], np.stack(changed), frames)
