# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws where each camera goes, in its colour: its path with ticks, its frame at the start, the end and now, its focus.

Paths are read after the artist changed something (`remember`); drawing only makes lines of what is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np
from bpy.types import Context, Object, Scene

from .. import state
from ..core import path_lines
from ..core.camera import intrinsics_from_lens
from ..core.coverage import colour_of
from . import camera_list, camera_status, camera_track, cameras, coverage, point_cloud

LINE_WIDTH = 1.4
ACTIVE_WIDTH = 2.6
NOW_SIZE = 0.95
"""Of the present frame, beside the one that Blender draws: lines in one place would flicker."""
END_SIZE = 0.5
"""Of the frames at the start and the end, beside the present one: most moves start at one place."""
BAND_WIDTH = 7.0
"""Of the coverage below a path."""
HALO = (0.0, 0.0, 0.0, 0.25)
HALO_WIDTH = 1.4
"""A dark rim lets lines be seen on a light view and on light points."""

_handler: Any = None
_tracks: dict[tuple[int, int], camera_track.Track | None] = {}
"""Of each camera, by the session's numbers of scene and camera; None for one that is not simply keyed."""
_bands: dict[tuple[int, int], tuple[object, Any]] = {}
"""Of each camera, what the coloured band below its path follows from, and the band."""
_drawn: dict[tuple[int, int], tuple[object, Any, Any]] = {}
"""What was drawn of each camera: what it follows from, the lines, and the lines that nothing hides."""


def remember(scene: Scene, changed: Iterable[Object]) -> None:
    """Read the paths of cameras that changed."""
    shot = state.of(scene)
    for camera in changed:
        ticks = path_lines.tick_frames(shot.shot_frames, camera_track.key_frames(scene, camera))
        frames = path_lines.sample_frames(shot.shot_frames, ticks)
        _tracks[scene.session_uid, camera.session_uid] = camera_track.read(scene, camera, frames)
        for made in (_drawn, _bands):
            made.pop((scene.session_uid, camera.session_uid), None)


def forget() -> None:
    _tracks.clear()
    _drawn.clear()
    _bands.clear()


def coverage_band(scene: Scene, camera: Object) -> tuple[np.ndarray, np.ndarray]:
    """The camera's way in the space of the clip's origin, 2n x 3, and its colours by what the clip shows of the
    camera's picture there, 2n x 4; none while that is not measured, or where it stands still."""
    track, known = _tracks.get((scene.session_uid, camera.session_uid)), coverage.of(camera)
    none = np.zeros((0, 3)), np.zeros((0, 4))
    if track is None or known is None or known.worst() is None or track.frames.max() >= len(known.seen):
        return none
    way = path_lines.way_lines(track.poses, camera.data.display_size)
    if not len(way):
        return none
    colours = np.array([colour_of(unseen) for unseen in known.unseen[track.frames]])
    return way, np.repeat(colours, 2, axis=0)[1:-1]


def lines_of(scene: Scene, camera: Object) -> tuple[np.ndarray, np.ndarray]:
    """The camera's lines in the space of the clip's origin: those of its way and frames (2n x 3), and of its focus.

    A camera that is not simply keyed has only its present frame and its focus; the clip's own has no focus.
    """
    size = camera.data.display_size
    render = cameras.render_size(scene)
    is_source = camera == state.of(scene).source

    def frames(poses: np.ndarray, lenses: Iterable[Any], part: float) -> np.ndarray:
        points = [
            path_lines.frame_points(intrinsics_from_lens(lens, render), render.width, render.height, part * size)
            for lens in lenses
        ]
        return path_lines.frame_lines(poses, np.array(points))

    parts = [np.zeros((0, 3))]
    track = _tracks.get((scene.session_uid, camera.session_uid))
    if track is not None:
        count = state.of(scene).shot_frames
        way = path_lines.way_lines(track.poses, size)
        parts.append(way)
        if len(way):
            at = np.isin(track.frames, path_lines.tick_frames(count, track.keys))
            parts.append(path_lines.tick_lines(track.poses[at], size))
            if not is_source:
                parts.append(frames(track.poses[[0, -1]], [track.lenses[0], track.lenses[-1]], END_SIZE))
    now = camera_track.seen_now(scene, camera)
    if now is not None and not is_source:
        parts.append(frames(now[0][None], [now[1]], NOW_SIZE))
    focus = np.zeros((0, 3))
    if camera.reangle.has_focus and not is_source:
        focus = path_lines.focus_lines(_focus_of(scene, camera), size)
    return np.concatenate(parts), focus


