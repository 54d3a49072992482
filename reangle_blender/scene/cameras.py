# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender cameras <-> the contract's camera paths, frame by frame, relative to the geometry's origin."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from bpy.types import Collection, Object, Scene
from mathutils import Euler, Matrix

from .. import compat, state
from ..core import camera as lenses
from ..core.contract import CameraPath, file_name_from
from ..core.errors import UserError
from . import evaluation, keyed_paths, keyframes, point_cloud

MARKER_CAMERA = "Scene Camera"

_SENSOR = ("sensor_width", "sensor_height", "sensor_fit")
"""Keys of the lens hold for one sensor, and say all of the field of view."""


def render_size(scene: Scene) -> lenses.RenderSize:
    render = scene.render
    return lenses.RenderSize(
        render.resolution_x,
        render.resolution_y,
        render.resolution_percentage,
        render.pixel_aspect_x,
        render.pixel_aspect_y,
    )


def lens_of(camera_data: bpy.types.Camera) -> lenses.Lens:
    return lenses.Lens(
        camera_data.lens,
        camera_data.sensor_fit,
        camera_data.sensor_width,
        camera_data.sensor_height,
        camera_data.shift_x,
        camera_data.shift_y,
    )


def artist_cameras(scene: Scene) -> list[Object]:
    """The scene's cameras that may be rendered: all but the clip's own."""
    source = state.of(scene).source
    return [item for item in scene.objects if item.type == "CAMERA" and item != source]


def path_names(cameras: Sequence[Object]) -> list[str]:
    """A file name for each camera, unique without regard to case."""
    names: list[str] = []
    for camera in cameras:
        base = name = file_name_from(camera.name)
        number = 2
        while name.casefold() in {known.casefold() for known in names}:
            name = f"{base[:100]} {number}"
            number += 1
        names.append(name)
    return names


def sample(camera: Object, world_from_geometry: np.ndarray, depsgraph: bpy.types.Depsgraph) -> lenses.CameraSample:
    """The camera at the current frame, after its parents, constraints and drivers.

    world_from_geometry: see `world_from_geometry`; the identity gives the camera in Blender's own world and unit.
    Raises UserError for a camera that the graph does not evaluate: `evaluation.evaluated` makes it do so.
    """
    evaluated = camera.evaluated_get(depsgraph)
    if not evaluated.is_evaluated:
        raise UserError(
            f"Blender does not evaluate camera {camera.name!r} in scene {depsgraph.scene.name!r}.",
            advice="Enable it in viewports, and the collection that it is in.",
        )
    return lenses.CameraSample(
        frame=depsgraph.scene.frame_current,
        matrix_world=np.array(evaluated.matrix_world, np.float64),
        origin_matrix_world=world_from_geometry,
        lens=lens_of(evaluated.data),
        type=evaluated.data.type,
    )


def world_from_geometry(scene: Scene, origin: Object, depsgraph: bpy.types.Depsgraph) -> np.ndarray:
    """4 x 4: the geometry's space, in Blender's axes and the geometry's unit, in Blender's world."""
    unit = state.of(scene).unit
    return np.array(origin.evaluated_get(depsgraph).matrix_world, np.float64) @ np.diag([unit, unit, unit, 1.0])


