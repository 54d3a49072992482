# SPDX-License-Identifier: Apache-2.0
"""Evaluation: figures checked against hand-computed values, and `reangle evaluate` on a generated scene."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from preview_scene import camera, make_path
from reangle.cli.main import main
from reangle.contract import JobRequest
from reangle.errors import UserError
from reangle.evaluation.camera import camera_error
from reangle.evaluation.controls import unknown_in
from reangle.evaluation.flicker import flicker
from reangle.evaluation.judge import judge, mean_of
from reangle.evaluation.metrics import gradient_difference, psnr_of, squared_error, ssim_map
from reangle.evaluation.request import in_estimated_world, scene_request
from reangle.evaluation.truth import TrueScene, TrueView, open_scenes
from reangle.evaluation.view import view_figures
from reangle.folders import ResultFolder
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.runtime.store import Store

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene
from scripts.train.scenes.raycast import render
from tests.backend.wan_twins import VACE, write_small


def noise(seed: int = 0, shape: tuple[int, ...] = (40, 60, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_psnr_of_known_errors() -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    error = squared_error(grey, grey + np.uint8(10))
    assert (error == 100).all()
    assert psnr_of(100) == pytest.approx(28.1308, abs=1e-4)
    assert psnr_of(0) == 100


def test_similarity_separates_equal_from_unrelated_images() -> None:
    picture = noise()
    assert np.allclose(ssim_map(picture, picture), 1)
    assert np.allclose(gradient_difference(picture, picture), 0)
    assert ssim_map(picture, noise(1)).mean() < 0.2
    assert gradient_difference(picture, noise(1)).mean() > 0.1


def test_ssim_follows_the_published_formula() -> None:
    """One pixel, computed by hand with a Gaussian window of 11 pixels and deviation 1.5."""
    a, b = noise(2), np.clip(noise(2).astype(int) // 2 + 40, 0, 255).astype(np.uint8)
    luma = [picture @ np.array([0.299, 0.587, 0.114]) for picture in (a, b)]
    x, y = 30, 20
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(weights, weights) / np.outer(weights, weights).sum()
    p, q = (one[y - 5 : y + 6, x - 5 : x + 6] for one in luma)
    mean_p, mean_q = (window * p).sum(), (window * q).sum()
    var_p, var_q = (window * (p - mean_p) ** 2).sum(), (window * (q - mean_q) ** 2).sum()
    both = (window * (p - mean_p) * (q - mean_q)).sum()
    c1, c2 = 6.5025, 58.5225
    expected = (2 * mean_p * mean_q + c1) * (2 * both + c2) / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
    assert ssim_map(a, b)[y, x] == pytest.approx(expected, abs=0.01)


def test_each_part_has_its_own_figures() -> None:
    truth = np.stack([noise(3)] * 2)
    result = truth.copy()
    left = np.zeros(truth.shape[:3], bool)
    left[:, :, :30] = True
    result[:, :, 30:] = np.clip(result[:, :, 30:].astype(int) + 16, 0, 255)
    figures = judge(result, truth, {"left": left, "right": ~left, "none": np.zeros_like(left)})
    assert figures["psnr_left"] == 100
    assert 23 < figures["psnr_right"] < 30
    assert figures["psnr_right"] < figures["psnr_all"] < 30
    assert not any(name.endswith("none") for name in figures)
    assert mean_of([{"a": 1.0}, {"a": 3.0, "b": 5.0}]) == {"a": 2.0, "b": 5.0}


def test_evaluate_renders_and_measures_a_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(draw_scene(1, frames=5, width=96, height=64), tmp_path / "scenes" / "000001")
    status = main(
        ["evaluate", str(tmp_path / "scenes"), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "o")]
    )
    assert status == 0, capsys.readouterr().err
    about = json.loads((tmp_path / "o" / "figures.json").read_text())
    cameras = {view["camera"] for view in about["views"]}
    assert len(cameras) == 2
    assert all((tmp_path / "o" / "000001" / name / "manifest.json").is_file() for name in cameras)
    mean = about["mean"]
    assert mean["psnr_visible"] > mean["psnr_occluded"] > 8
    assert mean["psnr_visible"] > 20
    assert {"psnr_moving", "psnr_static", "camera_px"} <= set(mean)
    assert mean["camera_px"] < 1
    assert "psnr_visible" in capsys.readouterr().out


def test_engines_are_compared_over_the_same_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The weights of the engine `inpaint` are random; what counts is that each row has figures of its own result."""
    write_small(VACE, tmp_path / "data" / "models" / VACE)
    write_scene(draw_scene(1, frames=5, width=96, height=64), tmp_path / "scenes" / "000001")
    command = ["evaluate", str(tmp_path / "scenes"), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "o")]
    command += ["--engine", "preview", "inpaint:wan-vace-1.3b", "--sampling-steps", "2"]
    assert main(command) == 0, capsys.readouterr().err
    rows = {row["name"]: row for row in json.loads((tmp_path / "o" / "figures.json").read_text())["rows"]}
    assert list(rows) == ["preview", "blur1", "mean_telea", "inpaint:wan-vace-1.3b"]
    preview, blurred, _, inpainted = rows.values()
    assert inpainted["suite"] == "wan-vace-1.3b"
    assert {"engine", "views", "mean"} <= preview.keys()
    assert inpainted["seconds"] > preview["seconds"] > 0 == blurred["seconds"]
    assert len({row["mean"]["psnr_invented"] for row in rows.values()}) == 4
    assert blurred["mean"]["texture"] < preview["mean"]["texture"]
    for view in preview["views"]:
        folders = [tmp_path / "o" / name / "000001" / view["camera"] for name in ("preview", "inpaint-wan-vace-1.3b")]
        kept, painted = (read_images(ResultFolder(folder).frames) for folder in folders)
        assert not np.array_equal(kept, painted)
        result = ResultFolder(folders[0])
        again = view_figures(kept, unknown_in(result), scene_view(tmp_path / "scenes" / "000001", view["camera"]))
        assert again == {name: value for name, value in view.items() if name not in ("scene", "camera")}
    table = capsys.readouterr().out
    assert "inpaint (wan-vace-1.3b)" in table
    assert "one scene" in table


