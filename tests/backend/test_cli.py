# SPDX-License-Identifier: Apache-2.0
"""The command line with text and JSON output: real processes on a tiny clip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reangle.cli.main import main
from reangle.contract.engines import ENGINES
from reangle.engines import suite_choice
from reangle.engines.suite_choice import why_not_here
from reangle.geometry.camera.providers import CAMERAS
from reangle.geometry.depth.providers import DEPTHS
from reangle.media.write import read_images, write_images, write_mp4
from reangle.runtime.graphics_card import Card
from reangle.weights.suites import SUITES

from tests.backend.clips import probe
from tests.backend.tiny_checkpoints import save_depth_anything, textured_frames
from tests.backend.tiny_video import tiny_pipeline

REPO = Path(__file__).resolve().parents[2]
COUNT, HEIGHT, WIDTH = 5, 48, 64


def frames(count: int = COUNT, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Smooth stripes that move, T x H x W x 3."""
    y, x = np.mgrid[:height, :width]
    t = np.arange(count)[:, None, None]
    waves = [np.sin((x + 2 * t) / 7), np.cos((y + t) / 5), np.sin((x + y) / 9) + 0 * t]
    return np.stack([127 + 100 * wave for wave in waves], axis=-1).astype(np.uint8)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with clip.mp4, a PNG sequence in images/ and depth of both in depth/."""
    write_mp4(tmp_path / "clip.mp4", frames(), 25, quality=4)
    write_images(tmp_path / "images", frames())
    (tmp_path / "depth").mkdir()
    depth = np.full((COUNT, HEIGHT, WIDTH), 6, np.float32)
    depth[:, 12:36, 20:44] = 3
    np.savez(tmp_path / "depth" / "depth.npz", depth=depth)
    return tmp_path


def reangle(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reangle", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(REPO / "backend"), **(environment or {})}
    return subprocess.run(command, cwd=REPO, env=variables, capture_output=True, text=True, timeout=300, check=False)


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_movie_is_rendered_and_a_second_run_uses_the_cache(place: Path) -> None:
    arguments = (
        "run", "--clip", place / "clip.mp4", "--geometry", f"files:{place / 'depth'}", "--fov", "50",
        "--move", "orbit-left:8", "--view", "dolly-in:10", "--data", place / "data", "--out", place / "out", "--json",
    )  # fmt: skip
    first = reangle(*arguments)
    assert first.returncode == 0, first.stderr
    reported = events(first.stdout)
    results = {event["name"]: Path(event["path"]) for event in reported if event["event"] == "result"}
    assert set(results) == {"orbit-left-8", "view-dolly-in-10"}
    for folder in results.values():
        assert read_images(folder / "frames").shape == (COUNT, HEIGHT, WIDTH, 3)
        assert read_images(folder / "visibility").shape == (COUNT, HEIGHT, WIDTH)
        assert read_images(folder / "depth").dtype == np.float32
        movie = probe(folder / "preview.mp4")
        assert (movie.frames, movie.fps) == (COUNT, 25)
        assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["camera"] == folder.name
    # A move starts at the source camera: the first frame is the clip's.
    start = read_images(results["orbit-left-8"] / "frames")[0].astype(int)
    assert np.abs(start - frames()[0]).mean() < 6
    assert np.abs(read_images(results["orbit-left-8"] / "frames")[-1].astype(int) - frames()[-1]).mean() > 6
    progress = [event["progress"] for event in reported if event["event"] == "progress"]
    assert progress[-1] == 1
    assert reported[-1]["event"] == "done"

    manifest = (results["orbit-left-8"] / "manifest.json").read_bytes()
    again = reangle(*arguments)
    assert again.returncode == 0, again.stderr
    assert all(event["cached"] for event in events(again.stdout) if event["event"] == "stage")
    assert (results["orbit-left-8"] / "manifest.json").read_bytes() == manifest
    assert sorted(path.name for path in (place / "out").iterdir()) == sorted(results)


def test_second_camera_reuses_the_learned_motion(place: Path) -> None:
    tiny_pipeline().save_pretrained(place / "video model")
    arguments = (
        "run", "--clip", place / "clip.mp4", "--geometry", f"files:{place / 'depth'}", "--fov", "50",
        "--engine", "reangle", "--suite", place / "video model", "--caption", "stripes", "--shared-steps", "2",
        "--path-steps", "1", "--sampling-steps", "2", "--data", place / "data", "--out", place / "out", "--json",
    )  # fmt: skip
    first = reangle(*arguments, "--move", "orbit-left:8")
    assert first.returncode == 0, first.stderr
    folder = place / "out" / "orbit-left-8"
    frames, seen = read_images(folder / "frames"), read_images(folder / "visibility") + read_images(folder / "memory")
    assert frames.shape == (COUNT, HEIGHT, WIDTH, 3)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["engine"] == "reangle"
    assert manifest["settings"]["shared_steps"] == 2
    # The move starts at the source camera, which sees all of this frame.
    assert (seen[0] == 255).all()
    assert np.array_equal(frames[0], read_images(folder / "warped")[0])

    again = reangle(*arguments, "--move", "orbit-left:8", "--move", "orbit-right:8")
    assert again.returncode == 0, again.stderr
    ran = {event["stage"] for event in events(again.stdout) if event["event"] == "stage" and not event["cached"]}
    steps = ("Warp", "Fill", "Learn", "Generate", "Finish", "Deliver")
    assert ran == {f"{step} orbit-right-8" for step in steps}


def test_depth_anything_is_fitted_into_a_solved_world(tmp_path: Path) -> None:
    """With a twin where the published weights go. A wall that slides past is a camera that turns or moves."""
    write_mp4(tmp_path / "clip.mp4", textured_frames(COUNT, 96, 128, 3), 25, quality=4)
    save_depth_anything(tmp_path / "data" / "models" / "Depth-Anything-V2-Small-hf")
    done = reangle(
        "run", "--clip", tmp_path / "clip.mp4", "--camera", "solve", "--depth", "depth-anything",
        "--move", "orbit-left:4", "--data", tmp_path / "data", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    camera = json.loads(next((tmp_path / "data").glob("artifacts/**/camera.json")).read_text(encoding="utf-8"))
    assert (camera["source"], camera["motion"] != "still") == ("solve", True)
    manifest = json.loads((tmp_path / "out" / "orbit-left-4" / "manifest.json").read_text(encoding="utf-8"))
    geometry = manifest["geometry"]
    assert (geometry["camera_from"], geometry["depth_from"]) == ("solve", "depth-anything")
    assert (geometry["checkpoint"], geometry["licence"]) == ("Depth-Anything-V2-Small-hf", "Apache-2.0")
    assert manifest["coverage"]["visible"] > 0.5


def test_images_are_rendered_from_a_saved_camera(place: Path) -> None:
    still = np.eye(4).tolist()
    lens = [[70.0, 0, 32], [0, 70, 24], [0, 0, 1]]
    camera = {
        "name": "mine", "fps": 12, "width": WIDTH, "height": HEIGHT, "frames": [0, 2, 4],
        "world_from_camera": [still] * 3, "K": [lens] * 3,
    }  # fmt: skip
    (place / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
    done = reangle(
        "run", "--clip", place / "images", "--fps", "12", "--geometry", f"files:{place / 'depth'}",
        "--path", place / "camera.json", "--data", place / "data", "--out", place / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"mine: {place / 'out' / 'mine'}" in done.stdout
    assert "Warp mine" in done.stderr
    assert read_images(place / "out" / "mine" / "frames").shape == (3, HEIGHT, WIDTH, 3)


def test_geometry_and_warp_commands_stop_after_their_stage(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = (
        "--clip",
        str(place / "clip.mp4"),
        "--geometry",
        f"files:{place / 'depth'}",
        "--data",
        str(place / "data"),
    )
    assert main(["geometry", *shared, "--out", str(place / "scene")]) == 0
    assert len(read_images(place / "scene" / "source" / "frames")) == COUNT
    assert (place / "scene" / "geometry" / "cloud.npz").is_file()
    same = [*shared[:2], "--depth", shared[3], "--camera", "files", *shared[4:], "--json"]
    capsys.readouterr()
    assert main(["geometry", *same, "--out", str(place / "again")]) == 0
    started = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["cached"] for line in started if "cached" in line)
    assert main(["warp", *shared, "--view", "orbit-up:5", "--out", str(place / "warp")]) == 0
    warped = place / "warp" / "view-orbit-up-5"
    assert len(read_images(warped / "warped")) == COUNT
    stderr = capsys.readouterr().err
    assert "Warp view-orbit-up-5" in stderr
    assert "Fill view-orbit-up-5" not in stderr
    assert not (warped / "frames").exists()


def test_trouble_and_coverage_are_told_also_from_the_cache(place: Path) -> None:
    options = (
        "warp", "--clip", place / "clip.mp4", "--geometry", f"files:{place / 'depth'}", "--fov", "50",
        "--move", "dolly-out:300", "--bullet-time", "orbit-left:2@3", "--data", place / "data", "--out", place / "out",
    )  # fmt: skip
    people = reangle(*options)
    assert people.returncode == 0, people.stderr
    (line,) = [line for line in people.stderr.splitlines() if "Warning: " in line]
    assert "Warning: dolly-out-300, frames " in line
    assert "of the picture was never seen" in line
    table = [line.split() for line in people.stderr.splitlines() if line.startswith(("dolly-out", "orbit-left"))]
    assert [(row[0], row[-1]) for row in table] == [("dolly-out-300", "1"), ("orbit-left-2-at-3", "0")]
    programs = reangle(*options, "--json")
    reported = events(programs.stdout)
    (note,) = [event for event in reported if event["event"] == "note" and "frames" in event]
    assert note["camera"] == "dolly-out-300"
    assert note["frames"][1] == COUNT
    (coverage,) = [event["cameras"] for event in reported if event["event"] == "coverage"]
    assert coverage[0]["least_seen_frame"] == COUNT
    assert coverage[0]["least_seen"] < 0.2 < coverage[1]["least_seen"]
    frozen = read_images(place / "out" / "orbit-left-2-at-3" / "warped")
    assert np.abs(frozen[0].astype(int) - frames()[3]).mean() < 6, "the camera starts at the clip's"
    moved = np.abs(frozen[1:].astype(int) - frozen[:-1]).mean(axis=(1, 2, 3))
    assert (moved > 0).all()


@pytest.mark.parametrize("name", ["given", "files"])
def test_a_camera_may_have_a_file_of_its_own(place: Path, name: str) -> None:
    """The folder of depth maps has a camera, too, which is then left out."""
    K = [[40.0, 0, WIDTH / 2], [0, 40.0, HEIGHT / 2], [0, 0, 1]]
    camera = {"width": WIDTH, "height": HEIGHT, "K": [K], "world_from_camera": [np.eye(4).tolist()]}
    (place / "camera.json").write_text(json.dumps(camera), encoding="utf-8")
    (place / "depth" / "other.json").write_text(
        json.dumps({**camera, "K": [np.diag([9.0, 9, 1]).tolist()]}), encoding="utf-8"
    )
    arguments = ["geometry", "--clip", place / "clip.mp4", "--data", place / "data", "--out", place / "out"]
    arguments += ["--camera", f"{name}:{place / 'camera.json'}", "--depth", f"files:{place / 'depth'}"]
    assert main([str(argument) for argument in arguments]) == 0
    about = json.loads((place / "out" / "geometry" / "geometry.json").read_text(encoding="utf-8"))
    assert (about["camera_from"], about["depth_from"], about["K"][0]) == (name, "files", K)
    assert (place / "out" / "camera" / "camera.json").is_file()


@pytest.mark.parametrize("provider", ["dust3r", "depth-anything"])
def test_missing_weights_end_the_run_at_once_with_advice(place: Path, provider: str) -> None:
    done = reangle(
        "run", "--clip", place / "clip.mp4", "--move", "orbit-left:8", "--geometry", provider,
        "--data", place / "data", "--out", place / "out",
        environment={"HF_HOME": str(place / "empty"), "REANGLE_DOWNLOAD": "0"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in ("licence", "huggingface.co", str(place / "data" / "models"), "`files`"):
        assert part in done.stderr
    # Before the clip is copied or decoded.
    assert [path.name for path in (place / "data").rglob("*") if path.is_file()] in ([], ["format.json"])
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--move", "spin:3"], "no camera move 'spin'"),
        (["--view", "orbit-left:x"], "orbit-left:x"),
        (["--path", "nowhere.json"], "nowhere.json cannot be read"),
        (["--move", "orbit-left:8", "--frames", "9"], "5 frames"),
        (["--move", "orbit-left:8", "--size", "64"], "'64' is not a size"),
        (["--move", "orbit-left:8", "--size", "4x4"], "width: must be at least 16"),
        (["--move", "orbit-left:8", "--view", "orbit-left:8", "--move", "orbit-left:8"], "two cameras are named"),
        (["--move", "orbit-left:8", "--geometry", "files:nowhere"], "no folder nowhere"),
        (["--move", "orbit-left:8", "--geometry", "guess"], "depth provider 'guess'"),
        (["--move", "orbit-left:8", "--camera", "still"], "cannot be given beside them"),
        (["--move", "orbit-left:8", "--geometry", "mini", "--checkpoint", "x"], "mini takes no checkpoint"),
        (["--move", "orbit-left:8", "--clip", "nowhere.mp4"], "no file nowhere.mp4"),
        ([], "No camera was given"),
    ],
)
def test_invalid_arguments_give_advice_and_status_2(
    place: Path, capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    arguments = ["run", "--clip", str(place / "clip.mp4"), "--geometry", f"files:{place / 'depth'}"]
    status = main([*arguments, "--data", str(place / "data"), "--out", str(place / "out"), *change])
    error = capsys.readouterr().err
    assert status == 2
    assert message in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()[-1]) > 10


def test_output_folder_that_is_not_a_result_is_never_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = place / "out" / "view-orbit-left-8" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine", encoding="utf-8")
    arguments = ["--clip", str(place / "clip.mp4"), "--geometry", f"files:{place / 'depth'}", "--view", "orbit-left:8"]
    assert main(["warp", *arguments, "--data", str(place / "data"), "--out", str(place / "out")]) == 2
    assert "not a result" in capsys.readouterr().err
    assert precious.read_text(encoding="utf-8") == "mine"


def test_a_playlist_is_refused_before_it_is_copied(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "list.mp4").write_text(f"#EXTM3U\n{place / 'clip.mp4'}\n", encoding="utf-8")
    arguments = ["--clip", str(place / "list.mp4"), "--geometry", f"files:{place / 'depth'}", "--view", "orbit-left:8"]
    assert main(["run", *arguments, "--data", str(place / "data"), "--out", str(place / "out")]) == 2
    assert "playlist" in capsys.readouterr().err
    stored = [path.read_bytes() for path in (place / "data" / "blobs").rglob("*") if path.is_file()]
    assert not any(data.startswith(b"#EXTM3U") for data in stored)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_leaves_no_unfinished_output(tmp_path: Path) -> None:
    count = 240
    write_mp4(tmp_path / "clip.mp4", list(frames()) * (count // COUNT), 25)
    (tmp_path / "depth").mkdir()
    np.savez(tmp_path / "depth" / "depth.npz", depth=np.full((count, 24, 32), 5, np.float32))
    arguments = (
        "run", "--clip", tmp_path / "clip.mp4", "--geometry", f"files:{tmp_path / 'depth'}", "--move", "orbit-left:8",
        "--data", tmp_path / "data", "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    command = [sys.executable, "-m", "reangle", *map(str, arguments)]
    variables = {**os.environ, "PYTHONPATH": str(REPO / "backend")}
    with subprocess.Popen(command, cwd=REPO, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "progress" and json.loads(line)["progress"] > 0:
                process.send_signal(signal.SIGINT)
                break
        last = [json.loads(line) for line in process.stdout][-1]
        assert process.wait(timeout=60) == 130
    assert last["message"] == "Canceled."
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "data" / "tmp").iterdir())


def test_help_imports_no_large_package() -> None:
    code = (
        "import sys; from reangle.cli.main import main\n"
        "try: main(['run', '--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    assert "--move" in done.stdout
    words = " ".join(done.stdout.split())
    for engine, kind in ENGINES.items():
        assert f"{engine}: {kind.help[0].lower()}{kind.help[1:]}" in words
    assert "engines reangle and inpaint: Without an option" in words
    assert "starting images, for the engines reangle and inpaint:" in words
    assert not {"torch", "numpy", "cv2", "av", "pydantic"} & set(done.stdout.split())


def test_doctor_reports_what_is_missing_without_failing(tmp_path: Path) -> None:
    healthy = reangle("doctor", "--json", "--data", tmp_path / "data")
    assert healthy.returncode == 0, healthy.stderr
    report = events(healthy.stdout)[0]["data"]
    assert report["ready"]
    assert report["packages"]["av"]
    assert [row["name"] for row in report["cameras"]] == ["auto", *(spec.name for spec in CAMERAS)]
    assert [row["name"] for row in report["depths"]] == ["auto", *(spec.name for spec in DEPTHS)]
    assert {suite["name"]: set(suite["installed"]) for suite in report["suites"]} == {
        suite.name: set(suite.checkpoints) for suite in SUITES
    }
    assert all(row["licence"] and row["path"] for row in report["checkpoints"])
    here = {row["suite"]: not row["problem"] for row in report["learning"]}
    assert set(here) == {suite.name for suite in SUITES}
    assert report["auto"]["reangle"].startswith("mini, the largest installed weights")
    # On a machine with a graphics card they only have to be installed.
    missing = "reangle models download" if here["wan-vace-1.3b"] else "It needs a graphics card"
    assert missing in report["auto"]["inpaint"]
    for package in ("av", "pydantic", "psutil", "torch", "tqdm"):
        (tmp_path / f"{package}.py").write_text("raise ImportError('not here')", encoding="utf-8")
    broken = reangle(
        "doctor", "--data", tmp_path / "data", environment={"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPO / 'backend'}"}
    )
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    assert "av MISSING" in broken.stdout
    assert "torch MISSING" in broken.stdout
    assert "Install the backend again" in broken.stdout


def test_models_list_shows_licences_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for part in ("DUSt3R", "CC BY-NC-SA 4.0", "not for commercial work", "Apache-2.0", str(tmp_path / "models")):
        assert part in text
    for suite in SUITES:
        line = text.partition(f"Suite {suite.name}, for the engine ")[2].split("Suite ")[0]
        assert line.startswith("inpaint: " if suite.inpainting else "reangle: ")
        assert why_not_here(suite) in line


def test_an_engine_without_weights_ends_the_run_with_what_to_fetch(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that can run them their name, licence and size; on any other, what it lacks."""
    clip = [
        "run",
        "--clip",
        str(place / "clip.mp4"),
        "--move",
        "orbit-left:8",
        "--geometry",
        f"files:{place / 'depth'}",
    ]
    clip += ["--engine", "inpaint", "--fov", "50", "--data", str(place / "data"), "--out", str(place / "out")]
    monkeypatch.setenv("HF_HOME", str(place / "empty"))
    card, large = (Card("NVIDIA Test", "580.95", 8.9, gigabytes * 2**30) for gigabytes in (8, 80))
    for cards, words in (
        ((), "It needs a graphics card of"),
        ((card,), "models download Wan2.1-VACE-1.3B-diffusers` (Wan 2.1 VACE 1.3B, licence Apache-2.0, 19.0 GB)"),
        ((large,), "models download Wan2.1-VACE-14B-diffusers` (Wan 2.1 VACE 14B, licence Apache-2.0, 46.6 GB)"),
    ):
        reason = "" if cards else "there is none here"
        monkeypatch.setattr(suite_choice, "nvidia_cards", lambda cards=cards: cards)
        monkeypatch.setattr(suite_choice, "why_no_card", lambda reason=reason: reason)
        assert main(clip) == 2
        said = capsys.readouterr().err
        assert words in said
        assert ("models download" in said) == bool(cards)
    assert not (place / "out").exists()


