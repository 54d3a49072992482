# SPDX-License-Identifier: Apache-2.0
"""Every pair of camera and depth, what `auto` picks, and pairs that do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from reangle.contract import Clip, FileRef, GeometrySettings, JobRequest, SourceCamera, from_data
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder
from reangle.geometry import availability
from reangle.geometry.choose import camera_weights, choose, depth_weights
from reangle.geometry.clip_camera import ClipCamera, SparsePoints
from reangle.geometry.common_scale import in_one_scale
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import ExactDepth, FrameDepth
from reangle.geometry.listing import camera_infos, depth_infos
from reangle.geometry.spec import GlanceParams
from reangle.geometry.stage import glance
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import write_mp4
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import StageContext
from reangle.runtime.store import Store
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.installed import InstalledWeights

from tests.backend.tiny_checkpoints import (
    decoded_clip,
    run_geometry,
    save_depth_anything,
    save_dust3r,
    save_mini_depth,
    textured_frames,
)
from tests.backend.tiny_depth_anything_3 import narrow, save_depth_anything_3

WIDTH, HEIGHT, COUNT = 72, 48, 3
SMALL = "Depth-Anything-V2-Small-hf"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("weights")
    dust3r = str(save_dust3r(folder / "dust3r"))
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch)
        yield {
            "dust3r": dust3r,
            "mini": CHECKPOINT_SEPARATOR.join([str(save_mini_depth(folder / "mini")), dust3r]),
            "depth-anything": str(save_depth_anything(folder / SMALL)),
            "depth-anything-3": str(save_depth_anything_3(folder / "DA3-SMALL")),
        }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    depth = np.random.default_rng(0).uniform(2, 9, (COUNT, HEIGHT, WIDTH)).astype(np.float32)
    np.save(folder / "depth.npy", depth)
    (folder / "camera.json").write_text(json.dumps(vars(given_camera())), encoding="utf-8")
    return [folder / "depth.npy", folder / "camera.json"]


def given_camera(count: int = COUNT) -> SourceCamera:
    path = np.tile(np.eye(4), (count, 1, 1))
    path[:, 0, 3] = 5 + 0.2 * np.arange(count)
    K = np.tile(np.array([[60.0, 0, WIDTH / 2], [0, 60.0, HEIGHT / 2], [0, 0, 1]]), (count, 1, 1))
    return from_data(
        SourceCamera, {"width": WIDTH, "height": HEIGHT, "world_from_camera": path.tolist(), "K": K.tolist()}
    )


@pytest.mark.parametrize("camera", ["still", "dust3r", "files", "given"])
@pytest.mark.parametrize("depth", ["mini", "depth-anything", "depth-anything-3", "dust3r", "files"])
def test_every_pair_gives_geometry(
    camera: str, depth: str, weights: dict[str, str], files: list[Path], tmp_path: Path
) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, HEIGHT, WIDTH, 2))
    geometry = run_geometry(
        clip,
        tmp_path / "out",
        camera=camera,
        depth=depth,
        files=files,
        checkpoint=weights.get(depth, ""),
        camera_checkpoint=weights.get(camera, ""),
        given=given_camera() if camera == "given" else None,
    )
    assert (geometry.camera_from, geometry.depth_from) == (camera, depth)
    assert geometry.depth.shape == (COUNT, HEIGHT, WIDTH)
    assert geometry.valid.any()
    assert 0 <= geometry.confidence.min() <= geometry.confidence.max() <= 1
    assert GeometryFolder(tmp_path / "out").cloud.is_file()
    if camera in ("files", "given"):
        np.testing.assert_allclose(geometry.world_from_camera[:, 0, 3], [0, 0.2, 0.4], atol=1e-12)
        np.testing.assert_allclose(geometry.K[0], given_camera().K[0])
    if depth == "files" and camera in ("still", "files"):
        np.testing.assert_array_equal(geometry.depth, np.load(files[0]))
        assert geometry.confidence.min() == 1


def test_a_glance_is_the_first_frame_alone(weights: dict[str, str], tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, HEIGHT, WIDTH))
    out = GeometryFolder(tmp_path / "out")
    out.path.mkdir()
    glance(
        StageContext(
            params=GlanceParams(depth="depth-anything", horizontal_fov_deg=90.0),
            out=out,
            inputs={"decode": DecodedClip(clip)},
            checkpoint=weights["depth-anything"],
        )
    )
    geometry = VideoGeometry.load(out)
    assert (geometry.frame_count, geometry.camera_from, geometry.K[0, 0, 0]) == (1, "still", pytest.approx(WIDTH / 2))
    with np.load(out.cloud) as cloud:
        assert len(cloud["rgb"]) == 1


def test_an_import_runs_from_the_movie_to_every_published_result(weights: dict[str, str], tmp_path: Path) -> None:
    write_mp4(tmp_path / "clip.mp4", textured_frames(COUNT, HEIGHT, WIDTH, 2), 24)
    store = Store(tmp_path / "data")
    request = JobRequest(
        id="0" * 32,
        clip=Clip(files=(store.add_file(tmp_path / "clip.mp4"),)),
        geometry=GeometrySettings(depth="depth-anything", checkpoint=weights["depth-anything"]),
    )
    told: list[str] = []
    stages = plan_job(request, store.root)
    done = run_plan(
        stages,
        store,
        InstalledWeights(store.root),
        lambda stage, fraction, message, cached: told.append(message),
    )
    published = {stage.publishes: done[stage.id].folder for stage in stages}
    assert list(published) == ["source", "glance", "camera", "geometry"]
    assert VideoGeometry.load(GeometryFolder(published["glance"])).frame_count == 1
    geometry = VideoGeometry.load(GeometryFolder(published["geometry"]))
    assert (geometry.frame_count, geometry.camera_from) == (COUNT, "solve")
    assert ClipCamera.load(CameraFolder(published["camera"])).frame_count == COUNT
    assert any("solved from the clip" in message for message in told)


def test_a_given_camera_must_cover_the_clip(files: list[Path], tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, HEIGHT, WIDTH))
    with pytest.raises(UserError, match="has 2 frames, but 3 frames of the clip are used"):
        run_geometry(clip, tmp_path / "short", camera="given", depth="files", files=files, given=given_camera(2))
    with pytest.raises(UserError, match="has 2 frames, but 5 frames"):
        plan_job(job(GeometrySettings(camera="given", depth="mini", given=given_camera(2)), frames=5), tmp_path)
    for count in (1, 7):
        out = tmp_path / f"with {count}"
        geometry = run_geometry(clip, out, camera="given", depth="files", files=files, given=given_camera(count))
        assert geometry.frame_count == COUNT


def test_a_clip_that_was_cropped_shows_a_part_of_the_given_picture(files: list[Path], tmp_path: Path) -> None:
    """Frames are the middle 72 x 48 of a source of 144 x 48, at its size."""
    crop = {"source_width": 144, "source_height": 48, "source_crop": (36, 0, 72, 48)}
    clip = decoded_clip(tmp_path / "clip", textured_frames(COUNT, HEIGHT, WIDTH), **crop)
    wide = from_data(SourceCamera, {**vars(given_camera()), "width": 144})
    geometry = run_geometry(clip, tmp_path / "out", camera="given", depth="files", files=files, given=wide)
    assert geometry.K[0, 0, 2] == WIDTH / 2 - 36


def test_the_camera_is_scaled_to_depth_files_and_they_to_a_camera_in_the_artists_units(tmp_path: Path) -> None:
    """Depth is 4 everywhere; the camera's points, in its own units, are at 2."""
    xyz = np.stack([np.linspace(-0.5, 0.5, 30), np.zeros(30), np.full(30, 2.0)], axis=1)
    path = np.tile(np.eye(4), (2, 1, 1))
    path[1, 0, 3] = 0.5
    frame, point = np.repeat([0, 1], 30), np.tile(np.arange(30), 2)
    uv = np.stack([36 + 60 * (xyz[point, 0] - path[frame, 0, 3]) / 2, np.full(60, 24.0)], axis=1)
    camera = ClipCamera(
        K=np.asarray(given_camera(2).K),
        world_from_camera=path,
        width=WIDTH,
        height=HEIGHT,
        motion="moving",
        scale="relative",
        source="solve",
        lens_source="solved",
        points=SparsePoints(xyz, np.zeros(30), frame, point, uv),
    )
    depth = np.full((2, HEIGHT, WIDTH), 4, np.float32)
    exact = ExactDepth(depth, depth > 0)
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 2
    footage = Footage.open(DecodedClip(decoded_clip(tmp_path / "clip", black)))
    scaled, same = in_one_scale(camera, exact, footage)
    assert same.depth is exact.depth
    assert (scaled.world_from_camera[1, 0, 3], scaled.scale) == (pytest.approx(1), "metric")
    own = ClipCamera(**{**vars(camera), "source": "given", "scale": "metric"})
    kept, fitted = in_one_scale(own, exact, footage)
    assert kept is own
    np.testing.assert_allclose(fitted.depth, 2)
    blind = ClipCamera(**{**vars(camera), "points": SparsePoints.none()})
    assert "may not fit" in in_one_scale(blind, exact, footage)[1].notes[0]


