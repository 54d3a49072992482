# SPDX-License-Identifier: Apache-2.0
"""Clips as their makers meant them: which way up, which track, at which time, and nothing sound called damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image, ImageCms
from reangle.errors import UserError
from reangle.media.probe import exact_fps, probe_clip

from tests.backend.clips import (
    QUARTERS,
    corners,
    images,
    number_of,
    numbered,
    probe,
    quarters,
    run_stage,
    write_movie,
)

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


def test_other_colours_of_images_are_said(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(quarters(32, 16)).save(tmp_path / "wide.png", icc_profile=profile)
    assert any("are shown as sRGB" in note for note in probe(tmp_path / "wide.png").notes)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(quarters(32, 16)).save(tmp_path / "plain.png", icc_profile=srgb)
    assert probe(tmp_path / "plain.png").notes == ()


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (b"gAMA", struct.pack(">I", 100000), "gamma 1"),
        (b"gAMA", struct.pack(">I", 45455), ""),
        (b"cICP", bytes([9, 16, 0, 1]), "HDR, PQ"),
        (b"cICP", bytes([1, 13, 0, 1]), ""),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000), "other primaries"),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), ""),
    ],
)
def test_other_colours_of_a_png_without_profile_are_said(
    name: bytes, values: bytes, words: str, tmp_path: Path
) -> None:
    Image.fromarray(quarters(32, 16)).save(tmp_path / "a.png")
    data, chunk = (tmp_path / "a.png").read_bytes(), name + values
    chunk = struct.pack(">I", len(values)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    assert probe(tmp_path / "a.png").notes == ((f"The images' colours ({words}) are shown as sRGB.",) if words else ())


@pytest.mark.parametrize("lacking", [1, 100, 187])
def test_a_transport_stream_that_begins_within_a_packet_is_read(lacking: int, tmp_path: Path) -> None:
    data = write_movie(tmp_path / "whole.ts", numbered(12)).read_bytes()
    empty_packet = b"\x47\x1f\xff\x10" + b"\xff" * 184
    (tmp_path / "cut.ts").write_bytes(empty_packet[lacking:] + data)
    assert [number_of(image) for image in images(probe(tmp_path / "cut.ts"))] == list(range(12))


def avi_with_dropped_frames(path: Path, slots: Sequence[int], end: int) -> Path:
    """25 slots a second; the muxer writes empty chunks for those without a picture."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for slot in slots:
            frame = av.VideoFrame.from_ndarray(numbered(end)[slot], "rgb24").reformat(format="yuvj420p")
            frame.pts, frame.time_base = slot, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("slots", [range(0, 40, 3), [0, 1, 2, 9, 10, 30]])
def test_dropped_frames_of_an_avi_keep_their_time(slots: Sequence[int], tmp_path: Path) -> None:
    info = probe(avi_with_dropped_frames(tmp_path / "capture.avi", slots, 40))
    assert np.allclose(info.timestamps, np.array(slots) / 25)
    assert [number_of(image) for image in images(info)] == list(slots)
    assert not any("cut short" in note for note in info.notes)
    assert [number_of(image) for image in images(info, 2)] == list(slots)[2:]


def test_an_avi_that_is_cut_short_says_so(tmp_path: Path) -> None:
    whole = avi_with_dropped_frames(tmp_path / "whole.avi", range(40), 40)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert any("cut short" in note for note in probe(cut).notes)


@pytest.mark.parametrize(("first", "seconds", "shown"), [(0, 0.25, range(6)), (7, 0.5, range(7, 19))])
def test_frames_outside_an_edit_list_do_not_make_a_movie_cut_short(
    first: int, seconds: float, shown: Sequence[int], tmp_path: Path
) -> None:
    """As players trim a movie without coding it again; one that is cut short in truth says so."""
    data = bytearray(write_movie(tmp_path / "whole.mp4", numbered(20), options={"bf": "0", "g": "5"}).read_bytes())
    at = data.index(b"elst") + 12
    # The movie's clock ticks 1000 times a second, the track's 12288 times.
    data[at : at + 8] = struct.pack(">Ii", round(1000 * seconds), first * 512)
    (tmp_path / "trimmed.mp4").write_bytes(data)
    info = probe(tmp_path / "trimmed.mp4")
    assert [number_of(image) for image in images(info)] == list(shown)
    assert info.notes == ()
    data = write_movie(tmp_path / "front.mp4", numbered(20), container={"movflags": "faststart"}).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:-60])
    assert any("cut short" in note for note in probe(tmp_path / "cut.mp4").notes)


