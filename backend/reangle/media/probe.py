# SPDX-License-Identifier: Apache-2.0
"""Properties of a clip before it is decoded: size, frames, timestamps, colour, and notes for the artist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from reangle.contract import MAX_FRAMES, MAX_SIDE
from reangle.contract.sequences import frame_numbers, frame_order
from reangle.errors import UserError
from reangle.media.image_colours import of_jpeg_or_png
from reangle.media.image_headers import header_notes
from reangle.media.images import ImageHeader, read_image_header
from reangle.media.lens import focal_of_image
from reangle.media.movie import MovieScan, scan_movie, square_pixels_note
from reangle.media.sniff import IMAGES, OIIO, Kind, sniff

MAX_WORKING_PIXELS = 1_000_000_000
"""Largest frames x width x height: every later stage holds the whole clip in memory."""
MAX_FILE_BYTES = 64 << 30
DEFAULT_IMAGE_FPS = Fraction(24)


@dataclass(frozen=True, eq=False)
class ClipInfo:
    """A clip that can be decoded.

    width, height: upright, with square pixels. frames: their number. declared_frames: the number in the file's
    header, or None. fps: exact; nominal if `fps_is_variable`. timestamps: seconds from the first frame,
    one per frame. focal_35mm: the focal length in millimetres that the camera wrote, for a picture 36 mm
    wide, or None. scan: what a movie needs to be decoded; None for images. pixel_aspect: width of a
    stored pixel, upright, by its height.
    """

    files: tuple[tuple[str, Path], ...]
    kind: Kind
    width: int
    height: int
    frames: int
    declared_frames: int | None
    fps: Fraction
    fps_is_variable: bool
    timestamps: np.ndarray
    notes: tuple[str, ...]
    focal_35mm: float | None = None
    scan: MovieScan | None = None
    pixel_aspect: float = 1.0

    @property
    def name(self) -> str:
        return self.files[0][0]


def probe_clip(files: Sequence[tuple[str, Path]], fps: float | None = None) -> ClipInfo:
    """Probe one movie, or the images of a sequence, sorted in natural order. Decodes at most one frame.

    files: (original name, path) each. fps: of an image sequence; 24 if None. Raises UserError for files that are no
    video, for sizes over the limits, and for gaps in a sequence's numbers.
    """
    if not files:
        raise UserError("The clip has no files.", advice="Give a movie or a folder of images.")
    for name, path in files:
        if path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{name} is larger than {MAX_FILE_BYTES >> 30} GB.", advice="Cut out the part you need.")
    kind = sniff(*files[0])
    if kind in IMAGES:
        return _probe_images(files, fps)
    if len(files) > 1:
        raise UserError(
            f"The clip has {len(files)} files and {files[0][0]} is a movie.",
            advice="Give one movie, or the images of one sequence.",
        )
    return _probe_movie(files[0], kind, fps)


def exact_fps(fps: float) -> Fraction:
    """A frame rate above 0 as a fraction; 23.976, 29.97 and the like become n x 1000 / 1001."""
    whole = round(fps)
    if whole and abs(fps - whole) > 1e-6 and abs(fps - whole * 1000 / 1001) < 0.005:
        return Fraction(whole * 1000, 1001)
    if fps < 1:
        # Of time lapses the seconds from frame to frame are the plain number.
        return 1 / (Fraction(1) / Fraction(fps)).limit_denominator(1000)
    return Fraction(fps).limit_denominator(1000)


def _probe_movie(file: tuple[str, Path], kind: Kind, fps: float | None) -> ClipInfo:
    name, path = file
    scan = scan_movie(name, path, kind)
    _check_side(name, scan.width, scan.height)
    notes = list(scan.notes)
    seconds = np.array([float(time) for time in scan.times])
    rate, variable = _rate(scan)
    if variable:
        notes.append(
            f"The frame rate varies: each frame keeps its own time, and {float(rate):.3f} fps stands for their average."
        )
    if fps is not None and abs(fps - float(rate)) > 0.01:
        notes.append(f"The movie's own {float(rate):.3f} fps is used; the given {fps:g} fps is for image sequences.")
    count = len(scan.times)
    if scan.declared_frames and count < scan.declared_frames:
        notes.append(f"The file is cut short: it has {count} of {scan.declared_frames} frames.")
    return ClipInfo(
        files=(file,),
        kind=kind,
        width=scan.width,
        height=scan.height,
        frames=count,
        declared_frames=scan.declared_frames,
        fps=rate,
        fps_is_variable=variable,
        timestamps=seconds,
        notes=tuple(notes),
        focal_35mm=scan.focal_35mm,
        scan=scan,
        pixel_aspect=scan.pixel_aspect,
    )


def _rate(scan: MovieScan) -> tuple[Fraction, bool]:
    """(nominal frame rate, whether the frames are unevenly spaced)."""
    if len(scan.times) < 2:
        return scan.rates[0] if scan.rates else DEFAULT_IMAGE_FPS, False
    gaps = np.array([float(later - earlier) for earlier, later in pairwise(scan.times)])
    usual = float(np.median(gaps))
    # Containers round times to their clock: 1 ms in Matroska.
    uneven = np.abs(gaps - usual).max() > max(2.01 * float(scan.time_base), 0.02 * usual)
    average = (len(scan.times) - 1) / float(scan.times[-1] - scan.times[0])
    # A false duration, such as that of the last frame, makes a header's rate false; the frames' times are not.
    tolerance = max(2e-4, 2 * float(scan.time_base / (scan.times[-1] - scan.times[0])))
    named = [rate for rate in scan.rates if abs(float(rate) / average - 1) <= tolerance]
    return (named[0] if named and not uneven else exact_fps(average)), bool(uneven)


def _probe_images(files: Sequence[tuple[str, Path]], fps: float | None) -> ClipInfo:
    files = tuple(files[at] for at in frame_order([name for name, _ in files]))
    kind = sniff(*files[0])
    _check_gaps([name for name, _ in files])
    for name, path in files:
        if (other := sniff(name, path)) != kind:
            raise UserError(
                f"{name} is {other} while {files[0][0]} is {kind}.", advice="Keep one kind of image in the sequence."
            )
    headers = [read_image_header(name, path, kind) for name, path in files]
    width, height = headers[0].width, headers[0].height
    for (name, _), header in zip(files, headers, strict=True):
        _check_alike(name, header, files[0][0], headers[0])
    _check_side(files[0][0], width, height)
    rate = exact_fps(fps) if fps else DEFAULT_IMAGE_FPS
    notes = [] if fps or len(files) == 1 else [f"The images have no frame rate; {DEFAULT_IMAGE_FPS} fps is assumed."]
    if kind == "exr":
        notes.append("EXR colours are read as linear light and shown as sRGB; values above white are clipped.")
    elif kind not in OIIO:
        colours = of_jpeg_or_png(files[0][1])
        notes += [*header_notes(files[0][1]), *filter(None, [colours.note])]
    notes += headers[0].notes
    if headers[0].pixel_aspect != 1:
        notes.append(square_pixels_note(headers[0].pixel_aspect))
    if turned := sum(header.turned != 1 for header in headers):
        notes.append(f"{turned} of {len(files)} images are marked as turned (EXIF orientation); that is applied.")
    return ClipInfo(
        files=files,
        kind=kind,
        width=width,
        height=height,
        frames=len(files),
        declared_frames=None,
        fps=rate,
        fps_is_variable=False,
        timestamps=np.arange(len(files)) / float(rate),
        notes=tuple(notes),
        focal_35mm=focal_of_image(files[0][1]),
        pixel_aspect=headers[0].pixel_aspect,
    )


def _check_alike(name: str, header: ImageHeader, first_name: str, first: ImageHeader) -> None:
    """Refuse an image of another size, or an EXR whose picture is another layer."""
    if (header.width, header.height) != (first.width, first.height):
        raise UserError(
            f"{name} is {header.width} x {header.height} while {first_name} is {first.width} x {first.height}.",
            advice="All images of a sequence must have one size.",
        )
    if header.layer != first.layer:
        raise UserError(
            f"The picture of {name} is layer {header.layer!r}, that of {first_name} is {first.layer!r}.",
            advice="Keep the images of one render in the sequence.",
        )


def _check_side(name: str, width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise UserError(
            f"{name} is {width} x {height}; at most {MAX_SIDE} pixels on a side can be read.",
            advice="Make a smaller copy of the clip.",
        )


def _check_gaps(names: Sequence[str]) -> None:
    """Refuse a sequence, in order, whose numbers skip or repeat. Names without numbers are accepted."""
    numbers = frame_numbers(names) if len(names) > 1 else None
    if numbers is None:
        return
    for (before, after), name in zip(pairwise(numbers), names[1:], strict=True):
        if after > before + 1:
            missing = f"{before + 1}" if after == before + 2 else f"{before + 1} to {after - 1}"
            raise UserError(
                f"The image sequence has a gap before {name}: number {missing} is missing.",
                advice="Render or copy the missing images, or use the part before or after the gap.",
            )
        if after < before:
            raise UserError(
                f"The numbers in the images' names do not count them: {name}, with {after}, follows {before}.",
                advice="Name the images so that one number counts them.",
            )
        if after == before:
            raise UserError(
                f"The image sequence has two images with the number {after}, one of them {name}.",
                advice="Keep the images of one sequence only in the folder.",
            )


def check_amount(frames: int, width: int, height: int) -> None:
    """Refuse more frames or pixels than fit in memory, before anything is decoded."""
    if frames > MAX_FRAMES:
        raise UserError(
            f"{frames} frames are selected; at most {MAX_FRAMES} can be used at once.",
            advice="Choose a part of the clip with --start and --frames (Start and Frames in Blender).",
        )
    if frames * width * height > MAX_WORKING_PIXELS:
        fits = MAX_WORKING_PIXELS // (width * height)
        raise UserError(
            f"{frames} frames of {width} x {height} are more than fits in memory.",
            advice=f"Use at most {fits} frames at this size, or a smaller size.",
        )
