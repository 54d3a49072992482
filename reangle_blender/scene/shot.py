# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip in the scene: origin, cloud, the clip's own camera, and the scene's settings.

The clip is shown at once with an assumed lens, then with the first guess of its depth, then with its whole geometry.
Each step updates the same objects, so what the artist did in between stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import bpy
import numpy as np
from bpy.types import Collection, Object, Scene
from mathutils import Matrix

from .. import choices, compat, state
from ..core import camera as lenses
from ..core.cloud import Cloud
from ..core.contract import CameraPath, SourceCamera
from ..exchange.fetched_shot import About, Shot
from ..state import paths
from ..state.footage import Footage
from . import background, cameras, depth_mesh, point_cloud, timing

ASSUMED_DEPTH = 4.0
"""Typical distance of the scene while nothing is known; only sizes what is drawn in the viewport."""

NOTED_RATIO = 1.02
"""Depth that changes less than this by a new import is not worth a note."""


def show_clip(
    scene: Scene, title: str, footage: Footage, path: CameraPath, start: int, given: SourceCamera | None
) -> None:
    """Show the clip behind a camera before the backend knows anything of it.

    path: of the clip's camera, given or assumed. start: the first used frame of `footage`.
    """
    saved = state.prepare(scene)
    _start_own(scene, title)
    saved.shot_fps, saved.shot_frames = path.fps, len(path.frames)
    saved.shot_width, saved.shot_height = path.width, path.height
    saved.unit = 1.0
    collection, saved.origin = _collection_and_origin(scene, title)
    if given is not None:
        _place(saved.origin, given, saved.unit)
    saved.source = _source(scene, collection, saved.origin, title, path, ASSUMED_DEPTH)
    background.show_clip(saved.source, footage, start, len(path.frames), saved.first_frame)
    _show_plane(scene, collection, title)
    _update(scene)


def build(
    scene: Scene, shot: Shot, request: str, given: SourceCamera | None, notes: list[str], *, match: bool
) -> Iterator[None]:
    """Put the shot into the scene, step by step so that the window stays responsive.

    Origin, cloud and the clip's camera are updated if they exist; nothing else changes. request: the clip and its
    geometry as JSON. given: the artist's camera, on which the clip's camera is placed. match: set the scene's rate,
    range, size and view transform to the clip's. notes: receives sentences about the scene's settings.
    """
    saved = state.prepare(scene)
    _start_own(scene, shot.title)
    if saved.shot_frames and not shot.is_glance:
        notes += timing.keys_beyond(scene, shot.frame_count)
    unit = _unit(scene, shot.cloud, notes, is_placed=given is not None)
    if match:
        notes += match_scene(scene, shot.path, shot.frame_count)
    elif not shot.is_glance:
        notes += compare_scene(scene, shot.path)
    saved.shot, saved.shot_is_glance, saved.shot_folder = shot.job, shot.is_glance, paths.stored(shot.folder)
    saved.shot_request, saved.about = "" if shot.is_glance else request, "\n".join(about_lines(shot.about))
    saved.shot_fps, saved.shot_frames = shot.path.fps, shot.frame_count
    saved.shot_width, saved.shot_height = shot.path.width, shot.path.height
    saved.unit = unit
    point_cloud.remember(shot.job, shot.cloud)
    yield

    collection, saved.origin = _collection_and_origin(scene, shot.title)
    if given is not None:
        _place(saved.origin, given, unit)
    yield

    collection, saved.origin = _collection_and_origin(scene, shot.title)
    cloud = state.alive(scene, saved.cloud)
    if cloud is not None and cloud.mode == "OBJECT":
        point_cloud.replace_points(cloud, shot.cloud)
    else:
        saved.cloud = cloud = point_cloud.add_object(f"{shot.title} Points", shot.cloud)
        collection.objects.link(cloud)
    cloud.parent = saved.origin
    cloud.matrix_parent_inverse.identity()
    cloud.scale = (unit,) * 3
    depth_mesh.place(scene)
    yield

    depth = shot.cloud.focus_depth(0) * unit
    saved.source = _source(scene, collection, saved.origin, shot.title, shot.path, depth)
    yield

    collection, saved.origin = _collection_and_origin(scene, shot.title)
    if shot.frames is not None:
        saved.source.data.background_images.clear()
        background.show_behind(saved.source, shot.frames, shot.title, saved.first_frame)
    if saved.source.data.background_images:
        _show_plane(scene, collection, shot.title)
    saved.origin.empty_display_size = depth / 4
    yield

    point_cloud.refresh(scene)
    yield

    _update(scene)


def about_lines(about: About | None) -> list[str]:
    """How the backend came to camera and depth, one line each."""
    if about is None:
        return ["First guess of the depth, with an assumed lens; both are being refined."]
    narrow, wide = about.fov_deg
    degrees = f"{narrow:.1f}" if wide - narrow < 0.05 else f"{narrow:.1f} to {wide:.1f}"
    lens = ", ".join(filter(None, (f"{degrees} degrees wide", _LENS_SOURCES.get(about.lens_source, about.lens_source))))
    unit = "that of your scene" if about.camera == "given" else _UNITS.get(about.scale, "")
    facts = {
        "Camera": ", ".join(filter(None, (_label("camera", about.camera), _MOTIONS.get(about.motion, about.motion)))),
        "Lens": "" if any(note.startswith("Lens: ") for note in about.notes) else lens,
        "Depth": _label("depth", about.depth),
        "Unit": unit,
    }
    return [*(f"{name}: {fact}" for name, fact in facts.items() if fact), *about.notes]


_MOTIONS = {"still": "stands still", "turning": "turns on the spot", "moving": "moves"}
_LENS_SOURCES = {
    "set": "as you set it",
    "files": "as given",
    "metadata": "by the clip's metadata",
    "assumed": "assumed",
    "solved": "solved",
}
_UNITS = {"metric": "metre", "relative": "arbitrary"}


def _label(kind: choices.Kind, name: str) -> str:
    return choices.label_of(kind, name) if name else ""


def _update(scene: Scene) -> None:
    """Evaluate the scene at the artist's frame, or at the nearest one of the clip if the scene is matched to it."""
    saved, frame = state.of(scene), scene.frame_current
    last = saved.first_frame + saved.shot_frames - 1
    scene.frame_set(int(np.clip(frame, saved.first_frame, last)) if saved.clip.match_scene else frame)


def _unit(scene: Scene, cloud: Cloud, notes: list[str], *, is_placed: bool) -> float:
    """The scene's unit with a new cloud: where the artist placed something by the old one, the new one is as large.

    is_placed: a given camera decides the size of the origin, and so that of all below it, in Blender's world.
    """
    saved = state.of(scene)
    before = point_cloud.cloud_of(scene)
    if not _artists_objects(scene):
        return 1.0
    if before is None:
        return saved.unit
    ratio = cloud.depth_ratio(before)
    if max(ratio, 1 / ratio) > NOTED_RATIO:
        kept = "the clip's origin is scaled with what hangs on it" if is_placed else "the cloud keeps its size"
        notes.append(f"Depth is {ratio:.3g} times the former; {kept}, so cameras that you placed by it stay right.")
    return saved.unit / ratio


def _artists_objects(scene: Scene) -> bool:
    """Whether the artist placed anything relative to the clip."""
    saved = state.of(scene)
    own = (saved.cloud, saved.source, saved.cg.mesh)
    return any(
        item not in own and ((item.parent is not None and item.parent == saved.origin) or item.reangle.render)
        for item in scene.objects
    )


def _place(origin: Object, given: SourceCamera, unit: float) -> None:
    """Put the origin where the geometry's first camera is the given one, at its size in Blender's world."""
    matrix = lenses.origin_matrix_of(np.asarray(given.world_from_camera[0]), 1 / unit)
    origin.matrix_world = Matrix(matrix.tolist())


def _source(scene: Scene, collection: Collection, origin: Object, title: str, path: CameraPath, depth: float) -> Object:
    """The clip's camera on its path, made if there is none. depth: typical distance of the scene."""
    saved = state.of(scene)
    source = state.alive(scene, saved.source)
    if source is None:
        source = cameras.add_camera(scene, collection, f"{title} Camera", origin)
        source.data.name = source.name
        if saved.clip.make_active or scene.camera is None:
            scene.camera = source
    source.parent, source.rotation_mode, source.scale = origin, "XYZ", (1, 1, 1)
    source.matrix_parent_inverse.identity()
    cameras.key_path(source, path, saved.first_frame, saved.unit)
    saved.keyed_from = saved.first_frame
    scale = origin.matrix_world.median_scale  # Blender draws and clips cameras in the world's unit
    source.data.display_size = scale * depth / 4
    source.data.clip_end = max(source.data.clip_end, scale * depth * 20)
    source.lock_location = source.lock_rotation = (True, True, True)
    return source


def _show_plane(scene: Scene, collection: Collection, title: str) -> None:
    """Show the clip in the frame of its camera, so that it is seen from outside that, too."""
    saved = state.of(scene)
    plane = state.alive(scene, saved.plane)
    if plane is None:
        saved.plane = plane = bpy.data.objects.new(f"{title} Plane", None)
        collection.objects.link(plane)
    background.fit_plane(scene)


