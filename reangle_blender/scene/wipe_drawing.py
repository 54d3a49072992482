# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws two pictures over a camera's view, with a line between them; one of the two may be the view itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import bpy
import numpy as np
from bpy.types import Object, Region, RegionView3D, Scene, SpaceView3D

from ..translations import tr
from .comparison import KINDS, Pictures, sources

MOST_TEXTURES = 24
LINE_COLOR, TEXT_COLOR, SHADE = (1, 1, 1, 0.9), (1, 1, 1, 1), (0, 0, 0, 0.55)
GRIP_PX = 12
"""Distance from the line within which a press takes hold of it."""

LABELS = dict(zip(KINDS, ("Clip", "Cloud", "Warp", "Preview", "Result", "Truth"), strict=True))
Rectangle = tuple[float, float, float, float]
"""left, bottom, right, top in pixels of a region."""


@dataclass
class Wipe:
    """A comparison that is shown. space: the only viewport that shows it, by its address. left, right: of KINDS.
    split: where the line is, 0 to 1. rectangle: of the camera's frame, as it was drawn last."""

    space: int
    scene: int
    camera: int
    pictures: Pictures
    left: str = "clip"
    right: str = "result"
    split: float = 0.5
    textures: OrderedDict[tuple[str, int], Any] = field(default_factory=OrderedDict)
    latest: dict[str, Any] = field(default_factory=dict)
    rectangle: Rectangle | None = None

    def swap(self) -> None:
        self.left, self.right = self.right, self.left


shown: Wipe | None = None
_handler: Any = None


def camera_of(scene: Scene, space: SpaceView3D) -> Object | None:
    """The camera that the viewport would look through."""
    camera = space.camera if space.use_local_camera else scene.camera
    return camera if camera is not None and camera.type == "CAMERA" else None


def start(scene: Scene, space: SpaceView3D, camera: Object) -> Wipe:
    """Show the comparison for a camera in one viewport."""
    global shown, _handler
    stop()
    by_kind = sources(scene, camera)
    shown = Wipe(space.as_pointer(), scene.session_uid, camera.session_uid, Pictures(by_kind))
    shown.left = "clip" if "clip" in by_kind else "cloud"
    shown.right = next((kind for kind in ("result", "warp", "truth") if kind in by_kind), "cloud")
    if not bpy.app.background:
        _handler = SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    return shown


def stop() -> None:
    global shown, _handler
    if _handler is not None:
        SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    if shown is not None:
        shown.pictures.close()
        shown = None


def frame_rectangle(scene: Scene, camera: Object, region: Region, view: RegionView3D) -> Rectangle | None:
    """Where the region shows the camera's frame; None where it does not look through the camera."""
    from bpy_extras.view3d_utils import location_3d_to_region_2d

    if view is None or view.view_perspective != "CAMERA":
        return None
    matrix = camera.matrix_world.normalized()
    corners = [
        location_3d_to_region_2d(region, view, matrix @ corner) for corner in camera.data.view_frame(scene=scene)
    ]
    if any(corner is None for corner in corners):
        return None
    x, y = [corner.x for corner in corners], [corner.y for corner in corners]
    return min(x), min(y), max(x), max(y)


def _draw() -> None:
    """Called by Blender for each 3D viewport."""
    wipe, context = shown, bpy.context
    space, scene = context.space_data, context.scene
    if wipe is None or space.as_pointer() != wipe.space or scene.session_uid != wipe.scene:
        return
    camera = camera_of(scene, space)
    if camera is None or camera.session_uid != wipe.camera:
        wipe.rectangle = None
        return
    wipe.rectangle = frame_rectangle(scene, camera, context.region, context.region_data)
    if wipe.rectangle is None:
        return
    left, bottom, right, top = wipe.rectangle
    middle = left + wipe.split * (right - left)
    wipe.pictures.want([kind for kind in (wipe.left, wipe.right) if kind != "cloud"], scene.frame_current)
    _draw_side(wipe, wipe.left, scene.frame_current, (left, bottom, middle, top), is_left=True)
    _draw_side(wipe, wipe.right, scene.frame_current, (middle, bottom, right, top), is_left=False)
    _draw_box((middle - 1, bottom, middle + 1, top), LINE_COLOR)


