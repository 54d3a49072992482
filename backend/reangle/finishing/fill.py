# SPDX-License-Identifier: Apache-2.0
"""Fills what no frame shows, once for the scene instead of once per frame, so that it does not flicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reangle.finishing.diffuse import diffuse, fade, masked_blur, mirrored, rim_of
from reangle.warping.lookup import SAME_SURFACE
from reangle.warping.memory import Memory
from reangle.warping.surface import reciprocal
from reangle.warping.types import View

BLUR = 0.01
"""Radius, as a share of the picture's width, over which colours are averaged before they continue into a hole."""

TEXTURE = 0.4
"""Share of the surroundings' texture in the fill (0 to 1); mirrored texture is only plausible, so it is subdued."""

MOST_SHIFT = 40
"""Largest difference in grey levels between frame and filled scene that counts as a change of light."""


Painter = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A picture, H x W x 3 uint8, and its hole, H x W bool, to the picture with the hole painted."""


class Filler:
    """Fills the holes of output frames from views of the static scene. Each view is completed once.

    painter: paints what no view shows; None continues it from around.
    """

    def __init__(self, views: Sequence[View], painter: Painter | None = None) -> None:
        self.views: list[View] = []
        for view in views:
            self.views.append(complete(view, self.views, painter))
        self.memory = Memory.of_views(self.views) if self.views else None

    def fill(
        self, rgb: np.ndarray, known: np.ndarray, depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray
    ) -> np.ndarray:
        """The frame with its unknown pixels filled; known ones do not change.

        rgb: H x W x 3 uint8. known: H x W bool. depth: H x W float32, planar z, 0 where unknown.
        """
        hole = ~known
        if not hole.any():
            return rgb
        ring = rim_of(known)
        if self.memory is None:
            colour, recalled_depth = np.zeros_like(rgb), np.zeros_like(depth)
        else:
            colour, recalled_depth, _ = self.memory.recall(0, K, world_from_camera, hole | ring)
        recalled = recalled_depth > 0
        # The frame's own light at the rim, carried a little way into the hole, hides the seam.
        same = ring & recalled & (np.abs(recalled_depth - depth) < SAME_SURFACE * depth)
        shift = rgb.astype(np.float32) - colour
        # Of the ring alone: a maximum over three channels of the whole picture is slow.
        same[same] = np.abs(shift[same]).max(-1) < MOST_SHIFT
        filled = colour + fade(shift, same, hole & recalled)
        rest = hole & ~recalled
        # Of the hole alone: choosing over the whole picture is slow.
        if rest.any():
            base = rgb.astype(np.float32)
            base[hole] = filled[hole]
            filled[rest] = diffuse(base, known | recalled, rest)[rest]
        finished = rgb.copy()
        finished[hole] = np.rint(filled[hole]).clip(0, 255).astype(np.uint8)
        return finished


def complete(view: View, completed: Sequence[View], painter: Painter | None = None) -> View:
    """The view without holes: filled from views completed earlier, else painted or continued from the pixels around.

    A hole is background that a nearer surface hid, so nothing continues into it from the nearer side of an edge.
    """
    rgb, depth, near = view.rgb, view.depth, view.near
    if completed:
        memory = Memory.of_views(completed)
        other_rgb, other_depth, other_near = memory.recall(0, view.K, view.world_from_camera, depth == 0)
        recalled = other_depth > 0
        rgb = np.where(recalled[..., None], other_rgb, rgb)
        depth = np.where(recalled, other_depth, depth)
        near = near | (other_near & recalled)
    hole = depth == 0
    behind = ~hole & ~near
    broad = masked_blur(rgb, behind, BLUR * depth.shape[1])
    values = diffuse(np.dstack([broad, reciprocal(depth)]), behind, hole)
    if painter is not None and hole.any():
        rgb = np.where(hole[..., None], painter(np.where(hole[..., None], np.uint8(0), rgb), hole), rgb)
    else:
        detail = rgb - broad
        colour = values[..., :3] + fade(detail, behind, hole) + TEXTURE * mirrored(detail, behind, hole)
        rgb = np.where(hole[..., None], np.rint(colour).clip(0, 255).astype(np.uint8), rgb)
    depth = np.where(hole, reciprocal(values[..., 3]), depth)
    return View(rgb, depth, near, view.K, view.world_from_camera)
