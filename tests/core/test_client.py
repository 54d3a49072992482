# SPDX-License-Identifier: GPL-3.0-or-later
"""The client with a small HTTP server whose answers follow the contract or break it."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from reangle_blender.core.address import AddressError
from reangle_blender.core.client import (
    Client,
    RefusedError,
    UnauthorizedError,
    UnreachableError,
    VersionMismatchError,
)
from reangle_blender.core.contract import (
    CONTRACT_VERSION,
    Clip,
    GeometrySettings,
    JobRequest,
    Result,
    ResultFile,
    new_job_id,
)
from reangle_blender.core.errors import UserError
from reangle_blender.core.files import CanceledError, file_refs

JOB = "0" * 32
STATUS = {"id": JOB, "title": "", "state": "queued", "created": 1.0, "a_newer_field": 1}


class Handler(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def do_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            return
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        if self.command == "PUT":
            self.server.blobs[self.path.rsplit("/", 1)[1]] = body
        status, answer = self.server.answers.get((self.command, self.path.split("?")[0]), (404, b""))
        if self.command == "HEAD":
            status, answer = (200 if self.path.rsplit("/", 1)[1] in self.server.blobs else 404), b""
        if self.command == "PUT":
            status, answer = 201, b"{}"
        if callable(answer):
            answer = answer()
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", "/v1/jobs")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[tuple[str, str], tuple[int, object]] = {}
        self.seen: list[tuple[str, str, dict, bytes]] = []
        self.blobs: dict[str, bytes] = {}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(server: Server) -> Client:
    return Client("127.0.0.1", server.server_address[1], "secret", timeout_s=5)


def health(contract: int) -> tuple[int, dict]:
    return 200, {"contract": contract, "version": "9.9", "pid": 1, "data": "/data"}


def test_token_is_sent_and_proxies_are_not_used(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["GET", "/v1/health"] = health(CONTRACT_VERSION)
    assert client.health().version == "9.9"
    assert server.seen[0][2]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("contract", "advice"), [(1, "Update the backend"), (CONTRACT_VERSION + 1, "Update the Reangle add-on")]
)
def test_other_contract_version_gives_advice(server: Server, client: Client, contract: int, advice: str) -> None:
    server.answers["GET", "/v1/health"] = health(contract)
    with pytest.raises(VersionMismatchError, match=advice):
        client.health()


def test_unreachable_backend_is_reported(server: Server) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        Client("127.0.0.1", 1, "secret").jobs()
    server.answers["GET", "/v1/jobs"] = 200, lambda: time.sleep(0.5) or b"[]"
    with pytest.raises(UnreachableError, match="in time"):
        Client("127.0.0.1", server.server_address[1], "secret", timeout_s=0.1).jobs()
    with pytest.raises(AddressError, match="not this machine"):
        Client("10.0.0.1", 80, "secret")


def test_other_program_on_the_port_is_not_accepted_as_backend(server: Server, client: Client) -> None:
    server.answers["GET", "/v1/jobs"] = health(CONTRACT_VERSION)  # where the redirect leads
    for answer in ((200, b"<html>"), (200, {"contract": "1"}), (404, b"no"), (302, b"")):
        server.answers["GET", "/v1/health"] = answer
        with pytest.raises(UnreachableError, match="is not the backend"):
            client.health()


def test_refusals_include_the_message_of_the_backend(server: Server, client: Client) -> None:
    error = {"error": {"message": "No such depth.", "advice": "Choose another."}, "missing": ["ab"]}
    server.answers["GET", f"/v1/jobs/{JOB}"] = 422, error
    with pytest.raises(RefusedError, match=r"No such depth\. Choose another\.") as caught:
        client.job(JOB)
    assert (caught.value.status, caught.value.missing) == (422, ("ab",))
    server.answers["GET", f"/v1/jobs/{JOB}"] = 500, b"oops"
    with pytest.raises(RefusedError, match="answered 500"):
        client.job(JOB)
    server.answers["GET", f"/v1/jobs/{JOB}"] = 401, error
    with pytest.raises(UnauthorizedError):
        client.job(JOB)


def test_statuses_and_events(server: Server, client: Client) -> None:
    server.answers["GET", "/v1/jobs"] = 200, [STATUS]
    assert client.jobs()[0].state == "queued"
    server.answers["GET", f"/v1/jobs/{JOB}"] = 200, {**STATUS, "state": "melted"}
    with pytest.raises(VersionMismatchError, match="state"):
        client.job(JOB)
    event = {"n": 4, "job": JOB, "time": 2, "type": "progress", "progress": 0.5}
    server.answers["GET", f"/v1/jobs/{JOB}/events"] = 200, {"events": [event], "last": 4}
    batch = client.events(JOB, since=3, wait_s=99)
    assert (batch.last, batch.events[0].progress, batch.events[0].state) == (4, 0.5, None)
    assert server.seen[-1][1].endswith("events?since=3&wait=25")


def test_upload_skips_known_files_and_reports_progress(server: Server, client: Client, tmp_path: Path) -> None:
    contents = {"a.png": b"a" * 3_000_000, "b.png": b"b", "same.png": b"b"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    refs, places = file_refs([tmp_path / name for name in contents])
    assert [ref.name for ref in refs] == list(contents)
    assert refs[0].sha256 == hashlib.sha256(contents["a.png"]).hexdigest()
    server.blobs[refs[1].sha256] = b"b"
    progress: list[tuple[int, int]] = []
    assert client.upload(places, progress=lambda *step: progress.append(step)) == 1
    assert server.blobs[refs[0].sha256] == contents["a.png"]
    assert progress[-1] == (3_000_000, 3_000_000)
    assert len(progress) == 3
    assert client.upload(places) == 0


def test_canceled_upload_ends_and_the_client_still_works(server: Server, client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(bytes(5_000_000))
    _, places = file_refs([tmp_path / "a.mp4"])
    cancel = threading.Event()
    with pytest.raises(CanceledError):
        client.upload(places, progress=lambda *_: cancel.set(), cancel=cancel)
    assert client.upload(places) == 1
    with pytest.raises(CanceledError):
        file_refs([tmp_path / "a.mp4"], cancel=cancel)


def test_missing_and_empty_files_are_refused(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    for name, words in (("none.mp4", "not there"), ("empty.mp4", "is empty")):
        with pytest.raises(UserError, match=words):
            file_refs([tmp_path / name])
    with pytest.raises(UserError, match="not there"):
        client.upload({"0" * 64: tmp_path / "none.mp4"})


def test_submit_sends_the_request(server: Server, client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    refs, _ = file_refs([tmp_path / "a.mp4"])
    request = JobRequest(id=new_job_id(), clip=Clip(files=refs), geometry=GeometrySettings(depth="dust3r"))
    server.answers["POST", "/v1/jobs"] = 201, STATUS
    assert client.submit(request).id == JOB
    assert json.loads(server.seen[-1][3])["clip"]["files"][0]["name"] == "a.mp4"


def result_of(server: Server, files: dict[str, bytes], name: str = "cameras/Ü 1") -> Result:
    for path, content in files.items():
        server.answers["GET", quote(f"/v1/jobs/{JOB}/files/{name}/{path}")] = 200, content
    rows = [ResultFile(path, hashlib.sha256(content).hexdigest(), len(content)) for path, content in files.items()]
    return Result(name, tuple(rows))


def test_download_checks_renames_and_resumes(server: Server, client: Client, tmp_path: Path) -> None:
    files = {"frames/000001.png": b"one", "frames/000002.png": b"two" * 1_000_000, "preview.mp4": b"movie"}
    result = result_of(server, files)
    progress: list[tuple[int, int]] = []
    places = client.download(JOB, result, tmp_path, progress=lambda *step: progress.append(step))
    assert {place.relative_to(tmp_path).as_posix(): place.read_bytes() for place in places} == files
    assert progress[-1] == (3_000_008, 3_000_008)
    assert progress == sorted(progress)

    places[1].write_bytes(b"two" * 999_999 + b"bad")
    earlier = len(server.seen)
    client.download(JOB, result, tmp_path)
    assert [path.rsplit("/", 1)[1] for _, path, _, _ in server.seen[earlier:]] == ["000002.png"]
    assert client.download(JOB, result, tmp_path, wanted=lambda path: path.startswith("frames/")) == places[:2]


def test_results_that_cannot_be_written_are_not_taken_for_a_missing_clip(
    server: Server, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    result = result_of(server, {"a.exr": b"right"})
    folders = [tmp_path / "file" / "results", *([Path("/proc/nothing")] if Path("/proc/self").exists() else [])]
    for folder in folders:
        with pytest.raises(UserError, match="cannot be written") as caught:
            client.download(JOB, result, folder)
        assert "another folder" in caught.value.advice


def test_a_damaged_or_canceled_download_leaves_nothing(server: Server, client: Client, tmp_path: Path) -> None:
    result = result_of(server, {"depth/000001.exr": b"right"})
    server.answers["GET", f"/v1/jobs/{JOB}/files/cameras/%C3%9C%201/depth/000001.exr"] = 200, b"wrong"
    with pytest.raises(RefusedError, match="damaged"):
        client.download(JOB, result, tmp_path)
    large = result_of(server, {"a.exr": bytes(4_000_000)})
    cancel = threading.Event()
    with pytest.raises(CanceledError):
        client.download(JOB, large, tmp_path, progress=lambda *_: cancel.set(), cancel=cancel)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "C:/x", "a\\b", "..", "frames/nul.png"])
def test_results_cannot_name_files_outside_their_folder(path: str) -> None:
    with pytest.raises(UserError):
        ResultFile(path, "0" * 64, 1)
    with pytest.raises(UserError):
        Result(path, ())


def test_many_threads_share_a_client(server: Server, client: Client) -> None:
    server.answers["GET", "/v1/jobs"] = 200, [STATUS]
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.extend(job.id for job in client.jobs())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [JOB] * 20
