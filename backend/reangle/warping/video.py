# SPDX-License-Identifier: Apache-2.0
"""A clip as another camera would have filmed it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
import numpy as np

from reangle.contract import CameraPath
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.lift import pixel_transform, target_from_source, thread_count
from reangle.warping.lookup import SAME_SURFACE, SCALE, look_up
from reangle.warping.memory import Memory, Plate
from reangle.warping.mesh import mesh_depth, mesh_frame
from reangle.warping.splat import splat_frame
from reangle.warping.surface import Surface, make_surface
from reangle.warping.types import Method, Warped, WarpedFrame

T = TypeVar("T")
R = TypeVar("R")

SEEN = 0.3
"""Share of a pixel that must have been seen for the pixel to count as seen."""

IN_FRONT = 2 * SAME_SURFACE
"""Share by which what is remembered must be nearer than what is seen to hide it."""

CROWD = 4
"""Of a remembered pixel and its eight neighbours, so many must be known; a lone speck is a mistake."""


class Warper:
    """Warps single frames of one clip to cameras.

    frames: T x H x W x 3 uint8. geometry: of the same T frames; its maps may be of another size.
    memory: the clip's, or None to go without.
    """

    def __init__(self, frames: np.ndarray, geometry: VideoGeometry, method: Method, memory: Memory | None) -> None:
        self.frames = frames
        self.geometry = geometry
        self.method: Method = method
        self.memory = memory
        self.height, self.width = frames.shape[1:3]
        self.K = geometry.K_at(self.width, self.height)

    def warp(self, frame: int, K: np.ndarray, world_from_camera: np.ndarray, width: int, height: int) -> WarpedFrame:
        """Frame `frame` of the clip as seen by a camera of width x height pixels."""
        surface = self._surface(frame)
        rgb, share, depth = self._see(frame, surface, K, world_from_camera, width, height)
        visible = share >= SEEN
        remembered = np.zeros_like(visible)
        if self.memory is not None:
            own = Plate(surface, self.K[frame], self.geometry.world_from_camera[frame])
            before = depth * np.float32(1 - IN_FRONT)
            recalled, there, _ = self.memory.recall(frame, K, world_from_camera, share < 1, own, before)
            known = there > 0
            # what this frame did not see may hide, from the new camera, what it did see
            visible &= ~(known & (there < before))
            crowd = cv2.boxFilter((known | visible).astype(np.float32), -1, (3, 3), normalize=False)
            remembered = known & ~visible & (crowd >= CROWD)
            # a pixel that is seen in part shows the remembered background in the rest
            part = np.where(known & visible, share, np.where(remembered, 0, 1)).astype(np.float32)[..., None]
            rgb = np.rint(rgb * part + recalled * (1 - part)).astype(np.uint8)
            depth = np.where(remembered, there, depth)
        unknown = ~(visible | remembered)
        rgb[unknown] = 0
        return WarpedFrame(rgb, visible, remembered, np.where(unknown, np.float32(0), depth))

    def _surface(self, frame: int) -> Surface:
        if self.memory is not None and (surface := self.memory.surface_of(frame)) is not None:
            return surface
        return make_surface(self.geometry.depth[frame], self.geometry.valid[frame], self.width, self.height)

    def _see(
        self, frame: int, surface: Surface, K: np.ndarray, world_from_camera: np.ndarray, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colour, share of the pixel that was seen, depth."""
        rgb = self.frames[frame]
        source_camera = self.geometry.world_from_camera[frame]
        there = target_from_source(world_from_camera, source_camera)
        source = (surface.depth, surface.depth > 0, self.K[frame], there, K, width, height)
        if self.method == "lookup":
            samples = mesh_depth(*source, scale=SCALE)
            back = pixel_transform(K, target_from_source(source_camera, world_from_camera), self.K[frame])
            return look_up(rgb, surface, samples, *back)
        warped = (splat_frame if self.method == "splat" else mesh_frame)(rgb, *source)
        return warped.rgb, (warped.depth > 0).astype(np.float32), warped.depth


def warp_frames(warper: Warper, path: CameraPath) -> Iterator[WarpedFrame]:
    """The path's frames in order, a few at a time.

    Raises UserError if the path asks for frames that the clip does not have.
    """
    check_path(path, len(warper.frames))
    cameras = zip(path.frames, path.intrinsics(), path.extrinsics(), strict=True)
    return in_order(lambda camera: warper.warp(*camera, path.width, path.height), cameras)


def in_order(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`map` with each core on an item of its own, and never more than a few items in memory."""
    threads = thread_count(None)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def warp_video(
    frames: np.ndarray,
    geometry: VideoGeometry,
    path: CameraPath,
    *,
    method: Method = "lookup",
    memory: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Warped:
    """The clip from the path's camera, N frames at the path's size.

    frames: T x H x W x 3 uint8. geometry: of the same T frames; its maps may be of another size.
    method: "lookup" looks every pixel up in the frame through the new camera's depth; "splat" and "mesh" carry the
    frame's points and triangles over. memory: show what other frames know of the static scene. progress: called with
    0 to 1. Raises UserError if path, frames and geometry do not fit together.
    """
    check_clip(frames, geometry)
    warper = Warper(frames, geometry, method, Memory.of_clip(frames, geometry) if memory else None)
    shape = (len(path.frames), path.height, path.width)
    warped = Warped(
        np.empty((*shape, 3), np.uint8),
        np.empty(shape, np.bool_),
        np.empty(shape, np.bool_),
        np.empty(shape, np.float32),
    )
    for n, frame in enumerate(warp_frames(warper, path)):
        warped.rgb[n], warped.visible[n], warped.remembered[n], warped.depth[n] = frame
        if progress is not None:
            progress((n + 1) / shape[0])
    return warped


def check_clip(frames: np.ndarray, geometry: VideoGeometry) -> None:
    """Raise UserError unless the geometry belongs to as many frames."""
    if len(frames) != geometry.frame_count:
        raise UserError(
            f"The clip has {len(frames)} frames but its geometry has {geometry.frame_count}.",
            advice="Make the geometry again from this clip and the same range of frames.",
        )


def check_path(path: CameraPath, count: int) -> None:
    """Raise UserError if the path asks for frames beyond the clip's `count`."""
    if max(path.frames) >= count:
        raise UserError(
            f"Camera {path.name!r} asks for the clip's frame {max(path.frames)}, but the last one is {count - 1}.",
            advice="Use more frames of the clip, or shorten the camera's range.",
        )
