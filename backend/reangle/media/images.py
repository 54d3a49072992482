# SPDX-License-Identifier: Apache-2.0
"""Single images: size from the header, pixels as straight 8-bit RGB and alpha, or as 16-bit RGB."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from PIL import Image

from reangle.errors import UserError
from reangle.media.exr import read_exr_header, read_exr_image
from reangle.media.framing import Framing
from reangle.media.image_colours import Colours, of_jpeg_or_png
from reangle.media.image_headers import (
    TURNS_SIDES,
    jpeg_coding,
    jpeg_end,
    jpeg_size,
    orientation,
    png_size,
    turned_upright,
)
from reangle.media.oiio_images import read_oiio_header, read_oiio_pixels
from reangle.media.sniff import OIIO, Kind
from reangle.media.srgb import linear_to_srgb, srgb_encoded

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


@dataclass(frozen=True)
class ImageHeader:
    """An image without its pixels. width, height: upright, with square pixels. turned: EXIF's orientation, 1 to 8.

    layer: of an EXR, as in `ExrHeader`. notes: for the artist.
    """

    width: int
    height: int
    pixel_aspect: float = 1.0
    turned: int = 1
    layer: str | None = None
    notes: tuple[str, ...] = ()


def read_image_header(name: str, path: Path, kind: Kind) -> ImageHeader:
    """Read without decoding. Raises UserError for a damaged header."""
    if kind == "exr":
        exr = read_exr_header(path, name)
        return ImageHeader(exr.width, exr.height, exr.pixel_aspect, layer=exr.layer, notes=exr.notes)
    if kind in OIIO:
        stored = read_oiio_header(name, path, kind)
        return ImageHeader(*stored.upright_size, stored.upright_aspect, stored.turned, notes=stored.notes)
    size = png_size(path) if kind == "png" else jpeg_size(path) or _size_by_decoder(path)
    if size is None or 0 in size:
        raise _damaged(name)
    turned = orientation(path, kind)
    width, height = size[::-1] if turned in TURNS_SIDES else size
    return ImageHeader(width, height, turned=turned)


def read_working_image(name: str, path: Path, kind: Kind, framing: Framing) -> tuple[np.ndarray, np.ndarray | None]:
    """One image upright at the working size: H x W x 3 uint8 RGB, and H x W uint8 alpha or None."""
    if kind == "exr":
        colour, alpha = _exr_colour(name, path, framing)
        return linear_to_srgb(colour), alpha
    if kind in OIIO:
        pixels, alpha, stored = read_oiio_pixels(name, path, kind)
        if alpha is not None:
            pixels = np.dstack([pixels, alpha])
        return _framed(turned_upright(pixels, stored.turned), framing, stored.colours)
    pixels = turned_upright(_decode(name, path, kind), orientation(path, kind))
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(np.float32) / np.float32(65535)
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    order = [2, 1, 0, *range(3, pixels.shape[2])]
    return _framed(pixels[..., order], framing, of_jpeg_or_png(path))


def _framed(pixels: np.ndarray, framing: Framing, colours: Colours) -> tuple[np.ndarray, np.ndarray | None]:
    """RGB or RGBA, uint8 or float32 with 1 for white, at the working size: sRGB, and alpha or None."""
    pixels = framing.apply(pixels)
    rgb = np.ascontiguousarray(colours.to_srgb(np.ascontiguousarray(pixels[..., :3])))
    if pixels.shape[2] < 4:
        return rgb, None
    alpha = pixels[..., 3] if pixels.dtype == np.uint8 else np.rint(255 * np.clip(pixels[..., 3], 0, 1))
    return rgb, np.ascontiguousarray(alpha, np.uint8)


def read_precise_image(name: str, path: Path, kind: Kind, framing: Framing) -> np.ndarray:
    """As `read_working_image`, H x W x 3 uint16 with all the bits that the file has, without its alpha."""
    if kind == "exr":
        return np.rint(65535 * srgb_encoded(_exr_colour(name, path, framing)[0])).astype(np.uint16)
    if kind in OIIO:
        pixels, _, stored = read_oiio_pixels(name, path, kind)
        pixels, colours = turned_upright(pixels, stored.turned), stored.colours
    else:
        pixels, colours = turned_upright(_decode(name, path, kind), orientation(path, kind)), of_jpeg_or_png(path)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels[..., 2::-1]
    if pixels.dtype != np.float32:
        pixels = pixels.astype(np.float32) / np.float32(65535 if pixels.dtype == np.uint16 else 255)
    return np.ascontiguousarray(colours.to_precise_srgb(np.ascontiguousarray(framing.apply(pixels))))


def _exr_colour(name: str, path: Path, framing: Framing) -> tuple[np.ndarray, np.ndarray | None]:
    """Straight linear RGB, H x W x 3 float32, and alpha, H x W uint8 or None, at the working size."""
    colour, alpha = read_exr_image(path, name)
    colour = np.nan_to_num(colour, nan=0.0, posinf=65504.0, neginf=0.0)
    if alpha is not None:
        alpha = np.nan_to_num(alpha, nan=0.0, posinf=1.0, neginf=0.0)
        # EXR colour is multiplied by alpha; PNG colour is not.
        colour = colour / np.where(alpha > 1e-4, alpha, 1)[..., None]
        alpha = np.rint(255 * np.clip(framing.apply(alpha), 0, 1)).astype(np.uint8)
    return framing.apply(colour), alpha


def _decode(name: str, path: Path, kind: Kind) -> np.ndarray:
    """BGR(A) or grey, 8 or 16 bit, as stored."""
    # From bytes: on Windows, OpenCV cannot open paths outside the system's code page.
    data = np.fromfile(path, np.uint8)
    pixels = _decoded(data)
    # OpenCV reads zeros at the end, where a copy ended early, as picture, and shows what is missing before an end
    # marker as grey.
    if kind == "jpeg" and (pixels is None or data[-1] == 0):
        pixels = _without_end_marker(data.tobytes())
    elif kind == "jpeg" and not _satisfies_ffmpeg(data.tobytes()):
        pixels = _whole_picture(data.tobytes()[: jpeg_end(path)])
    if kind == "png" and pixels is None:
        pixels = _without_end_chunk(data.tobytes())
    if pixels is None and kind == "jpeg" and (coding := jpeg_coding(path)):
        raise UserError(
            f"{name} is a JPEG with {coding}, which cannot be read here.",
            advice="Convert it to PNG or to a usual JPEG.",
        )
    if pixels is None:
        raise _damaged(name)
    return pixels


def _decoded(data: np.ndarray) -> np.ndarray | None:
    try:
        return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def _satisfies_ffmpeg(jpeg: bytes) -> bool:
    """Whether FFmpeg, which is stricter than OpenCV but reads fewer kinds, decodes all of a JPEG."""
    codec = av.CodecContext.create("mjpeg", "r")
    codec.options = {"err_detect": "explode"}
    codec.thread_count = 1
    try:
        return bool(codec.decode(av.Packet(jpeg)) or codec.decode(None))
    except FFmpegError:
        return False


def _without_end_marker(data: bytes) -> np.ndarray | None:
    """The picture of a JPEG that only lacks its end marker, as webcams write them; None if picture is missing."""
    bare = data.rstrip(b"\0")
    if bare.endswith(b"\xff"):
        # FF 00 is a byte of the picture; FF alone is half an end marker.
        bare = bare[:-1] if bare == data else data[: len(bare) + 1]
    return _whole_picture(bare)


def _whole_picture(scan: bytes) -> np.ndarray | None:
    """The picture of a JPEG up to its end marker; None if more bits behind it change it, so that picture is missing."""
    first, second = (_decoded(np.frombuffer(scan + more + b"\xff\xd9", np.uint8)) for more in (b"", b"\x55\xaa" * 200))
    return first if first is not None and second is not None and np.array_equal(first, second) else None


def _without_end_chunk(data: bytes) -> np.ndarray | None:
    """The picture of a PNG that only lacks its end; None if picture is missing."""
    at = 8
    while at + 12 <= len(data) and at + 12 + int.from_bytes(data[at : at + 4], "big") <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    whole = data[:at] + _PNG_END
    try:
        with Image.open(BytesIO(whole), formats=("PNG",)) as image:
            image.load()  # OpenCV does not say if rows are missing
    except Exception:  # Pillow raises errors of many kinds for damaged files
        return None
    return _decoded(np.frombuffer(whole, np.uint8))


def _size_by_decoder(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return image.size
    except Exception:  # Pillow raises errors of many kinds for damaged files
        return None


def _damaged(name: str) -> UserError:
    return UserError(f"The image {name} is damaged or cut short.", advice="Render or copy it again.")
