# SPDX-License-Identifier: Apache-2.0
"""Geometry from files: renders of Blender, cameras of COLMAP, and errors for files that do not fit."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reangle.contract.geometry_folders import collect_geometry_files
from reangle.contract.sequences import natural_key
from reangle.errors import UserError
from reangle.folders import CameraFolder, DecodedClip, Distortion, GeometryFolder
from reangle.geometry.camera_files import read_camera_json, relative_to_first
from reangle.geometry.cloud import MAX_POINTS, cloud_size
from reangle.geometry.footage import Footage
from reangle.geometry.video_geometry import VideoGeometry
from scipy.spatial.transform import Rotation

from tests.backend.tiny_checkpoints import decoded_clip, run_geometry, textured_frames

WIDTH, HEIGHT, COUNT = 48, 32, 3


def true_depth(index: int) -> np.ndarray:
    return (2 + index + np.linspace(0, 1, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)).astype(np.float32)


def write_exr(path: Path, parts: list[dict[str, np.ndarray]]) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    if len(parts) == 1:
        OpenEXR.File(header, parts[0]).write(str(path))
    else:
        named = [OpenEXR.Part({**header, "name": f"part{index}"}, part) for index, part in enumerate(parts)]
        OpenEXR.File(named).write(str(path))
    return path


def camera_json(path: Path, matrices: np.ndarray, focal: float = 40.0, **more: Any) -> Path:
    K = [[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1]]
    frames = [{"K": K, "world_from_camera": matrix.tolist()} for matrix in matrices]
    path.write_text(json.dumps({"width": WIDTH, "height": HEIGHT, "frames": frames, **more}), encoding="utf-8")
    return path


def moving_camera(count: int) -> np.ndarray:
    matrices = np.tile(np.eye(4), (count, 1, 1))
    for index in range(count):
        matrices[index, :3, :3] = Rotation.from_euler("yx", (20 + 5 * index, 3), degrees=True).as_matrix()
        matrices[index, :3, 3] = 4, index, -2
    return matrices


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return decoded_clip(tmp_path / "clip", textured_frames(COUNT, HEIGHT, WIDTH))


def geometry_of(clip: Path, out: Path, files: list[Path], **params: Any) -> VideoGeometry:
    return run_geometry(clip, out, camera="files", depth="files", files=files, **params)


def layers(name: str, depth: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Channels named as Blender 4.5 and 5.0 name them."""
    noise = np.random.default_rng(0).random((4, *depth.shape), np.float32)
    combined = dict(zip(("R", "G", "B", "A"), noise, strict=True))
    if name == "4.5 multilayer":
        layer = {f"ViewLayer.Combined.{channel}": values for channel, values in combined.items()}
        return [{**layer, "ViewLayer.Depth.Z": depth}]
    if name == "5.0 multilayer":
        layer = {f"ViewLayer.Combined.{channel}": values for channel, values in combined.items()}
        return [layer, {"ViewLayer.Depth.Z": depth}]
    if name == "file output, colour and depth":
        return [{**{f"Image.{channel}": values for channel, values in combined.items()}, "Depth.V": depth}]
    if name == "file output, single layer":
        return [{"R": depth, "G": depth, "B": depth, "A": np.ones_like(depth)}]
    return [{"V": depth}]


@pytest.mark.parametrize(
    "kind",
    ["4.5 multilayer", "5.0 multilayer", "file output, colour and depth", "file output, single layer", "grey"],
)
def test_blender_renders_are_read(kind: str, clip: Path, tmp_path: Path) -> None:
    files = []
    for index in range(COUNT):
        depth = true_depth(index)
        depth[0, :5] = 1e10
        files.append(write_exr(tmp_path / f"z{index + 8}.exr", layers(kind, depth)))
    geometry = geometry_of(clip, tmp_path / "out", files)
    for index in range(COUNT):
        np.testing.assert_array_equal(geometry.depth[index][1:], true_depth(index)[1:])
        assert not geometry.valid[index, 0, :5].any()
        assert geometry.valid[index, 0, 5:].all()
    assert geometry.scale == "metric"


