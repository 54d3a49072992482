# SPDX-License-Identifier: Apache-2.0
"""Movies as their makers meant them: which track, at which time, and nothing whole called cut short."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream
from reangle.errors import UserError
from reangle.media.probe import exact_fps

from tests.backend.clips import images, number_of, numbered, probe, run_stage, write_movie


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
