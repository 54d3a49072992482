# SPDX-License-Identifier: GPL-3.0-or-later
"""The built extension, installed and enabled in bpy, with a running backend."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.reangle"
STATUS = pytest.StashKey[int]()
PROCESS_ENDS_S = 30

# Blender reads this once, when bpy is imported.
_home = tempfile.TemporaryDirectory(prefix="reangle-blender-", ignore_cleanup_errors=True)
os.environ["BLENDER_USER_RESOURCES"] = _home.name
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "scripts"), str(Path(__file__).parent)]

import bpy  # noqa: E402

# isort: split
import addon_utils  # noqa: E402 - importable after bpy
import tiny  # noqa: E402
from build_extension import build  # noqa: E402

from reangle_blender.core import backend_process  # noqa: E402


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End without Python's own end, where Blender crashes or hangs.

    bpy 4.2 crashes once any add-on's preferences with a `draw` have been registered; 4.5 hung after all of these tests
    in one session. test_left_behind.py starts a Blender of its own to see it exit.
    """
    if STATUS in config.stash:
        _home.cleanup()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[STATUS])


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(archive: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)


@pytest.fixture
def reangle(installed: None, tmp_path: Path) -> Iterator[Callable[[str], ModuleType]]:
    """An empty file with the extension enabled; `reangle(name)` returns a module of the extension."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    addon_utils.enable(MODULE, default_set=True)
    bpy.context.scene.render.engine = "CYCLES"
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.data_folder = ""
    preferences.results_folder = str(tmp_path / "results")
    yield lambda name: importlib.import_module(f"{MODULE}.{name}" if name else MODULE)
    importlib.import_module(f"{MODULE}.exchange.connection").now.capabilities = None
    addon_utils.disable(MODULE, default_set=True)


@pytest.fixture
def commercial_only(reangle: Callable[[str], ModuleType]) -> Iterator[None]:
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.commercial_only = True
    yield
    preferences.commercial_only = False


@contextmanager
def backend_folder(data: Path, environment: Mapping[str, str] | None = None) -> Iterator[Path]:
    """In `data`, the command that starts this repository's backend; in the end a running one is stopped."""
    python = os.environ.get("REANGLE_BACKEND_PYTHON")
    if not python:
        pytest.skip("REANGLE_BACKEND_PYTHON is not set to a Python with the backend's packages")
    variables = {"PYTHONPATH": str(REPOSITORY / "backend"), **(environment or {})}
    about = {"command": [python, "-m", "reangle"], "environment": variables}
    (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
    try:
        yield data
    finally:
        end_backend(data)


def end_backend(data: Path) -> None:
    """End the backend of this folder, if one runs, as another program would, and wait for its process.

    The extension started it, so its process is not known here; the extension asks for its end when it next connects.
    """
    running = backend_process.find(data)
    if running is None:
        return
    backend_process.stop(running)
    deadline = time.monotonic() + PROCESS_ENDS_S
    while sys.platform == "linux" and runs(running.pid):
        assert time.monotonic() < deadline, f"process {running.pid} does not end"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process of this id has not ended; on Linux alone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


@pytest.fixture(scope="session")
def backend_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with the command that starts this repository's backend."""
    with backend_folder(tmp_path_factory.mktemp("data")) as data:
        yield data


@pytest.fixture
def desk(reangle: Callable[[str], ModuleType], backend_data: Path) -> SimpleNamespace:
    """The extension connected to a running backend."""
    connection, main_thread = reangle("exchange.connection"), reangle("exchange.main_thread")
    bpy.context.preferences.addons[MODULE].preferences.data_folder = str(backend_data)
    bpy.ops.reangle.start_backend()
    main_thread.pump_until(lambda: connection.now.state in ("on", "failed"), timeout_s=300)
    failure = connection.now.failure
    assert connection.now.state == "on", failure.traceback if failure else ""
    return SimpleNamespace(reangle=reangle, connection=connection, main_thread=main_thread, state=reangle("state"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first image of the tiny clip; its depth is in `clip.parents[1] / "depth"`."""
    return tiny.write(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def shot(desk: SimpleNamespace, clip: Path) -> SimpleNamespace:
    """The tiny clip imported into the open scene."""
    import_clip(desk, clip)
    return desk


@pytest.fixture
def rendered(shot: SimpleNamespace) -> SimpleNamespace:
    """Two cameras rendered from the tiny clip."""
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.ops.reangle.apply_move(move="dolly-in", amount=10, name="In")
    assert bpy.ops.reangle.render() == {"FINISHED"}
    wait_for_jobs(shot)
    return shot


@pytest.fixture
def unsaved(desk: SimpleNamespace, clip: Path, tmp_path: Path) -> SimpleNamespace:
    """An unsaved file with an import, a render, and pictures of them on strips and nodes and behind cameras."""
    bpy.context.preferences.addons[MODULE].preferences.results_folder = "//reangle"
    shutil.copytree(clip.parents[1], tmp_path / "project" / "footage")
    import_clip(desk, tmp_path / "project" / "footage" / "my clip" / clip.name)
    bpy.ops.reangle.apply_move(move="truck-left", amount=5, name="Side")
    bpy.ops.reangle.render()
    wait_for_jobs(desk)
    bpy.ops.reangle.results_to_sequencer(with_clip=True)
    bpy.ops.reangle.results_to_backgrounds()
    bpy.ops.reangle.results_to_compositor()
    return desk


def choose_clip(desk: SimpleNamespace, clip: Path) -> None:
    """Choose the clip in the Clip panel, with the camera and the depth that lie beside it."""
    settings = desk.state.of(bpy.context.scene).clip
    settings.path, settings.sequence_fps = str(clip), tiny.FPS
    settings.camera = settings.depth = "files"
    settings.geometry_folder = str(clip.parents[1] / "depth")


def import_clip(desk: SimpleNamespace, clip: Path) -> None:
    choose_clip(desk, clip)
    assert bpy.ops.reangle.import_clip() == {"FINISHED"}
    wait_for_jobs(desk)


def wait_for_jobs(desk: SimpleNamespace, timeout_s: float = 300) -> None:
    """Wait until every job of the scene is done and fetched, and assert that none has failed."""

    def settled() -> bool:
        shot = desk.state.of(bpy.context.scene)
        return all(job.is_final and (job.loaded or job.state != "done" or job.message) for job in shot.jobs)

    desk.main_thread.pump_until(settled, timeout_s=timeout_s)
    for job in desk.state.of(bpy.context.scene).jobs:
        assert job.state == "done", f"{job.message} {job.advice}\n{job.traceback}"
        assert job.loaded, f"{job.message} {job.advice}\n{job.traceback}"
