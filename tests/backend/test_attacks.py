# SPDX-License-Identifier: Apache-2.0
"""Known attacks on local servers, against a running backend."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import requests

from tests.backend.clips import numbered, write_movie
from tests.backend.server_harness import JSON, Backend, serving

HEX = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("server")) as backend:
        yield backend


@pytest.fixture(scope="module")
def job(backend: Backend) -> str:
    job = backend.submit("left")
    assert backend.finish(job)["state"] == "done"
    return job


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend with the real stages."""
    with serving(tmp_path_factory.mktemp("workshop"), slow=False) as backend:
        yield backend


def routes(backend: Backend, job: str) -> list[tuple[str, str]]:
    """Every route of the OpenAPI document, and addresses that do not exist."""
    values = {"{sha256}": HEX, "{job_id}": job, "{name}": "source/frames/000001.png", "{stage}": "decode"}
    known = [("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/"), ("GET", "/v1/nothing"), ("OPTIONS", "/v1/jobs")]
    for path, methods in backend.get("/openapi.json")["paths"].items():
        for place, value in values.items():
            path = path.replace(place, value)
        known += [(method.upper(), path) for method in methods]
    assert len(known) == 32
    return known


def refused(backend: Backend, job: str, status: int, headers: dict[str, str | None], body: bytes = b"") -> None:
    """Every route refuses a request with these headers changed or, where None, missing."""
    changed = {name: value for name, value in {**backend.good_headers, **headers}.items() if value is not None}
    for method, path in routes(backend, job):
        given, text = backend.raw(method, path, list(changed.items()), body)
        assert given == status, (method, path, headers, text)
        assert method == "HEAD" or json.loads(text)["error"]["advice"]
    assert backend.get("/v1/health")["pid"] == backend.process.pid


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example:{port}", ""]
)
def test_foreign_host_is_refused(backend: Backend, job: str, host: str) -> None:
    refused(backend, job, 403, {"Host": host.format(port=backend.about["port"])})


def test_missing_and_repeated_host_are_refused_and_loopback_names_accepted(backend: Backend) -> None:
    token = ("Authorization", backend.good_headers["Authorization"])
    port = backend.about["port"]
    both = [("Host", f"127.0.0.1:{port}"), ("Host", "evil.example"), token]
    assert backend.raw("GET", "/v1/health", both)[0] in (400, 403)
    assert backend.raw("GET", "/v1/health", [token])[0] in (400, 403)
    for name in (f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "127.0.0.1"):
        assert backend.raw("GET", "/v1/health", [("Host", name), token])[0] == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "", "file://"]
)
def test_foreign_origin_is_refused(backend: Backend, job: str, origin: str) -> None:
    refused(backend, job, 403, {"Origin": origin})


@pytest.mark.parametrize(
    "scheme", ["", "Bearer", "Bearer ", "Bearer wrong", "bearer {token}x", "Basic {token}", "{token}"]
)
def test_missing_or_wrong_token_is_refused(backend: Backend, job: str, scheme: str) -> None:
    value = scheme.format(token=backend.about["token"])
    refused(backend, job, 401, {"Authorization": value or None})


def test_token_in_the_url_or_sent_twice_is_refused(backend: Backend) -> None:
    headers, token = backend.good_headers, backend.about["token"]
    host = [("Host", headers["Host"])]
    assert backend.raw("GET", f"/v1/health?token={token}", host)[0] == 401
    assert backend.raw("GET", "/v1/health", [*host, ("Cookie", f"token={token}")])[0] == 401
    twice = [*host, ("Authorization", headers["Authorization"]), ("Authorization", "Bearer wrong")]
    assert backend.raw("GET", "/v1/health", twice)[0] == 401


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "application/json", None],
)
def test_posts_that_a_web_page_can_send_are_refused(backend: Backend, job: str, kind: str | None) -> None:
    refused(backend, job, 401, {"Authorization": None, "Content-Type": kind, "Content-Length": "2"}, b"{}")


