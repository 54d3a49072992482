# SPDX-License-Identifier: Apache-2.0
"""The store: keys are hashes of contents, and only complete folders are published."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from reangle.errors import UserError
from reangle.runtime.data_folder import write_atomically
from reangle.runtime.store import Store

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data with späces")


def publish(store: Store, text: str = "hello", key: str = KEY) -> Path:
    with store.scratch() as out:
        (out / "inner").mkdir()
        (out / "inner" / "file.txt").write_text(text)
        return store.publish(key, out, {"stage": "test"}).folder


def test_blob_is_stored_by_hash_and_a_wrong_hash_leaves_nothing(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"x" * 3_000_000)
    ref = store.add_file(source)
    assert (ref.name, ref.sha256, ref.size) == ("clip.mp4", hashlib.sha256(source.read_bytes()).hexdigest(), 3_000_000)
    assert store.blob_path(ref.sha256).read_bytes() == source.read_bytes()
    with pytest.raises(UserError, match="SHA-256"):
        store.receive("0" * 64, [b"other"])
    assert not store.has_blob("0" * 64)
    assert not list((store.root / "tmp").iterdir())


def test_artifact_exists_only_when_complete(store: Store) -> None:
    with store.scratch() as out:
        (out / "half").write_text("half")
    assert store.artifact(KEY) is None
    assert not out.exists()
    folder = publish(store)
    artifact = store.artifact(KEY)
    assert artifact is not None
    assert [file.path for file in artifact.files] == ["inner/file.txt"]
    (folder / "artifact.json").write_text("{")
    assert store.artifact(KEY) is None
    publish(store)
    assert store.artifact(KEY) is not None


def test_damaged_artifact_is_removed(store: Store) -> None:
    file = publish(store) / "inner" / "file.txt"
    assert store.sound_artifact(KEY) is not None
    file.write_text("hellp")
    assert store.sound_artifact(KEY) is None
    assert store.artifact(KEY) is None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_artifact_that_cannot_be_read_now_is_neither_missing_nor_removed(store: Store) -> None:
    import resource

    folder = publish(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for ask in (store.artifact, store.sound_artifact):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                ask(KEY)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert folder.is_dir()
    assert store.sound_artifact(KEY) is not None


def test_first_published_artifact_is_kept(store: Store) -> None:
    first = publish(store, "first")
    assert publish(store, "second") == first
    assert (first / "inner" / "file.txt").read_text() == "first"


@pytest.mark.parametrize("name", ["../" + "a" * 61, "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", ""])
def test_only_hashes_are_accepted_as_keys(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.blob_path(name)


def test_sweep_removes_only_the_leftovers_of_ended_processes(store: Store) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left, kept = store.root / "tmp" / f"{dead.pid}-x", store.root / "tmp" / f"{os.getpid()}-x"
    left.mkdir()
    kept.mkdir()
    store.sweep()
    assert not left.exists()
    assert kept.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no mode bits")
def test_owner_only_file_is_never_readable_by_others(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_atomically(tmp_path / "secret", b"token", owner_only=True)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
