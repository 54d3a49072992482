# SPDX-License-Identifier: Apache-2.0
"""What an image's numbers mean as colours, by what its file says, and the way from there to sRGB."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from reangle.media.colour import tone_map
from reangle.media.exr_colour import to_bt709
from reangle.media.srgb import srgb_encoded, srgb_to_linear

SRGB_CONFIG, SRGB = "ocio://studio-config-latest", "srgb_rec709_scene"
"""OpenColorIO's built-in configuration, and the name that it has for sRGB."""
_NO_CACHE = 0x0040
"""Little CMS keeps the last pixel in the transform, which threads share."""

Convert = Callable[[np.ndarray], np.ndarray]
"""H x W x 3 float32, 1 the largest number of whole numbers, to H x W x 3 sRGB: float with 1 for white, or uint8."""


@dataclass(frozen=True)
class Colours:
    """name: as artists call them. convert: None for sRGB. is_known: whether the file says it.

    note: what is done to them, for the artist; "" if nothing is.
    """

    name: str = "sRGB"
    convert: Convert | None = None
    is_known: bool = True
    note: str = ""

    def to_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """H x W x 3, uint8 or float32 with 1 for white, to uint8 sRGB."""
        return _bytes(self._encoded(rgb))

    def to_precise_srgb(self, rgb: np.ndarray) -> np.ndarray:
        """As `to_srgb`, to uint16 with all the bits that the conversion keeps: those of a profile or of HDR are 8."""
        encoded = self._encoded(rgb)
        if encoded.dtype == np.uint8:
            return encoded.astype(np.uint16) * np.uint16(257)
        return np.rint(65535 * np.clip(encoded, 0, 1)).astype(np.uint16)

    def _encoded(self, rgb: np.ndarray) -> np.ndarray:
        if self.convert is None:
            return rgb
        return self.convert(rgb.astype(np.float32) / np.float32(255) if rgb.dtype == np.uint8 else rgb)


PLAIN = Colours(is_known=False)


def converted(name: str, convert: Convert, *, clips: bool = False) -> Colours:
    """Colours that are not sRGB. clips: whether they can be brighter than white."""
    more = "; values above white are clipped" if clips else ""
    return Colours(name, convert, note=f"The images' colours ({name}) are converted to sRGB{more}.")


def by_profile(profile: bytes) -> Colours:
    """Of an RGB image with an ICC profile. Raises ValueError if the profile is none of RGB or is damaged."""
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        name = ImageCms.getProfileDescription(opened).strip()
        if profile[16:20] != b"RGB ":
            raise ValueError("the profile is not of RGB")
        if "srgb" in name.lower():
            return Colours(name)
        _transform(profile)
    except (ImageCms.PyCMSError, OSError) as error:
        raise ValueError(str(error)) from error
    return converted(name, lambda rgb: _through_profile(profile, rgb))


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform:
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | _NO_CACHE
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, target, "RGB", "RGB", intent, flags)


def _through_profile(profile: bytes, rgb: np.ndarray) -> np.ndarray:
    return np.asarray(ImageCms.applyTransform(Image.fromarray(_bytes(rgb)), _transform(profile)))


def by_light(
    name: str, to_light: Convert, chromaticities: tuple[float, ...] | None = None, *, clips: bool = False
) -> Colours:
    """Colours that `to_light` makes linear light of these primaries, BT.709's if None."""
    matrix = to_bt709(chromaticities)

    def convert(rgb: np.ndarray) -> np.ndarray:
        light = to_light(rgb).astype(np.float32)
        return srgb_encoded(light if matrix is None else light @ matrix.T)

    return converted(name, convert, clips=clips)


def by_gamma(gamma: float, chromaticities: tuple[float, ...] | None = None) -> Colours:
    """gamma: the power that makes linear light of the numbers."""
    return by_light(f"gamma {gamma:.2g}", lambda rgb: np.clip(rgb, 0, 1) ** gamma, chromaticities)


def by_hdr(transfer: str) -> Colours:
    """PQ or HLG with BT.2020 primaries."""
    return converted(f"HDR, {transfer}", lambda rgb: tone_map(np.clip(rgb, 0, 1), transfer))


def by_cineon() -> Colours:
    """Densities of scanned film negative, as Cineon and logarithmic DPX hold them."""
    return by_light("Cineon log", cineon_to_linear, clips=True)


def cineon_to_linear(encoded: np.ndarray) -> np.ndarray:
    """Densities 0..1 of 1023 steps to linear light: step 95 is black, 685 white, 0.002 density a step, gamma 0.6."""
    black = 10 ** ((95 - 685) * 0.002 / 0.6)
    return (10 ** ((1023 * encoded - 685) * (0.002 / 0.6)) - black) / (1 - black)


