# SPDX-License-Identifier: Apache-2.0
"""Decodes a probed clip, one frame at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from reangle.errors import UserError
from reangle.media.colour import to_precise, to_working
from reangle.media.framing import Framing, plan_framing
from reangle.media.images import read_precise_image, read_working_image
from reangle.media.movie import decode_from
from reangle.media.probe import ClipInfo, check_amount

_READERS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Selection:
    """The part of a clip that is used: `count` frames from `start` on, each framed by `framing`."""

    start: int
    count: int
    framing: Framing


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded frame.

    number: in the whole clip, 0-based. rgb: H x W x 3 uint8, or uint16 if the clip is decoded precisely.
    alpha: H x W uint8, not multiplied in, or None.
    held: the frame could not be decoded, and a neighbour's picture replaces it. resized: it is stored in another size
    than the clip's first frame.
    """

    number: int
    rgb: np.ndarray
    alpha: np.ndarray | None
    held: bool = False
    resized: bool = False


def select(
    info: ClipInfo, start: int = 0, frames: int | None = None, width: int | None = None, height: int | None = None
) -> Selection:
    """The part of a clip to use. Raises UserError if the clip has fewer frames, or if they exceed the limits."""
    if start >= info.frames:
        raise UserError(
            f"{info.name} has {info.frames} frames, so it cannot start at frame {start}.",
            advice=f"Start at {info.frames - 1} or before (frames count from 0).",
        )
    remaining = info.frames - start
    if frames is not None and frames > remaining:
        cut = info.declared_frames is not None and info.declared_frames > info.frames
        raise UserError(
            f"{info.name} has {remaining} frames from frame {start} on; {frames} are needed"
            + (f": the file is cut short after {info.frames} of {info.declared_frames} frames." if cut else "."),
            advice=f"Use {remaining} frames or fewer.",
        )
    framing = plan_framing(info.width, info.height, width, height)
    count = remaining if frames is None else frames
    check_amount(count, framing.width, framing.height)
    return Selection(start, count, framing)


def decode_frames(info: ClipInfo, selection: Selection, *, precise: bool = False) -> Iterator[Frame]:
    """The selected frames in order, always `selection.count` of them. precise: as 16 bits, without alpha.

    A neighbour's picture replaces a frame that cannot be decoded, so that frame numbers keep their time. Raises
    UserError if no frame can be decoded.
    """
    end = selection.start + selection.count
    last: Frame | None = None
    expected = selection.start
    for frame in _readable(info, selection, precise):
        while expected < frame.number:
            yield replace(last or frame, number=expected, held=True)
            expected += 1
        yield frame
        last, expected = frame, expected + 1
        if expected == end:
            return
    if last is None:
        raise UserError(
            f"None of the frames {selection.start} to {end - 1} of {info.name} can be decoded.",
            advice="The file is damaged there; use another part of it or copy it again.",
        )
    for number in range(expected, end):
        yield replace(last, number=number, held=True)


def _readable(info: ClipInfo, selection: Selection, precise: bool) -> Iterator[Frame]:
    if info.scan is None:
        yield from _image_frames(info, selection, precise)
        return
    name, path = info.files[0]
    for number, picture in decode_from(name, path, info.kind, info.scan, selection.start):
        if precise:
            rgb, alpha = to_precise(picture, selection.framing, info.scan.turn), None
        else:
            rgb, alpha = to_working(picture, selection.framing, info.scan.turn)
        yield Frame(number, rgb, alpha, resized=(picture.width, picture.height) != info.scan.coded_size)


def _image_frames(info: ClipInfo, selection: Selection, precise: bool) -> Iterator[Frame]:
    def read(number: int) -> Frame:
        name, path = info.files[number]
        if precise:
            return Frame(number, read_precise_image(name, path, info.kind, selection.framing), None)
        rgb, alpha = read_working_image(name, path, info.kind, selection.framing)
        return Frame(number, rgb, alpha)

    numbers = range(selection.start, selection.start + selection.count)
    with ThreadPoolExecutor(_READERS) as pool:
        # Chunks bound the memory.
        for at in range(0, len(numbers), 2 * _READERS):
            yield from pool.map(read, numbers[at : at + 2 * _READERS])