def test_form_is_not_accepted_as_a_job_even_with_the_token(backend: Backend) -> None:
    request = backend.request()
    answer = backend.ask("POST", "/v1/jobs", data=json.dumps(request), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert backend.ask("GET", f"/v1/jobs/{request['id']}").status_code == 404


@pytest.mark.parametrize("agent", ["Mozilla/5.0", "curl/8", "", "python-requests/2", "Blender/4.5"])
def test_the_user_agent_makes_no_difference(backend: Backend, agent: str) -> None:
    own = [("Host", backend.good_headers["Host"]), ("User-Agent", agent), ("Sec-Fetch-Site", "same-origin")]
    assert backend.raw("GET", "/v1/jobs", own)[0] == 401
    assert backend.raw("GET", "/v1/jobs", [*own, ("Authorization", backend.good_headers["Authorization"])])[0] == 200


@pytest.mark.parametrize(
    "more",
    [
        {"command": ["sh", "-c", "true"]},
        {"entrypoint": "sh"},
        {"engine": "shell"},
        {"engine": "os:system"},
        {"environment": {"PYTHONPATH": "/tmp"}},
        {"stages": [{"run": "os:system"}]},
        {"preview": {"memory": True, "run": "os:system"}},
        {"geometry": {"depth": "os:system"}},
    ],
)
def test_a_job_cannot_name_a_command(backend: Backend, more: JSON) -> None:
    answer = backend.ask("POST", "/v1/jobs", json=backend.request("left") | more)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../" + HEX[3:],
        "..%2f" + HEX[3:],
        "%2e%2e%2f" + HEX[3:],
        HEX[:-1],
        HEX + "0",
        HEX.upper(),
        HEX[:-1] + "g",
        HEX + "%0a",
        "%00" + HEX[1:],
        "/etc/passwd",
        "C:\\x",
        HEX[:31] + "١",
    ],
)
def test_ids_and_hashes_match_in_full(backend: Backend, name: str) -> None:
    before = sorted(backend.data.parent.rglob("*"))
    headers = [*backend.good_headers.items(), ("Content-Length", "1")]
    short = (
        name.replace(HEX, HEX[:32]).replace(HEX[3:], HEX[3:32]).replace(HEX[:-1], HEX[:31]).replace(HEX[1:], HEX[1:32])
    )
    for method, path in (
        ("PUT", f"/v1/blobs/{name}"),
        ("HEAD", f"/v1/blobs/{name}"),
        ("GET", f"/v1/jobs/{short}"),
        ("GET", f"/v1/jobs/{short}/events"),
        ("GET", f"/v1/jobs/{short}/results"),
        ("POST", f"/v1/jobs/{short}/cancel"),
    ):
        status, _ = backend.raw(method, quote(path, safe="/%\\:"), headers, b"x")
        assert 400 <= status < 500, (method, path)
    assert sorted(backend.data.parent.rglob("*")) == before
    for place, value in (("id", short), ("sha256", name)):
        request = backend.request()
        if place == "id":
            request["id"] = value
        else:
            request["clip"]["files"][0]["sha256"] = value
        assert backend.ask("POST", "/v1/jobs", json=request).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        "source/../../../../server.json",
        "source/%2e%2e/%2e%2e/%2e%2e/%2e%2e/server.json",
        "source/..%2f..%2f..%2f..%2fserver.json",
        "../../../server.json",
        "source//etc/passwd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "source/C:/Windows/win.ini",
        "source/C:%5cWindows%5cwin.ini",
        "source/%5c%5cserver%5cshare%5cx",
        "source/..%5c..%5cserver.json",
        "source/frames/./000001.png",
        "source/frames//000001.png",
        "source/frames/../frames/000001.png",
        "source/frames/000001.png%00",
        "source/frames/000001.png/",
        "source/frames",
        "source/artifact.json",
        "source/",
        "",
    ],
)
def test_only_listed_files_are_served(backend: Backend, job: str, path: str) -> None:
    headers = list(backend.good_headers.items())
    assert backend.raw("GET", f"/v1/jobs/{job}/files/source/frames/000001.png", headers)[0] == 200
    status, text = backend.raw("GET", f"/v1/jobs/{job}/files/{path}", headers)
    assert 400 <= status < 500
    assert backend.about["token"].encode() not in text


