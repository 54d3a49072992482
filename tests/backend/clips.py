# SPDX-License-Identifier: Apache-2.0
"""Tiny clips written by the tests, and short calls into `reangle.media`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from reangle.folders import DecodedClip
from reangle.media.decode import decode_frames, select
from reangle.media.probe import ClipInfo, probe_clip
from reangle.media.spec import DECODE
from reangle.media.stage import decode
from reangle.runtime.stage import StageContext

RED, GREEN, BLUE, GREY = (220, 30, 40), (40, 200, 60), (30, 50, 210), (128, 128, 128)
QUARTERS = (RED, GREEN, BLUE, GREY)


def quarters(width: int, height: int) -> np.ndarray:
    """Red, green / blue, grey."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, GREY
    return image


def corners(image: np.ndarray) -> list[list[int]]:
    height, width = image.shape[:2]
    return [image[y, x].tolist() for y in (height // 5, 4 * height // 5) for x in (width // 5, 4 * width // 5)]


def numbered(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Grey frames whose brightness encodes their number."""
    return [np.full((height, width, 3), 20 + 4 * number, np.uint8) for number in range(count)]


def number_of(image: np.ndarray) -> int:
    return round((float(image.mean()) - 20) / 4)


def write_movie(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 24,
    times: Sequence[int] | None = None,
    rotation: int | None = None,
    matrix: int | None = 1,
    transfer: int = 1,
    source: str = "rgb24",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a movie packet by packet; times are in 1/1000 s."""
    with av.open(str(path), "w", options=container or {}) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.color_trc = transfer
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None:
            stream.set_display_rotation(rotation)
        to = {1: Colorspace.ITU709, 9: Colorspace.BT2020}.get(matrix or 0, Colorspace.ITU601)
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, source)
            if pixels != source:
                frame = frame.reformat(format=pixels, dst_colorspace=to)
            frame.pts = index if times is None else times[index]
            frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def probe(path: Path, fps: float | None = None) -> ClipInfo:
    return probe_clip([(path.name, path)], fps)


def images(info: ClipInfo, start: int = 0) -> list[np.ndarray]:
    return [frame.rgb for frame in decode_frames(info, select(info, start))]


def run_stage(folder: Path, *files: Path, **params: object) -> tuple[Path, dict]:
    out = folder / "out"
    out.mkdir()
    given = tuple((file.name, file) for file in files)
    reports: list[float] = []
    decode(
        StageContext(
            params=DECODE.params_from_json(params),
            out=DecodedClip(out),
            files={"clip": given},
            report=lambda fraction, _: reports.append(fraction),
        )
    )
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    return out, json.loads(DecodedClip(out).metadata_file.read_text(encoding="utf-8"))
