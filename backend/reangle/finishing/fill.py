# SPDX-License-Identifier: Apache-2.0
"""Filling what no frame saw: once in the world, not once per frame, so that it holds still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reangle.finishing.diffuse import diffuse, fade, masked_blur, mirrored, rim_of
from reangle.warping.lookup import SAME_SURFACE
from reangle.warping.memory import Memory
from reangle.warping.surface import reciprocal
from reangle.warping.types import View

BLUR = 0.01
"""Width, as a share of the picture's, over which colours are averaged before they are continued into a hole."""

TEXTURE = 0.4
"""Share of the surroundings' texture that the fill shows; it cannot be the right one in every detail."""

MOST_SHIFT = 40
"""Grey levels by which light may differ between the frame and the filled scene; more is a mistake, not light."""


class Filler:
    """Fills the holes of output frames from views of the static scene, each of which is itself filled once."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views: list[View] = []
        for view in views:
            self.views.append(complete(view, self.views))
        self.memory = Memory.of_views(self.views) if self.views else None

    def fill(
        self, rgb: np.ndarray, known: np.ndarray, depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray
    ) -> np.ndarray:
        """The frame with its unknown pixels filled; known ones stay as they are.

        rgb: H x W x 3 uint8. known: H x W bool. depth: H x W float32, planar z, 0 where unknown.
        """
        hole = ~known
        if not hole.any():
            return rgb
        ring = rim_of(known)
        if self.memory is None:
            colour, there = np.zeros_like(rgb), np.zeros_like(depth)
        else:
            colour, there, _ = self.memory.recall(0, K, world_from_camera, hole | ring)
        found = there > 0
        # the frame's own light at the rim, carried a little way in so that no seam shows
        same = ring & found & (np.abs(there - depth) < SAME_SURFACE * depth)
        shift = rgb.astype(np.float32) - colour
        same &= np.abs(shift).max(-1) < MOST_SHIFT
        filled = colour + fade(shift, same, hole & found)
        rest = hole & ~found
        if rest.any():
            base = np.where(known[..., None], rgb, filled)
            filled = np.where(rest[..., None], diffuse(base, known | found, rest), filled)
        return np.where(known[..., None], rgb, np.rint(filled).clip(0, 255).astype(np.uint8))


def complete(view: View, before: Sequence[View]) -> View:
    """The view with nothing unknown left: taken from the views filled before it, else continued from the scene around.

    Holes are torn open by nearer things that hid what is behind them: nothing flows into a hole from the nearer side
    of an edge.
    """
    rgb, depth, near = view.rgb, view.depth, view.near
    if before:
        more, there, more_near = Memory.of_views(before).recall(0, view.K, view.world_from_camera, depth == 0)
        found = there > 0
        rgb = np.where(found[..., None], more, rgb)
        depth = np.where(found, there, depth)
        near = near | (more_near & found)
    hole = depth == 0
    behind = ~hole & ~near
    broad = masked_blur(rgb, behind, BLUR * depth.shape[1])
    values = diffuse(np.dstack([broad, reciprocal(depth)]), behind, hole)
    detail = rgb - broad
    colour = values[..., :3] + fade(detail, behind, hole) + TEXTURE * mirrored(detail, behind, hole)
    rgb = np.where(hole[..., None], np.rint(colour).clip(0, 255).astype(np.uint8), rgb)
    depth = np.where(hole, reciprocal(values[..., 3]), depth)
    return View(rgb, depth, near, view.K, view.world_from_camera)
