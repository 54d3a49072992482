# SPDX-License-Identifier: Apache-2.0
"""Unusual movies through the probe and the decoder."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from reangle.errors import UserError
from reangle.media import colour
from reangle.media.decode import select
from reangle.media.write import read_images

from tests.backend.clips import QUARTERS, corners, images, number_of, numbered, probe, quarters, run_stage, write_movie


def test_variable_frame_rate_keeps_each_frames_own_time(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 500]
    info = probe(write_movie(tmp_path / "phone.mp4", numbered(6), times=times))
    assert info.fps_is_variable
    assert np.allclose(info.timestamps, np.array(times) / 1000, atol=1e-3)
    assert info.fps == 10
    assert any("varies" in note for note in info.notes)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
def test_steady_frame_rate_is_exact_in_every_container(tmp_path: Path, suffix: str) -> None:
    info = probe(write_movie(tmp_path / f"clip.{suffix}", numbered(30), rate=30))
    assert not info.fps_is_variable
    assert (info.fps, info.frames) == (30, 30)
    assert np.allclose(info.timestamps, np.arange(30) / 30, atol=1.1e-3)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
@pytest.mark.parametrize("start", [0, 1, 17, 23, 39])
def test_starting_in_the_middle_gives_the_same_frames(tmp_path: Path, suffix: str, start: int) -> None:
    path = write_movie(tmp_path / f"clip.{suffix}", numbered(40), options={"g": "12", "bf": "3", "crf": "4"})
    info = probe(path)
    assert [number_of(image) for image in images(info, start)] == list(range(start, 40))


@pytest.mark.parametrize("suffix", ["mov", "mp4"])
@pytest.mark.parametrize(("written", "focal"), [("26", 26.0), ("0", None), ("wide", None)])
def test_the_focal_length_that_a_phone_wrote_is_kept(
    tmp_path: Path, suffix: str, written: str, focal: float | None
) -> None:
    key = "com.apple.quicktime.camera.focal_length.35mm_equivalent"
    tags = {"movflags": "use_metadata_tags"}
    path = write_movie(tmp_path / f"phone.{suffix}", numbered(2), container=tags, metadata={key: written})
    assert run_stage(tmp_path, path)[1]["focal_35mm"] == focal


# Counter-clockwise turns for display; the corner order is top left, top right, bottom left, bottom right.
@pytest.mark.parametrize(
    ("degrees", "order"), [(0, (0, 1, 2, 3)), (90, (1, 3, 0, 2)), (180, (3, 2, 1, 0)), (-90, (2, 0, 3, 1))]
)
def test_rotation_is_applied(tmp_path: Path, degrees: int, order: tuple[int, ...]) -> None:
    path = write_movie(tmp_path / "turned.mp4", [quarters(96, 64)] * 2, rotation=degrees, options={"crf": "4"})
    info = probe(path)
    assert (info.width, info.height) == ((64, 96) if degrees in (90, -90) else (96, 64))
    expected = [QUARTERS[index] for index in order]
    assert np.allclose(corners(images(info)[0]), expected, atol=6)


def test_mirrored_display_matrix_is_applied() -> None:
    picture = quarters(6, 4)
    assert np.array_equal(colour.upright(picture, np.array([[-1, 0], [0, 1]])), picture[:, ::-1])
    assert np.array_equal(colour.upright(picture, np.array([[0, 1], [1, 0]])), picture.swapaxes(0, 1))


def test_odd_size_is_kept(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "odd.mkv", [quarters(65, 49)], codec="ffv1", pixels="bgr0")
    out, about = run_stage(tmp_path, path)
    assert (about["width"], about["height"]) == (65, 49)
    assert np.array_equal(read_images(out / "frames")[0], quarters(65, 49))


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"), [("libvpx-vp9", "yuva420p", "webm"), ("prores_ks", "yuva444p10le", "mov")]
)
def test_alpha_is_kept(tmp_path: Path, codec: str, pixels: str, suffix: str) -> None:
    picture = np.dstack([quarters(64, 48), np.full((48, 64), 255, np.uint8)])
    picture[:, :32, 3] = 0
    path = write_movie(tmp_path / f"logo.{suffix}", [picture] * 2, codec=codec, pixels=pixels, source="rgba")
    out, about = run_stage(tmp_path, path)
    alpha = read_images(out / "alpha")
    assert about["has_alpha"]
    assert alpha.shape == (2, 48, 64)
    assert alpha[:, :, :28].max() < 8
    assert alpha[:, :, 36:].min() > 247


@pytest.mark.parametrize("matrix", [1, 6])
def test_colour_matrix_is_taken_from_the_tag(tmp_path: Path, matrix: int) -> None:
    path = write_movie(tmp_path / "c.mp4", [quarters(64, 48)], matrix=matrix, options={"crf": "2"})
    assert np.allclose(corners(images(probe(path))[0]), QUARTERS, atol=4)


def test_colour_matrix_without_a_tag_depends_on_the_size(tmp_path: Path) -> None:
    small = write_movie(tmp_path / "sd.mp4", [quarters(64, 48)], matrix=None, options={"crf": "2"})
    assert np.allclose(corners(images(probe(small))[0]), QUARTERS, atol=4)
    # Written with BT.601 at a size that implies BT.709: the decoded colours must differ.
    large = write_movie(tmp_path / "hd.mp4", [quarters(1280, 64)], matrix=None, options={"crf": "2"})
    assert not np.allclose(corners(images(probe(large))[0]), QUARTERS, atol=10)


def test_pq_is_mapped_to_sdr_with_a_note(tmp_path: Path) -> None:
    # 16-bit BT.2020 PQ: graphics white (203 cd/m2), 18 % grey of it, and black.
    codes = colour.light_to_pq(np.array([203.0, 36.5, 0.0]))
    picture = np.repeat(np.rint(codes * 65535).astype(np.uint16), 32)[None, :, None].repeat(64, 0).repeat(3, 2)
    path = write_movie(
        tmp_path / "hdr.mp4", [picture], codec="libx265", pixels="yuv420p10le", matrix=9, transfer=16, source="rgb48le",
        options={"crf": "4", "x265-params": "log-level=error:pools=1:frame-threads=1"},
    )  # fmt: skip
    info = probe(path)
    white, grey, black = (int(images(info)[0][32, x].mean()) for x in (16, 48, 80))
    assert any("PQ" in note and "SDR" in note for note in info.notes)
    assert 205 < white < 240
    assert abs(grey - 255 * 0.18 ** (1 / 2.4)) < 6
    assert black < 4


def test_hlg_and_pq_agree_on_the_same_light() -> None:
    light = np.array([[[5.0, 5.0, 5.0], [100.0, 80.0, 60.0], [600.0, 600.0, 600.0]]], np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    luminance = (light @ np.array([0.2627, 0.6780, 0.0593])) / 1000
    scene = light / 1000 / (luminance ** (0.2 / 1.2))[..., None]
    encoded = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    from_hlg = colour.tone_map(encoded.astype(np.float32), "HLG").astype(int)
    from_pq = colour.tone_map(colour.light_to_pq(light), "PQ").astype(int)
    assert np.abs(from_hlg - from_pq).max() <= 1
    assert (np.diff(from_pq[0, :, 0]) > 0).all()


def test_sample_aspect_ratio_gives_square_pixels(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "dv.mp4", [quarters(72, 48)], options={"x264-params": "sar=2/1"})
    info = probe(path)
    assert (info.width, info.height) == (144, 48)
    assert images(info)[0].shape == (48, 144, 3)
    assert any("square" in note for note in info.notes)


def test_a_truncated_file_reports_its_frame_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(20)]
    whole = write_movie(tmp_path / "whole.mp4", noise, container={"movflags": "faststart"}, options={"bf": "0"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    out, about = run_stage(tmp_path, cut)
    assert 5 < about["frames"] < 16
    assert any(f"{about['source_frames']} of 20 frames" in note for note in about["notes"])
    assert len(read_images(out / "frames")) == about["frames"] == len(about["timestamps"])
    with pytest.raises(UserError, match="cut short"):
        select(probe(cut), frames=20)


def test_a_damaged_frame_repeats_its_neighbour_and_is_counted(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "clip.mov", numbered(9), codec="png", pixels="rgb24")
    data = bytearray(path.read_bytes())
    fifth = -1
    for _ in range(5):
        fifth = data.index(b"\x89PNG", fifth + 1)
    data[fifth + 45 : fifth + 105] = bytes(60)
    path.write_bytes(data)
    out, about = run_stage(tmp_path, path)
    assert [number_of(image) for image in read_images(out / "frames")] == [0, 1, 2, 3, 3, 5, 6, 7, 8]
    assert any("8 of 9 frames" in note for note in about["notes"])


def test_frames_are_counted_if_the_container_has_no_count(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "live.mp4", numbered(12), container={"movflags": "frag_keyframe+empty_moov"})
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 0
    assert probe(path).frames == 12


def test_files_without_video_are_refused(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as output:
        stream = output.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    empty = tmp_path / "empty.mp4"
    empty.touch()
    whole = write_movie(tmp_path / "whole.mp4", numbered(5))
    no_index = tmp_path / "no_moov.mp4"
    no_index.write_bytes(whole.read_bytes().split(b"moov")[0][:-4])
    for path, why in ((sound, "only sound"), (empty, "empty"), (no_index, "index")):
        with pytest.raises(UserError, match="no video") as caught:
            probe(path)
        assert why in caught.value.message
        assert caught.value.advice


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.txt"])
@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{secret}'\n",
        "file '{secret}'\n",
        "\ufeff# a comment\nffconcat version 1.0\nfile '{secret}'\n",
        "<?xml version='1.0'?><MPD><Period><BaseURL>{secret}</BaseURL></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_playlists_and_scripts_are_refused_under_any_name(tmp_path: Path, name: str, script: str) -> None:
    secret = write_movie(tmp_path / "secret.mp4", numbered(3))
    path = tmp_path / name
    path.write_text(script.format(secret=secret), encoding="utf-8")
    with pytest.raises(UserError, match="playlist"):
        probe(path)


def test_playlist_inside_a_movie_cannot_read_other_files(tmp_path: Path) -> None:
    secret = write_movie(tmp_path / "secret.mp4", numbered(3))
    path = tmp_path / "sneaky.mp4"
    path.write_bytes(b"\x00\x00\x00\x08free" + f"\n#EXTM3U\n#EXTINF:1,\n{secret}\n".encode())
    with pytest.raises(UserError, match="no video"):
        probe(path)


def test_limits_are_checked_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(write_movie(tmp_path / "clip.mp4", numbered(10)))
    monkeypatch.setattr("reangle.media.probe.MAX_WORKING_PIXELS", 5 * 64 * 48)
    with pytest.raises(UserError, match="memory") as caught:
        select(info)
    assert "5 frames" in caught.value.advice
    monkeypatch.setattr("reangle.media.probe.MAX_FRAMES", 8)
    with pytest.raises(UserError, match="at most 8"):
        select(info)
    assert select(info, frames=5).count == 5
    monkeypatch.setattr("reangle.media.movie.MAX_PACKETS", 8)
    with pytest.raises(UserError, match="too long"):
        probe(tmp_path / "clip.mp4")


def test_a_png_with_an_enormous_size_is_refused_before_reading(tmp_path: Path) -> None:
    head = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    (tmp_path / "bomb.png").write_bytes(head)
    with pytest.raises(UserError, match="60000 x 60000"):
        probe(tmp_path / "bomb.png")


def test_selection_beyond_the_clip_is_refused(tmp_path: Path) -> None:
    info = probe(write_movie(tmp_path / "clip.mp4", numbered(10)))
    with pytest.raises(UserError, match="10 frames"):
        select(info, start=10)
    with pytest.raises(UserError, match="7 frames from frame 3"):
        select(info, start=3, frames=8)


def test_different_aspect_ratio_crops_the_edges_with_a_note(tmp_path: Path) -> None:
    path = write_movie(tmp_path / "wide.mp4", [quarters(128, 48)], options={"crf": "4"})
    out, about = run_stage(tmp_path, path, width=48, height=48)
    assert np.allclose(corners(read_images(out / "frames")[0]), QUARTERS, atol=6)
    assert about["source_crop"] == [40, 0, 48, 48]
    assert any("cropped" in note for note in about["notes"])
    assert (about["source_width"], about["source_height"]) == (128, 48)