def export_paths(
    scene: Scene, cameras: Sequence[Object], *, use_markers: bool = False, in_blender: bool = False
) -> list[CameraPath]:
    """The paths of these cameras over the frames of the imported clip; clip frame 0 is scene frame `first_frame`.

    A frozen camera shows its one frame of the clip all the time.
    use_markers: also the scene's camera as the timeline's markers switch it, named "Scene Camera".
    in_blender: in Blender's world and unit, in place of the clip's.
    Raises UserError naming the camera and the frame where the contract does not allow the camera.
    """
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    if origin is None or not shot.shot_frames:
        raise UserError(
            "There is no imported clip in this scene, or its origin was deleted.",
            advice="Import a clip in the Clip panel first.",
        )
    names = path_names(cameras)
    if MARKER_CAMERA in names and use_markers:
        raise UserError(f"A camera is named {MARKER_CAMERA!r}.", advice="Rename it to render with markers.")
    frames = range(shot.first_frame, shot.first_frame + shot.shot_frames)
    samples = _read_keys(scene, cameras, frames, origin, in_blender=in_blender)
    visited = [(camera, taken) for camera, taken in zip(cameras, samples, strict=True) if not taken]
    by_markers: list[lenses.CameraSample] = []
    shown = [[clip_frame_of(scene, camera, index) for index in range(shot.shot_frames)] for camera in cameras]
    shown_by_markers: list[int] = []
    if visited or use_markers:
        current, subframe = scene.frame_current, scene.frame_subframe
        needed = [origin, *(camera for camera, _ in visited), *(_marker_cameras(scene) if use_markers else ())]
        with point_cloud.paused(), evaluation.evaluated(scene, needed):
            try:
                for index, frame in enumerate(frames):
                    scene.frame_set(frame)
                    depsgraph = evaluation.depsgraph_of(scene)
                    placed = np.eye(4) if in_blender else world_from_geometry(scene, origin, depsgraph)
                    for camera, taken in visited:
                        taken.append(sample(camera, placed, depsgraph))
                    if use_markers:
                        if scene.camera is None:
                            raise UserError(f"The scene has no camera at frame {frame}.", advice="Choose one.")
                        by_markers.append(sample(scene.camera, placed, depsgraph))
                        shown_by_markers.append(clip_frame_of(scene, scene.camera, index))
            finally:
                scene.frame_set(current, subframe=subframe)
    exported = list(zip(names, shown, samples, strict=True))
    if use_markers:
        exported.append((MARKER_CAMERA, shown_by_markers, by_markers))
    size = render_size(scene)
    return [lenses.export_path(name, shot.shot_fps, size, frames, taken) for name, frames, taken in exported]


def keyed_path(scene: Scene, camera: Object) -> CameraPath | None:
    """As `export_paths`, without setting the scene to any frame; None for a camera that needs that.

    Raises UserError as that does.
    """
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin)
    if origin is None:
        return None
    frames = range(shot.first_frame, shot.first_frame + shot.shot_frames)
    (taken,) = _read_keys(scene, [camera], frames, origin, in_blender=False)
    if not taken:
        return None
    shown = [clip_frame_of(scene, camera, index) for index in range(shot.shot_frames)]
    return lenses.export_path(path_names([camera])[0], shot.shot_fps, render_size(scene), shown, taken)


def _read_keys(
    scene: Scene, cameras: Sequence[Object], frames: Sequence[int], origin: Object, *, in_blender: bool
) -> list[list[lenses.CameraSample]]:
    """The samples of each camera that its own keys alone move; none of the others."""
    depsgraph = evaluation.depsgraph_of(scene)
    placed = np.eye(4) if in_blender else world_from_geometry(scene, origin, depsgraph)
    return [keyed_paths.read(camera, frames, origin, placed, depsgraph) or [] for camera in cameras]


def clip_frame_of(scene: Scene, camera: Object, index: int) -> int:
    """Which of the clip's used frames the camera shows in its frame `index`; both from 0."""
    if not camera.reangle.is_frozen:
        return index
    shot = state.of(scene)
    frozen, last = camera.reangle.freeze_frame, shot.first_frame + shot.shot_frames - 1
    if not shot.first_frame <= frozen <= last:
        raise UserError(
            f"Camera {camera.name!r} freezes the clip at frame {frozen}, but the clip has frames {shot.first_frame} to "
            f"{last}.",
            advice="Choose one of these in the Cameras panel, or switch Freeze off.",
        )
    return frozen - shot.first_frame


def _marker_cameras(scene: Scene) -> list[Object]:
    """The cameras that the timeline's markers, or the scene itself, may show."""
    switched = [marker.camera for marker in scene.timeline_markers]
    return [camera for camera in (scene.camera, *switched) if camera is not None]


def collection_of(scene: Scene, origin: Object) -> Collection:
    """The origin's collection in this scene; the scene's own where that belongs to another scene, too."""
    mine = [scene.collection, *scene.collection.children_recursive]
    found = (item for item in origin.users_collection if item in mine and item.library is None)
    return scene.collection if state.of(scene).is_borrowed else next(found, scene.collection)


