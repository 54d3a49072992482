# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are a sequence, in which order, and the names they are uploaded under."""

from __future__ import annotations

from pathlib import Path

import pytest

from reangle_blender.core.contract import check_file_name
from reangle_blender.core.contract.geometry_folders import collect_geometry_files
from reangle_blender.core.contract.sequences import frame_numbers, in_frame_order, names_for_upload, sequence_of

SEQUENCES = {
    "upscaler": ([f"shot_{n:04d}_x4.png" for n in range(5)], range(5)),
    "proxy": ([f"{n:06d}_1080p.png" for n in range(1, 6)], range(1, 6)),
    "version behind": ([f"sh010_{n:04d}_v002.png" for n in range(5)], range(5)),
    "view behind": ([f"sh.{n:04d}.L1.png" for n in range(5)], range(5)),
    "before zero": (["shot-0002.png", "shot-0001.png", "shot00000.png", "shot00001.png"], range(-2, 2)),
    "before zero, dash": (["a--001.png", "a-000.png", "a-001.png"], range(-1, 2)),
    "dash": ([f"shot-{n:04d}.png" for n in range(1, 4)], range(1, 4)),
    "superscript": ([f"take1²{n:04d}.png" for n in range(5)], range(5)),
    "plain": ([f"f{n}.png" for n in range(8, 12)], range(8, 12)),
    "version counts with gaps": ([f"sh_{n:04d}_v{v:03d}.png" for v, n in enumerate((1, 2, 4))], (1, 2, 4)),
    "two numbers change": ([f"f{n:04d}_t{n + 119}.png" for n in range(1, 6)], range(120, 125)),
    "frame and time": ([f"{n:04d}_{n * 40 // 1000}.{n * 40 % 1000:03d}.png" for n in range(24, 52)], range(24, 52)),
    "full width digits": (["f０９.png", "f１０.png"], range(9, 11)),
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_the_number_that_differs_is_the_frame(kind: str) -> None:
    names, numbers = SEQUENCES[kind]
    assert frame_numbers(names) == tuple(numbers)
    assert in_frame_order(reversed(names)) == names
    others = ["other_0001.png", "._" + names[1], names[1].replace(".png", ".jpg"), "notes.txt"]
    for chosen in names:
        assert sequence_of(chosen, [*reversed(names), *others]) == names


def test_other_shots_versions_and_scales_are_other_sequences() -> None:
    shots = [f"sh{shot:03d}_{n:04d}.png" for shot in range(10, 150, 10) for n in (1, 2, 4)]
    assert sequence_of("sh020_0002.png", shots) == ["sh020_0001.png", "sh020_0002.png", "sh020_0004.png"]
    versions = [f"sh_{n:04d}_v{version:03d}.png" for n in (1, 2) for version in range(1, 9)]
    assert sequence_of("sh_0001_v003.png", versions) == ["sh_0001_v003.png", "sh_0002_v003.png"]
    dashes = ["shot-0001.png", "shot-0002.png", "shot0001.png", "shot0002.png"]
    assert sequence_of("shot0001.png", dashes) == dashes[2:]
    assert sequence_of("shot-0001.png", dashes) == dashes[:2]
    assert sequence_of("single.png", ["single.png", "x1.png"]) == ["single.png"]


def test_numbers_with_and_without_zeros_are_two_sequences() -> None:
    short, long = [f"shot_{n}.png" for n in range(8, 12)], [f"shot_{n:03d}.png" for n in range(8, 12)]
    for chosen in (*short, *long):
        assert sequence_of(chosen, [*short, *long]) == (short if chosen in short else long)
    mixed = ["shot_08.png", "shot_9.png", "shot_10.png"]
    assert sequence_of("shot_9.png", mixed) == mixed


def test_several_numbers_that_make_one_are_ordered_together() -> None:
    """Seconds with their fraction, date and time, and a first file without a number."""
    seconds = [f"{at}.{part:06d}.png" for at, part in ((17, 950000), (17, 983333), (18, 16666), (18, 50001))]
    dates = [f"IMG_{one}.jpg" for one in ("20240131_235958", "20240131_235959", "20240201_000001")]
    for names in (seconds, dates, ["clip.png", "clip (1).png", "clip (2).png"], ["a.png", "a1.png", "a2.png"]):
        assert in_frame_order(names[::-1]) == names
    sent = names_for_upload([Path(f"a:{name}") for name in seconds[::-1]])
    assert in_frame_order(sent) == sent[::-1]


@pytest.mark.parametrize(
    "name",
    [
        "Screencast 12:30:45.mp4",
        "What is this?.mp4",
        "aux.mp4",
        "caf\udce9.mp4",
        "「ツバメ」の歌を歌ってみた" * 5 + ".mp4",
        " a. .mp4",
        "line\nbreak.mp4",
    ],
)
def test_any_name_can_be_uploaded(name: str) -> None:
    (one,) = names_for_upload([Path(name)])
    assert check_file_name(one).endswith(".mp4")
    names = [f"{name[:-4]} {n}.exr" for n in (-1, 0, 2, 9, 10)]
    sent = names_for_upload([Path("clip") / one for one in reversed(names)])
    assert [check_file_name(one) for one in sent] == sent
    assert len(set(sent)) == len(sent)
    assert in_frame_order(sent) == sent[::-1]
    assert frame_numbers(sent) == frame_numbers(names[::-1])


def test_names_that_are_fit_stay() -> None:
    paths = [Path("a/0001.png"), Path("b/depth:1.exr"), Path("b/depth:2.exr"), Path("b/cameras.txt")]
    assert names_for_upload(paths) == ["0001.png", "depth__000001.exr", "depth__000002.exr", "cameras.txt"]


def test_other_files_in_a_depth_folder_are_left_alone(tmp_path: Path) -> None:
    """What a Mac writes beside files, and the other pictures of a render."""
    for name in ("render_0001.exr", "render_0002.exr", "render_depth_0001.exr", "render_depth_0002.exr", "0001.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "camera.json").write_text('{"width": 1, "K": [], "frames": []}')
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "old").mkdir()
    for name in ("._camera.json", "._render_depth_0001.exr", "__MACOSX/depth_0001.exr", "old/depth_0001.exr"):
        (tmp_path / name).write_bytes(bytes.fromhex("0005160700020000"))
    found = [path.name for path in collect_geometry_files(tmp_path)]
    assert found == ["render_depth_0001.exr", "render_depth_0002.exr", "camera.json"]


@pytest.mark.parametrize(
    ("named", "others"),
    [
        ("WorldDepth.#.exr", ["FinalImage.#.exr", "InverseDepth.#.exr"]),
        ("zDepth_#.exr", ["beauty_#.exr", "depth_disparity_#.exr"]),
        ("VRayZDepth/#.exr", ["rgb/#.exr", "disparity/#.exr"]),
        ("depth_maps/#.exr", ["images/#.exr", "inverse_depth/#.exr"]),
    ],
)
def test_depth_is_found_by_the_words_of_files_and_folders(named: str, others: list[str], tmp_path: Path) -> None:
    for pattern in (*others, named):
        for number in ("0001", "0002"):
            (tmp_path / pattern.replace("#", number)).parent.mkdir(exist_ok=True)
            (tmp_path / pattern.replace("#", number)).write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in collect_geometry_files(tmp_path)]
    assert found == [named.replace("#", number) for number in ("0001", "0002")]