def test_frame_depth_is_equal_after_a_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    inverse = random.random((2, 3, 4)).astype(np.float32)
    depth = FrameDepth(inverse, inverse > 0.2, inverse, "scale", None, "weights", "a licence", ("one", "two"))
    depth.save(tmp_path / "depth.npz")
    read = FrameDepth.load(tmp_path / "depth.npz")
    np.testing.assert_array_equal(read.inverse, inverse)
    assert (read.moving, read.ambiguity, read.licence, read.notes) == (None, "scale", "a licence", ("one", "two"))
    (tmp_path / "depth.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be read"):
        FrameDepth.load(tmp_path / "depth.npz")


def ref(name: str) -> FileRef:
    return FileRef(name=name, sha256="0" * 64, size=1)


def job(geometry: GeometrySettings, frames: int = COUNT) -> JobRequest:
    clip = {"files": [ref("clip.mp4")], "frames": frames}
    return from_data(JobRequest, {"id": "0" * 32, "clip": clip, "geometry": geometry})


def picked(settings: GeometrySettings, data: Path) -> tuple[str, str]:
    choice = choose(settings, data)
    return choice.camera.name, choice.depth.name


def test_auto_takes_what_is_sent(tmp_path: Path) -> None:
    maps, camera = ref("0001.exr"), ref("camera.json")
    assert picked(GeometrySettings(files=(maps, camera)), tmp_path) == ("files", "files")
    assert picked(GeometrySettings(files=(maps,)), tmp_path)[1] == "files"
    assert picked(GeometrySettings(files=(camera,), depth="mini"), tmp_path) == ("files", "mini")
    assert picked(GeometrySettings(given=given_camera(), depth="mini"), tmp_path) == ("given", "mini")
    choice = choose(GeometrySettings("auto", "files", files=(maps, camera)), tmp_path)
    assert (choice.camera_files, choice.depth_files) == ((camera,), (maps, camera))
    assert "camera file" in choice.camera_note


