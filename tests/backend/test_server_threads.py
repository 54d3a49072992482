# SPDX-License-Identifier: Apache-2.0
"""A slow job list delays only the requests that read it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from reangle.api import serve
from reangle.api.app import create_app
from reangle.api.change_signal import ChangeSignal
from reangle.api.connections import Connections, counting
from reangle.api.guard import Guard, Limits
from reangle.api.listening import Reach
from reangle.api.server_file import ServerFile
from reangle.engines.plan import plan_job
from reangle.runtime.database import JobDatabase
from reangle.runtime.store import Store
from reangle.runtime.supervisor import Supervisor
from reangle.weights.downloads import Downloads
from reangle.weights.installed import InstalledWeights

JOB = "ab" * 16


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobDatabase:
    """A job list in which every read waits until the test sets `released`."""
    database = JobDatabase(tmp_path / "jobs.sqlite")
    released = threading.Event()
    monkeypatch.setattr(database, "_read", lambda *_: released.wait(20) and [])
    monkeypatch.setattr(database, "released", released, raising=False)
    return database


def test_health_responds_while_every_reader_waits(tmp_path: Path, slow: JobDatabase) -> None:
    app = create_app(
        Supervisor(slow, Store(tmp_path), plan_job, InstalledWeights(tmp_path)),
        Downloads(tmp_path),
        ChangeSignal(),
        lambda: None,
    )

    async def ask() -> tuple[float, list[int]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            polls = [asyncio.create_task(client.get(f"/v1/jobs/{JOB}/events?wait=1")) for _ in range(50)]
            lists = [asyncio.create_task(client.get("/v1/jobs")) for _ in range(50)]
            await asyncio.sleep(0.2)
            started = time.monotonic()
            assert (await client.get("/v1/health")).status_code == 200
            waited = time.monotonic() - started
            assert not any(task.done() for task in (*polls, *lists))
            slow.released.set()  # type: ignore[attr-defined]
            return waited, [(await task).status_code for task in (*polls, *lists)]

    waited, statuses = asyncio.run(ask())
    assert waited < 5
    assert statuses == [404] * 50 + [200] * 50


def test_watching_the_parent_does_not_block_the_event_loop(
    tmp_path: Path, slow: JobDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "PARENT_POLL_S", 0.0)
    monkeypatch.setattr(serve, "IDLE_AFTER_PARENT_S", -1.0)
    guard = Guard(lambda *_: None, "token", Limits(), names=())  # type: ignore[arg-type]
    about = ServerFile(port=1, token="token", pid=1)
    server = serve._Server(guard, ChangeSignal(), about, tmp_path, counting(Connections()), slow.is_lost, "")

    async def watch() -> float:
        watcher = asyncio.create_task(server._watch(None, slow.active))
        started = time.monotonic()
        await asyncio.sleep(0.2)
        waited = time.monotonic() - started
        slow.released.set()  # type: ignore[attr-defined]
        watcher.cancel()
        return waited

    assert asyncio.run(watch()) < 5


def test_connections_name_tcp_so_that_answers_are_sent_at_once() -> None:
    # asyncio sets TCP_NODELAY only then; without it, each answer with a body waited 44 ms.
    with Reach().listen(0)[0] as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP
