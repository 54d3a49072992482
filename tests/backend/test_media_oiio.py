# SPDX-License-Identifier: Apache-2.0
"""TIFF, DPX, TGA, BMP and WebP, written by OpenImageIO and Pillow: the right picture, or one clear sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO as oiio  # noqa: N813 - as its documentation names it
import pytest
from PIL import Image, ImageCms
from reangle.errors import UserError
from reangle.media.decode import decode_frames, select
from reangle.media.image_colours import cineon_to_linear
from reangle.media.probe import probe_clip
from reangle.media.srgb import linear_to_srgb

from tests.backend.clips import QUARTERS, corners, images, probe, quarters

PICTURE = quarters(48, 32)
KINDS = ("tif", "dpx", "tga", "bmp", "webp")


def write(path: Path, pixels: np.ndarray, **attributes: object) -> Path:
    """Write H x W x C by OpenImageIO. attributes: with __ for a colon in their names."""
    kind = {np.uint8: "uint8", np.uint16: "uint16", np.float32: "float"}[pixels.dtype.type]
    spec = oiio.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    file = oiio.ImageOutput.create(str(path))
    assert file is not None, oiio.geterror()
    assert file.open(str(path), spec), file.geterror()
    assert file.write_image(pixels), file.geterror()
    file.close()
    return path


def shown(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    info = probe(path)
    frame = next(decode_frames(info, select(info)))
    return frame.rgb, frame.alpha


def with_alpha(alpha: int) -> np.ndarray:
    return np.dstack([PICTURE, np.full(PICTURE.shape[:2], alpha, np.uint8)])


@pytest.mark.parametrize("suffix", KINDS)
def test_every_kind_shows_its_picture(tmp_path: Path, suffix: str) -> None:
    more = {"Compression": "lossless"} if suffix == "webp" else {}
    path = write(tmp_path / f"a.{suffix}", PICTURE, **more)
    if suffix == "dpx":
        assert probe(path).notes[0].startswith("The DPX images do not say their colours")
    else:
        assert probe(path).notes == ()
    stored = path.rename(tmp_path / "b10b")  # as the backend stores what is uploaded
    rgb, alpha = shown(stored)
    assert np.array_equal(rgb, PICTURE)
    assert alpha is None


@pytest.mark.parametrize("suffix", KINDS)
def test_files_that_are_cut_short_are_named(tmp_path: Path, suffix: str) -> None:
    more = {"Compression": "lossless"} if suffix == "webp" else {}
    noise = np.random.default_rng(0).integers(0, 256, PICTURE.shape, np.uint8)
    data = write(tmp_path / f"a.{suffix}", noise, **more).read_bytes()
    for share in (0.05, 0.5, 0.85):
        (tmp_path / "cut").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(UserError, match=r"cut (is damaged or cut short|is not a movie)"):
            shown(tmp_path / "cut")


def test_a_sequence_of_tiff_is_read_in_order(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"s_{number:04d}.tif", np.full((32, 48, 3), 40 * number, np.uint8))
    info = probe_clip([(path.name, path) for path in tmp_path.iterdir()], fps=25)
    assert [int(image.mean()) for image in images(info)] == [0, 40, 80]
    write(tmp_path / "s_0003.tif", PICTURE[:16])
    with pytest.raises(UserError, match=r"s_0003\.tif is 48 x 16 while s_0000\.tif is 48 x 32"):
        probe_clip([(path.name, path) for path in tmp_path.iterdir()])


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_dpx_and_tiff(tmp_path: Path, bits: int) -> None:
    deep = (PICTURE.astype(np.uint16) * 257).astype(np.uint16)
    path = write(tmp_path / "a.dpx", deep, oiio__BitsPerSample=bits, dpx__Transfer="ITU-R 709-4")
    assert probe(path).notes == ()
    assert np.abs(shown(path)[0].astype(int) - PICTURE).max() <= 1
    assert np.array_equal(shown(write(tmp_path / "a.tif", deep))[0], PICTURE)


def test_logarithmic_dpx_is_converted(tmp_path: Path) -> None:
    steps = np.array([95, 445, 685, 800], np.uint16)  # black, about 18 % grey, white, brighter than white
    row = np.repeat(np.round(steps / 1023 * 65535).astype(np.uint16), 8)
    pixels = np.repeat(np.tile(row, (16, 1))[..., None], 3, axis=2)
    path = write(tmp_path / "a.dpx", pixels, oiio__BitsPerSample=10, dpx__Transfer="Printing density")
    assert cineon_to_linear(np.array([95, 470, 685]) / 1023) == pytest.approx(np.array([0, 0.183, 1]), abs=1e-3)
    rgb = shown(path)[0]
    assert rgb[8, 4::8, 0].tolist() == [0, int(linear_to_srgb(cineon_to_linear(np.array([445 / 1023])))[0]), 255, 255]
    assert "(Cineon log) are converted to sRGB; values above white are clipped" in probe(path).notes[0]


def test_linear_light_is_converted_by_opencolorio(tmp_path: Path) -> None:
    grey = np.full((16, 24, 3), round(0.18 * 65535), np.uint16)
    path = write(tmp_path / "a.dpx", grey, oiio__BitsPerSample=16, dpx__Transfer="Linear")
    assert np.abs(shown(path)[0].astype(int) - 118).max() <= 1
    assert "(Linear Rec.709 (sRGB)) are converted to sRGB" in probe(path).notes[0]
    decimal = write(tmp_path / "a.tif", np.tile(np.array([0.18, 0.5, np.nan], np.float32), (16, 24, 1)))
    assert shown(decimal)[0][8, 8].tolist() == [118, 188, 0]
    assert "do not say their colours; they are read as linear light" in probe(decimal).notes[0]


def save(path: Path, picture: Image.Image, **more: Any) -> None:
    """By Pillow, without loss."""
    wishes = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
    picture.save(path, **wishes.get(path.suffix, {}), **more)


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg", "webp"])
def test_colour_profiles_are_applied(tmp_path: Path, suffix: str) -> None:
    """A profile with red and green exchanged shows whether it is used."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green, name = data.index(b"rXYZ"), data.index(b"gXYZ"), data.index("sRGB".encode("utf-16-be"))
    data[red : red + 1], data[green : green + 1], data[name : name + 8] = b"g", b"r", "sGRB".encode("utf-16-be")
    path = tmp_path / f"a.{suffix}"
    save(path, Image.fromarray(PICTURE), icc_profile=bytes(data))
    exchanged = [[color[1], color[0], color[2]] for color in QUARTERS]
    assert np.abs(np.array(corners(shown(path)[0])) - exchanged).max() <= 3
    assert probe(path).notes == ("The images' colours (sGRB built-in) are converted to sRGB.",)


