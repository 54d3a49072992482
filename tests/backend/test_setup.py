# SPDX-License-Identifier: Apache-2.0
"""Setting up fails in one sentence that names the remedy."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import environments
import install_backend
import pytest
from reangle.version import VERSION


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REANGLE_ENVIRONMENTS", str(tmp_path / "not yet" / "there"))
    return tmp_path


def test_a_wrong_python_is_told_the_right_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments.sys, "version_info", (3, 9, 2))
    with pytest.raises(environments.SetupError, match=r"needs Python 3\.11.*python3\.11 "):
        environments.python_of("backend")


def test_a_full_disk_is_noticed_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch, own_folder: Path) -> None:
    monkeypatch.setattr(environments.shutil, "disk_usage", lambda _: SimpleNamespace(free=2e8))
    with pytest.raises(environments.SetupError, match=r"0\.2 GB free.*REANGLE_ENVIRONMENTS"):
        environments.python_of("backend")
    assert not list(own_folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Python with a shell script")
def test_a_missing_system_library_names_the_package(own_folder: Path) -> None:
    python = own_folder / "bin" / "python"
    python.parent.mkdir()
    text = "ImportError: libSM.so.6: cannot open shared object file: No such file or directory"
    python.write_text(f"#!/bin/sh\necho '{text}' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(environments.SetupError, match=r"libSM\.so\.6 is missing.*apt install.*libsm6"):
        environments._check_imports("bpy", own_folder)


def test_every_requirement_is_pinned() -> None:
    for name in ("backend", *environments.BLENDERS):
        pins = environments.requirements(name)
        assert all(re.match(r"[\w.-]+==[\w.]+(; .*)?$", pin) for pin in pins), pins
    assert environments.requirements("backend")[0].startswith("torch==")
    assert environments.requirements("bpy-4.2")[0] == "bpy==4.2.23"
    assert not any("torchvision" in pin for pin in environments.requirements("backend"))


def test_one_version_everywhere() -> None:
    project = tomllib.loads((environments.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    manifest = tomllib.loads((environments.REPOSITORY / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["version"] == project["project"]["version"] == VERSION
    assert f"## {VERSION}" in (environments.REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="runs the POSIX launcher")
def test_the_installed_copy_runs_from_a_folder_with_quotes_and_spaces(own_folder: Path) -> None:
    data = own_folder / "it's my data"
    install_backend.copy_application(data)
    application = install_backend.copy_application(data)
    launcher = install_backend.write_launchers(data, Path(sys.executable), application)
    done = subprocess.run([launcher, "--help"], cwd=own_folder, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout
    assert sorted(path.name for path in data.iterdir()) == ["application", "backend.json", "reangle"]
