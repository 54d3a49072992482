# SPDX-License-Identifier: Apache-2.0
"""COLMAP's models, written by pycolmap itself, and frames without distortion."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.contract import file_name_from
from reangle.contract.geometry_folders import collect_camera_files
from reangle.errors import UserError
from reangle.folders import ClipMetadata, Distortion
from reangle.geometry.colmap import pycolmap
from reangle.geometry.colmap_model import read_colmap
from reangle.geometry.undistortion import K_without_distortion, bent, straightened, undistorted
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT = 320, 240
LENSES = {
    "PINHOLE": [300, 310, 158, 121],
    "SIMPLE_RADIAL": [300, 160, 120, -0.08],
    "OPENCV": [300, 302, 158, 121, -0.12, 0.03, 0.001, -0.002],
    "OPENCV_FISHEYE": [200, 200, 160, 120, -0.02, 0.004, 0, 0],
}


def poses(count: int) -> np.ndarray:
    """world_from_camera: T x 4 x 4."""
    result = np.tile(np.eye(4), (count, 1, 1))
    for index in range(count):
        result[index, :3, :3] = Rotation.from_euler("y", 2 * index, degrees=True).as_matrix()
        result[index, :3, 3] = 0.1 * index, 0, 0.02 * index
    return result


def model(folder: Path, lens: str, *, binary: bool, without: tuple[int, ...] = (), count: int = 10) -> dict[str, Path]:
    """Write a model with one camera, whose images 0001.png ... lack some numbers."""
    camera = pycolmap.Camera(model=lens, width=WIDTH, height=HEIGHT, params=LENSES[lens], camera_id=1)
    made = pycolmap.Reconstruction()
    made.add_camera_with_trivial_rig(camera)
    for index, matrix in enumerate(poses(count)):
        if index + 1 not in without:
            image = pycolmap.Image(name=f"{index + 1:04d}.png", camera_id=1, image_id=count - index)
            made.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.linalg.inv(matrix)[:3]))
    folder.mkdir(parents=True, exist_ok=True)
    (made.write_binary if binary else made.write_text)(str(folder))
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("binary", [False, True])
def test_a_model_of_any_lens_is_read(lens: str, binary: bool, tmp_path: Path) -> None:
    track = read_colmap(model(tmp_path, lens, binary=binary))
    np.testing.assert_allclose(track.world_from_camera, poses(10), atol=1e-9)
    assert (track.width, track.height) == (WIDTH, HEIGHT)
    if lens == "PINHOLE":
        assert track.distortion is None
        np.testing.assert_allclose(track.K[0], [[300, 0, 158], [0, 310, 121], [0, 0, 1]])
    else:
        assert track.distortion == Distortion(model=lens, params=tuple(map(float, LENSES[lens])))


def test_frames_that_were_not_registered_are_named_and_filled(tmp_path: Path) -> None:
    track = read_colmap(model(tmp_path, "PINHOLE", binary=True, without=(4, 7)))
    np.testing.assert_allclose(track.world_from_camera, poses(10), atol=1e-9)
    assert "2 of 10" in track.notes[0]
    assert "4, 7" in track.notes[0]


def clip_of(*names: str, whole: int | None = None) -> ClipMetadata:
    return ClipMetadata(fps=24, width=WIDTH, height=HEIGHT, frames=len(names), source_frames=whole, image_names=names)


@pytest.mark.parametrize("binary", [False, True])
def test_images_belong_to_the_frames_of_their_names(binary: bool, tmp_path: Path) -> None:
    """Nine used frames and nine registered images, but not the same nine; the clip's files are of another type."""
    files = model(tmp_path, "PINHOLE", binary=binary, without=(4,))
    track = read_colmap(files, clip_of(*(f"{number:04d}.exr" for number in range(1, 10)), whole=10))
    np.testing.assert_allclose(track.world_from_camera, poses(10)[:9], atol=1e-9)
    assert len(track.notes) == 1
    assert "1 of 9 used frames (0004.exr)" in track.notes[0]


def test_frames_before_the_first_and_after_the_last_image_keep_its_pose(tmp_path: Path) -> None:
    files = model(tmp_path, "PINHOLE", binary=True, without=(1, 2, 10))
    track = read_colmap(files, clip_of(*(f"{number:04d}.png" for number in range(1, 11))))
    expected = poses(10)
    expected[:2], expected[9] = expected[2], expected[8]
    np.testing.assert_allclose(track.world_from_camera, expected, atol=1e-9)
    assert "0001.png, 0002.png, 0010.png" in track.notes[0]