def add_camera(scene: Scene, collection: Collection, name: str, origin: Object | None) -> Object:
    """A camera with Blender's default lens. It is a child of the origin without an inverse, so its own transform is in
    the geometry's world."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.rotation_mode = "XYZ"
    camera.parent = origin
    collection.objects.link(camera)
    camera.data.sensor_fit = "HORIZONTAL"
    if scene.camera is None:
        scene.camera = camera
    return camera


def channels(camera: Object) -> list[keyframes.Channel]:
    """Everything that a camera of the contract may animate."""
    return [*keyframes.move_channels(camera), (camera.data, "shift_x", 0), (camera.data, "shift_y", 0)]


def channel_values(camera: Object, path: CameraPath, unit: float) -> np.ndarray:
    """F x 9 values for `channels`, for a camera that is a child of the origin. unit: the scene's, see `ReangleScene`.

    Exact if the scene renders at the path's size; at other sizes the horizontal field of view is kept.
    Raises UserError for focal lengths outside Blender's range.
    """
    K = np.asarray(path.K)
    size = lenses.RenderSize(path.width, path.height, 100, *lenses.pixel_aspect_for(K[0]))
    values = np.empty((len(path.frames), 9))
    turn: Euler | None = None
    for row, (matrix, K_here) in enumerate(
        zip(lenses.matrix_in_origin(np.asarray(path.world_from_camera)), K, strict=True)
    ):
        rotation = Matrix(matrix[:3, :3].tolist())
        turn = rotation.to_euler("XYZ", turn) if turn is not None else rotation.to_euler("XYZ")
        lens = lenses.lens_from_intrinsics(K_here, size, like=lens_of(camera.data))
        values[row] = (*(unit * matrix[:3, 3]), *turn, lens.lens, lens.shift_x, lens.shift_y)
    return values


def add_from_path(
    scene: Scene, collection: Collection, path: CameraPath, origin: Object | None, first_frame: int
) -> Object:
    """A camera that follows the path. See `channel_values`."""
    camera = add_camera(scene, collection, path.name, origin)
    key_path(camera, path, first_frame, state.of(scene).unit)
    return camera


def key_path(camera: Object, path: CameraPath, first_frame: int, unit: float) -> None:
    """Key the path onto the camera, one key per frame; constant channels lose theirs. See `channel_values`."""
    values = channel_values(camera, path, unit)
    make_own(camera)
    set_values(camera, values[0])
    _key_moving(channels(camera), values, first_frame)


def key_shifts(camera: Object, shifts: np.ndarray, first_frame: int) -> None:
    """Key the shifts of the lens (F x 2, the last columns of `channel_values`), or remove keys of constant ones."""
    _key_moving(channels(camera)[-2:], shifts, first_frame)


def _key_moving(every: Sequence[keyframes.Channel], values: np.ndarray, first_frame: int) -> None:
    """One key per frame on the channels that change; the others lose theirs."""
    moving = np.ptp(values, axis=0) > 1e-7
    for channel in (channel for channel, moves in zip(every, moving, strict=True) if not moves):
        compat.remove_fcurve(*channel)
    animated = [channel for channel, moves in zip(every, moving, strict=True) if moves]
    keyframes.write_every_frame(animated, first_frame, values[:, moving])


def make_data_own(camera: Object) -> None:
    """Give the camera a copy of data that others use, too, or that is linked from a library."""
    if camera.data.library is not None or camera.data.users - camera.data.use_fake_user > 1:
        camera.data = camera.data.copy()


def make_own(camera: Object) -> None:
    """Prepare a camera for keys: its own data and actions, no delta transforms, and a field of view by the lens alone.

    A linked duplicate shares its lens, and often its action, with other cameras, which keys would move, too.
    """
    make_data_own(camera)
    for id_block in (camera, camera.data):
        compat.unshare_action(id_block)
    camera.delta_location, camera.delta_scale = (0, 0, 0), (1, 1, 1)
    camera.delta_rotation_euler, camera.delta_rotation_quaternion = (0, 0, 0), (1, 0, 0, 0)
    for name in ("delta_location", "delta_rotation_euler", "delta_rotation_quaternion", "delta_scale", "rotation_mode"):
        for index in range(4):
            compat.remove_fcurve(camera, name, index)
    for name in _SENSOR:
        compat.remove_fcurve(camera.data, name)


def set_values(camera: Object, values: np.ndarray) -> None:
    """Set the camera to a row of `channel_values`."""
    camera.location = values[:3]
    camera.rotation_euler = values[3:6]
    camera.data.lens, camera.data.shift_x, camera.data.shift_y = values[6:]