def test_files_of_any_name_and_any_rate_are_rendered(place: Path) -> None:
    """Names only tell kind and order: forbidden characters, other encodings, a version behind the number."""
    os.mkdir(place / "odd")
    for number in range(1, COUNT + 1):
        os.rename(place / "images" / f"{number:06d}.png", os.fsencode(place / "odd") + b"/a:\xe9 %04d_x4.png" % number)
    os.rename(place / "depth" / "depth.npz", place / "depth" / ("深度?" * 30 + ".npz"))
    (place / "depth" / "._depth.npz").write_bytes(b"\0\5\x16\7")
    done = reangle(
        "run",
        *("--clip", place / "odd", "--fps", "0.0001", "--geometry", f"files:{place / 'depth'}"),
        *("--move", "orbit-left:8", "--out", place / "out"),
        environment={"REANGLE_DATA": str(place / "data")},
    )
    assert done.returncode == 0, done.stderr
    assert len(list((place / "out" / "orbit-left-8" / "frames").iterdir())) == COUNT
    single = next((place / "odd").iterdir())
    still = reangle(
        *("geometry", "--clip", single, "--frames", "2", "--out", place / "still"),
        environment={"REANGLE_DATA": str(place / "data")},
    )
    assert "one image; 4 more of its sequence are beside it" in still.stderr
