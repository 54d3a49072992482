# SPDX-License-Identifier: Apache-2.0
"""Warps a clip's frames to a new camera."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numba
import numpy as np

from reangle.contract import CameraPath, PreviewSettings
from reangle.errors import UserError
from reangle.folders import FrameTrouble
from reangle.geometry.video_geometry import VideoGeometry
from reangle.kernels import KERNEL
from reangle.media.parallel import in_order
from reangle.warping.bends import bends, doubts
from reangle.warping.cameras import target_from_source
from reangle.warping.drawing import PROCESSOR, Drawing, drawing_here
from reangle.warping.filters import left_out
from reangle.warping.lookup import SAME_SURFACE
from reangle.warping.memory import Memory
from reangle.warping.plates import Plate
from reangle.warping.surface import DEFAULT_EDGE_FILTER, Surface, make_surface
from reangle.warping.trouble import largest_hole
from reangle.warping.types import WarpedFrame

SEEN = 0.3
"""Share of a pixel that its own frame must show for the pixel to count as visible."""

IN_FRONT = 2 * SAME_SURFACE
"""Relative depth gap by which a point from memory must be nearer than the visible surface to hide it."""

LEAST_NEIGHBOURS = 4
"""Known pixels needed among a pixel from memory and its eight neighbours; isolated specks are errors."""


class Warper:
    """Warps single frames of one clip to cameras.

    frames: T x H x W x 3 uint8 or uint16. geometry: of the same T frames; its maps may be of another size.
    memory: the clip's, or None to warp each frame without the others. edge_filter: as in `contract.PreviewSettings`;
    the memory has its own, and its own drawing.
    """

    def __init__(
        self,
        frames: np.ndarray,
        geometry: VideoGeometry,
        memory: Memory | None,
        edge_filter: float = DEFAULT_EDGE_FILTER,
        drawing: Drawing = PROCESSOR,
    ) -> None:
        self.frames = frames
        self.drawing = drawing
        self.geometry = geometry
        self.memory = memory
        self.edge_filter = edge_filter
        self.height, self.width = frames.shape[1:3]
        self.K = geometry.K_at(self.width, self.height)

    @classmethod
    def of_clip(
        cls, frames: np.ndarray, geometry: VideoGeometry, settings: PreviewSettings, drawing: Drawing | None = None
    ) -> Warper:
        """What warps a clip as the artist has set it; arrays as above. drawing: None is `drawing_here()`.

        Raises UserError if the geometry has another number of frames, if the filters leave nothing of it, or as
        `drawing_here`.
        """
        check_clip(frames, geometry)
        kept = left_out(geometry, settings.edge_filter, settings.confidence_filter)
        if geometry.valid.any() and not kept.valid.any():
            raise UserError(
                "The filters leave out all of the clip's depth.", advice="Lower the confidence or the edge filter."
            )
        drawing = drawing or drawing_here()
        memory = None
        if settings.memory:
            memory = Memory.of_clip(frames, kept, edge_filter=settings.edge_filter, drawing=drawing)
        return cls(frames, kept, memory, settings.edge_filter, drawing)

    def warp(
        self,
        frame: int,
        K: np.ndarray,
        world_from_camera: np.ndarray,
        width: int,
        height: int,
        surface: Surface | None = None,
    ) -> WarpedFrame:
        """Frame `frame` of the clip from a camera of width x height pixels. surface: of the frame, if it is at hand."""
        surface = surface or self.surface(frame)
        forward = target_from_source(world_from_camera, self.geometry.world_from_camera[frame])
        seen_by = self.K[frame], forward, K, width, height
        rgb, share, depth = self.drawing.look(self.frames[frame], surface, *seen_by)
        visible = share >= SEEN
        remembered = np.zeros_like(visible)
        if self.memory is not None:
            own = Plate.whole(surface, self.K[frame], self.geometry.world_from_camera[frame])
            in_front = depth * np.float32(1 - IN_FRONT)
            recalled, recalled_depth, _ = self.memory.recall(frame, K, world_from_camera, share < 1, own, in_front)
            known = recalled_depth > 0
            # From the new camera, something that this frame does not show may hide something that it shows.
            visible &= ~(known & (recalled_depth < in_front))
            neighbours = cv2.boxFilter((known | visible).astype(np.float32), -1, (3, 3), normalize=False)
            remembered = known & ~visible & (neighbours >= LEAST_NEIGHBOURS)
            _mix(rgb, share, depth, visible, remembered, recalled, recalled_depth)
        else:
            rgb[~visible], depth[~visible] = 0, 0
        return WarpedFrame(rgb, visible, remembered, depth)

    def warp_and_measure(
        self, frame: int, K: np.ndarray, world_from_camera: np.ndarray, width: int, height: int
    ) -> tuple[WarpedFrame, FrameTrouble]:
        """As `warp`, and what is wrong with the frame."""
        surface = self.surface(frame)
        warped = self.warp(frame, K, world_from_camera, width, height, surface)
        source_K, source = self.K[frame], self.geometry.world_from_camera[frame]
        forward = target_from_source(world_from_camera, source)
        bent = bends(self.frames[frame], surface, source_K, forward, K, width, height)
        maps = self.geometry.confidence[frame], None if self.geometry.dynamic is None else self.geometry.dynamic[frame]
        seen = warped.visible, warped.depth, (self.width, self.height)
        known = warped.known
        return warped, FrameTrouble(
            unseen=1 - float(known.mean()),
            hole=largest_hole(known),
            **bent._asdict(),
            **doubts(*maps, *seen, source_K, forward, K)._asdict(),
        )

    def surface(self, frame: int) -> Surface:
        """The surface of frame `frame`, at the frames' size."""
        if self.memory is not None and (surface := self.memory.surface_of(frame)) is not None:
            return surface
        maps = self.geometry.depth[frame], self.geometry.valid[frame]
        return make_surface(*maps, self.width, self.height, self.edge_filter)