def test_images_of_other_names_belong_by_number_or_count(tmp_path: Path) -> None:
    files = model(tmp_path, "PINHOLE", binary=True, without=(1, 10))
    by_number = clip_of(*(f"shot_{number:04d}_x4.png" for number in range(1, 11)))
    assert "2 of 10 used frames (shot_0001_x4.png, shot_0010_x4.png)" in read_colmap(files, by_number).notes[0]
    files = model(tmp_path, "PINHOLE", binary=True)
    counted = clip_of(*(f"shot_{number:04d}.png" for number in range(2, 12)))
    np.testing.assert_allclose(read_colmap(files, counted).world_from_camera, poses(10), atol=1e-9)
    few = clip_of(*(f"{number:04d}.png" for number in range(9, 40)), whole=100)
    with pytest.raises(UserError, match="registered only 2 of the 31 used frames"):
        read_colmap(files, few)


def test_images_of_another_camera_are_left_out_and_said(tmp_path: Path) -> None:
    """Their size and lens do not matter; names may have spaces and any encoding."""
    files = model(tmp_path, "PINHOLE", binary=False)
    cameras, poses_text = files["cameras.txt"], files["images.txt"]
    cameras.write_text(cameras.read_text() + "2 OPENCV 640 480 500 500 320 240 0.1 0 0 0\n")
    text = poses_text.read_text().replace("000", "caf\u00e9 000") + "99 1 0 0 0 0 0 0 2 stills/IMG 7.jpg\n\n"
    poses_text.write_bytes(text.encode("latin-1"))
    names = [f"{'caf_ 000' if number < 10 else '00'}{number}.png" for number in range(1, 11)]
    track = read_colmap(files, clip_of(*names))
    np.testing.assert_allclose(track.world_from_camera, poses(10), atol=1e-9)
    assert (track.width, track.height) == (WIDTH, HEIGHT)
    assert track.notes == ("Images of COLMAP's model that are no frames of the clip are left out: stills/IMG 7.jpg.",)


def test_binary_names_of_any_encoding_are_read_and_matched(tmp_path: Path) -> None:
    files = model(tmp_path, "PINHOLE", binary=True, without=(4,))
    images = files["images.bin"].read_bytes()
    for number in range(1, 11):
        images = images.replace(f"{number:04d}.png\0".encode(), f"schön {number:04d}.png\0".encode("latin-1"))
    files["images.bin"].write_bytes(images)
    names = [f"sch\udcf6n {number:04d}.png" for number in range(1, 11)]
    for found in (names, [name.replace("\udcf6", "ö") for name in names]):  # as Linux and Windows list the clip's files
        track = read_colmap(files, clip_of(*map(file_name_from, found)))
        np.testing.assert_allclose(track.world_from_camera, poses(10), atol=1e-9)
        assert "1 of 10" in track.notes[0]
    images = images.replace("schön 0010.png\0".encode("latin-1"), "still für später.png\0".encode("latin-1"))
    files["images.bin"].write_bytes(images)
    track = read_colmap(files, clip_of(*map(file_name_from, names[:9])))
    assert (
        track.notes[-1] == "Images of COLMAP's model that are no frames of the clip are left out: still f?r sp?ter.png."
    )
    files["images.bin"].write_bytes(images[:-70])
    with pytest.raises(UserError, match="cannot be read"):
        read_colmap(files)


def test_points_and_rigs_are_not_needed_whatever_is_in_them(tmp_path: Path) -> None:
    """Poses are those of the images; a copy that ended early may have left an empty points3D.bin."""
    files = model(tmp_path, "PINHOLE", binary=True)
    files["points3D.bin"].write_bytes(b"")
    for left_out in ("rigs.bin", "frames.bin"):
        some = {name: path for name, path in files.items() if name != left_out}
        np.testing.assert_allclose(read_colmap(some).world_from_camera, poses(10), atol=1e-9)


def test_text_of_two_bytes_a_letter_is_read(tmp_path: Path) -> None:
    files = model(tmp_path, "OPENCV", binary=False)
    for name in ("cameras.txt", "images.txt"):
        files[name].write_text(files[name].read_text(), encoding="utf-16")
    np.testing.assert_allclose(read_colmap(files).world_from_camera, poses(10), atol=1e-9)


def test_cameras_that_no_image_uses_do_not_matter(tmp_path: Path) -> None:
    files = model(tmp_path, "PINHOLE", binary=False)
    files["cameras.txt"].write_text(files["cameras.txt"].read_text() + "2 LENS 640 480 1 2\n3 OPENCV 0 0\n")
    np.testing.assert_allclose(read_colmap(files).world_from_camera, poses(10), atol=1e-9)


def changed(files: dict[str, Path], name: str, old: str, new: str) -> dict[str, Path]:
    text = files[name].read_text()
    assert old in text
    files[name].write_text(text.replace(old, new))
    return files


