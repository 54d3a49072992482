# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender cameras to and from files of other programs; `core.interchange` knows the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..core import camera as lenses
from ..core import interchange
from ..core.contract import CameraPath
from ..core.errors import UserError
from ..core.interchange import Hints, RotationOrder, Take
from . import cameras, evaluation, moves

World = Literal["CLIP", "BLENDER"]
"""The clip's world in its own unit, or Blender's."""

NEEDS_FOCUS = {"TRAJECTORYCRAFTER"}


@dataclass(frozen=True)
class Options:
    """What a file does not say. rotation_order: of its angles. start: on import, put the first pose on the clip's
    camera. scale: on import, of the path's way."""

    world: World = "CLIP"
    rotation_order: RotationOrder = "ZXY"
    start: bool = False
    scale: float = 1.0


def check_export(scene: Scene) -> None:
    """Raises UserError if no camera's path can be written."""
    shot = state.of(scene)
    if not shot.shot_frames:
        raise UserError("There is no clip whose frames a path could cover.", advice="Import a clip first.")
    if state.alive(scene, shot.origin) is None:
        raise UserError("The empty that holds the import was deleted.", advice="Undo that, or import the clip again.")


def write(
    scene: Scene, chosen: Sequence[Object], file: Path, format_id: str, options: Options
) -> dict[Path, list[str]]:
    """Write the paths of these cameras over the clip's frames: one file each, named by the camera if there are several.

    Returns notes for each file on what it does not hold. Raises UserError for cameras that cannot be exported and files
    that cannot be written.
    """
    check_export(scene)
    source = state.alive(scene, state.of(scene).source)
    in_blender = options.world == "BLENDER"
    every = [*chosen, source] if source is not None else [*chosen]
    paths = cameras.export_paths(scene, every, in_blender=in_blender)
    clip = paths[-1] if source is not None else moves.still(paths[0], 0)
    focus = _focus(scene, in_blender=in_blender) if format_id in NEEDS_FOCUS else 1.0
    notes: dict[Path, list[str]] = {}
    for path in paths[: len(chosen)]:
        place = file if len(chosen) == 1 else file.with_name(f"{file.stem} {path.name}{file.suffix}")
        take = Take(path, clip, focus, state.of(scene).first_frame, options.rotation_order)
        notes[place] = list(interchange.write(take, place, format_id))
    return notes


def _focus(scene: Scene, *, in_blender: bool) -> float:
    """Distance of what the clip's camera looks at, in the paths' unit."""
    depth = moves.focus_depth(scene)
    if not in_blender:
        return depth
    placed = cameras.world_from_geometry(scene, state.of(scene).origin, evaluation.depsgraph_of(scene))
    return depth * float(np.linalg.norm(placed[:3, :3], axis=0).mean())


def read(scene: Scene, file: Path, format_id: str, options: Options, name: str = "") -> tuple[Object, list[str]]:
    """A new camera that follows a file's path from the clip's first frame on, and notes.

    Without a clip it is in Blender's world, from the scene's first frame on. name: by default that of the file. Raises
    UserError for a file that is no path, before anything is made.
    """
    shot = state.of(scene)
    origin = state.alive(scene, shot.origin) if shot.shot_frames else None
    in_blender = options.world == "BLENDER" or origin is None
    like = _clip_camera(scene, in_blender=in_blender)
    hints = Hints(like.width, like.height, options.rotation_order)
    path, notes = interchange.read_path(file, format_id, hints, like, name or file.stem)
    if options.start:
        path = interchange.placed(path, np.asarray(like.world_from_camera[0], np.float64), options.scale)
    else:
        path = interchange.scaled(path, options.scale)
    if in_blender:
        camera = cameras.add_camera(scene, scene.collection, path.name, None)
        first = shot.first_frame if origin is not None else scene.frame_start
        cameras.key_path(camera, path, first, 1.0)
    else:
        collection = cameras.collection_of(scene, origin)
        camera = cameras.add_from_path(scene, collection, path, origin, shot.first_frame)
    source = state.alive(scene, shot.source)
    if source is not None:
        camera.data.display_size, camera.data.clip_end = source.data.display_size, source.data.clip_end
        camera.reangle.render = True
    return camera, list(notes)


def _clip_camera(scene: Scene, *, in_blender: bool) -> CameraPath:
    """The clip's camera; without a clip, a camera that stands at Blender's origin with the scene's size and rate."""
    shot = state.of(scene)
    source = state.alive(scene, shot.source)
    if source is not None and state.alive(scene, shot.origin) is not None:
        return cameras.export_paths(scene, [source], in_blender=in_blender)[0]
    size = cameras.render_size(scene)
    return CameraPath(
        name="scene",
        fps=scene.render.fps / scene.render.fps_base,
        width=size.width,
        height=size.height,
        frames=(0,),
        world_from_camera=np.eye(4)[None].tolist(),
        K=lenses.intrinsics_from_lens(lenses.Lens(50.0, "HORIZONTAL"), size)[None].tolist(),
    )
