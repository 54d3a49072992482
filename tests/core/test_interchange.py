# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths through other programs' files: what a format holds comes back, and foreign files mean what they say."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reangle_blender.core.contract import CameraPath, UserError
from reangle_blender.core.interchange import FORMATS, Hints, Take, completed, detect, placed, read, read_path, write
from reangle_blender.core.interchange.rotations import angles_of, from_angles, quaternions_of, rotations_of

WIDTH, HEIGHT, FPS = 720, 480, 24.0
HINTS = Hints(WIDTH, HEIGHT)
NO_LENS, NO_SHIFT = {"TUM"}, {"NERFSTUDIO", "CHAN"}
BOTH = [one.id for one in FORMATS.values() if one.read and one.write]
ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def takes(draw: st.DrawFn) -> Take:
    count = draw(st.integers(1, 5))
    turns = np.array([[draw(numbers(-180, 180)) for _ in range(3)] for _ in range(count)])
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3] = from_angles(turns, "XYZ")
    matrices[:, :3, 3] = [[draw(numbers(-50, 50)) for _ in range(3)] for _ in range(count)]
    K = np.tile(np.diag([1.0, 1.0, 1.0]), (count, 1, 1))
    for frame in K:
        frame[0, 0] = draw(numbers(100, 5000))
        frame[1, 1] = frame[0, 0] * draw(st.sampled_from([1.0, 1.1]))
        frame[:2, 2] = draw(numbers(-500, 1500)), draw(numbers(-500, 1500))
    path = path_of(matrices, K)
    return Take(path, path, first_frame=draw(st.integers(-5, 1001)), rotation_order=draw(st.sampled_from(ORDERS)))


def path_of(matrices: np.ndarray, K: np.ndarray, name: str = "shot") -> CameraPath:
    return CameraPath(
        name=name, fps=FPS, width=WIDTH, height=HEIGHT, frames=tuple(range(len(matrices))),
        world_from_camera=matrices.tolist(), K=K.tolist(),
    )  # fmt: skip


def still(count: int) -> CameraPath:
    K = np.array([[600.0, 0, WIDTH / 2], [0, 600, HEIGHT / 2], [0, 0, 1]])
    return path_of(np.tile(np.eye(4), (count, 1, 1)), np.tile(K, (count, 1, 1)), "source")


def file_of(folder: Path, format_id: str) -> Path:
    return folder / f"path{FORMATS[format_id].suffix}"


