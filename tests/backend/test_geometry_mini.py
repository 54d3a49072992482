# SPDX-License-Identifier: Apache-2.0
"""Depth `mini`: distances of one network, outlines of the other."""

from __future__ import annotations

import cv2
import numpy as np
from reangle.geometry.depth.mini import joined
from reangle.geometry.frame_depth import FrameDepth

HEIGHT, WIDTH = 192, 288


def scene() -> np.ndarray:
    """Depth of a box before a wall that recedes to the right."""
    depth = np.tile(np.linspace(4, 8, WIDTH, dtype=np.float32), (HEIGHT, 1))
    depth[60:140, 100:180] = 2
    return depth


def frame_depth(depth: np.ndarray, **more: object) -> FrameDepth:
    maps = depth[None]
    given = {"valid": np.ones(maps.shape, bool), "confidence": np.full(maps.shape, 0.5, np.float32), **more}
    return FrameDepth(inverse=(1 / maps).astype(np.float32), ambiguity="scale", **given)  # type: ignore[arg-type]


def blocks(depth: np.ndarray) -> np.ndarray:
    """What a network sees in 14 x 10 blocks."""
    small = cv2.resize(depth, (14, 10), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (224, 160), interpolation=cv2.INTER_NEAREST)


def test_outlines_stay_and_distances_are_corrected() -> None:
    truth = scene()
    bend = np.exp(0.4 * np.sin(np.linspace(0, 3, WIDTH, dtype=np.float32)))
    fine, coarse = frame_depth(7 * truth * bend), frame_depth(blocks(truth))
    depth = 1 / joined(fine, coarse).inverse[0]

    def error(one: np.ndarray) -> float:
        return float(np.abs(np.log(one / truth) - np.median(np.log(one / truth))).mean())

    shown = cv2.resize(blocks(truth), (WIDTH, HEIGHT))
    blurred = cv2.GaussianBlur(shown, (0, 0), 6)
    assert error(depth) < 0.5 * error(1 / fine.inverse[0])
    assert error(depth) < 0.8 * min(error(shown), error(blurred))
    step = np.log(depth[100, 99] / depth[100, 100])
    assert abs(step - np.log(truth[100, 99] / truth[100, 100])) < 0.05


def test_what_both_say_besides_depth_is_at_the_size_of_the_outlines() -> None:
    shape = (1, 160, 224)
    moving = np.zeros(shape, bool)
    moving[:, 40:80, 50:100] = True
    fine, coarse = frame_depth(scene()), frame_depth(blocks(scene()), moving=moving)
    both = joined(fine, coarse)
    assert both.moving is not None
    assert both.moving.shape == both.valid.shape == both.confidence.shape == (1, HEIGHT, WIDTH)
    assert abs(both.moving.mean() - moving.mean()) < 0.002
    assert both.confidence.mean() == 0.5
    assert joined(fine, frame_depth(blocks(scene()))).moving is None
