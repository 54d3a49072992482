# SPDX-License-Identifier: GPL-3.0-or-later
"""Results on the sequencer of the scene's edit: one strip per camera, each on its own channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpy.types import Scene

from .. import compat
from ..core.errors import UserError
from ..state import paths
from . import edit_scene, images, multicam, result_marks
from .result_marks import Result

MOST_ELEMENTS = 20_000
"""Most frames of a strip in which frames of a slow clip are repeated."""

CHANNELS = 128
"""How many channels Blender's sequencer has."""

CLIP_CHANNEL = 1
"""Kept for the clip, which lies below the results."""

_PART = "frames"
_START, _LENGTH, _WIDTH, _FRAME = "reangle_start", "reangle_length", "reangle_width", "reangle_frame_width"
"""Custom properties of a strip: where the add-on put it and how long, and the widths of its images and of the edit."""

_VERSION = "reangle_version"
"""Custom property of a strip that is one of several versions, from 1."""


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


@dataclass(frozen=True)
class Frames:
    """A result's frames. files: their names in the folder, in order. first_frame: the scene frame of the first one.
    size: width and height in pixels."""

    result: Result
    folder: Path
    files: tuple[str, ...]
    fps: float
    first_frame: int
    size: tuple[int, int]

    def at_rate(self, rate: float) -> list[str]:
        """The file of each frame of a scene with this rate, so that the clip plays at its own speed."""
        return [self.files[index] for index in frames_at_rate(len(self.files), self.fps, rate)]

    def note(self, shown: int, rate: float) -> str:
        """What the artist should know of the strip's speed, or ""."""
        if shown != len(self.files):
            return (
                f"{self.result.name}: the clip runs at {self.fps:g} and the scene at {rate:g} frames per second; "
                f"{len(self.files)} frames became {shown}. To see every frame once, choose Frame by Frame in Adjust "
                f"Last Operation, or set the scene to {self.fps:g} frames per second before its edit has strips."
            )
        if 2 * self.fps < rate:
            return (
                f"{self.result.name}: the clip runs at {self.fps:g} frames per second, too slow to repeat its frames "
                f"at the scene's {rate:g}; each is shown for one frame of the scene."
            )
        return ""


def frames_in(folder: Path, result: Result, fps: float, first_frame: int, size: tuple[int, int]) -> Frames:
    """The frames in a folder. Raises UserError if there are none."""
    return Frames(result, folder, tuple(images.sequence_files(folder)), fps, first_frame, size)


def show(
    scene: Scene, sequences: Sequence[Frames], *, real_speed: bool = True, stack: bool = False
) -> tuple[Scene, list[str]]:
    """Show these results as strips of the scene's edit, which is made if there is none.

    A strip that shows an earlier version of a result gets the new files, and stays as the artist has arranged it.
    stack: keep that strip, muted, and put the new version on a channel of its own.
    real_speed: repeat or drop frames if the scene's rate differs; otherwise one clip frame per scene frame.
    Returns the edit, and notes for the artist. Raises UserError, before anything is changed, if channels are short.
    """
    edit = edit_scene.find(scene)
    rate = scene_rate(edit_scene.rate_source(scene))
    present = compat.every_strip(edit) if edit is not None else []
    known, older = [], []
    for item in sequences:
        strips = [strip for strip in present if strip.type == "IMAGE" and result_marks.shows(strip, item.result, _PART)]
        same = [strip for strip in strips if paths.absolute(strip.directory) == item.folder]
        last = max((_version(strip) for strip in strips), default=0)
        newest = [strip for strip in strips if _version(strip) == last]
        if stack and not item.result.is_clip:
            known.append(same)
            older.append([strip for strip in strips if strip not in same] if not same or same == newest else [])
        else:
            known.append(newest)
            older.append([])
    shown = [item.at_rate(rate) if real_speed else list(item.files) for item in sequences]
    new = [index for index, strips in enumerate(known) if not strips]
    channels = _free_channels(scene, edit, [sequences[index] for index in new], [len(shown[index]) for index in new])

    edit = edit_scene.prepare(scene)
    edit_scene.fit(edit, scene, max((item.size for item in sequences), key=lambda size: size[0] * size[1]))
    for strip in present:
        if strip.type == "IMAGE" and result_marks.part_of(strip) and edit_scene.is_fitted(edit):
            _scale(strip, edit.render.resolution_x / strip[_FRAME])
            strip[_FRAME] = edit.render.resolution_x
    for item, files, strips, others in zip(sequences, shown, known, older, strict=True):
        if strips:
            for strip in strips:
                _update(strip, item, files)
        else:
            version = 1 + max((max(1, _version(strip)) for strip in others), default=0) if stack else 0
            channel = next(channels)
            top = compat.strips_of(edit)  # channels in a meta strip are others
            for strip in others:
                if strip in top:
                    multicam.follow(edit, strip.channel, channel)
            _add(edit, item, files, channel, 0 if item.result.is_clip else version)
        for strip in others:
            strip.mute = True
            strip[_VERSION] = max(1, _version(strip))
            result_marks.give_name(strip, _name_of(strip, item.result.name))
    edit_scene.fit_range(edit)
    notes = [item.note(len(files), rate) for item, files in zip(sequences, shown, strict=True)] if real_speed else []
    return edit, [note for note in notes if note]


