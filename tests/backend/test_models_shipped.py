# SPDX-License-Identifier: Apache-2.0
"""Shipped weights: used only if unchanged, with their name and licence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from reangle.cli.main import main
from reangle.contract import JobRequest, from_data
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.folders import GeometryFolder
from reangle.geometry.availability import status_of, weights_of
from reangle.geometry.depth.providers import depth_named
from reangle.geometry.spec import GEOMETRY
from reangle.runtime.execute import run_stage
from reangle.runtime.store import Store
from reangle.weights import shipped
from reangle.weights.installed import InstalledWeights
from reangle.weights.kinds import COGVIDEOX_I2V, FLUX_FILL, MINI_MONOCULAR
from reangle.weights.registry import find_checkpoint, kind_of, licence_of, list_checkpoints

from tests.backend.tiny_checkpoints import decoded_clip, run_geometry, ship_mini, textured_frames

REPO = Path(__file__).resolve().parents[2]
WEIGHTS = "model.safetensors"


@pytest.fixture
def mini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped suite with tiny weights that replaces the one in the repository."""
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "package")
    return ship_mini(tmp_path / "package")


def flip_bit(path: Path, *, keep_time: bool = False) -> None:
    """Change one bit in the middle. keep_time: like a failing disk."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    time = before.st_mtime_ns if keep_time else before.st_mtime_ns + 1_000_000
    os.utime(path, ns=(before.st_atime_ns, time))


def request() -> JobRequest:
    clip = {"files": [{"name": "a.mp4", "sha256": "0" * 64, "size": 1}]}
    return from_data(JobRequest, {"id": "0" * 32, "clip": clip, "geometry": {"depth": "mini"}})


def test_shipped_weights_are_found_by_suite_and_role(mini: Path, tmp_path: Path) -> None:
    for name, role in (
        ("mini", "depth"),
        ("mini/geometry", "depth"),
        ("mini-geometry", "geometry"),
        ("mini/video", "video"),
        ("mini-image", "image"),
    ):
        assert find_checkpoint(name, tmp_path) == mini / role
    assert [kind_of(mini / role) for role in ("depth", "video", "image")] == [
        MINI_MONOCULAR,
        COGVIDEOX_I2V,
        FLUX_FILL,
    ]
    assert licence_of(str(mini / "video")) == "Apache-2.0"
    assert licence_of(str(mini / "depth")) == "Apache-2.0"


def test_a_folder_of_the_same_name_does_not_replace_shipped_weights(
    mini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(mini / "depth", tmp_path / "data" / "models" / "mini-depth")
    shutil.copytree(mini / "depth", tmp_path / "mini-depth")
    monkeypatch.chdir(tmp_path)
    assert weights_of(depth_named("mini"), None, tmp_path / "data") == f"{mini / 'depth'}\n{mini / 'geometry'}"


def test_mini_runs_from_frames_to_geometry(mini: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(3, 48, 64))
    (stage,) = (stage for stage in plan_job(request(), tmp_path) if stage.spec is GEOMETRY)
    geometry = run_geometry(clip, tmp_path / "out", depth="mini", checkpoint=stage.checkpoint)
    assert (geometry.depth_from, geometry.checkpoint, geometry.scale) == ("mini", "mini-depth", "relative")
    assert geometry.licence == "Apache-2.0"
    assert geometry.depth.std() > 0
    assert [note.split()[0] for note in geometry.notes] == ["Lens:", "Camera:", "This", "Licence"]
    assert "small networks" in geometry.notes[2]
    assert GeometryFolder(tmp_path / "out").cloud.is_file()


@pytest.mark.parametrize("name", [f"depth/{WEIGHTS}", "depth/config.json", f"geometry/{WEIGHTS}"])
def test_changed_weights_are_refused_before_any_work(name: str, mini: Path, tmp_path: Path) -> None:
    assert plan_job(request(), tmp_path)
    flip_bit(mini / name)
    with pytest.raises(UserError) as caught:
        plan_job(request(), tmp_path)
    assert str(mini / name) in caught.value.message
    assert "has changed" in caught.value.message
    assert "install the backend again" in caught.value.advice
    row = status_of(depth_named("mini"), tmp_path)
    assert (row["available"], name in row["message"]) == (False, True)


def test_weights_that_change_after_the_plan_are_not_loaded(mini: Path, tmp_path: Path) -> None:
    (stage,) = (stage for stage in plan_job(request(), tmp_path) if stage.spec is GEOMETRY)
    flip_bit(mini / "depth" / WEIGHTS)
    with pytest.raises(UserError, match="has changed"):
        run_stage(stage, "0" * 64, {}, Store(tmp_path / "data"), InstalledWeights(tmp_path / "data"))


@pytest.mark.parametrize("what", ["suite.json", f"depth/{WEIGHTS}", "depth", "."])
def test_an_incomplete_suite_is_refused(what: str, mini: Path, tmp_path: Path, capsys) -> None:
    place = mini / what
    place.unlink() if place.is_file() else shutil.rmtree(place)
    with pytest.raises(UserError, match="is missing") as caught:
        plan_job(request(), tmp_path)
    assert "install the backend again" in caught.value.advice
    # The default geometry of the command line, so a new user may meet this error first.
    (tmp_path / "clip.mp4").write_bytes(b"never read")
    given = ["run", "--clip", str(tmp_path / "clip.mp4"), "--move", "orbit-left:8"]
    assert main([*given, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 2
    errors = capsys.readouterr().err
    assert "is missing" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkpoints": {"depth": {"files": {}}}}', '{"checkpoints": 1}'])
def test_an_invalid_suite_json_is_refused(text: str, mini: Path, tmp_path: Path) -> None:
    (mini / "suite.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"suite\.json .*mini-depth"):
        find_checkpoint("mini", tmp_path)


def test_list_shows_suites_licences_sizes_and_folders(mini: Path, tmp_path: Path, capsys) -> None:
    assert main(["models", "list", "--data", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    first, second = text.index("Suite mini"), text.index("Suite cogvideox-5b")
    assert first < second < text.index("Geometry alone")
    assert text[first:second].count("installed: ") == 4
    assert f"installed: {mini / 'video'}" in text[first:second]
    assert "commercial work only after registering" in text[second:]
    (row,) = (row for row in list_checkpoints(tmp_path) if row["name"] == "mini-video")
    assert (row["suites"], row["role"], row["shipped"], row["installed"]) == (("mini",), "video", True, True)
    assert row["size"] == sum(path.stat().st_size for path in (mini / "video").rglob("*") if path.is_file())


def test_verify_reads_files_even_if_their_time_is_unchanged(mini: Path, tmp_path: Path, capsys) -> None:
    assert main(["models", "verify", "--data", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 2 + 3 + 3
    assert all(line.startswith("ok ") for line in lines)
    flip_bit(mini / "video" / "transformer" / "diffusion_pytorch_model.safetensors", keep_time=True)
    assert main(["models", "verify", "mini", "--data", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.out.splitlines() if not line.startswith("ok ")] == [
        "BAD mini-video/transformer/diffusion_pytorch_model.safetensors"
    ]
    assert "has changed" in printed.err
    assert "install the backend again" in printed.err
    assert main(["models", "verify", "mini/geometry", "--data", str(tmp_path)]) == 0
    # The new hash replaces the one that this process remembered.
    with pytest.raises(UserError, match="has changed"):
        find_checkpoint("mini/video", tmp_path)


def test_verify_prints_the_hash_of_other_weights(mini: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "models" / "DUSt3R_ViTLarge_BaseDecoder_512_dpt"
    shutil.copytree(mini / "depth", folder)
    for name in ([], ["cogvideox-5b/geometry"], [str(folder)]):
        assert main(["models", "verify", *name, "--data", str(tmp_path)]) == 0
        assert "content hash is " in capsys.readouterr().out
    (folder / WEIGHTS).unlink()
    assert main(["models", "verify", "--data", str(tmp_path)]) == 2
    assert f"lacks {WEIGHTS}" in capsys.readouterr().err
    assert main(["models", "verify", "cogvideox-5b", "--data", str(tmp_path)]) == 2
    assert main(["models", "verify", "some/unknown", "--data", str(tmp_path)]) == 2
    assert "no checkpoint 'some/unknown'" in capsys.readouterr().err


def test_a_wheel_holds_the_shipped_weights(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(REPO / "backend", source, ignore=shutil.ignore_patterns("__pycache__", "mini"))
    folder = ship_mini(source / "reangle" / "weights")
    shipped_files = {path.relative_to(source).as_posix() for path in folder.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", tmp_path, source], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert shipped_files <= set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    code = "import json, sys; from reangle.weights.verify import verify; from pathlib import Path;"
    code += "print(json.dumps([vars(one) for one in verify('mini', Path(sys.argv[1]))]))"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=tmp_path / "installed", env={**os.environ, "PYTHONPATH": "."},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [verdict["ok"] for verdict in json.loads(done.stdout)] == [True] * (2 + 2 + 3 + 3)
