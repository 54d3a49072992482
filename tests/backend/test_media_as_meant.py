# SPDX-License-Identifier: Apache-2.0
"""Clips as their makers meant them: which way up, in which colours, and nothing sound called damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from reangle.errors import UserError
from reangle.media.probe import probe_clip

from tests.backend.clips import QUARTERS, corners, images, probe, quarters, write_movie

STORED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: lambda image: np.rot90(image, -1),
}
"""How an upright image is stored beside each EXIF orientation."""


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_images_are_turned_as_exif_says(suffix: str, tmp_path: Path) -> None:
    upright = quarters(96, 64)
    for orientation, stored in STORED.items():
        picture, exif = Image.fromarray(np.ascontiguousarray(stored(upright))), Image.Exif()
        exif[0x0112] = orientation
        picture.save(tmp_path / f"{orientation}.{suffix}", exif=exif.tobytes(), quality=95)
    info = probe_clip([(path.name, path) for path in tmp_path.iterdir()])
    assert (info.width, info.height) == (96, 64)
    assert all(np.allclose(corners(image), QUARTERS, atol=12) for image in images(info))
    assert any("7 of 8 images are marked as turned" in note for note in info.notes)


def test_images_whose_numbers_do_not_count_are_refused_in_true_words(tmp_path: Path) -> None:
    paths = [tmp_path / f"IMG_{one}.jpg" for one in ("20240131_235958", "20240131_235959", "20240201_000001")]
    for path in paths:
        path.write_bytes(jpeg())
    with pytest.raises(UserError, match=r"do not count them: IMG_20240201_000001\.jpg, with 1, follows 235959"):
        probe_clip([(path.name, path) for path in paths])


@pytest.mark.parametrize(
    ("matrix", "size", "stored", "note"),
    [
        ((0, 2, -2, 0), (48, 64), 6, "turned by 90 degrees"),
        ((0.5, 0, 0, 0.5), (64, 48), 1, ""),
        ((-3, 0, 0, 3), (64, 48), 2, "mirrored"),
        ((2, 0, 0, 1), (128, 48), 1, "2.000 times as wide"),
    ],
)
def test_a_display_matrix_turns_at_any_scale(
    matrix: Sequence[float], size: tuple[int, int], stored: int, note: str, tmp_path: Path
) -> None:
    upright = STORED[stored](quarters(*size)) if size != (128, 48) else quarters(64, 48)
    info = probe(with_matrix(write_movie(tmp_path / "a.mp4", [np.ascontiguousarray(upright)] * 2), matrix))
    assert (info.width, info.height) == size
    assert np.allclose(corners(images(info)[0]), QUARTERS, atol=12)
    assert [one for one in info.notes if note not in one] == []
    assert len(info.notes) == bool(note)


def test_a_sheared_display_matrix_is_not_applied(tmp_path: Path) -> None:
    info = probe(with_matrix(write_movie(tmp_path / "a.mp4", [quarters(64, 48)] * 2), (1, 1, 0, 1)))
    assert any("no quarter turn" in note for note in info.notes)


def with_matrix(path: Path, matrix: Sequence[float]) -> Path:
    """Replace the display matrix of an mp4, which is a plain one."""
    data = path.read_bytes()
    at = data.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    a, b, c, d = (round(65536 * value) for value in matrix)
    path.write_bytes(data[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[at + 36 :])
    return path


@pytest.mark.parametrize("order", "<>")
def test_an_orientation_of_four_bytes_counts(order: str, tmp_path: Path) -> None:
    head = b"II*\0" if order == "<" else b"MM\0*"
    exif = b"Exif\0\0" + head + struct.pack(f"{order}IHHHIII", 8, 1, 0x0112, 4, 1, 6, 0)
    Image.fromarray(np.ascontiguousarray(STORED[6](quarters(96, 64)))).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert np.allclose(corners(images(probe(tmp_path / "a.jpg"))[0]), QUARTERS, atol=12)


def test_images_of_two_kinds_are_refused_by_their_names(tmp_path: Path) -> None:
    """Whatever the files' order and suffixes are."""
    for name, kind in (("a2.png", "JPEG"), ("a1.png", "PNG")):
        Image.fromarray(quarters(32, 16)).save(tmp_path / name, format=kind)
    with pytest.raises(UserError, match=r"a2\.png is jpeg while a1\.png is png"):
        probe_clip([(name, tmp_path / name) for name in ("a2.png", "a1.png")])


def jpeg(*options: int) -> bytes:
    picture = cv2.resize(np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8), (96, 64))
    return cv2.imencode(".jpg", picture, list(options))[1].tobytes()