@pytest.mark.parametrize(("fps", "exact"), [(1 / 2500, Fraction(1, 2500)), (0.0001, Fraction(1, 10000)), (0.3, "3/10")])
def test_very_slow_rates_are_exact(fps: float, exact: Fraction | str) -> None:
    assert exact_fps(fps) == Fraction(exact)


def test_a_time_lapse_of_days_is_a_clip(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "slow.mkv", numbered(4), times=[0, 40_000_000, 80_000_000, 120_000_000])
    _, about = run_stage(tmp_path, path)
    assert about["timestamps"] == [0, 40_000, 80_000, 120_000]
    assert about["fps_exact"] == "1/40000"


@pytest.mark.parametrize("milliseconds", [1.0, 1e12, 0.0])
def test_a_false_duration_changes_nothing(milliseconds: float, tmp_path: Path) -> None:
    path = write_movie(tmp_path / "clip.mkv", numbered(12))
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3
    path.write_bytes(data[:at] + struct.pack(">d", milliseconds) + data[at + 8 :])
    info = probe(path)
    assert (info.frames, info.fps) == (12, 24)
    assert not any("cut short" in note for note in info.notes)


def test_a_false_duration_of_the_last_frame_changes_no_rate(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=24, options={"bf": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        packets = [packet for image in numbered(25) for packet in stream.encode(av.VideoFrame.from_ndarray(image))]
        packets += stream.encode(None)
        for packet in packets:
            assert packet.time_base is not None
            packet.duration = round((3 if packet is packets[-1] else 1) / 24 / packet.time_base)
            output.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == Fraction(200, 9)
    assert probe(path).fps == 24


def two_tracks(path: Path, first: int, second: int, default: int | None) -> Path:
    """Grey movies of two sizes (height 48; these widths) as tracks of one file; brightness 20 and 200."""
    with av.open(str(path), "w") as output:
        streams = []
        for number, width in enumerate((first, second)):
            stream = output.add_stream("libx264", rate=24)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            if default is not None:
                stream.disposition = Disposition.default if number == default else Disposition(0)
            streams.append(stream)
        for stream, width, grey in zip(streams, (first, second), (20, 200), strict=True):
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(np.full((48, width, 3), grey, np.uint8), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 24)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("suffix", "first", "second", "default", "used"),
    [
        ("mkv", 32, 96, None, 2),
        ("ts", 32, 96, None, 2),
        ("ts", 96, 32, None, 1),
        ("mkv", 32, 96, 0, 1),
        ("mkv", 96, 32, 1, 2),
    ],
)
def test_of_several_tracks_the_default_else_the_largest_is_used(
    suffix: str, first: int, second: int, default: int | None, used: int, tmp_path: Path
) -> None:
    info = probe(two_tracks(tmp_path / f"two.{suffix}", first, second, default))
    assert info.width == (first, second)[used - 1]
    assert abs(images(info)[0].mean() - (20, 200)[used - 1]) < 4
    assert any(f"2 video tracks; number {used} " in note for note in info.notes)


@pytest.mark.parametrize(
    ("size", "message"), [((128, 96), ""), ((48, 64), "changes from 64 x 48 to 48 x 64 at frame 4")]
)
def test_sizes_that_change_are_said_or_refused(size: tuple[int, int], message: str, tmp_path: Path) -> None:
    """A transport stream of two recordings."""
    parts = [
        write_movie(tmp_path / f"{index}.ts", numbered(4, *one), times=[1000 * index + 40 * at for at in range(4)])
        for index, one in enumerate(((64, 48), size))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    if message:
        with pytest.raises(UserError, match=message):
            run_stage(tmp_path, path)
        return
    _, about = run_stage(tmp_path, path)
    assert any("4 of 8 frames have another size" in note for note in about["notes"])
