# SPDX-License-Identifier: Apache-2.0
"""TIFF, DPX, TGA, BMP and WebP by OpenImageIO."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reangle.contract import MAX_SIDE
from reangle.errors import UserError
from reangle.media.framing import square_size
from reangle.media.image_colours import PLAIN, Colours, by_cineon, by_light, by_name, by_profile
from reangle.media.image_headers import TURNS_SIDES

PLUGINS = {"tiff": "tiff", "dpx": "dpx", "tga": "targa", "bmp": "bmp", "webp": "webp"}
"""OpenImageIO's name for each kind."""
NAMES = {"tiff": "TIFF", "dpx": "DPX", "tga": "TGA", "bmp": "BMP", "webp": "WebP"}
_LOGARITHMIC = ("Logarithmic", "Printing density")
_LAB = (8, 9, 10)
"""TIFF's photometric interpretations that are CIE L*a*b*."""
_ADVICE = "Save it as RGB."


@dataclass(frozen=True)
class OiioHeader:
    """width, height: as stored. turned: EXIF's orientation. pixel_aspect: of a stored pixel. notes: for the artist."""

    width: int
    height: int
    turned: int
    pixel_aspect: float
    colours: Colours
    notes: tuple[str, ...]

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) upright, with square pixels."""
        width, height = square_size(self.width, self.height, self.pixel_aspect)
        return (height, width) if self.turned in TURNS_SIDES else (width, height)

    @property
    def upright_aspect(self) -> float:
        return 1 / self.pixel_aspect if self.turned in TURNS_SIDES else self.pixel_aspect


def read_oiio_header(name: str, path: Path, kind: str) -> OiioHeader:
    """Read without decoding. Raises UserError for a damaged header, and for what is no picture in RGB or grey."""
    file = _open(name, path, kind)
    try:
        spec = file.spec()
        _check(name, kind, spec)
        notes: list[str] = []
        if file.seek_subimage(1, 0):
            if kind == "webp":
                raise UserError(f"{name} is an animation.", advice="Save its frames as PNG, or as a movie.")
            notes.append(f"The {NAMES[kind]} has several pages; the first is used.")
    finally:
        file.close()
    aspect = float(spec.get_float_attribute("PixelAspectRatio", 1.0))
    aspect = aspect if 0.1 <= aspect <= 10 and abs(aspect - 1) > 0.01 else 1.0
    if kind != "dpx" and aspect != 1:
        notes.append("The images' headers say that their pixels are not square; they are used as square ones.")
        aspect = 1.0
    colours = _colours(kind, spec)
    notes += [colours.note] if colours.note else []
    if spec.get_string_attribute("tiff:ColorSpace") == "CMYK":
        notes.append("The images' colours are for print (CMYK); they are converted to RGB without a profile.")
    turned = spec.get_int_attribute("Orientation", 1)
    return OiioHeader(spec.width, spec.height, turned if 1 <= turned <= 8 else 1, aspect, colours, tuple(notes))


def read_oiio_pixels(name: str, path: Path, kind: str) -> tuple[np.ndarray, np.ndarray | None, OiioHeader]:
    """Colour as stored, H x W x 3 uint8 or float32 with 1 for white, and straight alpha H x W of its type or None.

    Raises UserError if the file is damaged or cut short.
    """
    header = read_oiio_header(name, path, kind)
    file = _open(name, path, kind)
    try:
        spec = file.spec()
        is_bytes = str(spec.format) == "uint8"
        pixels = file.read_image(0, 0, 0, spec.nchannels, "uint8" if is_bytes else "float")
        error = file.geterror()
    finally:
        file.close()
    if pixels is None or error:
        raise _damaged(name, kind)
    pixels = np.asarray(pixels).reshape(spec.height, spec.width, spec.nchannels)
    if not is_bytes:
        pixels = np.nan_to_num(pixels, nan=0.0, posinf=65504.0, neginf=0.0)
    channels = list(spec.channelnames)
    letters = "RGB" if {"R", "G", "B"} <= set(channels) else "YYY"
    colour = np.stack([pixels[..., channels.index(letter)] for letter in letters], axis=-1)
    if "A" not in channels:
        return colour, None, header
    alpha = np.ascontiguousarray(pixels[..., channels.index("A")])
    is_straight = kind in ("bmp", "dpx") or spec.get_int_attribute("oiio:UnassociatedAlpha")
    return (colour if is_straight else _divided(colour, alpha)), alpha, header


def _open(name: str, path: Path, kind: str) -> Any:
    """Raises UserError for a damaged header."""
    try:
        import OpenImageIO as oiio  # noqa: N813 - as its documentation names it
    except ImportError as error:
        raise UserError(
            f"{name} is {NAMES[kind]}, and the package OpenImageIO that reads it is not installed.",
            advice="Install the backend again, or convert the images to PNG.",
        ) from error
    oiio.attribute("threads", 1)  # frames are read in threads already
    wishes = oiio.ImageSpec()
    wishes.attribute("oiio:UnassociatedAlpha", 1)
    file = oiio.ImageInput.open(str(path), wishes)
    if file is None:
        oiio.geterror()  # it would print what nobody has read
        raise _damaged(name, kind)
    if file.format_name() != PLUGINS[kind]:
        file.close()
        raise _damaged(name, kind)
    return file


def _check(name: str, kind: str, spec: Any) -> None:
    channels = set(spec.channelnames)
    if max(spec.width, spec.height) > MAX_SIDE or min(spec.width, spec.height) < 1 or spec.depth > 1:
        depth = f" x {spec.depth}" if spec.depth > 1 else ""
        raise UserError(
            f"{name} is {spec.width} x {spec.height}{depth}; at most {MAX_SIDE} pixels on a side can be read.",
            advice="Make a smaller copy of the clip.",
        )
    if spec.get_int_attribute("tiff:PhotometricInterpretation", 2) in _LAB:
        raise UserError(f"{name} has the colours of CIE L*a*b*, which cannot be read here.", advice=_ADVICE)
    if spec.deep or not ({"R", "G", "B"} <= channels or "Y" in channels):
        raise UserError(
            f"{name} has no colour; its channels are {', '.join(spec.channelnames)}.",
            advice="Give images with R, G and B channels as the clip.",
        )


def _colours(kind: str, spec: Any) -> Colours:
    """What the file says of its colours; what it does not say is named in a note, unless everybody means sRGB."""
    if kind == "dpx":
        return _dpx_colours(spec)
    profile = spec.getattribute("ICCProfile")
    if profile is not None and spec.nchannels >= 3 and spec.get_string_attribute("tiff:ColorSpace") != "CMYK":
        try:
            return by_profile(np.asarray(profile, np.uint8).tobytes())
        except ValueError:
            return Colours(is_known=False, note="The images' colour profile is damaged; they are shown as sRGB.")
    if space := spec.get_string_attribute("oiio:ColorSpace"):
        return by_name(space) or Colours(
            is_known=False, note=f"The images' colours ({space}) are not known here; they are shown as sRGB."
        )
    if kind == "tiff" and str(spec.format) in ("float", "half", "double"):
        light = by_light("linear light", lambda rgb: rgb, clips=True)
        note = (
            "The images hold decimal numbers and do not say their colours; they are read as linear light and shown as "
            "sRGB; values above white are clipped."
        )
        return Colours(light.name, light.convert, is_known=False, note=note)
    return PLAIN


def _dpx_colours(spec: Any) -> Colours:
    transfer = spec.get_string_attribute("dpx:Transfer")
    if transfer in _LOGARITHMIC:
        return by_cineon()
    if space := spec.get_string_attribute("oiio:ColorSpace"):
        return by_name(space) or PLAIN
    said = f"say {transfer!r} of" if transfer not in ("", "Undefined", "User defined") else "do not say"
    return Colours(
        is_known=False,
        note=f"The DPX images {said} their colours; they are shown as sRGB. Film scans that look flat are logarithmic: "
        "convert those to sRGB.",
    )


def _divided(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colour that was multiplied by alpha, without it."""
    whole = np.float32(255 if colour.dtype == np.uint8 else 1)
    share = alpha.astype(np.float32)[..., None] / whole
    straight = colour / np.where(share > 1e-4, share, 1)
    return np.rint(straight.clip(0, 255)).astype(np.uint8) if colour.dtype == np.uint8 else straight.astype(np.float32)


def _damaged(name: str, kind: str) -> UserError:
    return UserError(f"The {NAMES[kind]} {name} is damaged or cut short.", advice="Render or copy it again.")