def follow_names(edit: Scene) -> None:
    """Name the strips after their cameras as these are named now."""
    for strip in compat.every_strip(edit):
        camera = result_marks.camera_of(strip)
        if camera is not None:
            result_marks.give_name(strip, _name_of(strip, camera.name))


def _version(strip: Any) -> int:
    """0 for a strip that is the only version."""
    return strip.get(_VERSION, 0)


def _name_of(strip: Any, name: str) -> str:
    """name: of the camera, or of the clip."""
    return f"{name} v{_version(strip):03d}" if _version(strip) else name


def _free_channels(
    scene: Scene, edit: Scene | None, sequences: Sequence[Frames], lengths: Sequence[int]
) -> Iterator[int]:
    """A channel for each new strip that is free over its frames: the lowest above all strips there, else any."""
    taken = [
        (strip.channel, strip.frame_final_start, strip.frame_final_end)
        for strip in (compat.strips_of(edit) if edit is not None else ())
        if not multicam.is_own(strip)  # it makes room
    ]
    channels = []
    for item, length in zip(sequences, lengths, strict=True):
        start, end = item.first_frame, item.first_frame + length
        there = {channel for channel, first, last in taken if first < end and start < last}
        if item.result.is_clip:
            order = range(CLIP_CHANNEL, CHANNELS + 1)
        else:
            order = [*range(max(there | {CLIP_CHANNEL}) + 1, CHANNELS + 1), *range(CLIP_CHANNEL + 1, CHANNELS + 1)]
        channel = next((channel for channel in order if channel not in there), None)
        if channel is None:
            name = edit.name if edit is not None else f"{scene.name} Edit"
            raise UserError(
                f"{item.result.name} finds no free channel on the sequencer of scene {name!r} at frames {start} to "
                f"{end - 1}: it needs one of {CHANNELS}, and {len(sequences)} strips are to be added.",
                advice="Delete or move strips there, or render fewer cameras in one job.",
            )
        channels.append(channel)
        taken.append((channel, start, end))
    return iter(channels)


def _add(edit: Scene, item: Frames, files: list[str], channel: int, version: int = 0) -> None:
    multicam.stay_above(edit, channel)
    strip = compat.strips(edit).new_image(
        name=item.result.name,
        filepath=paths.stored(item.folder / files[0]),
        channel=channel,
        frame_start=item.first_frame,
        fit_method="FIT",
    )
    for file in files[1:]:
        strip.elements.append(file)
    strip.frame_final_duration = len(files)
    result_marks.mark(strip, item.result, _PART)
    if version:
        strip[_VERSION] = version
    result_marks.give_name(strip, _name_of(strip, item.result.name))
    strip[_START], strip[_LENGTH] = item.first_frame, len(files)
    strip[_WIDTH], strip[_FRAME] = item.size[0], edit.render.resolution_x


def _update(strip: Any, item: Frames, files: list[str]) -> None:
    """Let a strip show other files, at the same size. Where and how long it is changes only if the artist left that."""
    if strip.frame_start == strip[_START]:
        strip.frame_start = item.first_frame
    is_whole = strip.frame_final_duration == strip[_LENGTH] and not (strip.frame_offset_start or strip.frame_offset_end)
    first, length = strip.frame_final_start, strip.frame_final_duration
    strip.directory = paths.stored(item.folder) + "/"
    if [element.filename for element in strip.elements] != files:
        content, channel = strip.frame_start, strip.channel
        strip.frame_offset_start = strip.frame_offset_end = 0  # Blender moves a strip whose trim is longer than it
        before = len(strip.elements)
        for file in files:
            strip.elements.append(file)
        for _ in range(before):
            strip.elements.pop(0)
        strip.frame_start = content
        if is_whole:
            strip.frame_final_duration = len(files)
        else:
            strip.frame_final_start, strip.frame_final_end = first, first + length
            strip.channel = channel  # untrimmed, it made room for its neighbours
    _scale(strip, strip[_WIDTH] / item.size[0])
    result_marks.mark(strip, item.result, _PART)
    result_marks.give_name(strip, _name_of(strip, item.result.name))
    strip[_START], strip[_LENGTH], strip[_WIDTH] = item.first_frame, len(files), item.size[0]


def _scale(strip: Any, factor: float) -> None:
    """Blender scales a strip by its images' pixels, so one that shows larger images must be scaled down."""
    strip.transform.scale_x *= factor
    strip.transform.scale_y *= factor