METADATA = b"".join(b"\xff\xe2" + struct.pack(">H", 65002) + bytes(65000) for _ in range(18))


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)])
@pytest.mark.parametrize(
    "what",
    ["fill bytes", "long metadata", "no end marker", "half an end marker", "zeros behind", "flat", "two pictures"],
)
def test_sound_jpegs_are_read(what: str, options: Sequence[int], tmp_path: Path) -> None:
    plain = jpeg(*options)
    if what == "flat":
        plain = cv2.imencode(".jpg", np.full((64, 96, 3), 40, np.uint8), list(options))[1].tobytes()
    data = {
        "flat": plain,
        "two pictures": plain + plain,
        "fill bytes": plain[:2] + b"\xff\xff" + plain[2:],
        "long metadata": plain[:2] + METADATA + plain[2:],
        "no end marker": plain[:-2],
        "half an end marker": plain[:-1],
        "zeros behind": plain[:-2] + bytes(500),
    }[what]
    (tmp_path / "plain.jpg").write_bytes(plain)
    (tmp_path / "try.jpg").write_bytes(data)
    assert np.array_equal(images(probe(tmp_path / "try.jpg"))[0], images(probe(tmp_path / "plain.jpg"))[0])


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("behind", [b"", bytes(3000)])
@pytest.mark.parametrize("cut", [20, 500])
def test_jpegs_that_lack_picture_are_refused(cut: int, behind: bytes, options: Sequence[int], tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(jpeg(*options)[:-cut] + behind)
    with pytest.raises(UserError, match=r"cut\.jpg is damaged"):
        images(probe(tmp_path / "cut.jpg"))


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)])
@pytest.mark.parametrize("behind", [b"", jpeg()])
def test_jpegs_that_lack_picture_before_their_end_marker_are_refused(
    behind: bytes, options: Sequence[int], tmp_path: Path
) -> None:
    data = jpeg(*options)
    for lacking in (data[:-300] + data[-2:], data[:-900] + data[-2:]):
        (tmp_path / "cut.jpg").write_bytes(lacking + behind)
        with pytest.raises(UserError, match=r"cut\.jpg is damaged"):
            images(probe(tmp_path / "cut.jpg"))


def test_a_png_without_its_end_is_read_and_one_without_picture_is_not(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    for lacking in (12, 5):
        (tmp_path / "a.png").write_bytes(data[:-lacking])
        assert np.array_equal(images(probe(tmp_path / "a.png"))[0], picture)
    row = data.index(b"IDAT") - 4
    half = zlib.compress(zlib.decompress(data[row + 8 : row + 8 + int.from_bytes(data[row : row + 4], "big")])[:9000])
    chunk = b"IDAT" + half
    for cut in (data[:-13], data[:row] + struct.pack(">I", len(half)) + chunk + struct.pack(">I", zlib.crc32(chunk))):
        (tmp_path / "cut.png").write_bytes(cut)
        with pytest.raises(UserError, match=r"cut\.png is damaged"):
            images(probe(tmp_path / "cut.png"))


def test_a_jpeg_of_a_kind_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    data = bytearray(jpeg())
    data[data.index(b"\xff\xc0") + 1] = 0xC3
    (tmp_path / "lossless.jpg").write_bytes(data)
    with pytest.raises(UserError, match="JPEG with lossless"):
        images(probe(tmp_path / "lossless.jpg"))


def test_pixels_of_images_that_are_not_square_are_said(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        Image.fromarray(quarters(32, 16)).save(tmp_path / f"wide.{suffix}", dpi=(100, 200))
        Image.fromarray(quarters(32, 16)).save(tmp_path / f"plain.{suffix}", dpi=(100, 100))
        assert any("not square" in note for note in probe(tmp_path / f"wide.{suffix}").notes)
        assert probe(tmp_path / f"plain.{suffix}").notes == ()


def test_profiles_of_images_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(quarters(32, 16)).save(tmp_path / "wide.png", icc_profile=profile)
    assert any("are shown as sRGB" in note for note in probe(tmp_path / "wide.png").notes)
    assert corners(images(probe(tmp_path / "wide.png"))[0]) == [list(color) for color in QUARTERS]
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(quarters(32, 16)).save(tmp_path / "plain.png", icc_profile=srgb)
    assert probe(tmp_path / "plain.png").notes == ()


@pytest.mark.parametrize(
    ("name", "values", "words", "red"),
    [
        (b"gAMA", struct.pack(">I", 100000), "gamma 1", (238, 95, 110)),
        (b"gAMA", struct.pack(">I", 45455), "", (220, 30, 40)),
        (b"cICP", bytes([9, 16, 0, 1]), "HDR, PQ", None),
        (b"cICP", bytes([1, 13, 0, 1]), "", (220, 30, 40)),
        (b"cICP", bytes([12, 13, 0, 1]), "Display P3", (240, 0, 22)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000), "other primaries", None),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), "", (220, 30, 40)),
    ],
)
def test_other_colours_of_a_png_without_profile_are_converted(
    name: bytes, values: bytes, words: str, red: tuple[int, ...] | None, tmp_path: Path
) -> None:
    Image.fromarray(quarters(32, 16)).save(tmp_path / "a.png")
    data, chunk = (tmp_path / "a.png").read_bytes(), name + values
    chunk = struct.pack(">I", len(values)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    notes = probe(tmp_path / "a.png").notes
    assert notes == ((f"The images' colours ({words}) are converted to sRGB.",) if words else ())
    shown = images(probe(tmp_path / "a.png"))[0]
    assert (corners(shown)[0] == [220, 30, 40]) == (not words)
    if red is not None:
        assert np.abs(np.array(corners(shown)[0]) - red).max() <= 1