@pytest.mark.parametrize(
    "stage", ["..", "../../server", "..%2f..%2fserver", "%2e%2e%5cserver", "decode.log", "%00", "C:"]
)
def test_only_listed_logs_are_served(backend: Backend, job: str, stage: str) -> None:
    headers = list(backend.good_headers.items())
    assert backend.raw("GET", f"/v1/jobs/{job}/logs/decode", headers)[0] == 200
    assert 400 <= backend.raw("GET", f"/v1/jobs/{job}/logs/{stage}", headers)[0] < 500


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
@pytest.mark.parametrize("which", ["file", "folder"])
def test_a_link_among_the_results_is_not_followed(backend: Backend, which: str, tmp_path: Path) -> None:
    job = backend.submit("left", clip=which.encode())
    backend.finish(job)
    secret = tmp_path / "frames"
    secret.mkdir()
    (secret / "000001.png").write_text("secret")
    with sqlite3.connect(backend.data / "jobs.sqlite") as database:
        (key,) = database.execute("SELECT key FROM results WHERE job = ? AND name = 'source'", (job,)).fetchone()
    frame = backend.data / "artifacts" / key[:2] / key / "frames" / "000001.png"
    folder = frame.parent
    if which == "file":
        frame.unlink()
        frame.symlink_to(secret / "000001.png")
    else:
        folder.rename(folder.with_name("aside"))
        folder.symlink_to(secret, target_is_directory=True)
    answer = backend.ask("GET", f"/v1/jobs/{job}/files/source/frames/000001.png")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_bodies_have_limits(backend: Backend) -> None:
    headers = backend.good_headers
    for path, length in ((f"/v1/blobs/{HEX}", 10**13), ("/v1/jobs", 10**9), ("/v1/jobs", 10**30)):
        method = "PUT" if "blobs" in path else "POST"
        assert backend.raw(method, path, [*headers.items(), ("Content-Length", str(length))])[0] in (400, 413)
    pieces = iter([*[b" " * (1 << 20)] * 32, b"x"])
    try:
        answer = backend.ask("POST", "/v1/jobs", data=pieces, headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except requests.RequestException:
        pass  # the server may close the connection before the client reads the response
    deep = b"[" * 100_000
    answer = backend.ask("POST", "/v1/jobs", data=deep, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


def test_pickled_weights_are_refused(workshop: Backend, tmp_path: Path) -> None:
    for name in ("weights.pt", "weights.pth", "weights.ckpt", "pytorch_model.bin"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        (folder / "config.json").write_text('{"enc_embed_dim": 8, "dec_depth": 1}')
        (folder / name).write_bytes(b"\x80\x04cos\nsystem\n.")
        for checkpoint in (folder, folder / name):
            request = workshop.request("left") | {"geometry": {"depth": "dust3r", "checkpoint": str(checkpoint)}}
            answer = workshop.ask("POST", "/v1/jobs", json=request)
            assert answer.status_code == 422
            error = answer.json()["error"]
            assert "refused" in error["message"]
            assert "safetensors" in error["advice"]
            assert workshop.ask("GET", f"/v1/jobs/{request['id']}").status_code == 404


@pytest.mark.parametrize("name", ["clip.mp4", "clip.m3u8"])
def test_playlists_cannot_read_files_of_this_machine(workshop: Backend, tmp_path: Path, name: str) -> None:
    secret = write_movie(tmp_path / "secret.mp4", numbered(3))
    scripts = (
        f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    )
    depth = tmp_path / "depth.npz"
    np.savez(depth, depth=np.ones((3, 48, 64), np.float32))
    jobs = []
    for script in scripts:
        request = workshop.request(depth=depth.read_bytes())
        request["clip"] = {"files": [workshop.upload(script.encode(), name)]}
        assert workshop.ask("POST", "/v1/jobs", json=request).status_code == 201
        jobs.append(request["id"])
    for job in jobs:
        status = workshop.finish(job)
        assert status["state"] == "failed"
        assert "playlist" in status["error"]["message"]
        assert status["error"]["advice"]
        assert workshop.get(f"/v1/jobs/{job}/results") == []


@pytest.mark.skipif(sys.platform == "win32", reason="access lists instead of modes")
def test_only_the_owner_reads_the_server_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o777)
    stale = data / "server.json"
    stale.write_text('{"pid": 0}')
    stale.chmod(0o666)
    elsewhere = tmp_path / "elsewhere"
    mask = os.umask(0)
    try:
        with serving(tmp_path):
            assert stat.S_IMODE(stale.stat().st_mode) == 0o600
        stale.unlink()
        stale.symlink_to(elsewhere)
        with serving(tmp_path, slow=False):
            assert not stale.is_symlink()
            assert stat.S_IMODE(stale.stat().st_mode) == 0o600
            assert not elsewhere.exists()
    finally:
        os.umask(mask)
