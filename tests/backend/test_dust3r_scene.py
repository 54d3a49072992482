# SPDX-License-Identifier: Apache-2.0
"""Scenes that MonST3R and other programs made from DUSt3R save: camera and depth of a clip from one folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from reangle.contract.geometry_folders import collect_camera_files, collect_geometry_files
from reangle.errors import UserError
from reangle.geometry.dust3r_scene import read_dust3r
from scipy.spatial.transform import Rotation

from tests.backend.tiny_checkpoints import decoded_clip, run_geometry, textured_frames

COUNT, WIDTH, HEIGHT, FOCAL = 3, 96, 64, 80.0


def poses() -> np.ndarray:
    """COUNT x 4 x 4: camera to world."""
    matrices = np.tile(np.eye(4), (COUNT, 1, 1))
    for index in range(COUNT):
        matrices[index, :3, :3] = Rotation.from_euler("yx", (20 + 5 * index, 3), degrees=True).as_matrix()
        matrices[index, :3, 3] = 4, index, -2
    return matrices


def depth(index: int) -> np.ndarray:
    return (2 + index + np.linspace(0, 1, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)).astype(np.float32)


def scene(folder: Path) -> Path:
    """As MonST3R's demo saves it: confidences and pictures have names like those of depth."""
    folder.mkdir()
    rows, lenses = [], []
    for index, matrix in enumerate(poses()):
        x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        rows.append(" ".join(map(str, (float(index), *matrix[:3, 3], w, x, y, z))))
        lenses.append(f"{FOCAL:.6f} 0.000000 {WIDTH / 2:.6f} 0 {FOCAL:.6f} {HEIGHT / 2:.6f} 0 0 1")
        np.save(folder / f"frame_{index:04d}.npy", depth(index))
        np.save(folder / f"conf_{index}.npy", np.full((HEIGHT, WIDTH), 9, np.float32))
        np.save(folder / f"init_conf_{index}.npy", np.full((HEIGHT, WIDTH), 9, np.float32))
        cv2.imwrite(str(folder / f"frame_{index:04d}.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    (folder / "pred_traj.txt").write_text("\n".join(rows) + "\n")
    (folder / "pred_intrinsics.txt").write_text("\n".join(lenses) + "\n")
    (folder / "pred_focal.txt").write_text(f"{FOCAL}\n" * COUNT)
    return folder


@pytest.mark.parametrize("clip_height", [32, 34])
def test_camera_and_depth_of_a_scene_are_those_of_the_clip(clip_height: int, tmp_path: Path) -> None:
    """A clip of 48 x 34 is scaled to 96 x 68 and cropped to 96 x 64 before the network sees it."""
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, clip_height, 48))
    files = collect_geometry_files(scene(tmp_path / "scene"))
    assert [path.name for path in files] == [
        *(f"frame_{index:04d}.npy" for index in range(COUNT)),
        "pred_intrinsics.txt",
        "pred_traj.txt",
    ]
    geometry = run_geometry(clip, tmp_path / "out", camera="files", depth="files", files=files)
    np.testing.assert_allclose(geometry.world_from_camera, np.linalg.inv(poses()[0]) @ poses(), atol=1e-6)
    lacking = 2 * clip_height - HEIGHT
    K = np.array([[FOCAL, 0, WIDTH / 2 + 0.5], [0, FOCAL, HEIGHT / 2 + 0.5 + lacking // 2], [0, 0, 1]])
    np.testing.assert_allclose(geometry.K[0], K, atol=1e-5)
    assert geometry.scale == "relative"
    assert geometry.depth.shape == (COUNT, HEIGHT + lacking, WIDTH)
    assert geometry.valid.all()
    np.testing.assert_array_equal(geometry.depth[1][lacking // 2 :][:HEIGHT], depth(1))


def test_the_documented_lines_save_a_scene_of_dust3r(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With tensors as its aligner returns them."""
    page = Path(__file__).parents[2] / "docs" / "interchange.md"
    code = page.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    K = np.tile([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]], (COUNT, 1, 1))
    aligned = SimpleNamespace(
        get_im_poses=lambda: torch.tensor(poses(), requires_grad=True),
        get_intrinsics=lambda: torch.tensor(K),
        get_depthmaps=lambda: [torch.tensor(depth(index), requires_grad=True) for index in range(COUNT)],
    )
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(page), "exec"), {"scene": aligned})
    files = collect_geometry_files(tmp_path / "scene")
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, 32, 48))
    geometry = run_geometry(clip, tmp_path / "out", camera="files", depth="files", files=files)
    np.testing.assert_allclose(geometry.world_from_camera, np.linalg.inv(poses()[0]) @ poses(), atol=1e-6)
    np.testing.assert_array_equal(geometry.depth[2], depth(2))


def test_the_camera_alone_needs_no_depth(tmp_path: Path) -> None:
    files = collect_camera_files(scene(tmp_path / "scene"))
    track = read_dust3r({path.name: path for path in files})
    assert (track.width, track.height, track.margins) == (WIDTH, HEIGHT, (0, 0, 0, 0))
    np.testing.assert_allclose(track.world_from_camera, poses(), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("pred_traj.txt", None, r"pred_traj\.txt is missing"),
        ("pred_traj.txt", "0 1 2\n", "should have 8 finite numbers"),
        ("pred_traj.txt", "0 1 2 3 0 0 0 0\n" * COUNT, "rotation .* zero"),
        ("pred_traj.txt", "0 1 2 3 1 0 0 0\n", "1 poses and 3 lenses"),
        ("pred_traj.txt", "zero\n", "cannot be read"),
        ("pred_intrinsics.txt", "0 0 48 0 0 32 0 0 1\n" * COUNT, "no focal length"),
    ],
)
def test_damaged_scenes_say_what_is_wrong(name: str, text: str | None, words: str, tmp_path: Path) -> None:
    folder = scene(tmp_path / "scene")
    files = {path.name: path for path in collect_camera_files(folder)}
    if text is None:
        del files[name]
    else:
        (folder / name).write_text(text)
    with pytest.raises(UserError, match=words) as caught:
        read_dust3r(files)
    assert caught.value.advice