def by_name(space: str) -> Colours | None:
    """The colour space that a file names, as OpenColorIO's built-in configuration knows it; None if it does not."""
    import OpenImageIO as oiio  # noqa: N813 - as its documentation names it

    known = _config().resolve(space)
    if known not in _config().getColorSpaceNames():
        oiio.geterror()
        return None
    if _config().resolve(SRGB) == known:
        return Colours()

    def convert(rgb: np.ndarray) -> np.ndarray:
        source = oiio.ImageBuf(np.ascontiguousarray(rgb, np.float32))
        result = oiio.ImageBufAlgo.colorconvert(source, space, SRGB, unpremult=False, colorconfig=SRGB_CONFIG)
        if result.has_error:
            raise RuntimeError(result.geterror())
        return np.asarray(result.get_pixels(oiio.FLOAT)).reshape(rgb.shape)

    is_light = known.startswith(("Linear", "ACES2065", "ACEScg"))
    return converted(known, convert, clips=is_light)


@lru_cache(maxsize=1)
def _config() -> Any:
    import OpenImageIO as oiio  # noqa: N813 - as its documentation names it

    return oiio.ColorConfig(SRGB_CONFIG)


def _bytes(rgb: np.ndarray) -> np.ndarray:
    return rgb if rgb.dtype == np.uint8 else np.rint(255 * np.clip(rgb, 0, 1)).astype(np.uint8)


_PRIMARIES: Mapping[int, tuple[float, ...] | None] = {
    1: None,
    9: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329),
}
"""Chromaticities by H.273's numbers: BT.709, BT.2020, P3."""
_PRIMARIES_NAMES = {1: "BT.709", 9: "BT.2020", 12: "Display P3"}
_LINEAR, _HDR, _VIDEO = 8, {16: "PQ", 18: "HLG"}, (1, 6, 13, 14, 15)
"""Transfer functions by H.273's numbers; those of SDR video are shown as sRGB's, as everybody does."""
_NOT_SAID = (2,)


def of_jpeg_or_png(path: Path) -> Colours:
    """What a JPEG or PNG says of its colours."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            about, profile, is_rgb = image.info, image.info.get("icc_profile"), image.mode.startswith("RGB")
            is_png = image.format == "PNG"
    except Exception:  # Pillow raises errors of many kinds for damaged headers
        return PLAIN
    coded = _coded(path) if is_png else None
    if coded is not None:
        return _by_code(*coded)
    if profile:
        try:
            return by_profile(profile) if is_rgb else PLAIN
        except ValueError:
            return Colours(is_known=False, note="The images' colour profile is damaged; they are shown as sRGB.")
    return _by_gamma_chunk(about) if is_png and "srgb" not in about else Colours(is_known="srgb" in about)


def _coded(path: Path) -> tuple[int, int] | None:
    """The primaries and the transfer of a PNG's cICP chunk."""
    with path.open("rb") as file:
        _, found, values = file.read(4096).partition(b"IDAT")[0].partition(b"cICP")
    return (values[0], values[1]) if found and len(values) > 1 else None


def _by_code(primaries: int, transfer: int) -> Colours:
    if transfer in _HDR and primaries == 9:
        return by_hdr(_HDR[transfer])
    chromaticities = _PRIMARIES.get(primaries)
    if transfer == _LINEAR and primaries in _PRIMARIES:
        return by_light("linear light", lambda rgb: rgb, chromaticities, clips=True)
    if transfer in _VIDEO and primaries in _PRIMARIES:
        return (
            Colours()
            if chromaticities is None
            else by_light(_PRIMARIES_NAMES[primaries], srgb_to_linear, chromaticities)
        )
    if {primaries, transfer} <= {1, 13, *_NOT_SAID}:
        return Colours()
    what = f"cICP {primaries}, {transfer}"
    return Colours(is_known=False, note=f"The images' colours ({what}) are not known here; they are shown as sRGB.")


def _by_gamma_chunk(about: Mapping[Any, Any]) -> Colours:
    """By a PNG's gAMA and cHRM, if they do not say sRGB."""
    gamma, primaries = about.get("gamma"), about.get("chromaticity")
    chromaticities = None
    if primaries is not None and len(primaries) == 8:
        white, rgb = tuple(primaries[:2]), tuple(primaries[2:])
        chromaticities = (*rgb, *white)
    is_srgb_gamma = not gamma or abs(gamma * 2.2 - 1) <= 0.05
    if to_bt709(chromaticities) is None and is_srgb_gamma:
        return Colours(is_known=bool(gamma))
    if is_srgb_gamma or not gamma:
        return by_light("other primaries", srgb_to_linear, chromaticities)
    return by_gamma(1 / gamma, chromaticities)
