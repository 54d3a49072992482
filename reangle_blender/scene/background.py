# SPDX-License-Identifier: GPL-3.0-or-later
"""Image sequences as camera backgrounds, and the clip in the frame that Blender draws of its camera."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.types import CameraBackgroundImage, Object, Scene

from .. import state
from ..state import paths
from ..state.footage import Footage
from . import cameras, images, result_marks


def show_behind(camera: Object, folder: Path, label: str, first_frame: int) -> None:
    """Show the frames in `folder` as the camera's background; that of an earlier version is reused."""
    image = images.load_sequence(folder, label)
    cameras.make_data_own(camera)
    backgrounds = camera.data.background_images
    background = next(filter(_is_own, backgrounds), None) or backgrounds.new()
    background.source, background.image = "IMAGE", image
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "FIT"
    images.show_from(background.image_user, first_frame, len(images.sequence_files(folder)))
    for item in backgrounds:
        item.show_background_image = item == background
    camera.data.show_background_images = True


def _is_own(background: CameraBackgroundImage) -> bool:
    """Whether the add-on loaded what it shows."""
    return background.image is not None and result_marks.has_given_name(background.image)


def shows_result(camera: Object) -> bool:
    """Whether a result is seen behind the camera."""
    lens = camera.data
    return lens.show_background_images and any(
        item.show_background_image and item.alpha > 0 and _is_own(item) for item in lens.background_images
    )


def cloud_opacity(scene: Scene, camera: Object) -> float:
    """How opaque the cloud is drawn in this camera's view, 0 to 1: faded where it would cover a result, else 1."""
    is_new = camera.type == "CAMERA" and camera != state.of(scene).source
    return state.of(scene).cloud_over_result if is_new and shows_result(camera) else 1.0


def uncover_results(scene: Scene) -> bool:
    """Hide the clip's plane, which lies before the scene and so before the results. Returns whether it was visible."""
    plane, was_visible = state.alive(scene, state.of(scene).plane), False
    for layer in scene.view_layers if plane is not None else ():
        if layer.objects.get(plane.name) == plane and not plane.hide_get(view_layer=layer):
            plane.hide_set(True, view_layer=layer)
            was_visible = True
    return was_visible


def show_clip(camera: Object, footage: Footage, start: int, count: int, first_frame: int) -> None:
    """Show the clip's own files behind the clip's camera, its frame `start` at scene frame `first_frame`.

    Of a sequence that Blender cannot follow, the first used frame stands for all.
    """
    backgrounds = camera.data.background_images
    backgrounds.clear()
    background = backgrounds.new()
    follows = footage.first_number is not None
    file = footage.files[0] if follows else footage.files[min(start, len(footage.files) - 1)]
    image = background.image = bpy.data.images.load(str(file), check_existing=True)
    image.filepath = paths.stored(file)
    if image.source == "FILE" and footage.frames > 1 and follows:
        image.source = "SEQUENCE"
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "CROP"  # as the backend does for a working size of another aspect
    images.show_from(background.image_user, first_frame, count)
    if footage.first_number is not None:
        background.image_user.frame_offset = start + footage.first_number - 1
    camera.data.show_background_images = True


def show_in_frame(plane: Object, source: Object) -> None:
    """Make an empty show the background of the clip's camera, in the frame that the viewport draws of that camera."""
    background = source.data.background_images[0]
    plane.parent, plane.hide_select = source, True
    plane.empty_display_type, plane.empty_image_depth = "IMAGE", "BACK"
    plane.data = background.image
    for name in ("frame_start", "frame_duration", "frame_offset", "use_auto_refresh"):
        setattr(plane.image_user, name, getattr(background.image_user, name))
    lens, size = source.data, drawn_size(source)
    plane.location = (lens.shift_x * size, lens.shift_y * size, -lens.lens / lens.sensor_width * size)


def drawn_size(camera: Object) -> float:
    """How wide a camera's frame is drawn, in the camera's own unit: Blender draws it in the world's, whatever its
    scale."""
    scale = camera.matrix_world.median_scale
    return camera.data.display_size / scale if scale > 0 else camera.data.display_size


def fit_plane(scene: Scene) -> None:
    """Fit the clip's plane into the frame of its camera, after that is drawn larger or smaller."""
    shot = state.of(scene)
    plane, source = state.alive(scene, shot.plane), state.alive(scene, shot.source)
    if plane is not None and source is not None and source.data.background_images:
        show_in_frame(plane, source)
        # Without a cloud it is all that is seen of the clip, and what stands around the origin would hide it.
        plane.empty_image_depth = "FRONT" if state.alive(scene, shot.cloud) is None else "BACK"
        # Blender draws the longer side at this size; the frame is as wide as the camera is drawn large.
        plane.empty_display_size = drawn_size(source) * max(1, shot.shot_height / shot.shot_width)
