# SPDX-License-Identifier: Apache-2.0
"""Reading image sequences; writing image folders, depth and movies."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, Image
from reangle.errors import UserError
from reangle.media.decode import decode_frames, select
from reangle.media.exr import read_exr_depth, read_exr_header, write_exr_depth
from reangle.media.png import decode_png, encode_png
from reangle.media.probe import exact_fps, probe_clip
from reangle.media.write import ImageWriter, read_images, write_images, write_mp4

from tests.backend.clips import QUARTERS, corners, images, probe, quarters


def test_png_sequences_8_and_16_bit_grey_and_alpha(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 1040, (48, 1))
    cv2.imwrite(str(tmp_path / "deep.8.png"), np.dstack([ramp, ramp // 2, ramp // 4]))
    cv2.imwrite(str(tmp_path / "deep.9.png"), ramp)
    cv2.imwrite(
        str(tmp_path / "deep.11.png"), np.dstack([np.full((48, 64, 3), 9, np.uint8), np.full((48, 64), 77, np.uint8)])
    )
    files = [(path.name, path) for path in tmp_path.glob("*.png")]
    with pytest.raises(UserError, match=r"gap before deep\.11\.png"):
        probe_clip(files)
    (tmp_path / "deep.11.png").rename(tmp_path / "deep.10.png")
    info = probe_clip([(path.name, path) for path in sorted(tmp_path.glob("*.png"), reverse=True)], fps=23.976)
    frames = list(decode_frames(info, select(info)))
    assert info.fps == Fraction(24000, 1001)
    assert np.allclose(frames[0].rgb[0, :, 2], ramp[0] / 257, atol=0.51)
    assert np.allclose(frames[0].rgb[0, :, 0], (ramp[0] // 4) / 257, atol=0.51)
    assert np.array_equal(frames[1].rgb[..., 0], frames[1].rgb[..., 2])
    assert frames[2].alpha is not None
    assert (frames[2].alpha == 77).all()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_focal_length_in_exif_is_kept(tmp_path: Path, suffix: str) -> None:
    picture, exif = Image.fromarray(quarters(32, 24)), Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 28
    picture.save(tmp_path / f"lens.{suffix}", exif=exif.tobytes())
    picture.save(tmp_path / f"plain.{suffix}")
    assert probe(tmp_path / f"lens.{suffix}").focal_35mm == 28
    assert probe(tmp_path / f"plain.{suffix}").focal_35mm is None


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("parts", [1, 2])
def test_exr_sequences_are_linear_light(tmp_path: Path, kind: type, parts: int) -> None:
    def channels(prefix: str) -> dict[str, np.ndarray]:
        values = {"R": 0.5, "G": 0.18, "B": 4.0, "A": 1.0}
        return {f"{prefix}{name}": np.full((16, 24), value, kind) for name, value in values.items()}

    depth = {"Z": np.full((16, 24), 7, np.float32)}
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    path = tmp_path / "r_0001.exr"
    if parts == 1:
        both = {**channels("View.Combined."), "View.Depth.Z": depth["Z"]}
        OpenEXR.File(header, both).write(str(path))
    else:
        named = [({**header, "name": "View.Depth"}, depth), ({**header, "name": "View.Combined"}, channels(""))]
        OpenEXR.File([OpenEXR.Part(about, data) for about, data in named]).write(str(path))
    info = probe(path)
    frame = next(decode_frames(info, select(info)))
    assert frame.rgb[8, 8].tolist() == [188, 118, 255]
    assert frame.alpha is not None


def test_written_movies_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    frames = [quarters(65, 49)] * 4
    assert write_mp4(path, frames, 29.97, quality=6) == (66, 50)
    info = probe(path)
    assert (info.fps, info.frames, info.notes) == (Fraction(30000, 1001), 4, ())
    image = images(info)[0]
    assert np.allclose(corners(image), QUARTERS, atol=4)
    assert np.allclose(image[-1, :, :].astype(int), image[-3, :, :], atol=6)
    write_mp4(path, frames, 25, timestamps=[0, 0.04, 0.2, 0.24])
    assert np.allclose(probe(path).timestamps, [0, 0.04, 0.2, 0.24], atol=1e-3)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.mp4"]


def test_a_failed_movie_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> Iterator[np.ndarray]:
        # More than the encoder looks ahead, so that something is on disk.
        yield from [quarters(64, 48)] * 90
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        write_mp4(tmp_path / "out.mp4", failing(), 24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "exact"), [(29.97, Fraction(30000, 1001)), (24, Fraction(24)), (12.5, Fraction(25, 2))]
)
def test_frame_rates_are_exact(given: float, exact: Fraction) -> None:
    assert exact_fps(given) == exact


def test_image_folders_read_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (11, 17, 23, 3), np.uint8)
    masks = rng.integers(0, 2, (11, 17, 23), np.uint8) * np.uint8(255)
    depth = rng.random((11, 17, 23), np.float32) * 100
    for name, sequence in (("colour", colour), ("masks", masks), ("depth", depth)):
        write_images(tmp_path / name, sequence)
        back = read_images(tmp_path / name)
        assert back.dtype == sequence.dtype
        assert np.array_equal(back, sequence)
    assert np.array_equal(read_images(tmp_path / "colour", start=3, count=4), colour[3:7])
    assert sorted(file.name for file in (tmp_path / "depth").iterdir())[0] == "000001.exr"


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        st.one_of(
            st.tuples(st.integers(1, 20), st.integers(1, 20)),
            st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)),
        ),
    ),
    st.booleans(),
)
def test_png_files_are_right_for_other_programs_and_for_us(image: np.ndarray, is_even: bool) -> None:
    """Rows differ less from the one above in the even images, and pixels from the one before in the others."""
    image = np.repeat(image[:1], len(image), 0) if is_even else image
    packed = encode_png(image)
    read = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read is not None
    assert read.dtype == image.dtype
    assert np.array_equal(read if image.ndim == 2 else read[..., ::-1], image)
    unpacked = decode_png(packed)
    assert unpacked is not None
    assert unpacked.dtype == image.dtype
    assert np.array_equal(unpacked, image)


def test_damaged_png_files_are_told_and_those_of_others_are_read(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    write_images(tmp_path, [image])
    path = tmp_path / "000001.png"
    packed = path.read_bytes()
    for damaged in (packed[:-1], packed[: len(packed) // 2], packed[:20], b"", packed.replace(b"IDAT", b"IDAX")):
        assert decode_png(damaged) is None
    for at in range(0, len(packed), 97):
        assert decode_png(packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]) is None
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError, match=r"000001\.png is damaged"):
        read_images(tmp_path)
    Image.fromarray(image).save(path)
    assert decode_png(path.read_bytes()) is None
    assert np.array_equal(read_images(tmp_path)[0], image)


def test_a_failed_write_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"), ImageWriter(tmp_path) as writer:
        writer.add(np.zeros((4, 4), np.int64))


@pytest.mark.parametrize("layout", ["single", "4.5", "5.0", "normals", "grey"])
def test_depth_is_found_in_every_layout_blender_writes(tmp_path: Path, layout: str) -> None:
    z = np.linspace(0.5, 1e10, 12, dtype=np.float32).reshape(3, 4)
    noise = np.zeros((3, 4), np.float32)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    parts = {
        "single": [({}, {"R": noise, "G": noise, "B": noise, "Z": z})],
        "4.5": [({}, {"ViewLayer.Combined.R": noise, "ViewLayer.Depth.Z": z, "ViewLayer.Vector.Y": noise})],
        "5.0": [({"name": "ViewLayer.Combined"}, {"R": noise}), ({"name": "ViewLayer.Depth"}, {"Z": z})],
        "normals": [({}, {**{f"L.Denoising Normal.{axis}": noise for axis in "XYZ"}, "L.Depth.Z": z})],
        "grey": [({}, {"V": z})],
    }[layout]
    path = tmp_path / "z.exr"
    OpenEXR.File([OpenEXR.Part({**header, **about}, channels) for about, channels in parts]).write(str(path))
    assert np.array_equal(read_exr_depth(path), z)


def test_render_region_is_placed_in_the_full_image(tmp_path: Path) -> None:
    z = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    windows = {
        "displayWindow": (np.array([10, 10], np.int32), np.array([14, 13], np.int32)),
        "dataWindow": (np.array([13, 9], np.int32), np.array([15, 10], np.int32)),
    }
    path = tmp_path / "region.exr"
    OpenEXR.File({"type": OpenEXR.scanlineimage, **windows}, {"Z": z}).write(str(path))
    expected = np.zeros((4, 5), np.float32)
    expected[0, 3:] = z[1, :2]
    assert np.array_equal(read_exr_depth(path), expected)
    header = read_exr_header(path, "region.exr")
    assert (header.width, header.height) == (5, 4)


def test_colour_is_never_read_as_depth(tmp_path: Path) -> None:
    channels = {letter: np.full((3, 4), value, np.float32) for letter, value in (("R", 1), ("G", 2), ("B", 3))}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, channels).write(str(tmp_path / "c.exr"))
    with pytest.raises(UserError, match="no depth channel; it has B, G, R"):
        read_exr_depth(tmp_path / "c.exr")


@pytest.mark.parametrize("left", [3, 300, 4000, -1])
def test_truncated_exr_is_refused(tmp_path: Path, left: int) -> None:
    write_exr_depth(tmp_path / "z.exr", np.random.default_rng(0).random((64, 64), np.float32))
    (tmp_path / "cut.exr").write_bytes((tmp_path / "z.exr").read_bytes()[:left])
    with pytest.raises(UserError, match=r"cut\.exr is not a whole"):
        read_exr_depth(tmp_path / "cut.exr")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_an_interrupted_writer_writes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for its threads, too, as at the end of a stage."""

    def slowly(stem: Path, image: np.ndarray) -> None:
        time.sleep(0.5)
        stem.with_suffix(".png").touch()

    def write() -> None:
        with ImageWriter(tmp_path / "frames") as writer:
            writer.add(np.zeros((2, 2), np.uint8))
            interruption.start()

    monkeypatch.setattr("reangle.media.write.write_image", slowly)
    interruption = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    # The command line's own handler, which another test may have set, would remember the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            write()
    finally:
        signal.signal(signal.SIGINT, before)
    written = list((tmp_path / "frames").iterdir())
    time.sleep(0.7)
    assert list((tmp_path / "frames").iterdir()) == written
