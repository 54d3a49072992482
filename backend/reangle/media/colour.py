# SPDX-License-Identifier: Apache-2.0
"""Decoded video frames to upright 8-bit RGB.

HDR is mapped to SDR as ITU-R BT.2100 and BT.2390 describe: decode PQ or HLG to light (HLG for a 1000 cd/m2 display),
compress highlights with the BT.2390 EETF on the largest of R, G, B so that hues stay, convert BT.2020 to BT.709
primaries, and encode for the BT.1886 display that SDR video is made for.
"""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc, Interpolation

from reangle.media.framing import Framing

HDR_TRANSFERS = {int(ColorTrc.SMPTE2084): "PQ", int(ColorTrc.ARIB_STD_B67): "HLG"}

_BT709, _BT601, _BT2020 = 1, 6, 9
# H.273 codes to swscale's; 10 is constant-luminance BT.2020, for which swscale has no matrix.
_TO_SWS = {_BT709: 1, 4: 4, 5: 5, 6: 5, 7: 7, _BT2020: 9, 10: 9}
_FULL_CHROMA = Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
_FLAGS = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | _FULL_CHROMA

_HDR_PEAK = 1000.0
_SDR_PEAK = 203.0  # cd/m2 of graphics white in HDR, BT.2408
_BT709_FROM_BT2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_PQ = (2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32)
_PQ_TOP = 10000.0
_HLG = (0.17883277, 0.28466892, 0.55991073)
_HLG_GAMMA = 1.2


def has_alpha(frame: VideoFrame) -> bool:
    """Whether the frame's pixel format has an alpha plane or an alpha palette."""
    return frame.format.name == "pal8" or any(component.is_alpha for component in frame.format.components)


def matrix_of(frame: VideoFrame) -> int:
    """The YUV matrix as an H.273 code: the frame's tag, else BT.709 from 720 lines or 1280 columns up, else BT.601."""
    if frame.format.is_rgb or frame.colorspace in _TO_SWS:
        return frame.colorspace
    if frame.color_trc in HDR_TRANSFERS:
        return _BT2020
    return _BT709 if frame.height >= 720 or frame.width >= 1280 else _BT601


def to_working(
    frame: VideoFrame, framing: Framing, turn: np.ndarray, alpha: VideoFrame | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The frame upright at the working size: H x W x 3 uint8 sRGB/BT.709, and H x W uint8 straight alpha or None.

    turn: the 2 x 2 part of the display matrix, see `upright`.
    """
    hdr = HDR_TRANSFERS.get(frame.color_trc)
    deep = hdr is not None
    name = ("rgba64le" if deep else "rgba") if has_alpha(frame) else ("rgb48le" if deep else "rgb24")
    kind = {} if frame.format.is_rgb else {"src_colorspace": _TO_SWS.get(matrix_of(frame), 5)}
    pixels = frame.reformat(format=name, interpolation=_FLAGS, threads=1, **kind).to_ndarray()
    pixels = framing.apply(upright(pixels, turn))
    rgb, opacity = pixels[..., :3], pixels[..., 3] if pixels.shape[2] == 4 else None
    if deep:
        rgb = tone_map(rgb.astype(np.float32) / 65535, hdr)
        opacity = None if opacity is None else (opacity // 257).astype(np.uint8)
    return np.ascontiguousarray(rgb), None if opacity is None else np.ascontiguousarray(opacity)


def to_precise(frame: VideoFrame, framing: Framing, turn: np.ndarray) -> np.ndarray:
    """As `to_working`, H x W x 3 uint16 with all the bits that the frame has, without its alpha."""
    kind = {} if frame.format.is_rgb else {"src_colorspace": _TO_SWS.get(matrix_of(frame), 5)}
    pixels = frame.reformat(format="rgb48le", interpolation=_FLAGS, threads=1, **kind).to_ndarray()
    pixels = framing.apply(upright(pixels, turn))
    hdr = HDR_TRANSFERS.get(frame.color_trc)
    if hdr is None:
        return np.ascontiguousarray(pixels)
    return np.rint(65535 * _tone_mapped(pixels.astype(np.float32) / 65535, hdr)).astype(np.uint16)


def upright(image: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Apply the 2 x 2 part of a display matrix (x' = a x + c y, y' = b x + d y; quarter turns, mirrors) to an image."""
    (a, b), (c, d) = np.sign(np.round(turn)).astype(int)
    if not a:
        image, a, d = image.swapaxes(0, 1), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def tone_map(encoded: np.ndarray, transfer: str) -> np.ndarray:
    """H x W x 3 float32 in 0..1, PQ or HLG with BT.2020 primaries, to H x W x 3 uint8 BT.709 for an SDR display."""
    return np.rint(255 * _tone_mapped(encoded, transfer)).astype(np.uint8)


def _tone_mapped(encoded: np.ndarray, transfer: str) -> np.ndarray:
    """As `tone_map`, 0 to 1."""
    light = pq_to_light(encoded) if transfer == "PQ" else hlg_to_light(encoded)
    largest = np.maximum(light.max(axis=-1, keepdims=True), 1e-4)
    light *= _compress(largest) / largest
    light = light @ _BT709_FROM_BT2020.T
    return np.clip(light / _SDR_PEAK, 0, 1) ** (1 / 2.4)


def pq_to_light(encoded: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: encoded 0..1 to cd/m2."""
    m1, m2, c1, c2, c3 = _PQ
    root = np.clip(encoded, 0, 1) ** (1 / m2)
    return (_PQ_TOP * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)).astype(np.float32)


def light_to_pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: cd/m2 to encoded 0..1."""
    m1, m2, c1, c2, c3 = _PQ
    power = (np.clip(light, 0, _PQ_TOP) / _PQ_TOP) ** m1
    return (((c1 + c2 * power) / (1 + c3 * power)) ** m2).astype(np.float32)


def hlg_to_light(encoded: np.ndarray) -> np.ndarray:
    """ARIB STD-B67: encoded 0..1 to cd/m2 on a 1000 cd/m2 display (system gamma 1.2 on BT.2020 luminance)."""
    a, b, c = _HLG
    encoded = np.clip(encoded, 0, 1)
    scene = np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - c) / a) + b) / 12)
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return (_HDR_PEAK * scene * np.maximum(luminance, 1e-6)[..., None] ** (_HLG_GAMMA - 1)).astype(np.float32)


def _compress(light: np.ndarray) -> np.ndarray:
    """BT.2390 EETF: light up to the HDR peak into light up to the SDR peak, both in cd/m2; unchanged below the knee."""
    source, target = light_to_pq(np.array([_HDR_PEAK, _SDR_PEAK], np.float32))
    x = np.minimum(light_to_pq(light) / source, 1)
    top = target / source
    knee = 1.5 * top - 0.5
    t = (x - knee) / (1 - knee)
    curve = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    return pq_to_light(np.where(x < knee, x, curve) * source)