def scene_view(folder: Path, camera: str) -> TrueView:
    return next(view for view in TrueScene.open(folder).views if view.path.name == camera)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "reangle", "inpaint:wan-vace-1.3b", "--suite", "mini"], "--engine reangle:NAME inpaint:wan-vace"),
        (["--engine", "reangle:mini", "reangle:mini"], "twice"),
        (
            ["--engine", "preview", "sideways"],
            "'sideways' is none of preview, reangle, inpaint; SCENES_DIR goes",
        ),
    ],
)
def test_engines_that_cannot_be_compared_are_refused(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(tmp_path), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "o"), *options]
    try:
        status = main(command)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    assert words in capsys.readouterr().err


def test_flicker_is_what_changes_where_the_truth_stands_still() -> None:
    truth = np.full((4, 8, 8, 3), 100, np.uint8)
    truth[:, :, :4] = noise(4, (4, 8, 4, 3))
    result = truth.copy()
    result[1::2, :, 4:] += 6
    where = np.ones(truth.shape[:3], bool)
    assert flicker(truth, truth, where) < 0.1
    assert flicker(result, truth, where & (np.arange(8) >= 4)) == pytest.approx(6)
    assert np.isnan(flicker(result, truth, ~where))


def test_cameras_follow_the_scale_and_lens_of_estimated_geometry() -> None:
    path = make_path(np.stack([camera(0.5), camera(1.0)]))
    depth = np.full((2, 4, 6), 3, np.float32)
    K = np.stack([np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]])] * 2)
    still = np.stack([np.eye(4)] * 2)
    truth = VideoGeometry(depth, depth > 0, np.ones_like(depth), K, still, "metric", "files", "files")
    longer = K * np.array([[1.2, 1, 1], [1, 1.2, 1], [1, 1, 1]])
    estimate = VideoGeometry(depth * 2, depth > 0, np.ones_like(depth), longer, still, "relative", "still", "mini")
    moved = in_estimated_world(path, truth, estimate)
    assert np.allclose(np.asarray(moved.world_from_camera)[:, :3, 3], 2 * np.asarray(path.world_from_camera)[:, :3, 3])
    assert np.allclose(np.asarray(moved.world_from_camera)[:, :3, :3], np.asarray(path.world_from_camera)[:, :3, :3])
    assert np.allclose(np.asarray(moved.K)[:, [0, 1], [0, 1]], 1.2 * np.asarray(path.K)[:, [0, 1], [0, 1]])
    assert np.allclose(np.asarray(moved.K)[:, :2, 2], np.asarray(path.K)[:, :2, 2])
    assert in_estimated_world(path, truth, truth) == path


def test_geometry_is_estimated_before_cameras_are_placed(tmp_path: Path) -> None:
    write_scene(draw_scene(1, frames=2, width=96, height=64), tmp_path / "scene")
    scene, store = TrueScene.open(tmp_path / "scene"), Store(tmp_path / "data")
    depth = np.full((2, 4, 6), 3, np.float32)
    K = np.stack([np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 1]])] * 2)
    still = np.stack([np.eye(4)] * 2)
    requests = []

    def geometry_of(request: JobRequest) -> VideoGeometry:
        requests.append(request)
        scale = 1 if request.geometry.depth == "files" else 2
        return VideoGeometry(depth * scale, depth > 0, np.ones_like(depth), K, still, "relative", "any", "any")

    request = scene_request(scene, store, "auto", "mini", geometry_of, seed=7)
    assert [(one.geometry.depth, one.paths) for one in requests] == [("files", ()), ("mini", ())]
    assert (request.geometry.depth, request.seed) == ("mini", 7)
    for path, view in zip(request.paths, scene.views, strict=True):
        assert np.allclose(
            np.asarray(path.world_from_camera)[:, :3, 3], 2 * np.asarray(view.path.world_from_camera)[:, :3, 3]
        )


def test_camera_error_measures_a_known_transform() -> None:
    scene = draw_scene(3, frames=1, width=224, height=128)
    truth = render(scene, scene.source).rgb
    assert camera_error(truth, truth) == {"camera_found": 1.0, "camera_px": pytest.approx(0, abs=0.01)}
    turned = cv2.getRotationMatrix2D((112, 64), 1.0, 1.02)
    turned[0, 2] += 2
    off = np.stack([cv2.warpAffine(truth[0], turned, (224, 128), flags=cv2.INTER_CUBIC)])
    corners = np.array([[0, 0, 1], [224, 0, 1], [0, 128, 1], [224, 128, 1]])
    expected = np.linalg.norm(corners @ turned.T - corners[:, :2], axis=1).mean()
    assert camera_error(off, truth)["camera_px"] == pytest.approx(expected, abs=0.3)
    assert camera_error(np.full_like(truth, 128), truth) == {"camera_found": 0.0}


def test_a_folder_without_a_valid_scene_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no ground-truth"):
        open_scenes(tmp_path)
    (tmp_path / "scene.json").write_text('{"fps": 24}')
    with pytest.raises(UserError, match=r"scene\.json.*targets"):
        open_scenes(tmp_path)