@numba.njit(**KERNEL)
def _mix(rgb, share, depth, visible, remembered, recalled, recalled_depth):
    """Put the memory into the remembered pixels, and into what a visible pixel shows only in part; clear the unknown
    ones."""
    height, width = depth.shape
    one = np.float32(1)
    for y in range(height):
        for x in range(width):
            if remembered[y, x]:
                depth[y, x] = recalled_depth[y, x]
                for c in range(3):
                    rgb[y, x, c] = recalled[y, x, c]
            elif not visible[y, x]:
                depth[y, x] = 0
                for c in range(3):
                    rgb[y, x, c] = 0
            elif share[y, x] < one and recalled_depth[y, x] > 0:
                part = share[y, x]
                for c in range(3):
                    rgb[y, x, c] = np.rint(rgb[y, x, c] * part + recalled[y, x, c] * (one - part))


def warp_frames(warper: Warper, path: CameraPath) -> Iterator[WarpedFrame]:
    """The path's frames in order, with only a few in memory.

    Raises UserError if the path needs frames that the clip does not have.
    """
    return in_order(lambda camera: warper.warp(*camera, path.width, path.height), _cameras(warper, path))


def measured_frames(warper: Warper, path: CameraPath) -> Iterator[tuple[WarpedFrame, FrameTrouble]]:
    """As `warp_frames`, each frame with what is wrong with it."""
    return in_order(lambda camera: warper.warp_and_measure(*camera, path.width, path.height), _cameras(warper, path))


def _cameras(warper: Warper, path: CameraPath) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    check_path(path, len(warper.frames))
    return zip(path.frames, np.asarray(path.K), np.asarray(path.world_from_camera), strict=True)


def check_clip(frames: np.ndarray, geometry: VideoGeometry) -> None:
    """Raise UserError unless the geometry has as many frames as the clip."""
    if len(frames) != geometry.frame_count:
        raise UserError(
            f"The clip has {len(frames)} frames but its geometry has {geometry.frame_count}.",
            advice="Make the geometry again from this clip and the same range of frames.",
        )


def check_path(path: CameraPath, count: int) -> None:
    """Raise UserError if the path needs a frame beyond the clip's `count`."""
    if max(path.frames) >= count:
        raise UserError(
            f"Camera {path.name!r} needs the clip's frame {max(path.frames)}, but the last one is {count - 1}.",
            advice="Use more frames of the clip, or shorten the camera's range.",
        )
