# SPDX-License-Identifier: Apache-2.0
"""Reads and writes image folders, writes mp4 files. Every file appears whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from reangle.errors import UserError
from reangle.media.exr import read_exr_depth, write_exr_colour, write_exr_depth
from reangle.media.parallel import in_order
from reangle.media.png import decode_png, encode_png
from reangle.media.probe import exact_fps

THREADS = min(8, os.cpu_count() or 1)
_MP4_CLOCK = 90_000
_FLAGS = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP


class ImageWriter:
    """Writes 000001.png ... (8 or 16 bits, H x W x 3 RGB or H x W grey) or 000001.exr ... (float32 H x W depth, float16
    H x W x 3 linear RGB) on a pool.

    Use it in a `with`: leaving it waits for all writes and raises their errors. Makes the folder if needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: list[Future[None]] = []
        self._count = 0
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, image: np.ndarray) -> None:
        """Write the next image; the caller must not change it afterwards."""
        self._count += 1
        while len(self._waiting) >= 2 * THREADS:
            self._waiting.pop(0).result()
        stem = self._folder / f"{self._count:06d}"
        self._waiting.append(self._pool.submit(write_image, stem, image))

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._pool.shutdown(wait=True, cancel_futures=error is not None)
        except BaseException:
            # Who interrupts the wait removes the folder next, into which no thread may write any more. An interrupted
            # `join` takes its thread for ended (Python 3.11), so what is being written is waited for instead.
            self._pool.shutdown(wait=False, cancel_futures=True)
            wait(future for future in self._waiting if not future.cancelled())
            raise
        if error is None:
            for future in self._waiting:
                future.result()


def write_images(folder: Path, images: Iterable[np.ndarray]) -> None:
    """Write a whole sequence, see `ImageWriter`."""
    with ImageWriter(folder) as writer:
        for image in images:
            writer.add(image)


def read_images(folder: Path, start: int = 0, count: int | None = None) -> np.ndarray:
    """A folder that `write_images` wrote: T x H x W x 3 RGB or T x H x W grey of uint8 or uint16, or float32 depth.

    Raises UserError if the folder is empty, or an image is damaged or of another size.
    """
    paths = _paths(folder, start, count)
    first = read_image(paths[0])
    images = np.empty((len(paths), *first.shape), first.dtype)

    def read(index: int) -> None:
        image = read_image(paths[index])
        if image.shape != first.shape:
            raise UserError(f"{paths[index]} has another size than {paths[0].name}.", advice="Render them again.")
        images[index] = image

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(len(paths))))
    return images


def images_in_order(folder: Path, count: int) -> Iterator[np.ndarray]:
    """The first images of a folder one by one, read ahead on all cores. Raises as `read_images`, sizes apart."""
    return in_order(read_image, _paths(folder, 0, count))


def _paths(folder: Path, start: int, count: int | None) -> list[Path]:
    paths = sorted(path for path in folder.glob("[0-9]*") if path.suffix in (".png", ".exr"))[start:][:count]
    if not paths:
        raise UserError(f"There are no images in {folder}.", advice="Run the stage that writes them again.")
    return paths


def write_mp4(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: Fraction | float,
    timestamps: Sequence[float] | None = None,
    quality: int = 14,
) -> tuple[int, int]:
    """Encode H x W x 3 uint8 frames as H.264 in mp4: 4:2:0, BT.709 and so tagged, constant quality (CRF).

    fps: kept exactly; 29.97 and the like become n x 1000 / 1001. timestamps: seconds, one per frame and rising, for a
    variable frame rate. Odd sizes are padded by a copy of the last column or row, since 4:2:0 needs even ones. Returns
    the coded (width, height). The file appears once it is complete.
    """
    rate = fps if isinstance(fps, Fraction) else exact_fps(fps)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        size = _encode(temporary, frames, rate, timestamps, quality)
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return size


def _encode(
    path: Path, frames: Iterable[np.ndarray], rate: Fraction, timestamps: Sequence[float] | None, quality: int
) -> tuple[int, int]:
    stream = None
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        for index, rgb in enumerate(frames):
            if rgb.shape[0] % 2 or rgb.shape[1] % 2:
                rgb = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "veryfast"})
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt = "yuv420p"
                codec = stream.codec_context
                codec.color_range, codec.colorspace = ColorRange.MPEG, 1
                codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
                codec.time_base = 1 / rate if timestamps is None else Fraction(1, _MP4_CLOCK)
                codec.thread_count = THREADS
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=_FLAGS,
            )
            frame.pts = index if timestamps is None else round((timestamps[index] - timestamps[0]) * _MP4_CLOCK)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("there are no frames to encode")
        container.mux(stream.encode(None))
        return stream.width, stream.height


def write_image(stem: Path, image: np.ndarray) -> None:
    """Write one image as stem.png (uint8 or uint16, RGB or grey) or stem.exr (float32 depth or float16 linear RGB).

    Raises ValueError for any other image.
    """
    if image.dtype == np.float16:
        write_exr_colour(stem.with_suffix(".exr"), image)
        return
    if image.dtype == np.float32:
        write_exr_depth(stem.with_suffix(".exr"), image)
        return
    data = encode_png(image)
    temporary = stem.with_name(f".{stem.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, stem.with_suffix(".png"))
    finally:
        temporary.unlink(missing_ok=True)


def read_image(path: Path) -> np.ndarray:
    """What `write_image` wrote, except colour in EXR. Raises UserError for a damaged PNG."""
    if path.suffix == ".exr":
        return read_exr_depth(path)
    data = path.read_bytes()
    own = decode_png(data)
    if own is not None:
        return own
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise UserError(f"The image {path} is damaged.", advice="Run the stage that writes it again.")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
