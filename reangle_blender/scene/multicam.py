# SPDX-License-Identifier: GPL-3.0-or-later
"""A Multicam Selector above the results' strips: it shows one camera at a time, and the artist cuts it."""

from __future__ import annotations

from typing import Any

from bpy.types import Scene

from .. import compat
from . import result_marks
from .result_marks import Result

MOST_CHANNELS = 128

_PART = "multicam"
_START, _LENGTH = "reangle_start", "reangle_length"


def is_own(strip: Any) -> bool:
    """Whether the add-on made this selector, or it is a part of one that the artist cut."""
    return strip.type == "MULTICAM" and result_marks.part_of(strip) == _PART


def show(edit: Scene, clip: str) -> str:
    """Have a selector over the strips of two or more cameras, as long as they; one that the artist has moved, trimmed
    or cut keeps its place in time.

    clip: digest of the clip's files. Returns a note for the artist, or "".
    """
    pieces = _own(edit)
    cameras = sorted(
        (strip for strip in compat.strips_of(edit) if strip.type == "IMAGE" and result_marks.camera_name(strip)),
        key=lambda strip: strip.channel,
    )
    shown = [strip for strip in cameras if not strip.mute]
    if len({result_marks.camera_name(strip) for strip in shown}) < 2:
        return ""
    first = min(strip.frame_final_start for strip in shown)
    last = max(strip.frame_final_end for strip in shown)
    if pieces:
        if len(pieces) == 1 and _is_as_made(pieces[0]):
            pieces[0].frame_final_start, pieces[0].frame_final_end = first, last
            _remember(pieces[0])
        return ""
    channel = 1 + max(strip.channel for strip in compat.strips_of(edit))
    if channel > MOST_CHANNELS:
        return "There is no channel left for a Multicam Selector above the strips."
    piece = compat.new_effect(edit, "Cameras", "MULTICAM", channel, first, last - first)
    piece.multicam_source = shown[-1].channel
    result_marks.mark(piece, Result(clip), _PART)
    _remember(piece)
    return (
        f"A Multicam Selector above the strips shows {shown[-1].name}; select it and press 1 to 9 to cut to the strip "
        "on that channel."
    )


def stay_above(edit: Scene, channel: int) -> None:
    """Make room for a strip on this channel."""
    pieces = _own(edit)
    if not pieces or min(piece.channel for piece in pieces) > channel:
        return
    top = max(channel, *(strip.channel for strip in compat.strips_of(edit) if not is_own(strip))) + 1
    for piece in pieces if top <= MOST_CHANNELS else ():
        piece.channel = top


def follow(edit: Scene, before: int, after: int) -> None:
    """Let cuts to a channel show another one, to which a camera's newest version has come."""
    for piece in _own(edit):
        if piece.multicam_source == before:
            stay_above(edit, after)
            piece.multicam_source = after


def _own(edit: Scene) -> list[Any]:
    return [strip for strip in compat.strips_of(edit) if is_own(strip)]


def _is_as_made(piece: Any) -> bool:
    return (piece.frame_final_start, piece.frame_final_duration) == (piece.get(_START), piece.get(_LENGTH))


def _remember(piece: Any) -> None:
    piece[_START], piece[_LENGTH] = piece.frame_final_start, piece.frame_final_duration
