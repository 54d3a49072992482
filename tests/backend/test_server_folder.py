# SPDX-License-Identifier: Apache-2.0
"""The data folder of a running backend: closed to other users, and noticed when it is taken away."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from reangle.errors import UserError
from reangle.runtime.folder_format import FORMAT
from reangle.runtime.store import Store

from tests.backend.server_harness import Backend, serving, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights and open files by itself")


def others(folder: Path) -> int:
    return folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def test_data_folder_is_closed_to_other_users_even_if_it_was_open(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "data").mkdir()
        with serving(tmp_path) as backend:
            assert others(backend.data) == 0
        Store(tmp_path / "of the command line")
        assert others(tmp_path / "of the command line") == 0
    finally:
        os.umask(before)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives folders away")
def test_data_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        backend.stop()
        os.chown(backend.data, 65534, 65534)
        refused = backend.spawn()
        _, words = refused.communicate(timeout=30)
        assert refused.returncode == 2
        assert "another user" in words
        assert str(backend.data) in words


def test_second_backend_is_refused_even_if_the_lock_file_is_removed(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        (backend.data / "server.lock").unlink()
        second = backend.spawn()
        _, words = second.communicate(timeout=30)
        assert second.returncode == 3, words
        assert str(backend.process.pid) in words


@pytest.mark.parametrize("lost", ["jobs.sqlite", "jobs.sqlite-wal", "replaced", "folder"])
def test_no_job_is_acknowledged_that_would_be_lost(tmp_path: Path, lost: str) -> None:
    with serving(tmp_path) as backend:
        request = backend.request("left")
        _take_away(backend, lost)
        try:
            answer = backend.ask("POST", "/v1/jobs", json=request)
        except OSError:  # it has ended already
            pass
        else:
            assert answer.status_code >= 400
            assert answer.json()["error"]["advice"]
        assert backend.process.wait(timeout=20) == 4


def _take_away(backend: Backend, lost: str) -> None:
    if lost == "folder":
        shutil.rmtree(backend.data)
        backend.data.mkdir()
    elif lost == "replaced":
        copy = backend.data / "copy"
        shutil.copyfile(backend.data / "jobs.sqlite", copy)
        copy.replace(backend.data / "jobs.sqlite")
    else:
        (backend.data / lost).unlink()


def test_server_file_that_is_removed_comes_back(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        (backend.data / "server.json").unlink()
        wait_for(lambda: (backend.data / "server.json").exists(), 10)
        assert backend.get("/v1/health")["pid"] == backend.process.pid


def test_server_file_of_garbage_stops_no_backend(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        (backend.data / "server.json").write_text("[" * 100_000)
        second = backend.spawn()
        _, words = second.communicate(timeout=30)
        assert second.returncode == 3
        assert "already uses" in words
        backend.process.terminate()
        _, words = backend.process.communicate(timeout=30)
        assert backend.process.returncode == 0
        assert words == ""


def test_server_file_stays_away_while_a_backend_takes_long_to_end(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("hold-decode", "stubborn")
        backend.submit("left")
        backend.stages.wait_started("decode")
        backend.stop()
        assert not (backend.data / "server.json").exists()


def test_folder_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        assert backend.finish(backend.submit())["state"] == "done"
        backend.stop()
        about = backend.data / "format.json"
        assert json.loads(about.read_text())["format"] == FORMAT
        about.write_text(json.dumps({"format": FORMAT + 1, "version": "7.0", "more": []}))
        backend.data.chmod(0o750)
        before = contents(backend.data)
        refused = backend.spawn()
        _, words = refused.communicate(timeout=30)
        assert (refused.returncode, "newer Reangle (7.0)" in words, "Update Reangle" in words) == (2, True, True)
        with pytest.raises(UserError, match="Nothing in it was changed"):
            Store(backend.data)
        assert contents(backend.data) == before
        about.unlink()  # as a version before this file left it
        backend.start()
        assert json.loads(about.read_text())["format"] == FORMAT


def contents(folder: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Rights, time of change and bytes of the folder and of all in it."""
    return {
        path: (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }
