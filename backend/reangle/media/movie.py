# SPDX-License-Identifier: Apache-2.0
"""Movies through FFmpeg: opened safely, scanned for the time of every frame, decoded from any frame on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reangle.errors import UserError
from reangle.media.colour import HDR_TRANSFERS, has_alpha, matrix_of
from reangle.media.framing import square_size
from reangle.media.lens import focal_of_movie
from reangle.media.sniff import Kind, riff_is_whole

MAX_PACKETS = 2_000_000
"""Most frames that are counted: 18 hours at 30 a second."""
MAX_CODED_SIDE = 8192 + 64  # codecs pad to whole blocks
_FORMATS = {"mov": "mov", "matroska": "matroska", "avi": "avi", "mpegts": "mpegts"}
_NO_MOVIE = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
_WIDE_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}


@dataclass(frozen=True, eq=False)
class MovieScan:
    """A movie's properties, from its packets and its first frame.

    times: exact seconds of every frame from the first one, rising. pts: the same in the stream's ticks. rates: frames
    per second that the header names, which may be false. declared_frames: the container's frame count without hidden
    frames, or None. turn: signs of the display matrix's 2 x 2 part. width, height: upright with square pixels. decoder:
    replaces FFmpeg's choice unless "". counted: times come from counting frames. focal_35mm, pixel_aspect: as in
    `ClipInfo`. coded_size: width and height of the first frame as it is stored.
    """

    times: tuple[Fraction, ...]
    pts: tuple[int, ...]
    time_base: Fraction
    rates: tuple[Fraction, ...]
    declared_frames: int | None
    width: int
    height: int
    turn: np.ndarray
    decoder: str
    counted: bool
    focal_35mm: float | None
    pixel_aspect: float
    coded_size: tuple[int, int]
    notes: tuple[str, ...]


def scan_movie(name: str, path: Path, kind: Kind) -> MovieScan:
    """Read every packet and decode the first frame. Raises UserError if there is no video or it is over the limits."""
    with _open(name, path, kind) as (container, stream):
        if max(stream.width, stream.height) > MAX_CODED_SIDE:
            raise UserError(
                f"{name} is {stream.width} x {stream.height}, larger than 8K.", advice="Make a smaller copy of it."
            )
        time_base = stream.time_base or Fraction(1, av.time_base)
        declared = stream.frames
        focal_35mm = focal_of_movie(stream.metadata, container.metadata)
        rates = tuple(one for one in (stream.average_rate, stream.guessed_rate, stream.base_rate) if one)
        sar = stream.sample_aspect_ratio or Fraction(1)
        # FFmpeg's own VP8 and VP9 decoders drop the alpha plane; libvpx decodes it.
        decoder = ""
        if stream.metadata.get("alpha_mode") == "1" and stream.codec_context.name in ("vp8", "vp9"):
            decoder = "libvpx" if stream.codec_context.name == "vp8" else "libvpx-vp9"
        tracks_note = _tracks_note(name, container, stream)
        ticks: list[int | None] = []
        hidden = 0
        for packet in _packets(container, stream):
            # Frames hidden by an edit list are decoded because others depend on them, and never shown. Empty packets
            # say that the picture before stays.
            if packet.is_discard or (not packet.size and packet.dts is not None):
                hidden += 1
            elif packet.size:
                # AVI counts frames, those that were dropped, too. FFmpeg's pts are out of order where frames are coded
                # out of order.
                ticks.append(packet.dts if kind == "avi" or packet.pts is None else packet.pts)
            if len(ticks) > MAX_PACKETS:
                raise UserError(
                    f"{name} has more than {MAX_PACKETS} frames, which is too long to read.",
                    advice="Cut out the part you need.",
                )
    if not ticks:
        raise _no_video(name, "its video track is empty")
    first = _first_frame(name, path, kind, decoder)
    known = sorted({tick for tick in ticks if tick is not None})
    notes = []
    repeated = len(known) < len(ticks)
    counted = repeated or kind == "avi"
    if repeated:
        step = 1 / (rates[0] if rates else Fraction(24)) / time_base
        known = [round(index * step) for index in range(len(ticks))]
        notes.append(f"{name} lacks times for some frames; its frame rate is used instead.")
    turn, turn_note = _turn(first)
    width, height = first.width, first.height
    aspect = float(sar) if sar > 0 else 1.0
    if aspect != 1:
        notes.append(square_pixels_note(aspect))
        width, height = square_size(width, height, aspect)
    if not round(turn[0, 0]):
        width, height, aspect = height, width, 1 / aspect
    if declared and len(ticks) + hidden < declared and _is_whole(name, path, kind, declared):
        # Neither dropped frames at an AVI's end nor frames outside an edit list leave packets.
        declared = len(ticks) + hidden
    return MovieScan(
        times=tuple((tick - known[0]) * time_base for tick in known),
        pts=tuple(known),
        time_base=time_base,
        rates=rates,
        declared_frames=declared - hidden if declared else None,
        width=width,
        height=height,
        turn=turn,
        decoder=decoder,
        counted=counted,
        focal_35mm=focal_35mm,
        pixel_aspect=aspect,
        coded_size=(first.width, first.height),
        notes=(*tracks_note, *notes, *turn_note, *_colour_notes(first)),
    )


def _is_whole(name: str, path: Path, kind: Kind, declared: int) -> bool:
    """Whether all is there of a movie that shows fewer frames than its header declares."""
    if kind != "mov":
        return kind == "avi" and riff_is_whole(path)
    with _open(name, path, kind, ignore_editlist="1") as (container, stream):
        return sum(packet.size > 0 for packet in _packets(container, stream)) >= declared


def decode_from(name: str, path: Path, kind: Kind, scan: MovieScan, start: int) -> Iterator[tuple[int, VideoFrame]]:
    """(frame number, decoded frame) from frame `start` on, in order, without frames that cannot be decoded."""
    if start and not scan.counted:
        frames = _numbered(name, path, kind, scan, seek_to=scan.pts[start])
        head = next(frames, None)
        # Some files cannot be seeked; then everything before `start` is decoded too.
        if head is not None and head[0] <= start:
            if head[0] == start:
                yield head
            yield from (item for item in frames if item[0] >= start)
            return
    yield from (item for item in _numbered(name, path, kind, scan, seek_to=None) if item[0] >= start)


def _numbered(
    name: str, path: Path, kind: Kind, scan: MovieScan, seek_to: int | None
) -> Iterator[tuple[int, VideoFrame]]:
    with _open(name, path, kind) as (container, stream):
        if seek_to is not None:
            container.seek(seek_to, stream=stream)
        last = -1
        for frame in _decoded(container, stream, scan.decoder):
            number = last + 1 if scan.counted or frame.pts is None else bisect_left(scan.pts, frame.pts)
            if last < number < len(scan.pts):
                _check_size(name, number, frame, scan)
                yield number, frame
                last = number


def _check_size(name: str, number: int, frame: VideoFrame, scan: MovieScan) -> None:
    """Refuse a frame of another shape than the first one's; one of the same shape is resized like the others."""
    width, height = scan.coded_size
    if abs(frame.width * height / (frame.height * width) - 1) > 0.02:
        other = f"{frame.width} x {frame.height}"
        raise UserError(
            f"The picture of {name} changes from {width} x {height} to {other} at frame {number}.",
            advice="Use the frames before it, or cut the part that you need into a movie of its own.",
        )