def test_a_rotation_of_any_length_is_the_same(tmp_path: Path) -> None:
    files = model(tmp_path, "PINHOLE", binary=False)
    fields = [line.split() for line in files["images.txt"].read_text().splitlines() if line and line[0] != "#"]
    longer = [[one[0], *(str(2.5 * float(value)) for value in one[1:5]), *one[5:]] for one in fields]
    files["images.txt"].write_text("".join(f"{' '.join(one)}\n\n" for one in longer))
    np.testing.assert_allclose(read_colmap(files).world_from_camera, poses(10), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("images.txt", "10 1 0 0 0 ", "10 0 0 0 0 ", r"Line 5 of images\.txt is no image's pose: 10 0 0 0 0"),
        ("images.txt", "10 1 0 0 0 ", "10 1 nan 0 0 ", r"Line 5 of images\.txt is no image's pose"),
        ("images.txt", "10 1 0 0 0 ", "10 1 0 0 ", r"Line 5 of images\.txt is no image's pose"),
        ("images.txt", " 1 0004.png", " 7 0004.png", r"0004\.png has camera 7, which cameras\.txt does not list"),
        ("images.txt", "0004.png", "0005.png", r"two images named 0005\.png"),
        ("cameras.txt", "320 240", "0 0", "has no size"),
        ("cameras.txt", " PINHOLE", " LENS", r"Line 4 of cameras\.txt is no camera"),
        ("cameras.txt", " 158 121", " 158", r"Line 4 of cameras\.txt is no camera"),
    ],
)
def test_lines_that_are_wrong_are_named(name: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        read_colmap(changed(model(tmp_path, "PINHOLE", binary=False), name, old, new))


def test_text_without_lines_of_points_and_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    files = model(tmp_path, "OPENCV", binary=False)
    lines = files["images.txt"].read_text().splitlines()
    bare = [line for line in lines if line.strip()]
    files["images.txt"].write_text("\ufeff\n" + "\n\n".join(bare[:6]) + "\n" + "\n".join(bare[6:]), encoding="utf-8")
    only = {name: files[name] for name in ("cameras.txt", "images.txt")}
    np.testing.assert_allclose(read_colmap(only).world_from_camera, poses(10), atol=1e-9)


def test_the_model_with_most_images_of_several_is_collected(tmp_path: Path) -> None:
    model(tmp_path / "sparse" / "0", "PINHOLE", binary=True, count=3)
    model(tmp_path / "sparse" / "1", "PINHOLE", binary=True, count=9)
    collected = collect_camera_files(tmp_path)
    assert {path.parent.name for path in collected} == {"1"}
    assert len(read_colmap({path.name: path for path in collected}).K) == 9


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images.bin", b"\x09\0\0\0\0\0\0\0nothing", "cannot be read"),
        ("images.bin", None, "images.bin is missing"),
        ("cameras.bin", bytes(8), "has camera 1, which cameras.bin does not list"),
        ("cameras.bin", b"\x09\0\0\0\0\0\0\0nothing", "cannot be read"),
    ],
)
def test_a_damaged_model_is_refused_in_one_sentence(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    files = model(tmp_path, "OPENCV", binary=True)
    if content is None:
        del files[name]
    else:
        files[name].write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_colmap(files)
    assert caught.value.advice
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("lens", [name for name in LENSES if name != "PINHOLE"])
def test_pixels_and_frames_are_straightened_alike(lens: str) -> None:
    """Dots drawn where the bent lens sees a grid end up on the grid, and no pixel is blank."""
    distortion = Distortion(model=lens, params=tuple(map(float, LENSES[lens])))
    K = K_without_distortion(distortion, WIDTH, HEIGHT)
    grid = np.stack(np.meshgrid(np.linspace(30, 290, 6), np.linspace(25, 215, 5)), axis=-1).reshape(-1, 2)
    where = bent(grid, distortion, K, WIDTH, HEIGHT)
    assert np.linalg.norm(where - grid, axis=1).max() > 1
    np.testing.assert_allclose(straightened(where, distortion, K, WIDTH, HEIGHT), grid, atol=0.01)

    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    for u, v in where:
        dot = np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / 8)
        image = np.maximum(image, (40 + 200 * dot).astype(np.uint8)[..., None])
    straight = undistorted(image, distortion, K)[..., 0].astype(float) - 40
    assert straight.min() > -3
    for u, v in grid:
        window = straight[int(v) - 5 : int(v) + 6, int(u) - 5 : int(u) + 6]
        middle = np.average(np.arange(-5, 6) + 0.5, weights=np.maximum(window.sum(axis=0), 0))
        assert abs(int(u) + middle - u) < 0.25

    corners = bent(np.array([[0.0, 0], [WIDTH, 0], [0, HEIGHT], [WIDTH, HEIGHT]]), distortion, K, WIDTH, HEIGHT)
    assert (corners > -0.01).all()
    assert (corners < np.array([WIDTH, HEIGHT]) + 0.01).all()
    assert cv2.countNonZero(undistorted(np.full_like(image, 255), distortion, K)[..., 0]) == WIDTH * HEIGHT