def _focus_of(scene: Scene, camera: Object) -> np.ndarray:
    """In the space of the clip's origin: what the camera tracks, or the focus of its last move."""
    track = next((one for one in camera.constraints if one.type == "TRACK_TO" and one.target is not None), None)
    if track is None:
        return np.array(camera.reangle.focus)
    return np.array(state.of(scene).origin.matrix_world.inverted_safe() @ track.target.matrix_world.translation)


def _draw() -> None:
    """Called by Blender for each 3D viewport."""
    context = bpy.context
    scene, space = context.scene, context.space_data
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    if not shot.show_paths or origin is None or not shot.shot_frames or not space.overlay.show_overlays:
        return
    if not origin.visible_get(viewport=space):
        return
    seen = [camera for camera in camera_list.ordered(scene) if camera.visible_get(viewport=space)]
    if seen:
        _draw_cameras(context, scene, seen, origin)


def _draw_cameras(context: Context, scene: Scene, seen: list[Object], origin: Object) -> None:
    import gpu  # not there in background mode

    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    active = camera_list.active_camera(scene)
    is_through = context.region_data is not None and context.region_data.view_perspective == "CAMERA"
    scale = context.preferences.system.ui_scale * context.preferences.system.pixel_size
    gpu.state.blend_set("ALPHA")
    gpu.state.depth_test_set("LESS_EQUAL")
    with gpu.matrix.push_pop():
        gpu.matrix.multiply_matrix(origin.matrix_world)
        if state.of(scene).lookahead.show_on_paths and not is_through:
            _draw_bands(context, scene, seen, scale)
        shader.bind()
        shader.uniform_float("viewportSize", (context.region.width, context.region.height))
        for camera in seen:
            ways, focus = _batches(shader, scene, camera)
            width = scale * (ACTIVE_WIDTH if camera == active else LINE_WIDTH)
            color = (*camera_list.color_of(scene, camera), 1.0)
            # Cameras start at one place, so the frames of the others would lie over what a camera sees.
            parts = ((ways, "LESS_EQUAL"), (focus, "NONE")) if not is_through else ((focus, "NONE"),)
            for batch, test in parts:
                gpu.state.depth_test_set(test)
                for line, paint in ((width + scale * HALO_WIDTH, HALO), (width, color)):
                    shader.uniform_float("lineWidth", line)
                    shader.uniform_float("color", paint)
                    if batch is not None:
                        batch.draw(shader)
    gpu.state.depth_test_set("NONE")
    gpu.state.blend_set("NONE")


def _draw_bands(context: Context, scene: Scene, seen: list[Object], scale: float) -> None:
    import gpu  # not there in background mode
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("POLYLINE_FLAT_COLOR")
    shader.bind()
    shader.uniform_float("viewportSize", (context.region.width, context.region.height))
    shader.uniform_float("lineWidth", BAND_WIDTH * scale)
    gpu.state.depth_mask_set(False)
    for camera in seen:
        place, known = (scene.session_uid, camera.session_uid), coverage.of(camera)
        key = None if known is None else (known.digest, int(np.isnan(known.seen).sum()))
        made = _bands.get(place)
        if made is None or made[0] != key:
            lines, colours = coverage_band(scene, camera)
            content = {"pos": lines.astype(np.float32), "color": colours.astype(np.float32)}
            batch = batch_for_shader(shader, "LINES", content) if len(lines) else None
            made = _bands[place] = (key, batch)
        if made[1] is not None:
            made[1].draw(shader)


def _batches(shader: Any, scene: Scene, camera: Object) -> tuple[Any, Any]:
    from gpu_extras.batch import batch_for_shader

    place = (scene.session_uid, camera.session_uid)
    track = next((one.target for one in camera.constraints if one.type == "TRACK_TO"), None)
    key = (
        camera_status.digest_of(scene, camera),
        point_cloud.clip_frame(scene),
        cameras.render_size(scene),
        camera.data.display_size,
        cameras.lens_of(camera.data),
        camera.matrix_world.copy().freeze(),
        tuple(camera.reangle.focus),
        track.matrix_world.copy().freeze() if track is not None else None,
    )
    known = _drawn.get(place)
    if known is None or known[0] != key:
        made = [
            batch_for_shader(shader, "LINES", {"pos": np.asarray(lines, np.float32)}) if len(lines) else None
            for lines in lines_of(scene, camera)
        ]
        known = _drawn[place] = (key, *made)
    return known[1], known[2]


def register() -> None:
    global _handler
    if not bpy.app.background:
        _handler = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")


def unregister() -> None:
    global _handler
    if _handler is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handler, "WINDOW")
        _handler = None
    forget()
