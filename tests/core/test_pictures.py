# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as they are read for drawing."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from reangle_blender.core.errors import UserError
from reangle_blender.core.pictures import decode_png, read_picture

KINDS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Numbers in a pixel -> the PNG's kind of colour."""


def encoded(image: np.ndarray, filters: list[int]) -> bytes:
    """H x W x n uint8 or uint16 as a PNG; row y has the filter filters[y % len(filters)]. As the standard says it, byte
    by byte."""
    height, width, samples = image.shape
    step = samples * image.dtype.itemsize
    rows = image.astype(image.dtype.newbyteorder(">")).tobytes()
    rows = [rows[y * width * step : (y + 1) * width * step] for y in range(height)]
    packed = bytearray()
    for y, row in enumerate(rows):
        kind, above = filters[y % len(filters)], rows[y - 1] if y else bytes(len(row))
        packed.append(kind)
        for x, value in enumerate(row):
            a = row[x - step] if x >= step else 0
            b, c = above[x], above[x - step] if x >= step else 0
            nearest = min((a, b, c), key=lambda one: abs(a + b - c - one))  # the first of equals, as it must be
            packed.append((value - (0, a, b, (a + b) // 2, nearest)[kind]) % 256)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, KINDS[samples], 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(packed))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(13, 20, 1), (20, 13, 3), (8, 8, 4)])
@pytest.mark.parametrize("filters", [[0], [1], [4], [4, 3, 2, 1, 0]])
def test_a_png_comes_out_as_it_went_in(kind: type, shape: tuple[int, ...], filters: list[int]) -> None:
    white = np.iinfo(kind).max
    image = np.random.default_rng(1).integers(0, white, shape, endpoint=True).astype(kind)
    assert np.array_equal(np.rint(decode_png(encoded(image, filters)) * white).astype(kind), image)


def test_pictures_stand_on_their_lowest_row(tmp_path: Path) -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    image[0] = (30, 20, 10)
    (tmp_path / "a.png").write_bytes(encoded(image, [4]))
    picture = read_picture(tmp_path / "a.png")
    assert np.allclose(picture[-1], (30 / 255, 20 / 255, 10 / 255, 1))
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"b\.png cannot be read: it is no PNG"):
        read_picture(tmp_path / "b.png")
