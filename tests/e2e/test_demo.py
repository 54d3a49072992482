# SPDX-License-Identifier: Apache-2.0
"""The demo from the command line: through the real Blender and the real backend, on four frames of the sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from environments import python_of

from backend.media.decode import decode_frames, select
from backend.media.probe import probe_clip
from backend.media.write import write_mp4

REPO = Path(__file__).resolve().parents[2]
PICKS = (0, 16, 32, 48)
WIDTH, HEIGHT = 240, 160

LOOK_INTO = """
import json, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
scene = bpy.context.scene
strips = [[s.name, s.channel, s.frame_final_duration, s.elements[0].filename] for s in scene.sequence_editor.strips]
nodes = [node.name for node in scene.node_tree.nodes if node.bl_idname == "CompositorNodeImage"]
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
print("FOUND", json.dumps({"strips": strips, "nodes": nodes, "cameras": keys, "points": meshes, "size": size}))
"""


def run(script: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [getattr(sys, "_base_executable", sys.executable), str(REPO / "scripts" / script), *map(str, arguments)]
    variables = {**os.environ, **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture(scope="module")
def small_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of the sample, evenly spread: the same moves at the same moments."""
    whole, small = REPO / "scripts" / "sample" / "footage", tmp_path_factory.mktemp("sample")
    for folder in ("depth", "truth"):
        (small / folder).mkdir()

    def thin(movie: str) -> None:
        info = probe_clip([(movie, whole / movie)])
        frames = [frame.rgb for frame in decode_frames(info, select(info))]
        write_mp4(small / movie, [frames[n] for n in PICKS], info.fps, quality=8)

    thin("clip.mp4")
    camera = json.loads((whole / "depth" / "camera.json").read_text(encoding="utf-8"))
    camera["frames"] = [camera["frames"][n] for n in PICKS]
    (small / "depth" / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
    for number, pick in enumerate(PICKS, 1):
        shutil.copy(whole / "depth" / f"{pick + 1:06d}.png", small / "depth" / f"{number:06d}.png")
    for about in sorted((whole / "truth").glob("*.json")):
        path = json.loads(about.read_text(encoding="utf-8"))
        for key in ("world_from_camera", "K"):
            path[key] = [path[key][n] for n in PICKS]
        path["frames"] = list(range(len(PICKS)))
        (small / "truth" / about.name).write_text(json.dumps(path), encoding="utf-8")
        thin(f"truth/{about.stem}.mp4")
    return small


@pytest.mark.slow
def test_a_clip_goes_in_and_two_new_angles_come_out(small_sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run("demo.py", "--sample", small_sample, "--size", f"{WIDTH}x{HEIGHT}", "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr

    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
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
        # The artist's cameras are those of the true renders, and so are the pictures.
        assert camera["camera_error_px"] < 0.15
        assert camera["psnr"]["seen"] > 25
        assert camera["psnr"]["filled"] > 12

    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet is not None
    assert sheet.shape[1] > 1200
    assert np.std(sheet) > 20

    found = look_into(out / "demo.blend")
    assert found["size"] == [1, len(PICKS), WIDTH, HEIGHT]
    strips = {name: rest for name, *rest in found["strips"]}
    assert sorted(strips) == ["Clip", "Orbit Left", "Push In"]
    assert len({channel for channel, _, _ in strips.values()}) == 3
    assert {(duration, first) for _, duration, first in strips.values()} == {(len(PICKS), "000001.png")}
    assert sum(name.startswith("Reangle Push In") for name in found["nodes"]) == 3
    assert found["cameras"]["Push In"][0] > 2, "the hand-keyed lens does not change"
    assert found["cameras"]["Orbit Left"][0] == 1
    assert {camera[1] for camera in found["cameras"].values()} == {1}
    assert min(found["points"]) > 0.8 * WIDTH * HEIGHT


def look_into(blend: Path) -> dict:
    """What Blender finds in the file."""
    command = [str(python_of("bpy")), "-c", LOOK_INTO, str(blend)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line, done.stdout + done.stderr
    return json.loads(line.removeprefix("FOUND "))


@pytest.fixture
def footage(small_sample: Path) -> Path:
    """A clip that is not the sample: real footage where this machine has it."""
    real = REPO.parent / "shared" / "clips" / "crab.mp4"
    return real if real.is_file() else small_sample / "clip.mp4"


def test_without_weights_another_clip_ends_at_once(footage: Path, tmp_path: Path) -> None:
    done = run(
        "demo.py", "--clip", footage, "--out", tmp_path / "demo",
        HF_HOME=str(tmp_path / "empty"), REANGLE_DOWNLOAD="0",
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    for part in ("weights", "licence", "files"):
        assert part in done.stderr
    assert not (tmp_path / "demo" / "report.json").exists()


@pytest.mark.slow
def test_with_depth_another_clip_runs_to_the_end(footage: Path, tmp_path: Path) -> None:
    frames, width, height = 3, 192, 108
    (tmp_path / "depth").mkdir()
    rows = np.linspace(8, 2, height, dtype=np.float32)
    np.savez(tmp_path / "depth" / "depth.npz", depth=np.tile(rows[:, None], (frames, 1, width)))
    done = run(
        "demo.py", "--clip", footage, "--geometry", f"files:{tmp_path / 'depth'}", "--frames", str(frames),
        "--size", f"{width}x{height}", "--out", tmp_path / "demo",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    for camera in report["cameras"].values():
        assert camera["frames"] == frames
        assert camera["psnr"] is None
        assert camera["coverage"]["seen"] > 0.6
