# SPDX-License-Identifier: Apache-2.0
"""The scene around a starting image: its warp, the depth of what it hides, and the views that it has to agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reangle.contract import CameraPath, PreviewSettings
from reangle.evaluation.agreement.views import SceneView
from reangle.finishing.fill import Filler
from reangle.folders import DecodedClip, FilledFolder, GeometryFolder, StartFolder, WarpFolder, source_clip
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.exr import read_exr_depth
from reangle.media.write import read_image, read_images
from reangle.starting.spec import StartContext
from reangle.warping.memory import Memory
from reangle.warping.stage import load_views
from reangle.warping.types import View
from reangle.warping.video import Warper


@dataclass(frozen=True, eq=False)
class Begun:
    """The first frame of a camera. warped: H x W x 3 uint8, black where unknown. known: H x W bool. filled: the same
    frame without holes. depth: H x W float32, in the hole that of the filled scene, 0 where that has none or was not
    asked for.
    """

    warped: np.ndarray
    known: np.ndarray
    filled: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray

    @classmethod
    def read(cls, warp: WarpFolder, fill: FilledFolder, path: CameraPath, *, behind: bool = True) -> Begun:
        """path: the camera, of which the first frame counts. behind: whether the hole's depth is asked for, which takes
        as long as filling the scene.
        """
        warped, visible, remembered, depth = (read_images(folder, 0, 1)[0] for folder in warp.images)
        known = (visible | remembered) > 0
        K, world_from_camera = np.asarray(path.K[0]), np.asarray(path.world_from_camera[0])
        memory = Filler(load_views(warp)).memory if behind and not known.all() else None
        if memory is not None:
            depth = np.where(known, depth, memory.recall(0, K, world_from_camera, ~known).depth)
        filled = read_images(fill.frames, 0, 1)[0]
        return cls(warped, known, filled, depth, K, world_from_camera)

    def carrying(self, view: SceneView, painted: np.ndarray) -> Begun:
        """The same frame with what was painted into another view, where that lies in this frame's hole, as known.

        painted: H x W bool, pixels of `view` that were painted. They lie where the filled scene has them.
        """
        memory = None if self.known.all() else _painting(view, painted)
        if memory is None:
            return self
        warped, depth, found = _showing(memory, self.warped, self.depth, ~self.known, self.K, self.world_from_camera)
        return replace(self, warped=warped, known=self.known | found, depth=depth)

    @property
    def view(self) -> SceneView:
        return SceneView(self.filled, self.depth, self.K, self.world_from_camera)


def fixed_views(context: StartContext) -> list[SceneView]:
    """What the starting image has to agree with: the source frame, and its parent's starting image if it has one."""
    params = context.params
    geometry = VideoGeometry.load(context.read("geometry", GeometryFolder))
    source = source_view(source_clip(context), geometry, params.path.frames[0], params.preview)
    parent = context.find("start", StartFolder)
    return [source, *([view_of(parent)] if parent else [])]


def source_view(clip: DecodedClip, geometry: VideoGeometry, frame: int, preview: PreviewSettings) -> SceneView:
    """A frame of the clip as a view of the scene."""
    picture = read_images(clip.frames, frame, 1)[0]
    # The other frames are not looked at.
    pictures = np.broadcast_to(picture, (geometry.frame_count, *picture.shape))
    warper = Warper.of_clip(pictures, geometry, replace(preview, memory=False))
    return SceneView(picture, warper.surface(frame).depth, warper.K[frame], geometry.world_from_camera[frame])


def view_of(start: StartFolder) -> SceneView:
    """A finished starting image as a view of the scene."""
    record = start.record()
    return SceneView(
        read_image(start.image), read_exr_depth(start.depth), np.array(record.K), np.array(record.world_from_camera)
    )


def with_painting(views: Sequence[View], start: StartFolder) -> list[View]:
    """Views of the static scene whose holes show what was painted into the starting image, where it lies in them."""
    memory = _painting(view_of(start), read_image(start.painted) > 0)
    if memory is None:
        return list(views)
    shown = []
    for view in views:
        rgb, depth, _ = _showing(memory, view.rgb, view.depth, view.depth == 0, view.K, view.world_from_camera)
        shown.append(replace(view, rgb=rgb, depth=depth))
    return shown


def _painting(view: SceneView, painted: np.ndarray) -> Memory | None:
    """What was painted into a view, where the filled scene has it; None where it has nothing of it."""
    depth = np.where(painted, view.depth, np.float32(0))
    if not depth.any():
        return None
    nowhere_near = np.zeros_like(painted)
    return Memory.of_views([View(view.picture, depth, nowhere_near, view.K, view.world_from_camera)])


def _showing(
    memory: Memory, rgb: np.ndarray, depth: np.ndarray, hole: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A camera's picture and depth with what the memory has in the hole, and where that is, H x W bool."""
    recalled = memory.recall(0, K, world_from_camera, hole)
    found = hole & (recalled.depth > 0)
    return np.where(found[..., None], recalled.rgb, rgb), np.where(found, recalled.depth, depth), found
