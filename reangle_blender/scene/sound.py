# SPDX-License-Identifier: GPL-3.0-or-later
"""The clip's sound under the results, at the clip's own speed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from .. import compat
from ..state import paths
from . import result_marks
from .result_marks import Result

_PART = "sound"
_START, _LENGTH = "reangle_start", "reangle_length"
FIRST_CHANNEL, CHANNELS = 2, 128
"""The first channel is the clip's."""


@dataclass(frozen=True)
class Sound:
    """A movie's sound. clip: digest of its files. start, count: used frames of it. fps: of the movie. first_frame: the
    scene frame of the first used one."""

    file: Path
    clip: str
    start: int
    count: int
    fps: float
    first_frame: int


def show(edit: Scene, sound: Sound, rate: float) -> str:
    """Have the sound in the edit; one that is there stays as the artist has arranged it. rate: the edit's.

    Returns a note for the artist, "" if there is nothing to say.
    """
    result = Result(sound.clip)
    for strip in compat.every_strip(edit):
        if strip.type == "SOUND" and result_marks.shows(strip, result, _PART):
            if (strip.frame_final_start, strip.frame_final_duration) == (strip.get(_START), strip.get(_LENGTH)):
                strip.sound.filepath = paths.stored(sound.file)
                _place(strip, sound, rate)
            return ""
    first, length = sound.first_frame, max(1, round(sound.count * rate / sound.fps))
    before = round(sound.start * rate / sound.fps)
    taken = {
        strip.channel
        for strip in compat.strips_of(edit)
        if strip.frame_final_start < first + length and first < strip.frame_final_end
    }
    channel = next((one for one in range(FIRST_CHANNEL, CHANNELS + 1) if one not in taken), None)
    if channel is None:
        return "There is no channel left for the clip's sound."
    nothing = f"{sound.file.name} has no sound that Blender can play."
    try:
        strip = compat.strips(edit).new_sound(
            name="Clip Sound", filepath=paths.stored(sound.file), channel=channel, frame_start=first - before
        )
    except RuntimeError:  # a Blender without sound, or a file that it cannot open
        return nothing
    if strip.sound.channels == "INVALID":  # a movie without sound
        block = strip.sound
        compat.strips(edit).remove(strip)
        bpy.data.sounds.remove(block)
        return nothing
    result_marks.mark(strip, result, _PART)
    _place(strip, sound, rate)
    strip.channel = channel  # the whole movie, as it came in, may have made room for its neighbours
    return ""


def _place(strip: Any, sound: Sound, rate: float) -> None:
    """The movie's sound starts where its frame 0 would, and is heard over the used frames alone."""
    strip.frame_start = sound.first_frame - round(sound.start * rate / sound.fps)
    end = sound.first_frame + max(1, round(sound.count * rate / sound.fps))
    strip.frame_final_start = sound.first_frame
    strip.frame_final_end = min(end, int(strip.frame_start) + strip.frame_duration)
    strip[_START], strip[_LENGTH] = strip.frame_final_start, strip.frame_final_duration