@pytest.mark.parametrize("format_id", BOTH)
@settings(max_examples=30, deadline=None)
@given(take=takes())
def test_what_a_format_holds_comes_back(format_id: str, take: Take, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = file_of(tmp_path_factory.mktemp("paths"), format_id)
    notes = write(take, file, format_id)
    assert detect(file).id == format_id
    hints = Hints(WIDTH, HEIGHT, take.rotation_order)
    path, _ = read_path(file, "AUTO", hints, take.path, "again")
    assert np.asarray(path.world_from_camera) == pytest.approx(take.world_from_camera, abs=1e-6)
    assert (path.width, path.height, path.fps) == (WIDTH, HEIGHT, FPS)
    K = take.K
    if format_id in NO_SHIFT:
        assert (len(notes) > (format_id == "CHAN")) == bool(
            np.abs(K[:, :2, 2] - (WIDTH / 2, HEIGHT / 2)).max() > 1e-3 or np.ptp(K[:, (0, 1), (0, 1)], axis=1).max() > 1
        )
        K = K.copy()
        K[:, 0, 0], K[:, 0, 2], K[:, 1, 2] = K[:, 1, 1], WIDTH / 2, HEIGHT / 2
    if format_id not in NO_LENS:
        assert np.asarray(path.K) == pytest.approx(K, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_angles_turn_in_their_order_also_where_two_of_them_do_the_same(order: Any) -> None:
    random = np.random.default_rng(0)
    turns = np.concatenate([random.uniform(-180, 180, (20, 3)), 90.0 * random.integers(-2, 3, (60, 3))])
    rotations = from_angles(turns, order)
    assert from_angles(angles_of(rotations, order), order) == pytest.approx(rotations, abs=1e-9)
    assert rotations_of(quaternions_of(rotations)) == pytest.approx(rotations, abs=1e-9)
    one = {"XYZ"[axis]: from_angles(np.eye(3)[axis : axis + 1] * 90, order)[0] for axis in range(3)}
    every = from_angles(np.full((1, 3), 90.0), order)[0]
    assert every == pytest.approx(one[order[2]] @ one[order[1]] @ one[order[0]], abs=1e-9)
    spin = np.zeros((9, 3))
    spin[:, 1] = np.linspace(0, 720, 9)
    assert np.abs(np.diff(angles_of(from_angles(spin, "XYZ"), "YXZ")[:, 1])) == pytest.approx(90, abs=1e-6)


# Files as other programs write them. The camera is two units to the right of the origin and one above, looks ahead
# (OpenCV's +z, Blender's +y) and, in the second frame, is turned to the right by 90 degrees.
FIRST = np.array([[1, 0, 0, 2], [0, 1, 0, -1], [0, 0, 1, 0], [0, 0, 0, 1.0]])
SECOND = np.array([[0, 0, 1, 2], [0, 1, 0, -1], [-1, 0, 0, 0], [0, 0, 0, 1.0]])
HALF = repr(np.sqrt(0.5))

NERFSTUDIO = {  # as nerfstudio's add-on for Blender writes it
    "camera_type": "perspective", "render_height": 480, "render_width": 720, "fps": 24, "seconds": 1,
    "smoothness_value": 0, "is_cycle": False, "keyframes": [],
    "camera_path": [
        {"camera_to_world": [1, 0, 0, 2, 0, 0, -1, 0, 0, 1, 0, 1, 0, 0, 0, 1], "fov": 43.602818972, "aspect": 1},
        {"camera_to_world": [0, 0, -1, 2, -1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1], "fov": 43.602818972, "aspect": 1},
    ],
}  # fmt: skip
TRANSFORMS = {  # as ns-process-data writes it: frames in any order, an OPENCV lens
    "camera_model": "OPENCV", "w": 720, "h": 480, "fl_x": 600.0, "fl_y": 600.0, "cx": 360.0, "cy": 240.0, "k1": 0.01,
    "frames": [
        {"file_path": "images/frame_00002.png",
         "transform_matrix": [[0, 0, -1, 2], [-1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]]},
        {"file_path": "images/frame_00001.png",
         "transform_matrix": [[1, 0, 0, 2], [0, 0, -1, 0], [0, 1, 0, 1], [0, 0, 0, 1]]},
    ],
}  # fmt: skip
COLMAP_CAMERAS = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
# Number of cameras: 1
1 SIMPLE_RADIAL 720 480 600 360 240 -0.0218531
"""
COLMAP_IMAGES = f"""# Image list with two lines of data per image:
#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME
#   POINTS2D[] as (X, Y, POINT3D_ID)
# Number of images: 2, mean observations per image: 2
7 {HALF} 0 -{HALF} 0 0 1 -2 1 shot 0002.png
2362.39 248.498 58396 1784.7 268.254 59027 1784.7 268.254 -1
2 1 0 0 0 -2 1 0 1 shot 0001.png
1190.83 663.957 23056 1258.77 640.354 59070
"""
TEXTS = {
    "TUM": ("slam.txt", f"# ground truth trajectory\n0.0 2 -1 0 0 0 0 1\n0.0416667 2 -1 0 0 {HALF} 0 {HALF}\n"),
    "REALESTATE10K": (
        "ab12.txt",
        "https://www.youtube.com/watch?v=KKhUU8czPgI\n"
        "81372956 0.833333333 1.25 0.5 0.5 0.0 0.0 1 0 0 -2 0 1 0 1 0 0 1 0\n"
        "81414623 0.833333333 1.25 0.5 0.5 0.0 0.0 0 0 -1 0 0 1 0 1 1 0 0 -2\n",
    ),
    "CHAN": ("nuke.chan", "1001\t2\t1\t0\t0\t0\t0\t43.602818972\n1002 2 1 0 0 -90 0 43.602818972\n"),
    "NERFSTUDIO": ("camera_path.json", json.dumps(NERFSTUDIO)),
    "TRANSFORMS": ("transforms.json", json.dumps(TRANSFORMS)),
}


def assert_is_the_known_camera(file: Path, format_id: str, count: int = 2) -> tuple[str, ...]:
    assert detect(file).id == format_id
    path, notes = read_path(file, "AUTO", HINTS, still(count), "known")
    assert np.asarray(path.world_from_camera) == pytest.approx(np.array([FIRST, SECOND]), abs=1e-6)
    assert np.asarray(path.K[0]) == pytest.approx(np.array([[600, 0, 360], [0, 600, 240], [0, 0, 1]]), abs=1e-5)
    return notes


@pytest.mark.parametrize("format_id", TEXTS)
def test_files_of_other_programs_mean_what_they_say(format_id: str, tmp_path: Path) -> None:
    name, text = TEXTS[format_id]
    (tmp_path / name).write_text(text, encoding="utf-8")
    notes = assert_is_the_known_camera(tmp_path / name, format_id)
    assert ("bends" in " ".join(notes)) == (format_id == "TRANSFORMS")
    assert ("no lens" in " ".join(notes)) == (format_id == "TUM")


def test_colmaps_models_are_read_as_text_and_binary(tmp_path: Path) -> None:
    text, binary = tmp_path / "text", tmp_path / "project" / "sparse" / "0"
    text.mkdir()
    (text / "cameras.txt").write_text(COLMAP_CAMERAS)
    (text / "images.txt").write_text(COLMAP_IMAGES)
    notes = assert_is_the_known_camera(text, "COLMAP")
    assert "bends" in notes[0]
    assert_is_the_known_camera(text / "images.txt", "COLMAP")
    binary.mkdir(parents=True)
    lens = struct.pack("<QIiQQ4d", 1, 1, 1, 720, 480, 600, 600, 360, 240)
    (binary / "cameras.bin").write_bytes(lens)
    half = float(HALF)
    images = struct.pack("<Q", 2)
    images += (
        struct.pack("<I7dI", 7, half, 0, -half, 0, 0, 1, -2, 1) + b"0002.png\0" + struct.pack("<Q2dq", 1, 3, 4, -1)
    )
    images += struct.pack("<I7dI", 2, 1, 0, 0, 0, -2, 1, 0, 1) + b"0001.png\0" + struct.pack("<Q", 0)
    (binary / "images.bin").write_bytes(images)
    assert assert_is_the_known_camera(tmp_path / "project", "COLMAP") == ()
    (binary / "images.bin").write_bytes(images[:-12])
    with pytest.raises(UserError, match=r"images\.bin is damaged"):
        read(binary, "COLMAP", HINTS)
    (text / "images.txt").write_text(COLMAP_IMAGES.replace("0002.png", "0005.png"))
    path, notes = read_path(text, "COLMAP", HINTS, still(5), "gaps")
    assert "lacks 3 of 5 frames" in notes[0]
    between = np.asarray(path.world_from_camera)[1:4, :3, :3]
    assert between == pytest.approx(from_angles(np.array([[0, 22.5, 0], [0, 45, 0], [0, 67.5, 0]]), "XYZ"), abs=1e-9)


def test_scenes_of_dust3rs_family_are_read(tmp_path: Path) -> None:
    """MonST3R writes the quaternion's real part first, and pixel centres are whole numbers."""
    poses = f"0.0 2.0 -1.0 0.0 1.0 0.0 0.0 0.0\n1.0 2.0 -1.0 0.0 {HALF} 0.0 {HALF} 0.0\n"
    (tmp_path / "pred_traj.txt").write_text(poses)
    (tmp_path / "pred_intrinsics.txt").write_text("300 0 179.5 0 300 119.5 0 0 1\n" * 2)
    np.save(tmp_path / "frame_0000.npy", np.ones((240, 360), np.float32))
    np.save(tmp_path / "conf_0.npy", np.ones((240, 360), np.float32))
    assert assert_is_the_known_camera(tmp_path, "DUST3R") == ()
    assert_is_the_known_camera(tmp_path / "pred_traj.txt", "DUST3R")


def test_npz_of_vista4d_and_megasam_are_read(tmp_path: Path) -> None:
    poses = np.array([FIRST, SECOND], np.float32)
    np.savez(tmp_path / "cameras.npz", cam_c2w=poses, intrinsics=np.array([[600, 600, 360, 240.0]] * 2, np.float32))
    assert_is_the_known_camera(tmp_path / "cameras.npz", "VISTA4D")
    K = np.array([[600, 0, 360], [0, 600, 240], [0, 0, 1.0]])
    np.savez(tmp_path / "megasam.npz", cam_c2w=poses, intrinsic=K, depths=np.ones((2, 3, 4)))
    assert_is_the_known_camera(tmp_path / "megasam.npz", "VISTA4D")


def moving_source(count: int) -> CameraPath:
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3] = from_angles(np.linspace(0, 9, count)[:, None] * (0, 1, 0.3), "XYZ")
    matrices[:, 0, 3] = np.linspace(0, 0.4, count)
    return path_of(matrices, np.asarray(still(count).K), "source")


def test_recammaster_reads_its_file_as_our_path(tmp_path: Path) -> None:
    """Its own lines read it: rows of text, columns in another order, centimetres, poses beside the first."""
    source = moving_source(4)
    write(Take(source, source), tmp_path / "camera_extrinsics.json", "RECAMMASTER")
    content = json.loads((tmp_path / "camera_extrinsics.json").read_text())
    rows = [content[f"frame{index}"]["cam01"].strip().split("] [") for index in range(4)]
    read_rows = [[[float(one) for one in row.strip("[] ").split()] for row in frame] for frame in rows]
    c2w = np.array(read_rows).transpose(0, 2, 1)[:, :, [1, 2, 0, 3]]
    c2w[:, :3, 1] *= -1
    c2w[:, :3, 3] /= 100
    ours = np.asarray(source.world_from_camera)
    assert np.linalg.inv(c2w[0]) @ c2w == pytest.approx(np.linalg.inv(ours[0]) @ ours, abs=1e-6)
    unreal = np.array(read_rows).transpose(0, 2, 1)[:, :3, :3]
    assert np.linalg.det(unreal) == pytest.approx(1), "a rotation of a left-handed world"


def test_reshoot_anything_moves_a_pixel_as_we_do(tmp_path: Path) -> None:
    """It takes the clip's camera for still: a point of frame i goes from the source's picture into the target's."""
    source, target = moving_source(4), placed(moving_source(4), FIRST, 2.0)
    write(Take(target, source), tmp_path / "cam_info.json", "RESHOOT")
    content = json.loads((tmp_path / "cam_info.json").read_text())
    extrinsic = np.array(content["extrinsic"])
    assert len(extrinsic) == 5
    seen = np.array([0.3, -0.2, 4.0, 1])  # by the clip's camera
    for index in range(4):
        world = np.linalg.inv(extrinsic[0]) @ seen
        theirs = extrinsic[1 + index] @ world
        ours = np.linalg.inv(np.array(target.world_from_camera[index])) @ source.world_from_camera[index] @ seen
        assert theirs == pytest.approx(ours, abs=1e-9)
    assert (content["intrinsic"], content["width"]) == ([list(row) for row in target.K[0]], WIDTH)


def test_versecrafter_gets_blenders_matrices(tmp_path: Path) -> None:
    take = Take(path_of(np.array([FIRST, SECOND]), np.asarray(still(2).K)), still(2))
    assert "81 frames" in write(take, tmp_path / "custom_camera_trajectory.npz", "VERSECRAFTER")[1]
    with np.load(tmp_path / "custom_camera_trajectory.npz") as arrays:
        matrices = arrays["extrinsics"]
    assert matrices.dtype == np.float32
    expected = [c["camera_to_world"] for c in NERFSTUDIO["camera_path"]]
    assert matrices.reshape(2, 16) == pytest.approx(np.array(expected, float))


def test_trajectorycrafter_circles_as_our_path_does(tmp_path: Path) -> None:
    """Its own lines make the cameras again: turned about a point ahead, camera from world."""
    focus, count = 4.0, 5
    turns = np.linspace(0, 20, count)[:, None] * (0.5, -1, 0)
    orbit = np.tile(np.eye(4), (count, 1, 1))
    orbit[:, :3, :3] = from_angles(turns, "XYZ").swapaxes(1, 2)
    ahead = np.array([0, 0, 1.0])
    r = np.linspace(0, 0.3, count)
    orbit[:, :3, 3] = focus * ((1 + r)[:, None] * ahead - orbit[:, :3, 2])
    source = moving_source(count)
    target = path_of(np.asarray(source.world_from_camera) @ orbit, np.asarray(source.K))
    notes = write(Take(target, source, focus=focus), tmp_path / "traj.txt", "TRAJECTORYCRAFTER")
    assert len(notes) == 1
    theta, phi, radii = (np.array(line.split(), float) for line in (tmp_path / "traj.txt").read_text().splitlines())
    initial = np.diag([-1.0, 1, -1, 1])

    def theirs(theta: float, phi: float, r: float) -> np.ndarray:
        pose = initial.copy()
        pose[2, 3] -= r * focus
        t, p = np.radians(theta), np.radians(phi)
        x = np.array([[1, 0, 0, 0], [0, np.cos(t), -np.sin(t), 0], [0, np.sin(t), np.cos(t), 0], [0, 0, 0, 1]])
        y = np.array([[np.cos(p), 0, np.sin(p), 0], [0, 1, 0, 0], [-np.sin(p), 0, np.cos(p), 0], [0, 0, 0, 1]])
        pose = y @ (x @ pose)
        pose[2, 3] += focus
        return pose

    start = theirs(0, 0, 0)
    for index in range(count):
        moved = theirs(theta[index], phi[index], radii[index]) @ np.linalg.inv(start)
        assert moved == pytest.approx(np.linalg.inv(orbit[index]), abs=1e-6)
    orbit[:, 0, 3] += 0.4
    target = path_of(np.asarray(source.world_from_camera) @ orbit, np.asarray(source.K))
    notes = write(Take(target, source, focus=focus), tmp_path / "traj.txt", "TRAJECTORYCRAFTER")
    assert "10.0 % of the focus distance off" in notes[1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "1 2 3 4 5 6 7 8\n1 2 3\n", "Line 2 of a.txt"),
        ("a.txt", "0 0 0 0 0 0 0 0\n", "zero or not finite"),
        ("a.chan", "1 2 3\n", "frame tx ty tz"),
        ("a.json", '{"frames": []}', "no camera path that Reangle knows"),
        ("a.json", '{"camera_path": [{"fov": 50}], "render_width": 4, "render_height": 4}', "camera_to_world"),
        ("a.json", "{", "no camera path that Reangle knows"),
        ("a.txt", "hello\n", "no camera path that Reangle knows"),
        ("none", None, "There is no file"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_path_says_what_is_wrong(name: str, text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read(tmp_path / name, "AUTO", HINTS)
    assert caught.value.advice
    assert "\n" not in caught.value.message


def test_poses_that_are_no_cameras_are_named(tmp_path: Path) -> None:
    for change, words in (
        (np.diag([1.0, 1, -1, 1]), "frame 1.* mirrored"),
        (np.diag([2.0, 2, 2, 1]), "frame 1.* scaled"),
    ):
        np.savez(tmp_path / "a.npz", cam_c2w=np.array([FIRST, SECOND @ change]), intrinsics=[[600, 600, 360, 240]])
        with pytest.raises(UserError, match=words):
            read_path(tmp_path / "a.npz", "AUTO", HINTS, still(2), "x")
    np.savez(tmp_path / "a.npz", cam_c2w=np.array([FIRST]), intrinsics=[[-600, 600, 360, 240]])
    with pytest.raises(UserError, match="focal length"):
        read_path(tmp_path / "a.npz", "AUTO", HINTS, still(2), "x")


def test_a_path_of_another_size_length_and_place(tmp_path: Path) -> None:
    take = Take(moving_source(3), still(3))
    write(take, tmp_path / "a.json", "REANGLE")
    track = read(tmp_path / "a.json", "AUTO", HINTS)
    like = CameraPath("clip", 12.0, 360, 240, (0, 1), still(2).world_from_camera, still(2).K)
    path, notes = completed(track, like, "half: the size")
    assert (path.width, path.K[0][0][0], path.K[0][0][2]) == (360, 300, 180)
    assert path.name == "half_ the size"
    assert "3 frames, the clip 2" in notes[0]
    assert "24 frames per second, the clip 12" in notes[1]
    square = CameraPath("clip", FPS, 480, 480, (0, 1, 2), still(3).world_from_camera, still(3).K)
    path, notes = completed(track, square, "x")
    assert (path.width, path.height, path.K) == (WIDTH, HEIGHT, take.path.K)
    assert "720 x 480" in notes[0]
    moved = np.asarray(placed(take.path, FIRST, 3.0).world_from_camera)
    assert moved[0] == pytest.approx(FIRST)
    assert moved[:, 0, 3] - 2 == pytest.approx(3 * np.linspace(0, 0.4, 3))


def test_every_format_is_documented() -> None:
    """Its numbers and its axes stand in the table of docs/interchange.md."""
    page = (Path(__file__).parents[2] / "docs" / "interchange.md").read_text(encoding="utf-8")
    assert len({one.number for one in FORMATS.values()}) == len(FORMATS)
    for one in FORMATS.values():
        assert f"| {one.label} |" in page
        assert one.axes.split(":")[0].split(";")[0] in page
