# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend of another computer, which is a server with TLS and a data folder of its own beside this one's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import pytest
from conftest import MODULE, REPOSITORY, import_clip, wait_for_jobs

CHOICES = ("backend_place", "backend_url", "backend_token", "backend_fingerprint")


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """process, data, and what the backend printed."""
    python = os.environ.get("REANGLE_BACKEND_PYTHON")
    if not python:
        pytest.skip("REANGLE_BACKEND_PYTHON is not set to a Python with the backend's packages")
    if subprocess.run([python, "-c", "import cryptography"], capture_output=True).returncode:
        pytest.skip("the backend's Python has no cryptography")
    data = tmp_path_factory.mktemp("far away")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen(
        [python, "-m", "reangle", "serve", "--tls", "--port", "0", "--data", str(data)],
        env={**environment, "PYTHONPATH": str(REPOSITORY / "backend")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = "".join(process.stdout.readline() for _ in range(4))
    yield SimpleNamespace(process=process, data=data, printed=printed)
    process.terminate()
    process.wait(60)


@pytest.fixture
def desk(reangle: Callable[[str], ModuleType], far: SimpleNamespace, tmp_path: Path) -> Iterator[SimpleNamespace]:
    """The extension with the address, token and fingerprint that the backend printed; not connected."""
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.data_folder = str(tmp_path)
    reangle("exchange.remote").paste(far.printed)
    preferences.backend_place = "REMOTE"
    yield SimpleNamespace(
        reangle=reangle,
        connection=reangle("exchange.connection"),
        remote=reangle("exchange.remote"),
        storage=reangle("exchange.storage"),
        main_thread=reangle("exchange.main_thread"),
        state=reangle("state"),
        preferences=preferences,
    )
    for name in CHOICES:
        preferences.property_unset(name)


def connect(desk: SimpleNamespace) -> None:
    assert bpy.ops.reangle.connect_backend() == {"FINISHED"}
    desk.main_thread.pump_until(lambda: desk.connection.now.state in ("on", "failed"), timeout_s=120)


def outcome(desk: SimpleNamespace) -> SimpleNamespace:
    assert bpy.ops.reangle.test_backend() == {"FINISHED"}
    desk.main_thread.pump_until(lambda: desk.remote.now.state in ("good", "bad"), timeout_s=120)
    return desk.remote.now


def test_import_and_render_on_another_computer(desk: SimpleNamespace, far: SimpleNamespace, clip: Path) -> None:
    connect(desk)
    assert desk.connection.now.state == "on", desk.connection.now.failure.traceback
    assert desk.connection.now.backend.device.memory_total > 0
    import_clip(desk, clip)
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.ops.reangle.render()
    wait_for_jobs(desk)
    shot = desk.state.of(bpy.context.scene)
    assert all(job.loaded and job.backend == desk.connection.now.key != "" for job in shot.jobs)
    # The results are here, and need not be kept there.
    bpy.ops.reangle.clean_storage(artifacts=True, blobs=True, unfinished=True, logs=True, days=0)
    desk.main_thread.pump_until(lambda: desk.storage.now.removed is not None, timeout_s=120)
    assert desk.storage.now.removed > 0
    assert not list((far.data / "artifacts").glob("*/*"))
    # It is left, not ended; a job that it has is neither asked of this computer's backend nor given up.
    job = shot.jobs[-1]
    job.state, job.loaded = "running", False
    desk.reangle("exchange.ledger").forget_all()
    assert bpy.ops.reangle.disconnect_backend() == {"FINISHED"}
    desk.main_thread.pump_until(lambda: not desk.main_thread.is_busy(), timeout_s=60)
    assert far.process.poll() is None
    assert desk.connection.now.state == "off"
    desk.reangle("exchange.watching").resume()
    assert job.state == "running"
    connect(desk)
    desk.main_thread.pump_until(lambda: job.state == "done" or bool(job.message), timeout_s=120)
    assert job.state == "done"


def test_what_is_wrong_is_said(desk: SimpleNamespace, far: SimpleNamespace) -> None:
    preferences = desk.preferences
    right = preferences.backend_fingerprint
    assert outcome(desk).state == "good"
    assert desk.connection.now.state == "off"

    preferences.backend_fingerprint = "AB" * 32
    now = outcome(desk)
    assert (now.state, now.is_changed) == ("bad", True)
    assert "another certificate" in now.failure.message
    assert bpy.ops.reangle.trust_certificate() == {"FINISHED"}
    assert preferences.backend_fingerprint == right

    preferences.backend_fingerprint = ""
    now = outcome(desk)
    assert (now.state, now.is_changed) == ("bad", False)
    assert now.certificate == right.replace(":", "").lower()

    preferences.backend_fingerprint, preferences.backend_token = right, "wrong"
    assert "token" in outcome(desk).failure.message
    connect(desk)
    assert desk.connection.now.state == "failed"
    assert "token" in desk.connection.now.failure.message

    for url, words in (("http://10.0.0.1:80", "not this machine"), ("https://10.0.0.1", "online access is off")):
        preferences.backend_url = url
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.reangle.connect_backend()


def test_the_token_is_in_no_file_of_the_artist(desk: SimpleNamespace, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"), compress=False)
    token = desk.preferences.backend_token
    assert len(token) > 30
    assert token.encode() not in (tmp_path / "shot.blend").read_bytes()
    assert desk.preferences.bl_rna.properties["backend_token"].subtype == "PASSWORD"


def test_another_choice_leaves_the_backend(desk: SimpleNamespace, far: SimpleNamespace) -> None:
    connect(desk)
    client = desk.connection.now.backend.client
    desk.preferences.backend_place = "HERE"
    assert desk.connection.now.state == "off"
    with pytest.raises(Exception, match="was ended"):
        client.jobs()
    assert far.process.poll() is None
    assert json.loads((far.data / "server.json").read_text())["pid"] == far.process.pid
