# SPDX-License-Identifier: Apache-2.0
"""Files of a running backend's store that are damaged, and are mended by sending or making them again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import requests

from tests.backend.clips import numbered
from tests.backend.server_harness import JSON, Backend, serving, wait_for


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("server")) as backend:
        yield backend


def blob(backend: Backend, ref: JSON) -> Path:
    return backend.data / "blobs" / ref["sha256"][:2] / ref["sha256"]


def flip(path: Path, place: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_sending_a_file_again_mends_it(backend: Backend, damage: Callable[[Path], None]) -> None:
    ref = backend.upload(b"the right bytes", "clip.mp4")
    damage(blob(backend, ref))
    backend.upload(b"the right bytes", "clip.mp4")
    assert blob(backend, ref).read_bytes() == b"the right bytes"
    # One that is whole is not written again.
    before = blob(backend, ref).stat().st_mtime_ns
    assert backend.ask("PUT", f"/v1/blobs/{ref['sha256']}", data=b"the right bytes").status_code == 200
    assert blob(backend, ref).stat().st_mtime_ns == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe stands for a damaged file that is read slowly")
def test_upload_leaves_what_another_one_published_meanwhile(backend: Backend) -> None:
    content = b"sent twice at once"
    digest = hashlib.sha256(content).hexdigest()
    path, rest = blob(backend, {"sha256": digest}), threading.Event()

    def send(body: bytes | Iterator[bytes]) -> int:
        url = f"http://127.0.0.1:{backend.about['port']}/v1/blobs/{digest}"
        return requests.put(url, data=body, headers=backend.good_headers, timeout=30).status_code

    def in_two_parts() -> Iterator[bytes]:
        yield content[:5]
        rest.wait(30)
        yield content[5:]

    def opened_pipe() -> int | None:
        with suppress(OSError):  # nobody reads yet
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(send, in_two_parts())
        wait_for(lambda: list((backend.data / "tmp").iterdir()))
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        second = pool.submit(send, b"not what was announced")
        pipe = wait_for(opened_pipe)  # the second reads what lies there
        rest.set()
        assert first.result() == 201
        os.close(pipe)  # and finds it damaged
        assert second.result() == 200, "the file is known now"
    assert path.read_bytes() == content
    assert list((backend.data / "tmp").iterdir()) == []


def test_emptied_or_shortened_file_is_asked_for_again(backend: Backend) -> None:
    request = backend.request(clip=b"a clip to be cut")
    ref = request["clip"]["files"][0]
    for content in (b"", b"a clip"):
        blob(backend, ref).write_bytes(content)
        answer = backend.ask("POST", "/v1/jobs", json=request)
        assert (answer.status_code, answer.json().get("missing")) == (422, [ref["sha256"]])
        backend.upload(b"a clip to be cut", "clip.mp4")
    wrong = {**request, "clip": {"files": [{**ref, "size": 7}]}}
    answer = backend.ask("POST", "/v1/jobs", json=wrong)
    assert answer.status_code == 422
    assert "16 bytes, not the 7" in answer.json()["error"]["message"]
    assert blob(backend, ref).read_bytes() == b"a clip to be cut"


@pytest.mark.parametrize("flipped", ["depth.npy", "shot_3.exr"])
def test_flipped_file_is_never_used_and_can_be_sent_again(flipped: str, tmp_path: Path) -> None:
    """Of both, a program that opens them sees nothing wrong."""
    numbers = io.BytesIO()
    np.save(numbers, np.full((4, 48, 64), 2, np.float32))
    contents = {"depth.npy": numbers.getvalue()}
    for index, frame in enumerate(numbered(4), start=1):
        header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.NO_COMPRESSION}
        OpenEXR.File(header, {"RGB": frame.astype(np.float16) / 255}).write(str(tmp_path / "frame.exr"))
        contents[f"shot_{index}.exr"] = (tmp_path / "frame.exr").read_bytes()
    with serving(tmp_path, slow=False) as backend:
        request = backend.request()
        refs = {name: backend.upload(content, name) for name, content in contents.items()}
        request["geometry"]["files"] = [refs["depth.npy"]]
        request["clip"] = {"files": [ref for name, ref in refs.items() if name != "depth.npy"], "fps": 24}
        ref = refs[flipped]
        flip(blob(backend, ref), -1003)
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 201
        status = backend.finish(request["id"])
        assert status["state"] == "failed"
        assert flipped in status["error"]["message"]
        assert "damaged" in status["error"]["message"]
        assert "Import the clip again" in status["error"]["advice"]
        again = {**request, "id": "ab" * 16}
        assert backend.ask("POST", "/v1/jobs", json=again).json()["missing"] == [ref["sha256"]]
        backend.upload(contents[flipped], flipped)
        assert backend.ask("POST", "/v1/jobs", json=again).status_code == 201
        assert backend.finish(again["id"])["state"] == "done"


@pytest.mark.parametrize(
    "change",
    [
        lambda about: [],
        lambda about: about["files"],
        lambda about: {**about, "files": None},
        lambda about: {**about, "about": 3},
        lambda about: {**about, "key": "0" * 64},
        lambda about: {**about, "files": about["files"] * 2},
        lambda about: {**about, "files": [{**about["files"][0], "sha256": "Z" * 64}]},
        lambda about: {**about, "files": [{**about["files"][0], "path": "../../../server.json"}]},
        lambda about: {name: value for name, value in about.items() if name != "files"},
    ],
)
def test_artifact_whose_list_is_wrong_is_made_again(backend: Backend, change: Callable[[JSON], object]) -> None:
    before = backend.submit(clip=b"listed")
    assert backend.finish(before)["state"] == "done"
    lists = [path for path in backend.data.glob("artifacts/*/*/artifact.json") if _kind(path) == "decode"]
    texts = {path: path.read_text() for path in lists}
    for path, text in texts.items():
        path.write_text(json.dumps(change(json.loads(text))))
    assert backend.ask("GET", f"/v1/jobs/{before}/results").status_code == 200
    assert backend.ask("GET", f"/v1/jobs/{before}/files/source/frames/000001.png").status_code == 404
    status = backend.finish(backend.submit(clip=b"listed"))
    assert status["state"] == "done", status["error"]
    frame = backend.ask("GET", f"/v1/jobs/{before}/files/source/frames/000001.png")
    assert frame.headers["ETag"] == f'"{hashlib.sha256(frame.content).hexdigest()}"'
    for path, text in texts.items():
        if json.loads(path.read_text())["files"] != json.loads(text)["files"]:
            path.write_text(text)  # of another clip


def _kind(path: Path) -> str:
    return json.loads(path.read_text())["about"]["kind"]


@pytest.mark.parametrize("folder", ["tmp", "artifacts", "blobs", "unfinished"])
def test_folder_that_someone_cleared_away_is_made_again(tmp_path: Path, folder: str) -> None:
    with serving(tmp_path) as backend:
        shutil.rmtree(backend.data / folder)
        assert backend.finish(backend.submit("left"))["state"] == "done"
