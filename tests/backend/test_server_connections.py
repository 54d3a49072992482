# SPDX-License-Identifier: Apache-2.0
"""Connections that ask for nothing, and uploads that stand still, against a running backend."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.backend.server_harness import Backend, alive, serving, wait_for

resource = pytest.importorskip("resource")

HALF = b"GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "


@contextlib.contextmanager
def opened(backend: Backend, count: int, content: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", backend.about["port"]), timeout=10)))
            with contextlib.suppress(OSError):  # it may have been closed for the next
                made[-1].sendall(content)
        yield made


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1 << 16) or is_closed(connection)
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process")
@pytest.mark.parametrize("content", [b"", HALF])
def test_strangers_take_neither_descriptors_nor_the_running_job(tmp_path: Path, content: bytes) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(tmp_path) as backend:
        assert backend.stages
        backend.stages.order("hold-decode")
        job = backend.submit("left")
        stage = backend.stages.wait_started("decode")["pid"]
        # The backend has a desktop's limit; this process needs more.
        psutil.Process(backend.process.pid).rlimit(psutil.RLIMIT_NOFILE, (256, 256))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        try:
            with opened(backend, 600, content):
                assert psutil.Process(backend.process.pid).num_fds() < 256
                started = time.monotonic()
                assert backend.get("/v1/health")
                assert backend.get(f"/v1/jobs/{job}")["state"] == "running"
                assert time.monotonic() - started < 3
                backend.ask("POST", f"/v1/jobs/{job}/cancel")
                assert backend.finish(job)["state"] == "canceled"
                assert not alive(stage)
                assert "system resource" not in (backend.data / "logs" / "server.log").read_text()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_headers_that_never_end_are_given_up(tmp_path: Path) -> None:
    with serving(tmp_path) as backend, opened(backend, 5, HALF) as strangers:
        # One with the token, too, after its first request.
        known = strangers[0]
        token = backend.about["token"]
        known.sendall(f"a\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        assert known.recv(1 << 16).startswith(b"HTTP/1.1 200")
        known.sendall(HALF)
        started = time.monotonic()
        while time.monotonic() - started < 14 and not all(map(is_closed, strangers)):
            for stranger in strangers:
                with contextlib.suppress(OSError):
                    stranger.sendall(b"a")
            time.sleep(0.5)
        assert all(map(is_closed, strangers))
        assert backend.get("/v1/health")  # the pooled connection lives or is opened again


def test_uploads_that_stand_still_hold_up_nothing_and_end(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        head = (
            "PUT /v1/blobs/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
            "Content-Length: 100000000\r\n\r\nabc"
        ).format("ab" * 32, backend.about["token"])
        with opened(backend, 45, head.encode()) as uploads:
            time.sleep(1)
            started = time.monotonic()
            assert backend.get("/v1/jobs") == []
            job = backend.submit("left")  # uploads two files
            assert backend.finish(job)["state"] == "done"
            assert backend.ask("POST", f"/v1/jobs/{job}/cancel").status_code == 200
            assert time.monotonic() - started < 15
            wait_for(lambda: all(map(is_closed, uploads)), 60)
        wait_for(lambda: not list((backend.data / "tmp").iterdir()), 10)


def test_upload_that_ends_early_leaves_nothing_and_is_no_fault(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        token = backend.about["token"]
        for head in (f"PUT /v1/blobs/{'ab' * 32}", "POST /v1/jobs"):
            content = f"{head} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            content += "Content-Type: application/json\r\nContent-Length: 300\r\n\r\n{"
            with opened(backend, 5, content.encode()):
                time.sleep(0.3)
        assert backend.get("/v1/health")
        wait_for(lambda: not list((backend.data / "tmp").iterdir()), 10)
        backend.process.terminate()
        _, words = backend.process.communicate(timeout=30)
        assert words == ""


def test_garbage_does_not_fill_the_log(tmp_path: Path) -> None:
    with serving(tmp_path) as backend:
        for _ in range(6):
            with opened(backend, 40, b"no HTTP at all\r\n\r\n") as strangers:
                wait_for(lambda strangers=strangers: all(map(is_closed, strangers)), 15)
        backend.process.terminate()
        _, words = backend.process.communicate(timeout=30)
        assert 0 < words.count("Invalid HTTP") <= 20