@pytest.mark.parametrize("encoding", ["linear", "inverse"])
def test_16_bit_png_is_read_with_the_camera_files_encoding(encoding: str, clip: Path, tmp_path: Path) -> None:
    about = {"encoding": encoding, "scale": 1e-4, "offset": 0.05}
    files = [camera_json(tmp_path / "camera.json", np.eye(4)[None], depth=about)]
    for index in range(COUNT):
        value = 1 / true_depth(index) if encoding == "inverse" else true_depth(index)
        pixels = ((value - 0.05) / 1e-4).round().astype(np.uint16)
        pixels[-1, -1] = 0
        files.append(tmp_path / f"{index}.png")
        cv2.imwrite(str(files[-1]), pixels)
    geometry = geometry_of(clip, tmp_path / "out", files)
    assert not geometry.valid[:, -1, -1].any()
    for index in range(COUNT):
        np.testing.assert_allclose(geometry.depth[index][:-1], true_depth(index)[:-1], rtol=5e-4)


def test_depth_of_the_whole_clip_is_cut_to_the_used_frames(clip: Path, tmp_path: Path) -> None:
    depth = np.stack([true_depth(index) for index in range(10)])
    np.savez(tmp_path / "depth.npz", depth=depth)
    decoded = DecodedClip(clip)
    decoded.write_metadata(replace(decoded.metadata(), source_frames=10))
    geometry = geometry_of(clip, tmp_path / "out", [tmp_path / "depth.npz"], start=4, depth_files_scale=0.5)
    np.testing.assert_allclose(geometry.depth, 0.5 * depth[4:7])
    assert any("frames 4 to 6 are used" in note for note in geometry.notes)


def test_depth_of_the_uncropped_source_is_cropped_like_the_frames(tmp_path: Path) -> None:
    """Frames are the middle 48 x 32 of a source of 96 x 32; depth was rendered at double the source's size."""
    clip = decoded_clip(
        tmp_path / "clip",
        textured_frames(1, 32, 48),
        source_width=96,
        source_height=32,
        source_crop=(24, 0, 48, 32),
        source_frames=1,
    )
    depth = np.tile(np.arange(1, 193, dtype=np.float32), (64, 1))
    np.save(tmp_path / "depth.npy", depth)
    about = {
        "width": 96,
        "height": 32,
        "K": [[80, 0, 48], [0, 80, 16], [0, 0, 1]],
        "world_from_camera": np.eye(4).tolist(),
    }
    (tmp_path / "camera.json").write_text(json.dumps(about))
    geometry = geometry_of(clip, tmp_path / "out", [tmp_path / "depth.npy", tmp_path / "camera.json"])
    np.testing.assert_array_equal(geometry.depth[0], depth[:, 48:144])
    np.testing.assert_allclose(geometry.K_at(48, 32)[0], [[80, 0, 24], [0, 80, 16], [0, 0, 1]])


def test_cameras_are_relative_to_the_first_and_scaled_to_the_depth(clip: Path, tmp_path: Path) -> None:
    matrices = moving_camera(COUNT)
    small = np.stack([true_depth(index)[::2, ::2] for index in range(COUNT)])
    np.save(tmp_path / "depth.npy", small)
    camera = camera_json(tmp_path / "camera.json", matrices)
    geometry = geometry_of(clip, tmp_path / "out", [camera, tmp_path / "depth.npy"])
    np.testing.assert_allclose(geometry.world_from_camera[0], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(geometry.world_from_camera, np.linalg.inv(matrices[0]) @ matrices, atol=1e-9)
    np.testing.assert_allclose(geometry.K[0], [[20, 0, 12], [0, 20, 8], [0, 0, 1]])


def test_frames_lose_the_distortion_of_a_colmap_lens_and_depth_follows(clip: Path, tmp_path: Path) -> None:
    """The model is for pictures twice the clip's size; its barrel distortion moves what is near the corners."""
    (tmp_path / "cameras.txt").write_text("1 RADIAL 96 64 80 48 32 -0.2 0\n")
    (tmp_path / "images.txt").write_text("".join(f"{n} 1 0 0 0 {-n} 0 0 1 frame{n}.png\n\n" for n in (1, 2, 3)))
    np.save(tmp_path / "depth.npy", np.stack([true_depth(index) for index in range(COUNT)]))
    files = [tmp_path / name for name in ("cameras.txt", "images.txt", "depth.npy")]
    geometry = geometry_of(clip, tmp_path / "out", files)
    folder = CameraFolder(tmp_path / "out" / "camera")
    straight, bent = Footage.open(folder.clip(DecodedClip(clip))), Footage.open(DecodedClip(clip))
    assert (straight.count, straight.width, straight.height) == (COUNT, WIDTH, HEIGHT)
    assert folder.metadata().distortion == Distortion(model="RADIAL", params=(40, 24, 16, -0.2, 0))
    moved = np.abs(straight.image(0).astype(int) - bent.image(0)).mean(axis=2)
    assert moved[12:20, 20:28].mean() < moved[:4].mean()
    assert geometry.world_from_camera[2, 0, 3] == pytest.approx(2)
    # Without distortion the picture's corner shows what was nearer to the centre.
    assert true_depth(0)[0, 0] < geometry.depth[0, 0, 0] < true_depth(0)[16, 24]
    assert set(geometry.depth[0].ravel()) <= {0, *true_depth(0).ravel()}, "depth is never blended"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"d.npy": 2}, "2 depth maps"),
        ({"d.npy": 3, "c.json": 2}, "2 cameras"),
        ({"d.npy": (3, 32, 32)}, "another shape"),
        ({"d.npy": (3, 32, 48, 2)}, "array of shape"),
        ({"d.npy": "pickle"}, "numpy depth"),
        ({"d.exr": b"nothing"}, "d.exr"),
        ({"d.png": "8 bit"}, "16 bits"),
        ({"c.json": 3}, "no depth map"),
        ({"d.npy": 3, "c.json": "mirrored"}, "frame 0.*mirrored"),
        ({"d.npy": 3, "c.json": "no K"}, "it has no 'K'"),
        ({"d.npy": 3, "c.json": "nan"}, "c.json"),
        ({"d.npy": 3, "c.json": 3, "other.json": 3}, "several camera files"),
        ({"d.npy": 3, "cameras.txt": "PINHOLE"}, "images.txt is missing"),
        ({"d.npy": 3, "cameras.txt": "OPENCV 48 32 40 40 24 16 0.1 0 0 0", "images.txt": ""}, "lists no images"),
        ({"d.npy": "empty"}, "no depth at all"),
    ],
)
def test_unusable_files_are_refused(files: dict[str, Any], message: str, clip: Path, tmp_path: Path) -> None:
    paths = [make(tmp_path / name, what) for name, what in files.items()]
    with pytest.raises(UserError, match=message) as caught:
        geometry_of(clip, tmp_path / "out", paths)
    assert caught.value.advice


