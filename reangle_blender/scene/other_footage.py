# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage that Blender shows elsewhere: a strip of the sequencer, and a clip of the Movie Clip Editor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Context, MovieClip, Object, Scene

from .. import compat
from ..core.errors import UserError
from ..exchange.transfer import clip_files
from ..state import paths

RATE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Found:
    """The used part of a file. start: its first used frame, from 0. frames: 0 uses all that remain. scene_frame: where
    the first used frame is seen, None if that is no whole frame of the scene. fps: for image sequences."""

    path: Path
    start: int
    frames: int
    scene_frame: int | None
    fps: float


def active_strip(context: Context) -> Any:
    """The active strip of the scene that the sequencer shows. None if there is none."""
    scene = getattr(context, "sequencer_scene", None) or context.scene
    editor = scene.sequence_editor if scene is not None else None
    return editor.active_strip if editor is not None else None


def of_strip(strip: Any, scene: Scene) -> Found:
    """The part of its file that a movie or image strip shows. Raises UserError if it shows no plain run of frames."""
    if strip is None or strip.type not in ("MOVIE", "IMAGE"):
        raise UserError(
            "The active strip is no movie or image strip." if strip is not None else "No strip is active.",
            advice="Click a movie or an image strip in the sequencer.",
        )
    if strip.use_reverse_frames or len(getattr(strip, "retiming_keys", ())) > 0:
        raise UserError(
            f"The strip {strip.name!r} changes the order or the speed of its frames.",
            advice="Reset that, or choose the file in the Clip panel.",
        )
    rate = scene.render.fps / scene.render.fps_base
    at = round(compat.strip_start(strip))
    if strip.type == "MOVIE":
        # A strip of another rate is stretched, so that it takes the same time.
        media = float(getattr(strip, "fps", 0.0)) or rate
        share = media / rate
        start = round((compat.strip_trim(strip) + compat.strip_offset(strip)) * share)
        count = max(1, round(compat.strip_duration(strip) * share))
        scene_frame = at if abs(share - 1) < RATE_TOLERANCE else None
        return Found(paths.absolute(strip.filepath), max(0, start), count, scene_frame, media)
    names = [element.filename for element in strip.elements]
    skipped = min(max(0, round(compat.strip_offset(strip))), len(names) - 1)
    shown = names[skipped : skipped + max(1, round(compat.strip_duration(strip)))]
    start, count = run_of(paths.absolute(strip.directory), shown)
    return Found(paths.absolute(strip.directory) / shown[0], start, count, at, rate)


def run_of(folder: Path, names: list[str]) -> tuple[int, int]:
    """Where chosen images begin in their sequence, from 0, and how many they are; one alone stands for itself.

    Raises UserError if they are no unbroken run of one sequence.
    """
    sequence = [file.name for file in clip_files(folder / names[0])]
    start = sequence.index(names[0])
    if sequence[start : start + len(names)] != names:
        raise UserError(
            f"{names[0]} and the other images are no unbroken run of one sequence.",
            advice="Choose images whose numbers follow each other, or one image for its whole sequence.",
        )
    return start, len(names)


def edited_clip(context: Context) -> MovieClip | None:
    """The clip of the Movie Clip Editor where this is asked, else the scene's active one, else the only one."""
    space = context.space_data
    clip = space.clip if space is not None and space.type == "CLIP_EDITOR" else None
    clip = clip or context.scene.active_clip
    return clip or (bpy.data.movieclips[0] if len(bpy.data.movieclips) == 1 else None)


def of_movie_clip(clip: MovieClip | None, scene: Scene) -> Found:
    """The clip's file from the frame on that Blender shows first. Raises UserError if there is no clip."""
    if clip is None:
        raise UserError("There is no clip.", advice="Open one in the Movie Clip Editor.")
    rate = scene.render.fps / scene.render.fps_base
    return Found(paths.absolute(clip.filepath), max(0, clip.frame_offset), 0, clip.frame_start, rate)


def is_solved(clip: MovieClip | None) -> bool:
    """Whether Blender's tracker has solved the clip's camera."""
    return clip is not None and clip.tracking.reconstruction.is_valid


def solved_camera(scene: Scene, clip: MovieClip) -> Object | None:
    """The scene's camera that follows the clip's solution; None if there is none."""
    for item in scene.objects:
        if item.type == "CAMERA":
            for constraint in item.constraints:
                if constraint.type == "CAMERA_SOLVER" and not constraint.mute:
                    follows = scene.active_clip if constraint.use_active_clip else constraint.clip
                    if follows == clip:
                        return item
    return None


def add_solved_camera(scene: Scene, clip: MovieClip) -> Object:
    """A camera that follows the clip's solution, with the lens of the tracking settings."""
    data = bpy.data.cameras.new(f"{clip.name} Solved")
    tracked = clip.tracking.camera
    data.sensor_fit, data.sensor_width, data.lens = "HORIZONTAL", tracked.sensor_width, tracked.focal_length
    width, height = clip.size
    x, y = tracked.principal_point_pixels
    if width and height:
        data.shift_x, data.shift_y = (width / 2 - x) / width, (height / 2 - y) / width
    camera = bpy.data.objects.new(data.name, data)
    scene.collection.objects.link(camera)
    solver = camera.constraints.new("CAMERA_SOLVER")
    solver.use_active_clip, solver.clip = False, clip
    return camera