def _draw_side(wipe: Wipe, kind: str, frame: int, part: Rectangle, *, is_left: bool) -> None:
    """Draw one side of the line, its name, and why it has no picture if it has none."""
    note = ""
    if kind != "cloud":
        picture = wipe.pictures.get(kind, frame)
        if isinstance(picture, str):
            note = picture
        else:
            texture = _texture(wipe, kind, frame, picture) if picture is not None else wipe.latest.get(kind)
            if texture is None:
                note = "is being read"
            else:
                wipe.latest[kind] = texture
                _draw_texture(texture, wipe.rectangle, part)
    _draw_label(": ".join(filter(None, (tr(LABELS[kind]), tr(note)))), part, is_left=is_left)


def _texture(wipe: Wipe, kind: str, frame: int, picture: np.ndarray) -> Any:
    import gpu  # not there in background mode

    key = kind, frame
    if key not in wipe.textures:
        height, width = picture.shape[:2]
        types: Any = gpu.types  # whose stubs lack constructors
        data = types.Buffer("FLOAT", picture.size, picture.reshape(-1))
        # The shader reads it as light, which Blender encodes again when it shows the viewport.
        wipe.textures[key] = types.GPUTexture((width, height), format="SRGB8_A8", data=data)
        while len(wipe.textures) > MOST_TEXTURES:
            wipe.textures.popitem(last=False)
    return wipe.textures[key]


def _draw_texture(texture: Any, frame: Rectangle, part: Rectangle) -> None:
    """Draw the part of a picture that lies in `part`; the picture fills the frame as far as its aspect lets it."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    left, bottom, right, top = frame
    wide, high = right - left, top - bottom
    scale = min(wide / texture.width, high / texture.height)
    if abs(texture.width / texture.height / (wide / high) - 1) < 0.01:
        shown_wide, shown_high = wide, high  # a pixel's rounding leaves no border
    else:
        shown_wide, shown_high = scale * texture.width, scale * texture.height
    x0, y0 = left + (wide - shown_wide) / 2, bottom + (high - shown_high) / 2
    first, last = max(part[0], x0), min(part[2], x0 + shown_wide)
    if last <= first:
        return
    u = [(x - x0) / shown_wide for x in (first, last)]
    y1 = y0 + shown_high
    shader = _picture_shader()
    batch = batch_for_shader(
        shader,
        "TRI_FAN",
        {
            "pos": ((first, y0), (last, y0), (last, y1), (first, y1)),
            "texCoord": ((u[0], 0), (u[1], 0), (u[1], 1), (u[0], 1)),
        },
    )
    gpu.state.blend_set("NONE")
    shader.bind()
    shader.uniform_float("viewport", gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix())
    shader.uniform_sampler("picture", texture)
    batch.draw(shader)


@cache
def _picture_shader() -> Any:
    """Draws light as it is: the built-in shader of images takes it for sRGB in 5.2, and for light in 4.3."""
    import gpu

    types: Any = gpu.types  # whose stubs lack constructors
    passed = types.GPUStageInterfaceInfo("reangle_picture")
    passed.smooth("VEC2", "place")
    about = types.GPUShaderCreateInfo()
    about.push_constant("MAT4", "viewport")
    about.sampler(0, "FLOAT_2D", "picture")
    about.vertex_in(0, "VEC2", "pos")
    about.vertex_in(1, "VEC2", "texCoord")
    about.vertex_out(passed)
    about.fragment_out(0, "VEC4", "light")
    about.vertex_source("void main() { place = texCoord; gl_Position = viewport * vec4(pos, 0.0, 1.0); }")
    about.fragment_source("void main() { light = vec4(texture(picture, place).rgb, 1.0); }")
    return gpu.shader.create_from_info(about)


def _draw_box(box: Rectangle, color: tuple[float, float, float, float]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    left, bottom, right, top = box
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    batch = batch_for_shader(shader, "TRI_FAN", {"pos": ((left, bottom), (right, bottom), (right, top), (left, top))})
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("color", color)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _draw_label(text: str, part: Rectangle, *, is_left: bool) -> None:
    """In the lower outer corner of a side; one that is too narrow for its name has none."""
    import blf

    scale = bpy.context.preferences.system.ui_scale
    blf.size(0, 12 * scale)
    width, height = blf.dimensions(0, text)
    border = 6 * scale
    if width + 4 * border > part[2] - part[0]:
        return
    x = part[0] + 2 * border if is_left else part[2] - width - 2 * border
    y = part[1] + 2 * border
    _draw_box((x - border, y - border, x + width + border, y + height + border), SHADE)
    blf.position(0, x, y, 0)
    blf.color(0, *TEXT_COLOR)
    blf.draw(0, text)


def register() -> None:
    stop()


def unregister() -> None:
    stop()
