# SPDX-License-Identifier: Apache-2.0
"""Delivers frames with more than 8 bits: those of the clip where the frame shows it, 8 bits elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from reangle.contract import PreviewSettings
from reangle.folders import PreciseWarp, ResultFolder, WarpFolder
from reangle.folders.result import FrameFormat
from reangle.media.parallel import in_order
from reangle.media.srgb import srgb_to_linear
from reangle.media.write import ImageWriter, read_images

STEP = 257
"""16-bit levels per 8-bit level."""

PLAIN = FrameFormat(kind="png", bits=8, encoding="sRGB", primaries="Rec.709")

FORMATS = {
    PreviewSettings().frame_format: PLAIN,
    "png-16-bit": FrameFormat(kind="png-16-bit", bits=16, encoding="sRGB", primaries="Rec.709"),
    "exr-half": FrameFormat(kind="exr-half", bits=16, encoding="scene-linear", primaries="Rec.709"),
}
"""What the files of each setting `frame_format` hold."""


def write_precise(
    frames: Path,
    warp: WarpFolder,
    precise: PreciseWarp,
    out: ResultFolder,
    kind: str,
    count: int,
    chunk: int,
    report: Callable[[float], None],
) -> float:
    """Write the result's frames and its warp in the format `kind`. Returns the share of the pixels, 0 to 1, that have
    the clip's own bits.

    frames: the finished or filled frames, 8 bit. They are the warp's, bit for bit, wherever the clip's own pixels are
    to be shown; there the precise warp takes their place.
    """
    encoded = _linear if FORMATS[kind].encoding == "scene-linear" else _as_it_is

    def mixed(item: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, float]:
        frame, warped, visible, remembered, exact_warp = item
        shown = ((visible | remembered) > 0) & (frame == warped).all(-1)
        frame_16 = np.where(shown[..., None], exact_warp, frame.astype(np.uint16) * np.uint16(STEP))
        return encoded(frame_16), encoded(exact_warp), float(shown.mean())

    shares: list[float] = []
    folders = (frames, warp.warped, warp.visibility, warp.memory, precise.frames)
    with ImageWriter(out.frames) as frame_writer, ImageWriter(out.warped) as warp_writer:
        for start in range(0, count, chunk):
            parts = [read_images(folder, start, min(chunk, count - start)) for folder in folders]
            for frame, warped, share in in_order(mixed, zip(*parts, strict=True)):
                frame_writer.add(frame)
                warp_writer.add(warped)
                shares.append(share)
                report(len(shares) / count)
    return float(np.mean(shares))


def _as_it_is(image: np.ndarray) -> np.ndarray:
    return image


def _linear(image: np.ndarray) -> np.ndarray:
    """H x W x 3 uint16 sRGB to linear light as float16."""
    return srgb_to_linear(image.astype(np.float32) / np.float32(65535)).astype(np.float16)