def square_pixels_note(aspect: float) -> str:
    return f"Pixels are {aspect:.3f} times as wide as high; the picture is resized to square pixels."


def _first_frame(name: str, path: Path, kind: Kind, decoder: str) -> VideoFrame:
    with _open(name, path, kind) as (container, stream):
        for frame in _decoded(container, stream, decoder):
            return frame
    raise _no_video(name, "none of its frames can be decoded")


# From version 19 on, PyAV accepts any bytes as metadata, and no longer the argument.
_REPLACE_BAD_METADATA: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


@contextmanager
def _open(name: str, path: Path, kind: Kind, **more: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    # FFmpeg must not probe the format, and may open plain files only.
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS[kind], **more}
    try:
        container = av.open(
            str(path.absolute()), format=_FORMATS[kind], container_options=options, **_REPLACE_BAD_METADATA
        )
    except FFmpegError as error:
        raise _no_video(name, "its index is missing or damaged") from error
    with container:
        streams = _video_streams(container)
        if not streams:
            raise _no_video(name, "it has only sound" if container.streams.audio else "it has no video track")
        if streams[0].codec_context is None:
            raise UserError(
                f"{name} is coded in a way that cannot be decoded here.",
                advice="Convert it to H.264, H.265, VP9, AV1 or ProRes.",
            )
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def _video_streams(container: InputContainer) -> list[VideoStream]:
    """The video tracks, best first: those that can be decoded, then those marked as default, then the largest."""

    def rank(stream: VideoStream) -> tuple[bool, bool, int]:
        codec: Any = stream.codec_context
        area = stream.width * stream.height if codec is not None else 0
        return codec is None, not stream.disposition & Disposition.default, -area

    return sorted((one for one in container.streams.video if not one.disposition & _NO_MOVIE), key=rank)


def _tracks_note(name: str, container: InputContainer, used: VideoStream) -> list[str]:
    streams = sorted(_video_streams(container), key=lambda stream: stream.index)
    if len(streams) < 2:
        return []
    number = [stream.index for stream in streams].index(used.index) + 1
    return [f"{name} has {len(streams)} video tracks; number {number} ({used.width} x {used.height}) is used."]


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Any]:
    """The stream's packets, up to its end or to the point where the file is cut short."""
    try:
        yield from container.demux(stream)
    except FFmpegError:
        return


def _decoded(container: InputContainer, stream: VideoStream, decoder: str) -> Iterator[VideoFrame]:
    """Frames that can be decoded; damaged packets are skipped."""
    codec: Any = stream.codec_context
    if decoder:
        codec = av.CodecContext.create(decoder, "r")
        codec.extradata = stream.codec_context.extradata
    flushed = False
    for packet in _packets(container, stream):
        flushed = packet.size == 0
        try:
            yield from codec.decode(packet)
        except FFmpegError:
            continue
    if not flushed:
        try:
            yield from codec.decode(None)
        except FFmpegError:
            return


def _turn(frame: VideoFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """(signs of the 2 x 2 part of the display matrix, notes). Only quarter turns and mirrors are applied.

    The scale is only the size at which players open a window. If it differs between width and height, FFmpeg reports it
    as the pixel aspect.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return np.eye(2), ()
    stored = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2] / 65536
    matrix = np.sign(np.where(np.abs(stored) > 1e-3 * np.abs(stored).max(), stored, 0))
    if np.array_equal(matrix, np.eye(2)):
        return matrix, ()
    if not (np.abs(matrix).sum(axis=0) == 1).all() or not (np.abs(matrix).sum(axis=1) == 1).all():
        return np.eye(2), ("The file has a rotation that is no quarter turn; it is not applied.",)
    if np.linalg.det(matrix) < 0:
        return matrix, ("The file is marked as mirrored; that is applied.",)
    degrees = round(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))) % 360
    return matrix, (f"The file is marked as turned by {degrees} degrees clockwise; that is applied.",)


def _colour_notes(frame: VideoFrame) -> tuple[str, ...]:
    notes = []
    if transfer := HDR_TRANSFERS.get(frame.color_trc):
        notes.append(
            f"HDR ({transfer}) is mapped to SDR: BT.2390 highlight compression to 203 cd/m2, BT.2020 to BT.709 colours."
        )
    elif wide := _WIDE_PRIMARIES.get(frame.color_primaries):
        notes.append(f"The clip's {wide} colours are shown as BT.709, slightly less saturated than intended.")
    if matrix_of(frame) == 10:
        notes.append("Constant-luminance BT.2020 is read as non-constant luminance; colours may be slightly off.")
    if frame.interlaced_frame:
        notes.append("The clip is interlaced and used as it is; deinterlace it first if moving edges show combs.")
    if has_alpha(frame):
        notes.append("The clip has transparency; it is kept in alpha/ beside the frames.")
    return tuple(notes)


def _no_video(name: str, why: str) -> UserError:
    return UserError(
        f"{name} has no video that can be read: {why}.",
        advice="Copy or export the clip again; if it plays elsewhere, convert it to mp4 (H.264).",
    )
