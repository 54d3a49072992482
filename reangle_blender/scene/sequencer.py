# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on the sequencer: one strip per camera, each on its own channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpy.types import Scene

from .. import compat
from ..state import paths
from . import images

MOST_ELEMENTS = 20_000
"""Most frames of a strip in which frames of a slow clip are repeated."""


def scene_rate(scene: Scene) -> float:
    """Frames per second of the scene, exactly as Blender plays them."""
    return scene.render.fps / scene.render.fps_base


def frames_at_rate(count: int, clip_fps: float, scene_fps: float) -> list[int]:
    """The clip frame of each scene frame so that the clip plays at its own speed, repeated or dropped as needed."""
    if abs(clip_fps / scene_fps - 1) < 1e-4:
        return list(range(count))
    shown = max(1, round(count * scene_fps / clip_fps))
    if shown > max(count, MOST_ELEMENTS):
        # A time lapse: Blender would stand still for minutes, and show a picture for as long.
        return list(range(count))
    return [min(count - 1, int((index + 0.5) * clip_fps / scene_fps)) for index in range(shown)]


def add_strip(
    scene: Scene, folder: Path, name: str, fps: float, first_frame: int, *, real_speed: bool = True
) -> tuple[Any, str]:
    """Add the frames in `folder` as an image strip on the lowest channel above all others.

    real_speed: repeat or drop frames if the scene's rate differs; otherwise one clip frame per scene frame.
    Returns the strip, and a note for the artist, or "".
    """
    files = images.sequence_files(folder)
    order = frames_at_rate(len(files), fps, scene_rate(scene)) if real_speed else range(len(files))
    shown = [files[index] for index in order]
    strips = compat.strips(scene)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strip = strips.new_image(
        name=name, filepath=paths.stored(folder / shown[0]), channel=channel, frame_start=first_frame, fit_method="FIT"
    )
    for file in shown[1:]:
        strip.elements.append(file)
    strip.frame_final_duration = len(shown)
    note = ""
    if real_speed and len(shown) == len(files) and 2 * fps < scene_rate(scene):
        note = (
            f"{name}: the clip runs at {fps:g} frames per second, too slow to repeat its frames at the scene's "
            f"{scene_rate(scene):g}; each is shown for one frame of the scene."
        )
    elif len(shown) != len(files):
        note = (
            f"{name}: the clip runs at {fps:g} and the scene at {scene_rate(scene):g} frames per second; "
            f"{len(files)} frames became {len(shown)}."
        )
    return strip, note
