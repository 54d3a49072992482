# SPDX-License-Identifier: Apache-2.0
"""A file's kind, from its first bytes and never from its name.

Left to itself, FFmpeg probes the format and follows playlists and concat scripts to any file they name. So the format
is decided here, from a short list of containers that hold their own frames, and passed to FFmpeg.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from reangle.errors import UserError

Kind = Literal["mov", "matroska", "avi", "mpegts", "png", "exr", "jpeg", "tiff", "dpx", "tga", "bmp", "webp"]
MOVIES: frozenset[str] = frozenset({"mov", "matroska", "avi", "mpegts"})
OIIO: frozenset[str] = frozenset({"tiff", "dpx", "tga", "bmp", "webp"})
"""What OpenImageIO reads."""
IMAGES: frozenset[str] = frozenset({"png", "exr", "jpeg"}) | OIIO

_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof", b"uuid"}
_SCRIPTS = (b"#ext", b"ffconcat", b"[playlist]", b"<?xml", b"<mpd", b"<smil", b"<asx", b"v=0", b"file ", b"concat")
_ADVICE = (
    "Use an mp4, mov, mkv, webm, avi or ts movie, or a folder of PNG, JPEG, EXR, TIFF, DPX, TGA, BMP or WebP images."
)
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_TGA_HEADER = 18
_DNG_VERSION = 50706
_TS_PACKETS = (188, 192, 204)
"""Sizes of a transport stream's packets; the longer ones also hold times or checks."""


def sniff(name: str, path: Path) -> Kind:
    """The kind of a file, by content. name is only for messages.

    Raises UserError for unreadable and empty files, playlists, scripts and anything that is not on the list.
    """
    try:
        with path.open("rb") as file:
            head = file.read(2048)
    except OSError as error:
        raise UserError(
            f"{name} cannot be read: {error.strerror}.", advice="Check the file's name and rights."
        ) from error
    if not head:
        raise UserError(f"{name} is empty, so it has no video.", advice="Copy or export the clip again.")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\x76\x2f\x31\x01"):
        return "exr"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        _refuse_raw(name, head)
        return "tiff"
    if head.startswith((b"SDPX", b"XPDS")):
        return "dpx"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0" and head[14:18] in _BMP_HEADERS:
        return "bmp"
    if head[4:8] in _MOV_BOXES:
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if _is_transport_stream(head):
        return "mpegts"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(_SCRIPTS) or b"ffconcat" in text:
        raise UserError(
            f"{name} is a playlist or a script that points at other files, not a movie.",
            advice="Give the movie itself; playlists are refused because they can name any file of this computer.",
        )
    if _is_tga(head):
        return "tga"
    raise UserError(f"{name} is not a movie or an image that Reangle can read.", advice=_ADVICE)


def _refuse_raw(name: str, head: bytes) -> None:
    """Raw files of cameras are TIFF whose first picture is a thumbnail."""
    order: Literal["little", "big"] = "little" if head[:1] == b"I" else "big"
    first = int.from_bytes(head[4:8], order)
    count = int.from_bytes(head[first : first + 2], order)
    tags = (int.from_bytes(head[at : at + 2], order) for at in range(first + 2, first + 2 + 12 * count, 12))
    if head[8:10] == b"CR" or _DNG_VERSION in tags:
        raise UserError(f"{name} is a camera's raw file.", advice="Develop it to TIFF, PNG or EXR first.")


def _is_tga(head: bytes) -> bool:
    """Whether the first bytes can be a TGA's; nothing marks them."""
    if len(head) < _TGA_HEADER:
        return False
    has_map, kind, depth, descriptor = head[1], head[2], head[16], head[17]
    known = has_map in (0, 1) and kind in (1, 2, 3, 9, 10, 11) and depth in (8, 15, 16, 24, 32)
    map_fits = head[7] in (15, 16, 24, 32) if has_map else not any(head[3:8])
    size = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    return known and map_fits and all(size) and not descriptor & 0xC0 and bool(has_map) == (kind in (1, 9))


def _is_transport_stream(head: bytes) -> bool:
    """Whether packets follow each other. A recording that was cut anywhere begins within a packet."""
    starts = ((size, start) for size in _TS_PACKETS for start in range(size) if len(head) > start + 3 * size)
    return any(set(head[start::size]) == {0x47} for size, start in starts)


def riff_is_whole(path: Path) -> bool:
    """Whether a RIFF file, such as an AVI, is as long as its headers say."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(8)
            if head[:4] != b"RIFF":
                break
            at += 8 + int.from_bytes(head[4:], "little")
            if at > size:
                return False
            at += at % 2
    return True