def test_grey_one_bit_palette_and_cmyk_show_their_picture(tmp_path: Path) -> None:
    picture = Image.fromarray(PICTURE)
    picture.convert("1", dither=Image.Dither.NONE).save(tmp_path / "one.tif")
    black_and_white = np.asarray(picture.convert("1", dither=Image.Dither.NONE)).astype(np.uint8) * 255
    assert np.array_equal(shown(tmp_path / "one.tif")[0][..., 1], black_and_white)
    picture.convert("L").save(tmp_path / "grey.tga")
    assert np.array_equal(shown(tmp_path / "grey.tga")[0][..., 2], np.asarray(picture.convert("L")))
    for suffix in ("tif", "tga", "bmp"):
        picture.quantize(8).save(tmp_path / f"palette.{suffix}")
        meant = np.asarray(picture.quantize(8).convert("RGB")).astype(int)
        assert np.abs(shown(tmp_path / f"palette.{suffix}")[0] - meant).max() <= 1
    picture.convert("CMYK").save(tmp_path / "print.tif")
    assert np.array_equal(shown(tmp_path / "print.tif")[0], PICTURE)
    assert "for print (CMYK)" in probe(tmp_path / "print.tif").notes[0]


@pytest.mark.parametrize("suffix", ["tif", "tga", "bmp", "webp"])
def test_alpha_is_straight(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"a.{suffix}", Image.fromarray(with_alpha(100)))
    rgb, alpha = shown(tmp_path / f"a.{suffix}")
    assert np.array_equal(rgb, PICTURE)
    assert alpha is not None
    assert (alpha == 100).all()


def test_colour_multiplied_by_alpha_is_divided(tmp_path: Path) -> None:
    multiplied = np.round(with_alpha(100) * np.array([100 / 255] * 3 + [1])).astype(np.uint8)
    rgb, alpha = shown(write(tmp_path / "a.tif", multiplied))
    assert np.abs(rgb.astype(int) - PICTURE).max() <= 2
    assert alpha is not None


def test_turned_images_and_wide_pixels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", PICTURE, Orientation=6)
    info = probe(path)
    assert (info.width, info.height) == (32, 48)
    assert np.array_equal(shown(path)[0], np.rot90(PICTURE, -1))
    wide = probe(write(tmp_path / "a.dpx", PICTURE, PixelAspectRatio=2.0))
    assert (wide.width, wide.height, wide.pixel_aspect) == (96, 32, 2)
    assert corners(shown(tmp_path / "a.dpx")[0]) == [list(color) for color in QUARTERS]
    assert any("not square" in note for note in probe(write(tmp_path / "b.tif", PICTURE, PixelAspectRatio=2.0)).notes)


def two_pages(path: Path) -> None:
    Image.fromarray(PICTURE).save(path, save_all=True, append_images=[Image.fromarray(PICTURE[::-1].copy())])


def test_of_several_pages_the_first_is_used(tmp_path: Path) -> None:
    two_pages(tmp_path / "a.tif")
    assert probe(tmp_path / "a.tif").notes == ("The TIFF has several pages; the first is used.",)
    assert np.array_equal(shown(tmp_path / "a.tif")[0], PICTURE)


def lab(path: Path) -> None:
    Image.fromarray(PICTURE).convert("LAB").save(path)


def raw(path: Path) -> None:
    Image.fromarray(PICTURE).save(path, tiffinfo={50706: b"\x01\x04\0\0"})


def huge(path: Path) -> None:
    write(path, np.zeros((16, 9000, 3), np.uint8))


def flow(path: Path) -> None:
    write(path, np.zeros((16, 24, 2), np.float32))


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lab, "a.tif", r"a\.tif has the colours of CIE L\*a\*b\*"),
        (raw, "a.tif", r"a\.tif is a camera's raw file"),
        (huge, "a.tga", r"a\.tga is 9000 x 16; at most 8192"),
        (flow, "a.tif", r"a\.tif has no colour"),
        (two_pages, "a.webp", r"a\.webp is an animation"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], name: str, message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(UserError, match=message) as refused:
        shown(tmp_path / name)
    assert refused.value.advice
    assert refused.value.message.count(". ") == 0