def make(path: Path, what: Any) -> Path:
    """Write a file of the type of its suffix. what: number of frames, shape, or name of an invalid content."""
    if path.suffix == ".npy":
        if what == "pickle":
            path.write_bytes(pickle.dumps([1, 2, 3]))
        elif what == "empty":
            np.save(path, np.zeros((COUNT, HEIGHT, WIDTH), np.float32))
        else:
            np.save(path, np.ones(what if isinstance(what, tuple) else (what, HEIGHT, WIDTH), np.float32))
    elif path.suffix == ".png":
        cv2.imwrite(str(path), np.ones((HEIGHT, WIDTH), np.uint8))
    elif path.suffix == ".exr":
        path.write_bytes(what)
    elif path.suffix == ".txt":
        path.write_text(f"1 {what}\n" if what else "")
    else:
        camera_json(path, moving_camera(what) if isinstance(what, int) else np.diag([-1.0, 1, 1, 1])[None])
        if what == "no K":
            path.write_text('{"width": 48, "height": 32, "frames": [{"world_from_camera": 1}]}')
        if what == "nan":
            camera_json(path, np.eye(4)[None], focal=float("nan"))
    return path


def test_depth_and_camera_are_collected_from_a_folder(tmp_path: Path) -> None:
    """A folder like a ground-truth scene: colour, masks and targets beside the depth, source camera in scene.json."""
    for name in ("source/000001.png", "masks/000001.png", "targets/a/000001.png", "depth/10.exr", "depth/9.exr"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".exr":
            write_exr(path, [{"Z": true_depth(0)}])
        else:
            cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    source = {"K": [np.diag([40.0, 40, 1]).tolist()], "world_from_camera": [np.eye(4).tolist()]}
    (tmp_path / "scene.json").write_text(
        json.dumps({"fps": 24, "width": 48, "height": 32, "frames": 2, "source": source})
    )
    (tmp_path / "notes.json").write_text('{"author": "me"}')
    camera_json(tmp_path / "targets" / "other.json", moving_camera(2))
    paths = collect_geometry_files(tmp_path)
    assert [path.name for path in paths] == ["9.exr", "10.exr", "scene.json"]
    assert len(read_camera_json("scene.json", paths[-1]).K) == 1
    write_exr(tmp_path / "masks" / "1.exr", [{"Z": true_depth(0)}])
    assert [path.name for path in collect_geometry_files(tmp_path)] == ["9.exr", "10.exr", "scene.json"]
    with pytest.raises(UserError, match="no depth maps"):
        collect_geometry_files(tmp_path / "source")


def test_the_stage_writes_geometry_and_a_cloud_with_sharp_edges(tmp_path: Path) -> None:
    """A near square in front of a far wall, larger than the cloud: no point of the cloud is between the two."""
    height, width = 600, 900
    clip = decoded_clip(tmp_path / "clip", textured_frames(1, height, width))
    depth = np.full((1, height, width), 8, np.float32)
    depth[:, 200:400, 300:600] = 2
    depth[:, 199, 300:600] = 4
    np.save(tmp_path / "depth.npy", depth)
    geometry = geometry_of(clip, tmp_path / "out", [tmp_path / "depth.npy"], horizontal_fov_deg=90.0)
    np.testing.assert_array_equal(geometry.depth, depth)
    with np.load(GeometryFolder(tmp_path / "out").cloud, allow_pickle=False) as cloud:
        _, cloud_height, cloud_width = cloud["depth"].shape
        assert 0.98 * MAX_POINTS < cloud_height * cloud_width <= MAX_POINTS
        assert set(np.unique(cloud["depth"])) <= {0, 2, 8}
        assert cloud["rgb"].shape == (1, cloud_height, cloud_width, 3)
        assert cloud["rgb"].dtype == np.uint8
        assert cloud["dynamic"].dtype == bool
        assert (cloud["confidence"] == 255).all()
        assert not cloud["edges"][cloud["depth"] > 0].any()
        np.testing.assert_allclose(cloud["K"][0, 0], [cloud_width / 2, 0, cloud_width / 2])


@given(width=st.integers(1, 8192), height=st.integers(1, 8192))
@settings(max_examples=200)
def test_a_cloud_has_at_most_max_points(width: int, height: int) -> None:
    cloud_width, cloud_height = cloud_size(width, height)
    assert 1 <= cloud_width * cloud_height <= MAX_POINTS
    assert cloud_width <= width
    assert cloud_height <= height


def test_names_are_in_natural_order() -> None:
    names = ["z10.exr", "z9.exr", "Z1.exr", "z1b2.exr", "z01.exr"]
    assert sorted(names, key=natural_key) == ["Z1.exr", "z01.exr", "z1b2.exr", "z9.exr", "z10.exr"]
    np.testing.assert_allclose(relative_to_first(moving_camera(3))[0], np.eye(4), atol=1e-12)


def test_depth_maps_that_skip_a_frame_are_refused_and_other_numbers_are_said(tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(5, HEIGHT, WIDTH))
    (tmp_path / "depth").mkdir()

    def files(numbers: list[int]) -> list[Path]:
        paths = [tmp_path / "depth" / f"z_{number:04d}_x2.npy" for number in numbers]
        for path in paths:
            np.save(path, true_depth(0))
        return paths

    with pytest.raises(UserError, match=r"from z_0001_x2\.npy to z_0006_x2\.npy have gaps: number 4 is missing"):
        geometry_of(clip, tmp_path / "out", files([1, 2, 3, 5, 6]))
    geometry_of(clip, tmp_path / "out2", files([10, 12, 14, 16, 18]))
    folder = DecodedClip(clip)
    folder.write_metadata(replace(folder.metadata(), image_names=tuple(f"{number}.png" for number in range(1, 6))))
    shifted = geometry_of(clip, tmp_path / "out3", files([0, 1, 2, 3, 4]))
    assert any("numbered from 0 and the clip's used images from 1" in note for note in shifted.notes)
    same = geometry_of(clip, tmp_path / "out4", files([1, 2, 3, 4, 5]))
    assert not any("numbered" in note for note in same.notes)


def test_depth_that_is_named_as_inverse_is_refused_or_said(clip: Path, tmp_path: Path) -> None:
    depth = np.stack([true_depth(index) for index in range(COUNT)])
    np.savez(tmp_path / "d.npz", disparity=depth)
    with pytest.raises(UserError, match=r"d\.npz cannot be read as numpy depth: its array 'disparity' is no distance"):
        geometry_of(clip, tmp_path / "out", [tmp_path / "d.npz"])
    for name, is_said in (("InvDepth.npy", True), ("depth.npy", False)):
        np.save(tmp_path / name, depth)
        notes = geometry_of(clip, tmp_path / name[:-4], [tmp_path / name]).notes
        assert any("named as inverse depth" in note for note in notes) == is_said
    np.save(tmp_path / "shown.npy", depth / 10)
    notes = geometry_of(clip, tmp_path / "shown", [tmp_path / "shown.npy"]).notes
    assert any("All depth is between 0 and 1" in note for note in notes)