def _collection_and_origin(scene: Scene, title: str) -> tuple[Collection, Object]:
    """The collection and the origin, those of an earlier import if they still exist."""
    origin = state.alive(scene, state.of(scene).origin)
    if origin is not None:
        return cameras.collection_of(scene, origin), origin
    collection = bpy.data.collections.new(f"Reangle {title}")
    scene.collection.children.link(collection)
    origin = bpy.data.objects.new(f"{title} Origin", None)
    collection.objects.link(origin)
    return collection, origin


def _start_own(scene: Scene, title: str) -> None:
    """Leave the objects of the scene that this is a copy of, and name the scene's own ones after the clip."""
    saved = state.of(scene)
    if saved.is_borrowed:
        saved.origin = saved.cloud = saved.source = saved.plane = saved.cg.mesh = None
        saved.is_borrowed, saved.unit = False, 1.0
    job = saved.jobs.get(saved.shot)
    before = saved.shot_title or (job.title if job is not None else "")
    saved.shot_title = title
    if not before or before == title:
        return
    origin = state.alive(scene, saved.origin)
    if origin is not None:
        _rename(cameras.collection_of(scene, origin), f"Reangle {before}", f"Reangle {title}")
    ending = {"Origin": saved.origin, "Points": saved.cloud, "Camera": saved.source, "Plane": saved.plane}
    ending["Depth Mesh"] = saved.cg.mesh
    for word, item in ending.items():
        if state.alive(scene, item) is not None:
            for block in (item, item.data):
                if block is not None:
                    _rename(block, f"{before} {word}", f"{title} {word}")


def _rename(block: bpy.types.ID, before: str, name: str) -> None:
    """Rename what still has the name that it was given; Blender keeps 63 bytes of it, or adds a number."""
    given = before.encode()[:63].decode(errors="ignore")
    if block.library is None and (
        block.name == given or re.fullmatch(re.escape(given[:59]) + r".*\.\d{3}", block.name)
    ):
        block.name = name


def set_rate(scene: Scene, fps: float) -> None:
    """Set the exact frame rate: 24000/1001 is 24 over a base of 1.001."""
    by_ntsc = fps * 1.001
    if abs(by_ntsc - round(by_ntsc)) < 1e-3 < abs(fps - round(fps)):
        scene.render.fps, scene.render.fps_base = round(by_ntsc), 1.001
    else:
        scene.render.fps = max(1, round(fps))
        scene.render.fps_base = scene.render.fps / fps


def settings_of(scene: Scene) -> tuple[object, ...]:
    """The settings that `match_scene` changes, to see later whether the artist changed them."""
    render = scene.render
    size = (render.resolution_x, render.resolution_y, render.resolution_percentage)
    aspect = (render.pixel_aspect_x, render.pixel_aspect_y)
    span = (scene.frame_start, scene.frame_end)
    return (*size, *aspect, *span, render.fps, render.fps_base, scene.view_settings.view_transform)


def match_scene(scene: Scene, path: CameraPath, frames: int) -> list[str]:
    """Set rate, range, size and view transform to the clip's, and lock the interface; return the changes as notes.

    path: of the clip's camera. frames: of the clip.
    """
    first = state.of(scene).first_frame
    notes = compare_scene(scene, path)
    set_rate(scene, path.fps)
    span, wanted = (scene.frame_start, scene.frame_end), (first, first + frames - 1)
    scene.frame_start, scene.frame_end = wanted
    if span != wanted:
        notes.append(f"The scene had frames {span[0]} to {span[1]}, the clip has {wanted[0]} to {wanted[1]}.")
    if scene.frame_start > first:
        what = f"the clip's frames {first} to {min(wanted[1], -1)} are not played or rendered"
        notes.append(f"A scene cannot begin before frame 0 in Blender, so {what}.")
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = path.width, path.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = lenses.pixel_aspect_for(np.asarray(path.K)[0])
    render.use_lock_interface = True  # the cloud changes with the frame while a render runs
    if scene.view_settings.view_transform != compat.VIDEO_VIEW_TRANSFORM:
        scene.view_settings.view_transform = compat.VIDEO_VIEW_TRANSFORM
    return [note.replace("The scene has", "The scene had") for note in notes]


def compare_scene(scene: Scene, path: CameraPath) -> list[str]:
    """One sentence for each setting in which the scene differs from the clip."""
    notes = []
    render = scene.render
    rate = render.fps / render.fps_base
    if abs(rate / path.fps - 1) > 1e-5:
        notes.append(f"The scene has {rate:.5g} frames per second, the clip {path.fps:.5g}.")
    size = cameras.render_size(scene)
    if (size.width, size.height) != (path.width, path.height):
        notes.append(f"The scene has {size.width} x {size.height} pixels, the clip {path.width} x {path.height}.")
    transform = scene.view_settings.view_transform
    if transform != compat.VIDEO_VIEW_TRANSFORM:
        notes.append(f"The scene has the view transform {transform}, which changes the colours of video.")
    return notes
