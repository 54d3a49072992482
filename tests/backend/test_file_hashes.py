# SPDX-License-Identifier: Apache-2.0
"""All processes together read weights once per path, size and time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from reangle.errors import UserError
from reangle.runtime import file_hashes
from reangle.runtime.file_hashes import FileHashes
from reangle.weights.identity import checkpoint_hash, known_checkpoint_hash

from tests.backend.server_harness import JSON, serving


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights é"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(3_000_000))
    return folder


def test_a_checkpoint_is_read_once_with_progress(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "_CHUNK", 1 << 20)
    data = tmp_path / "data"
    assert known_checkpoint_hash(weights, data) is None
    reports: list[tuple[int, int]] = []
    first = checkpoint_hash(weights, data, report=lambda done, total: reports.append((done, total)))
    assert reports == [(2, 3_000_002), (1_048_578, 3_000_002), (2_097_154, 3_000_002), (3_000_002, 3_000_002)]
    assert known_checkpoint_hash(weights, data) == first
    assert known_checkpoint_hash(weights, tmp_path / "another") is None
    code = (
        "import sys; from pathlib import Path; from reangle.weights.identity import checkpoint_hash\n"
        "reads = []\n"
        "print(checkpoint_hash(sys.argv[1], Path(sys.argv[2]), report=lambda *a: reads.append(a)), len(reads))"
    )
    command = [sys.executable, "-c", code, str(weights), str(data)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [first, "0"]
    checkpoint_hash(weights, data, report=lambda *_: pytest.fail("read again"))
    checkpoint_hash(weights, data, read_again=True, report=lambda *values: reports.append(values))
    assert len(reports) == 8


def test_a_changed_file_is_read_again_and_its_entry_replaced(tmp_path: Path, weights: Path) -> None:
    data, path = tmp_path / "data", weights / "model.safetensors"
    before = checkpoint_hash(weights, data)
    path.write_bytes(b"other")
    assert known_checkpoint_hash(weights, data) is None
    after = checkpoint_hash(weights, data)
    assert after != before
    stat = path.stat()
    path.write_bytes(b"third")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert checkpoint_hash(weights, data) not in (before, after)
    assert len(list((data / file_hashes.FOLDER).iterdir())) == 2
    path.unlink()
    (weights / "config.json").unlink()
    for ask in (checkpoint_hash, known_checkpoint_hash):
        with pytest.raises(UserError, match="cannot be read"):
            ask(weights, data)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sha256": "x"}', "\0" * 500])
def test_a_damaged_entry_is_ignored(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    hashes = FileHashes(tmp_path)
    sha256 = hashlib.sha256(b"weights").hexdigest()
    assert hashes.read(path) == sha256 == hashes.known(path)
    (entry,) = (tmp_path / file_hashes.FOLDER).iterdir()
    entry.write_text(entry.read_text().replace(sha256, "x" * 64) if content == "" else content)
    assert hashes.known(path) is None
    assert hashes.read(path) == sha256 == hashes.known(path)


def test_a_file_that_changes_while_it_is_read_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    hashes = FileHashes(tmp_path)
    before = path.stat().st_mtime_ns
    hashes.read(path, lambda _: os.utime(path, ns=(0, 0)))
    assert hashes.known(path) is None
    os.utime(path, ns=(before, before))
    assert hashes.known(path) is None


def test_unwritable_folder_only_loses_the_record(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    (tmp_path / file_hashes.FOLDER).write_text("a file in the way")
    hashes = FileHashes(tmp_path)
    assert hashes.read(path) == hashlib.sha256(b"weights").hexdigest()
    assert hashes.known(path) is None


def test_processes_record_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    code = (
        "import sys; from pathlib import Path; from reangle.runtime.file_hashes import FileHashes\n"
        "hashes = FileHashes(Path(sys.argv[1]))\n"
        "for _ in range(100):\n"
        "    hashes.read(Path(sys.argv[1]) / 'model.safetensors')\n"
        "    assert hashes.known(Path(sys.argv[1]) / 'model.safetensors')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert len(list((tmp_path / file_hashes.FOLDER).iterdir())) == 1


def test_job_reads_weights_once_in_a_stage_process(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        request: JSON = {**backend.request(), "geometry": {"depth": "mini"}}
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201
        assert backend.finish(request["id"])["state"] == "done"
        # The first stage that needs the weights reads them.
        logs = [backend.ask("GET", f"/v1/jobs/{request['id']}/logs/{kind}").text for kind in ("glance", "geometry")]
        assert [log.count("Reading the weights") for log in logs] == [1, 0]
        read = [event for event in backend.events(request["id"]) if "weights read" in (event["message"] or "")]
        assert {event["stage"] for event in read} == {"Glance"}
        again: JSON = {**backend.request(clip=b"another"), "geometry": {"depth": "mini"}}
        assert backend.ask("POST", "/v1/jobs", json=again).status_code == 201
        assert backend.finish(again["id"])["state"] == "done"
        assert "Reading" not in backend.ask("GET", f"/v1/jobs/{again['id']}/logs/geometry").text
