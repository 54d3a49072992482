# SPDX-License-Identifier: Apache-2.0
"""The demo from the command line: through the real Blender and the real backend, on four frames of the sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from demo_report import camera_error
from environments import python_of
from reangle.contract import CameraPath, from_json
from reangle.geometry.camera_files import read_camera_json
from reangle.geometry.depth.depth_maps import read_depth
from reangle.media.decode import decode_frames, select
from reangle.media.probe import probe_clip
from reangle.media.write import write_mp4
from reangle.weights.recipes import RECIPES
from reangle.weights.suites import MINI
from sample import cameras

from reangle_blender.core.cloud import Cloud
from tests.backend.tiny_checkpoints import ship_mini

REPO = Path(__file__).resolve().parents[2]
PICKS = (0, 16, 32, 48)
WIDTH, HEIGHT = 240, 160
# Only ends a run that hangs; a busy machine is many times slower than an idle one.
LIMIT_SECONDS = 3600

INSPECT = """
import json, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
with_strips = [other for other in bpy.data.scenes if other.sequence_editor and other.sequence_editor.strips]
assert scene not in with_strips and not scene.node_tree, "it renders its cameras"
(edit,) = with_strips
shown = [s for s in edit.sequence_editor.strips if s.type != "MULTICAM"]
selectors = [s.name for s in edit.sequence_editor.strips if s.type == "MULTICAM"]
strips = [[s.name, s.channel, s.frame_final_duration, s.elements[0].filename] for s in shown]
groups = [tree for tree in bpy.data.node_groups if tree.bl_idname == "CompositorNodeTree"]
nodes = [node.image.name for tree in groups for node in tree.nodes if node.bl_idname == "CompositorNodeImage"]
keys = {}
for item in bpy.data.objects:
    if item.type == "CAMERA":
        lenses = set()
        for frame in range(scene.frame_start, scene.frame_end + 1):
            scene.frame_set(frame)
            lenses.add(round(item.data.lens, 3))
        keys[item.name] = [len(lenses), len(item.data.background_images), item.parent.name]
meshes = [len(item.data.vertices) for item in bpy.data.objects if item.type == "MESH"]
size = [scene.frame_start, scene.frame_end, scene.render.resolution_x, scene.render.resolution_y]
found = {"strips": strips, "selectors": selectors, "nodes": nodes, "cameras": keys, "points": meshes, "size": size}
print("SCENE", json.dumps(found))
"""


def run(
    script: str, *arguments: str | Path, checkout: Path = REPO, **environment: str
) -> subprocess.CompletedProcess[str]:
    path = checkout / "scripts" / script
    command = [getattr(sys, "_base_executable", sys.executable), str(path), *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


@pytest.fixture(scope="module")
def small_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of the sample, evenly spread: the same moves at the same moments."""
    whole, small = REPO / "scripts" / "sample" / "footage", tmp_path_factory.mktemp("sample")
    for folder in ("depth", "truth"):
        (small / folder).mkdir()

    def thin(movie: str, rows: Sequence[int] = PICKS) -> None:
        info = probe_clip([(movie, whole / movie)])
        frames = [frame.rgb for frame in decode_frames(info, select(info))]
        write_mp4(small / movie, [frames[n] for n in rows], info.fps, quality=8)

    thin("clip.mp4")
    camera = json.loads((whole / "depth" / "camera.json").read_text(encoding="utf-8"))
    camera["frames"] = [camera["frames"][n] for n in PICKS]
    (small / "depth" / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
    for number, pick in enumerate(PICKS, 1):
        shutil.copy(whole / "depth" / f"{pick + 1:06d}.png", small / "depth" / f"{number:06d}.png")
    for about in sorted((whole / "truth").glob("*.json")):
        path = json.loads(about.read_text(encoding="utf-8"))
        rows = [path["frames"].index(n) for n in PICKS]
        for key in ("world_from_camera", "K"):
            path[key] = [path[key][n] for n in rows]
        path["frames"] = list(range(len(PICKS)))
        (small / "truth" / about.name).write_text(json.dumps(path), encoding="utf-8")
        thin(f"truth/{about.stem}.mp4", rows)
    return small


@pytest.mark.slow
def test_the_demo_renders_a_clip_from_two_new_cameras(small_sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run(
        "demo.py", "--sample", small_sample, "--engine", "preview", "--geometry", "files",
        "--size", f"{WIDTH}x{HEIGHT}", "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (report["geometry"], report["notes"]) == ("files", [])
    assert (report["frames"], report["width"], report["height"]) == (len(PICKS), WIDTH, HEIGHT)
    assert sorted(report["cameras"]) == ["Orbit Left", "Push In"]
    assert {"install", "start_backend", "import", "cameras", "render", "results", "report", "total"} == set(
        report["seconds"]
    )
    for camera in report["cameras"].values():
        folder = out / camera["folder"]
        for part, suffix in (("frames", "png"), ("visibility", "png"), ("memory", "png"), ("depth", "exr")):
            assert len(list((folder / part).glob(f"*.{suffix}"))) == len(PICKS)
        assert (folder / "preview.mp4").is_file()
        coverage = camera["coverage"]
        assert sum(coverage.values()) == pytest.approx(1, abs=2e-4)
        assert coverage["seen"] > 0.75
        # The cameras and pictures match those of the true renders.
        assert camera["camera_error_px"] < 0.15
        assert camera["psnr"]["seen"] > 25
        assert camera["psnr"]["filled"] > 12

    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 1200
    assert np.std(sheet) > 20

    scene = inspect(out / "demo.blend")
    assert scene["size"] == [1, len(PICKS), WIDTH, HEIGHT]
    strips = {name: rest for name, *rest in scene["strips"]}
    assert sorted(strips) == ["Clip", "Orbit Left", "Push In"]
    assert scene["selectors"] == ["Cameras"]
    assert len({channel for channel, _, _ in strips.values()}) == 3
    assert {(duration, first) for _, duration, first in strips.values()} == {(len(PICKS), "000001.png")}
    assert sum(name.startswith("Push In ") for name in scene["nodes"]) == 5
    assert scene["cameras"]["Push In"][0] > 2, "the hand-keyed lens does not change"
    assert scene["cameras"]["Orbit Left"][0] == 1
    assert {camera[1] for camera in scene["cameras"].values()} == {1}
    assert min(scene["points"]) > 0.8 * WIDTH * HEIGHT


def inspect(blend: Path) -> dict:
    """Contents of the file, read by Blender: see INSPECT."""
    command = [str(python_of("bpy")), "-c", INSPECT, str(blend)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("SCENE ")), None)
    assert line, done.stdout + done.stderr
    return json.loads(line.removeprefix("SCENE "))


@pytest.fixture
def footage(small_sample: Path) -> Path:
    """A clip other than the sample: real footage if this machine has it."""
    real = REPO.parent / "shared" / "clips" / "crab.mp4"
    return real if real.is_file() else small_sample / "clip.mp4"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository with tiny random weights instead of the shipped ones."""
    copy = tmp_path_factory.mktemp("checkout")
    ignore = shutil.ignore_patterns("mini", "footage", "train", "bench")
    for folder in ("backend", "reangle_blender", "scripts", "locks", "LICENSES"):
        shutil.copytree(REPO / folder, copy / folder, ignore=ignore)
    shutil.copy(REPO / "blender_manifest.toml", copy)
    ship_mini(copy / "backend" / "reangle" / "weights", video_runs=True)
    return copy


@pytest.mark.slow
def test_default_demo_uses_the_shipped_weights(checkout: Path, small_sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run("demo.py", "--sample", small_sample, "--size", "96x64", "--out", out, checkout=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["geometry"] == "auto"
    # The limits of the network are printed and kept in the report.
    for note in (MINI.geometry.limits, f"Licence of the depth: {MINI.geometry.terms}."):
        assert note in report["geometry_notes"]
        assert note in done.stdout
    assert report["engine"] == "reangle"
    for camera in report["cameras"].values():
        made = json.loads((out / camera["folder"] / "manifest.json").read_text(encoding="utf-8"))["generation"]
        assert made["checkpoint"] == MINI.main.name
        assert len(made["losses"]) == RECIPES["mini"].shared_steps + RECIPES["mini"].path_steps
        assert camera["preview_psnr"]["all"]
    curves = cv2.imread(str(out / "losses.png"))
    assert curves is not None
    assert np.std(curves) > 5
    # Random depth: the figures mean nothing, but the demo prints them and what they include.
    assert all(camera["psnr"]["all"] and camera["camera_error_px"] for camera in report["cameras"].values())
    assert "include the geometry's own error" in report["notes"][0]
    assert report["notes"][0] in done.stdout


@pytest.mark.slow
def test_static_views_begin_with_pictures_that_are_compared(small_sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run(
        "demo.py", "--mode", "static", "--sample", small_sample, "--geometry", "files", "--size", "96x64", "--out", out
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (report["mode"], report["notes"]) == ("static", [])
    assert sorted(report["cameras"]) == sorted(name for name, _, _ in cameras.STATIC_VIEWS)
    assert report["agreement"]["guided"] is not None
    for name, camera in report["cameras"].items():
        assert 0.01 < camera["hidden"] < 0.3
        # The cameras stand where the true ones stood.
        assert camera["psnr"]["seen"] > 22
        assert set(camera["start_psnr"]) == {"unguided", "guided"}
        made = json.loads((out / camera["folder"] / "manifest.json").read_text(encoding="utf-8"))
        assert made["start"]["made_by"] == MINI.image.name
        assert len({json.dumps(pose) for pose in made["world_from_camera"]}) == 1, name
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet is not None
    assert np.std(sheet) > 20


def test_a_broken_suite_ends_the_demo_at_once(checkout: Path, small_sample: Path, tmp_path: Path) -> None:
    broken = tmp_path / "checkout"
    shutil.copytree(checkout, broken)
    (broken / "backend" / "reangle" / "weights" / "mini" / "geometry" / "config.json").unlink()
    done = run("demo.py", "--sample", small_sample, "--out", tmp_path / "demo", checkout=broken)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    for part in ("config.json is missing", "install the backend again"):
        assert part in done.stderr
    assert not (tmp_path / "demo" / "report.json").exists()


def test_the_sample_declares_its_true_middle_depth() -> None:
    folder = REPO / "scripts" / "sample" / "footage" / "depth"
    track = read_camera_json("camera.json", folder / "camera.json")
    depth = read_depth("000001.png", folder / "000001.png", track.png)
    empty = np.zeros((*depth.shape, 3), np.uint8)
    cloud = Cloud(depth, empty, track.K[:1], track.world_from_camera[:1], depth < 0)
    assert cloud.focus_depth(0) == pytest.approx(cameras.MIDDLE_DEPTH_M, rel=1e-3)


def test_camera_error_allows_for_the_unit_of_the_geometry() -> None:
    about = (REPO / "scripts" / "sample" / "footage" / "truth" / "push-in.json").read_text(encoding="utf-8")
    truth = from_json(CameraPath, about)
    same = json.loads(about)
    assert camera_error(same, truth, 1.0) < 1e-6
    for matrix in same["world_from_camera"]:
        for row in matrix[:3]:
            row[3] *= 0.3
    assert camera_error(same, truth, 0.3) < 1e-6
    assert camera_error(same, truth, 1.0) > 5


def test_missing_weights_end_the_demo_at_once(footage: Path, tmp_path: Path) -> None:
    done = run(
        "demo.py", "--clip", footage, "--geometry", "depth-anything", "--out", tmp_path / "demo",
        HF_HOME=str(tmp_path / "empty"), REANGLE_DOWNLOAD="0",
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    for part in ("weights", "licence", "files"):
        assert part in done.stderr
    assert not (tmp_path / "demo" / "report.json").exists()


@pytest.mark.slow
def test_another_clip_with_depth_from_files_is_rendered(footage: Path, tmp_path: Path) -> None:
    frames, width, height = 3, 192, 108
    (tmp_path / "depth").mkdir()
    rows = np.linspace(8, 2, height, dtype=np.float32)
    np.savez(tmp_path / "depth" / "depth.npz", depth=np.tile(rows[:, None], (frames, 1, width)))
    done = run(
        "demo.py", "--clip", footage, "--geometry", f"files:{tmp_path / 'depth'}", "--frames", str(frames),
        "--engine", "preview", "--size", f"{width}x{height}", "--out", tmp_path / "demo",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    for camera in report["cameras"].values():
        assert camera["frames"] == frames
        assert camera["psnr"] is None
        assert camera["coverage"]["seen"] > 0.6