def test_auto_solves_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability.importlib.util, "find_spec", lambda name: None if name == "pycolmap" else name)
    choice = choose(GeometrySettings(depth="mini"), tmp_path)
    assert (choice.camera.name, "pycolmap" in choice.camera_note) == ("still", True)
    monkeypatch.setattr(availability.importlib.util, "find_spec", lambda name: name)
    choice = choose(GeometrySettings(depth="mini"), tmp_path)
    assert (choice.camera.name, "solved from the clip" in choice.camera_note) == ("solve", True)


def test_auto_takes_the_best_weights_for_commercial_work_and_no_others(weights: dict[str, str], tmp_path: Path) -> None:
    def install(name: str) -> None:
        (tmp_path / "models").mkdir(exist_ok=True)
        (tmp_path / "models" / name).symlink_to(weights["depth-anything"])

    still = GeometrySettings(camera="still")
    assert picked(still, tmp_path) == ("still", "mini")
    install("Depth-Anything-V2-Large-hf")
    assert picked(still, tmp_path) == ("still", "mini"), "CC BY-NC"
    assert choose(still, tmp_path).depth_note
    install(SMALL)
    choice = choose(still, tmp_path)
    assert (choice.depth.name, "Depth Anything V2 Small" in choice.depth_note) == ("depth-anything", True)
    assert depth_weights(choice, still, tmp_path) == str(tmp_path / "models" / SMALL)
    infos = {info.name: info for info in depth_infos(tmp_path)}
    assert (infos["auto"].licence, infos["auto"].commercial_ok) == ("Apache-2.0", True)
    assert infos["auto"].message == choice.depth_note
    named = GeometrySettings(camera="still", checkpoint=weights["depth-anything"])
    assert picked(named, tmp_path / "elsewhere") == ("still", "depth-anything")


def test_dust3r_uses_one_checkpoint_for_both(weights: dict[str, str], tmp_path: Path) -> None:
    both = GeometrySettings("dust3r", "dust3r", checkpoint=weights["dust3r"])
    choice = choose(both, tmp_path)
    assert camera_weights(choice, both, tmp_path) == depth_weights(choice, both, tmp_path) == weights["dust3r"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"camera": "guess"}, "no camera provider 'guess'"),
        ({"depth": "guess"}, "no depth provider 'guess'"),
        ({"depth": "files"}, "needs depth maps"),
        ({"camera": "files", "depth": "mini"}, "needs a camera file"),
        ({"camera": "still", "depth": "mini", "files": [ref("a.exr")]}, "take no depth maps"),
        ({"camera": "given", "depth": "mini"}, "No camera was given"),
        ({"camera": "still", "depth": "mini", "given": given_camera()}, "takes no given camera"),
        ({"depth": "mini", "checkpoint": "x"}, "mini takes no checkpoint"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        plan_job(job(from_data(GeometrySettings, settings)), tmp_path)
    assert caught.value.advice


def test_the_lists_name_every_provider_once(tmp_path: Path) -> None:
    for infos in (camera_infos(tmp_path), depth_infos(tmp_path)):
        assert infos[0].name == "auto"
        for field in ("name", "number", "label"):
            values = [getattr(info, field) for info in infos]
            assert len(set(values)) == len(values)
