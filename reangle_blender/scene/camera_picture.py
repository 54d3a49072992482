# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that a new camera would give at the current frame, drawn over the view through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import bpy
import numpy as np
from bpy.types import Object, Region, Scene, SpaceView3D

from .. import compat, state
from ..core import camera as lenses
from ..core.contract import CameraPath
from ..core.coverage import digest_of
from ..core.errors import UserError
from ..state import engines
from . import cameras, coverage, evaluation

_asked = ""
_shown: tuple[str, Mapping[str, np.ndarray]] | None = None
"""Key of the picture that came last, and what is drawn of it in each mode of `ReangleLookahead.show_view`."""
_texture: tuple[str, str, Any] | None = None
"""Key and mode of what was drawn last, and its texture."""
_problem: tuple[str, str] = ("", "")
_handler: Any = None
on_missing: list[Callable[[Scene, str, CameraPath], None]] = []
"""Called, while Blender draws, with the key of a picture that is not there yet, and the camera's path of one frame."""


def is_asked(key: str) -> bool:
    return key == _asked


def ask(key: str) -> None:
    """Wait for the picture with this key, and no longer for another."""
    global _asked
    _asked = key


def take(key: str, images: Mapping[str, np.ndarray]) -> None:
    """Show a picture unless another was asked for since. images: of each mode; see `core.coverage.overlay`."""
    global _shown
    if key == _asked:
        _shown = key, images
        coverage.redraw()


def fail(key: str, problem: str) -> None:
    """No picture comes. Unless there is a problem, it is asked for again when it is to be drawn again."""
    global _asked, _problem
    if key == _asked:
        _problem = key, problem
        if not problem:
            _asked = ""
        coverage.redraw()


def problem() -> str:
    """Why the picture that was asked for last did not come; "" if it came or is to come."""
    return _problem[1] if _problem[0] == _asked else ""


def forget() -> None:
    global _asked, _shown, _texture, _problem
    _asked, _shown, _texture, _problem = "", None, None, ("", "")


def path_now(scene: Scene, camera: Object, depsgraph: bpy.types.Depsgraph) -> CameraPath | None:
    """The camera's path at the current frame alone; None outside the clip, or where it cannot be rendered."""
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    index = scene.frame_current - shot.first_frame
    if origin is None or not 0 <= index < shot.shot_frames:
        return None
    try:
        taken = cameras.sample(camera, cameras.world_from_geometry(scene, origin, depsgraph), depsgraph)
        frame = cameras.clip_frame_of(scene, camera, index)
        return lenses.export_path("camera", shot.shot_fps, cameras.render_size(scene), [frame], [taken])
    except UserError:
        return None


def _draw() -> None:
    """Called by Blender for each 3D viewport."""
    global _texture
    import gpu  # not there in background mode

    context = bpy.context
    scene, space, view = context.scene, context.space_data, context.region_data
    shot = state.of(scene)
    if shot.lookahead.show_view == "NONE" or view is None or view.view_perspective != "CAMERA":
        return
    if not space.overlay.show_overlays or not shot.shot_request or shot.shot_is_glance:
        return
    camera = space.camera if space.use_local_camera else scene.camera
    if camera is None or camera.type != "CAMERA" or camera == shot.source or is_playing():
        return
    path = path_now(scene, camera, evaluation.depsgraph_of(scene))
    if path is None:
        return
    key, mode = digest_of(shot.shot, path, engines.preview_settings(shot.preview)), shot.lookahead.show_view
    if _shown is None or _shown[0] != key:
        for callback in on_missing if key != _asked else ():
            callback(scene, key, path)
        return
    if _texture is None or _texture[:2] != (key, mode):
        image = _shown[1][mode]
        height, width = image.shape[:2]
        data = gpu.types.Buffer("FLOAT", image.size, image.ravel())  # pyright: ignore[reportCallIssue] - the stubs lack it
        texture = gpu.types.GPUTexture((width, height), format="RGBA16F", data=data)  # pyright: ignore[reportCallIssue]
        _texture = key, mode, texture
    _draw_picture(_texture[2], corners(scene, camera, context.region, view))


def is_playing() -> bool:
    screen = bpy.context.screen
    return screen is not None and screen.is_animation_playing


def corners(scene: Scene, camera: Object, region: Region, view: Any) -> list[tuple[float, float]]:
    """Where the camera's picture lies in the region, in its pixels: bottom left, bottom right, top right, top left."""
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    top_right, bottom_right, bottom_left, top_left = camera.data.view_frame(scene=scene)
    matrix = camera.matrix_world.normalized()
    order = (bottom_left, bottom_right, top_right, top_left)
    found = [location_3d_to_region_2d(region, view, matrix @ corner) for corner in order]
    return [tuple(point) for point in found if point is not None]


def _draw_picture(texture: Any, where: list[tuple[float, float]]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    if len(where) < 4:
        return
    shader = gpu.shader.from_builtin(compat.linear_image_shader_name())
    uv = [(0, 0), (1, 0), (1, 1), (0, 1)]
    batch = batch_for_shader(shader, "TRIS", {"pos": where, "texCoord": uv}, indices=[(0, 1, 2), (0, 2, 3)])
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_sampler("image", texture)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    global _handler
    if not bpy.app.background:
        _handler = SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    global _handler
    if _handler is not None:
        SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    forget()
