# SPDX-License-Identifier: Apache-2.0
"""What JPEG and PNG files say of their picture beside its size: which way up it is, and the shape of its pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

TURNS_SIDES = (5, 6, 7, 8)
"""EXIF's orientations of which the stored width is the upright height."""
# JPEG start-of-frame markers: C0 to CF without DHT, JPG and DAC.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _EXIF, _ORIENTATION, _LONG = 0xDA, 0xE1, 0x0112, 4


def jpeg_size(path: Path) -> tuple[int, int] | None:
    """(width, height) as stored, None if there is no frame header."""
    with path.open("rb") as file:
        for marker, _ in _jpeg_segments(file):
            if marker in _JPEG_FRAMES and len(head := file.read(5)) == 5:
                return int.from_bytes(head[3:5], "big"), int.from_bytes(head[1:3], "big")
    return None


def jpeg_end(path: Path) -> int:
    """Where the picture ends, before its end marker; other pictures may follow. The file's size if it has no marker."""
    with path.open("rb") as file:
        for _ in _jpeg_segments(file):
            pass
        scan = file.tell()
        file.seek(0)
        data = file.read()
    end = data.find(b"\xff\xd9", scan)
    return end if end >= 0 else len(data)


def jpeg_coding(path: Path) -> str:
    """What is unusual in how a JPEG is coded, in words; "" if it is baseline, extended or progressive with 8 bits."""
    with path.open("rb") as file:
        for marker, _ in _jpeg_segments(file):
            if marker in _JPEG_FRAMES:
                bits = file.read(1)[0]
                if marker > 0xC2:
                    return "lossless, hierarchical or arithmetic coding"
                return "" if bits == 8 else f"{bits} bits a colour"
    return ""


def png_size(path: Path) -> tuple[int, int] | None:
    """(width, height), None if the file is too short."""
    with path.open("rb") as file:
        head = file.read(24)
    return (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) if len(head) == 24 else None


def orientation(path: Path, kind: str) -> int:
    """EXIF's orientation, 1 to 8; 1, which is upright, if the file does not say."""
    with path.open("rb") as file:
        if kind == "jpeg":
            for marker, length in _jpeg_segments(file):
                if marker == _EXIF and (data := file.read(length)).startswith(b"Exif\0\0"):
                    return _orientation_in(data[6:])
        elif kind == "png":
            file.seek(8)
            while len(head := file.read(8)) == 8:
                length = int.from_bytes(head[:4], "big")
                if head[4:] == b"eXIf":
                    return _orientation_in(file.read(length).removeprefix(b"Exif\0\0"))
                file.seek(length + 4, 1)
    return 1


def turned_upright(image: np.ndarray, turned: int) -> np.ndarray:
    """The image as EXIF's orientation 1 to 8 says it is meant."""
    if turned in TURNS_SIDES:
        image = image.swapaxes(0, 1)
    if turned in (3, 4, 7, 8):
        image = image[::-1]
    return image[:, ::-1] if turned in (2, 3, 6, 7) else image


def header_notes(path: Path) -> list[str]:
    """What the header of a JPEG or PNG says and the picture does not show, for the artist."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            about = image.info
            dots = about.get("dpi") or about.get("aspect") or about.get("jfif_density") or (1, 1)
    except Exception:  # Pillow raises errors of many kinds for damaged headers
        return []
    if all(dots) and abs(dots[0] / dots[1] - 1) > 0.01:
        return ["The images' headers say that their pixels are not square; they are used as square ones."]
    return []


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """(marker, length of its data) up to the first scan; the file stands at the data."""
    at = 2
    while True:
        file.seek(at)
        lead = file.read(2)
        # Any number of fill bytes FF may stand before a marker.
        while len(lead) == 2 and lead == b"\xff\xff":
            lead = lead[1:] + file.read(1)
        if len(lead) < 2 or lead[0] != 0xFF or lead[1] == _SCAN:
            return
        if lead[1] == 0x01 or 0xD0 <= lead[1] <= 0xD8:  # markers without data
            at = file.tell()
            continue
        length = int.from_bytes(file.read(2), "big")
        if length < 2:
            return
        at = file.tell() + length - 2
        yield lead[1], length - 2


def _orientation_in(tiff: bytes) -> int:
    if tiff[:2] not in (b"II", b"MM"):
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if tiff[:1] == b"I" else "big")

    first = number(4, 4)
    for at in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if number(at, 2) == _ORIENTATION:
            # Some programs write it with four bytes.
            value = number(at + 8, 4 if number(at + 2, 2) == _LONG else 2)
            return value if 1 <= value <= 8 else 1
    return 1
