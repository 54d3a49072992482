# SPDX-License-Identifier: Apache-2.0
"""Set-up: errors give advice, and the installed backend is a distribution with metadata."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import build_extension
import demo
import environments
import install_backend
import pytest
import test as all_checks
from reangle.version import VERSION
from reangle.weights.checkpoints import RECOMMENDED

from tests.backend.hub_server import Hub, hub_server

REPO = environments.REPOSITORY
PIN = re.compile(r"[\w.-]+==[\w.]+(; .*)?$")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REANGLE_ENVIRONMENTS", str(tmp_path / "not yet" / "there"))
    monkeypatch.delenv("REANGLE_PYTHON", raising=False)
    return tmp_path


def runs_as(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: version)


def test_unsupported_python_is_refused_with_the_right_command(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_as("3.9.2", monkeypatch)
    with pytest.raises(environments.SetupError, match=r"3\.11, 3\.12 or 3\.13.*python3\.11 |py -3\.11 "):
        environments.python_of("backend")


def test_each_python_has_its_own_lock_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy, folders = [], set()
    for version in ("3.11.7", "3.12.1", "3.13.0"):
        runs_as(version, monkeypatch)
        numpy += [pin for pin in environments.requirements("backend") if pin.startswith("numpy==")]
        folders |= {environments.environment_folder(name) for name in ("backend", "tests")}
    assert len(folders) == 6
    assert numpy[0] != numpy[1] == numpy[2], "the newest numpy refuses Python 3.11, and must not for the others"


def test_blender_as_a_module_takes_python_3_11(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_as("3.13.0", monkeypatch)
    beside = environments.Interpreter("/somewhere/python3.11", "3.11.9")
    monkeypatch.setattr(environments, "find_python", lambda minor: beside)
    assert environments.interpreter_for("bpy") == beside
    assert environments.interpreter_for("backend").minor == "3.13"
    monkeypatch.setattr(environments, "find_python", lambda minor: None)
    with pytest.raises(environments.SetupError, match=r"needs Python 3\.11"):
        environments.environment_folder("bpy")


def test_blenders_without_their_python_are_left_out_unless_they_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs_as("3.11.9", monkeypatch)
    monkeypatch.setattr(environments, "find_python", lambda minor: None)
    assert all_checks.available() == ["bpy", "bpy-4.2", "bpy-5.0"]
    lines = capsys.readouterr().out.splitlines()
    assert [line[: line.index(" as a module")] for line in lines] == [
        f"Left out: Blender {environments.BLENDERS[name]}" for name in ("bpy-5.1", "bpy-5.2", "bpy-5.3")
    ]
    monkeypatch.setattr(sys, "argv", ["test.py", "blender", "--blenders", "4.2", "5.3"])
    monkeypatch.setattr(all_checks, "python_of", environments.environment_folder)
    assert all_checks.main() == 2
    assert "Blender 5.3.0 as a module needs Python 3.13" in capsys.readouterr().err


def test_full_disk_is_reported_before_installing(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2e8))
    with pytest.raises(environments.SetupError, match=r"0\.2 GB free.*REANGLE_ENVIRONMENTS"):
        environments.python_of("backend")
    assert not list(own_folder.iterdir())


@pytest.mark.parametrize("script", ["reangle.py", "install_backend.py"])
def test_folder_for_environments_that_cannot_be_made_is_named(own_folder: Path, script: str) -> None:
    (own_folder / "not yet").write_text("a file")
    command = [sys.executable, str(REPO / "scripts" / script)]
    refused = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert refused.returncode == 2
    assert str(own_folder / "not yet") in refused.stderr
    assert "REANGLE_ENVIRONMENTS" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("option", ["--out", "--start", "--size"])
def test_demo_names_what_it_cannot_use(
    own_folder: Path, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "file").write_text("a file")
    value = str(own_folder / "file" / "out") if option == "--out" else "-5"
    monkeypatch.setattr(sys, "argv", ["demo.py", f"{option}={value}"])
    try:
        status = demo.main()
    except SystemExit as refused:
        status = refused.code
    assert status == 2
    assert value in (words := capsys.readouterr().err)
    assert any(advice in words for advice in ("another --out", "a whole number", "such as 832x480"))


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Python with a shell script")
def test_a_missing_system_library_names_the_package(own_folder: Path) -> None:
    python = own_folder / "bin" / "python"
    python.parent.mkdir()
    text = "ImportError: libSM.so.6: cannot open shared object file: No such file or directory"
    python.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(environments.SetupError, match=r"libSM\.so\.6 is missing.*apt install.*libsm6"):
        environments.check_imports("bpy", own_folder, "bpy")


@pytest.mark.parametrize("lock", sorted(path.stem for path in (REPO / "locks").glob("*.txt")))
def test_every_requirement_is_pinned(lock: str) -> None:
    pins = environments._pins(lock)
    assert all(PIN.match(pin) for pin in pins), pins
    if lock.startswith("backend"):
        assert pins[0].startswith("torch==")
        assert not any(re.match("(torchvision|pytest|hypothesis)=", pin) for pin in pins)


def test_another_blender_replaces_the_first_pin() -> None:
    assert environments._pins("blender")[0] == f"bpy=={environments.BLENDERS['bpy']}"
    assert environments.requirements("bpy-4.2")[0] == "bpy==4.2.23"


def test_version_is_the_same_everywhere() -> None:
    manifest = tomllib.loads((REPO / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["version"] == build_extension.backend_version() == VERSION
    assert f"## {VERSION}" in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")


def test_installed_backend_is_a_distribution_with_metadata(own_folder: Path) -> None:
    data = own_folder / "it's my data"
    source = own_folder / "backend"
    shutil.copytree(REPO / "backend", source, ignore=shutil.ignore_patterns("__pycache__", "mini"))
    install_backend.install_application(data, Path(sys.executable), source)
    application = install_backend.install_application(data, Path(sys.executable), source)

    (distribution,) = metadata.distributions(name="reangle", path=[str(application)])
    needs = {re.split(r"[^\w-]", need)[0].lower() for need in distribution.requires or [] if "extra ==" not in need}
    assert distribution.version == VERSION
    assert {"torch", "numpy", "diffusers", "fastapi", "av"} <= needs
    assert not {"mini-dust3r", "bitsandbytes"} & needs
    assert [path.name for path in distribution.files or [] if "licenses" in path.parts] == ["LICENSE.txt"]
    assert (REPO / "backend" / "LICENSE.txt").read_text() == (REPO / "LICENSES" / "Apache-2.0.txt").read_text()

    launcher = install_backend.write_launchers(data, Path(sys.executable), application)
    assert sorted(path.name for path in data.iterdir()) == ["application", "backend.json", launcher.name]
    variables = {} if os.name != "nt" else dict(os.environ)
    done = subprocess.run([launcher, "--help"], cwd=own_folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def offered_weights(hub: Hub, data: Path, wanted: str | None, answer: str | None) -> str:
    """What the installer prints about the recommended weights. answer: typed on a terminal; None without one."""
    data.mkdir(exist_ok=True)
    launcher = install_backend.write_launchers(data, Path(sys.executable), REPO / "backend")
    code = (
        "import sys; from pathlib import Path; import install_backend\n"
        f"install_backend.download_weights(Path({str(launcher)!r}), Path({str(data)!r}), {wanted!r})"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(data / "home"), "PYTHONPATH": str(REPO / "scripts")}
    terminal, end = os.openpty() if answer is not None else (None, subprocess.DEVNULL)
    if terminal is not None:
        os.write(terminal, (answer or "").encode())
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, stdin=end, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_the_recommended_weights_are_offered_and_their_failure_fails_nothing(own_folder: Path) -> None:
    source, data = own_folder / "hub", own_folder / "data"
    source.mkdir()
    for name in RECOMMENDED.files:
        (source / name).write_text('{"model_type": "depth_anything"}')
    command = f"models download {RECOMMENDED.name}"
    with hub_server(Hub({RECOMMENDED.hub: source})) as hub:
        assert offered_weights(hub, data, None, answer=None) == "", "no question where nobody can answer"
        refused = offered_weights(hub, data, None, answer="n\n")
        for words in ("99 MB", "Apache-2.0", f"huggingface.co/{RECOMMENDED.hub}", command):
            assert words in refused
        assert offered_weights(hub, data, "none", answer=None) == ""
        hub.gated.add(RECOMMENDED.hub)
        assert command in offered_weights(hub, data, "recommended", answer=None)
        hub.gated.clear()
        assert not (data / "models" / RECOMMENDED.name).exists()
        offered_weights(hub, data, None, answer="\n")
        assert (data / "models" / RECOMMENDED.name).is_dir()
        assert offered_weights(hub, data, None, answer="") == "", "no question about what is there"
