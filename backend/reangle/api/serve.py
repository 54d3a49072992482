# SPDX-License-Identifier: Apache-2.0
"""The backend as a program: `python -m reangle.api.serve --data DIR`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import anyio.to_thread
import filelock
import psutil
import uvicorn

from reangle.api.app import create_app
from reangle.api.change_signal import ChangeSignal
from reangle.api.connections import Connections, counting
from reangle.api.guard import Guard, Limits
from reangle.api.listening import QUEUE, Reach, port_of, reach_of
from reangle.api.serve_options import add_options
from reangle.api.server_file import FILE_NAME, ServerFile
from reangle.api.tls_connections import counting_tls
from reangle.engines.plan import plan_job
from reangle.errors import UserError, explained
from reangle.runtime.data_folder import data_folder, disk_errors
from reangle.runtime.database import JobDatabase
from reangle.runtime.folder_format import check_format
from reangle.runtime.logs import log_to_server_file
from reangle.runtime.private_folder import FolderTakenError, Identity, hold_folder, make_private
from reangle.runtime.store import Store
from reangle.runtime.supervisor import Supervisor
from reangle.runtime.terminal import prepare_streams
from reangle.version import VERSION
from reangle.weights.downloads import Downloads
from reangle.weights.installed import InstalledWeights

EXIT_TROUBLE = 2
EXIT_TAKEN = 3
EXIT_LOST = 4
PARENT_POLL_S = 2.0
FOLDER_POLL_S = 1.0
IDLE_AFTER_PARENT_S = 60.0
KEEP_ALIVE_S = 75
ACCEPT_AT_ONCE = 32
"""How many connections the event loop accepts before it can close any, which bounds its file descriptors."""

logger = logging.getLogger(__name__)


def main(data: Path, *, port: int = 0, parent: int | None = None, at_once: int = 1, reach: Reach | None = None) -> int:
    """Serve a data folder until the shutdown request; returns the exit status.

    port: preferred port; 0, or one in use, takes a free one. parent: a process (Blender); after its end the backend
    ends too, once no job and no download is left and no request has come for a minute. at_once: how many jobs run at a
    time. reach: who can reach it; None is this machine alone.

    0: ended on request. 2: could not start; standard error says why. 3: another backend has this data folder. 4: the
    data folder or its job list was taken away while it ran.
    """
    prepare_streams()
    try:
        with disk_errors(data):
            check_format(data)
            make_private(data)
        lock = filelock.FileLock(data / "server.lock", timeout=0)
        try:
            with disk_errors(data), hold_folder(data), lock:
                return _serve(data.resolve(), port, parent, at_once, reach or Reach())
        except (filelock.Timeout, FolderTakenError):
            other = ServerFile.read(data)
            where = f" (process {other.pid}, port {other.port})" if other else ""
            print(f"Another Reangle backend{where} already uses {data}. Use it, or end it first.", file=sys.stderr)
            return EXIT_TAKEN
    except (UserError, OSError) as error:
        reason = explained(error)
        if reason is None:
            raise
        print(reason, file=sys.stderr)
        return EXIT_TROUBLE


def _serve(data: Path, port: int, parent: int | None, at_once: int, reach: Reach) -> int:
    log_to_server_file(data)
    logger.info("Reangle %s starts as process %d", VERSION, os.getpid())
    changes = ChangeSignal()
    database = JobDatabase(data / "jobs.sqlite", on_change=changes.send)
    try:
        supervisor = Supervisor(database, Store(data), plan_job, InstalledWeights(data), at_once=at_once)
        certificate = reach.own_certificate(data)
        context = certificate.context() if certificate is not None else None
        about = ServerFile(
            port=0,
            token=reach.token(data) or secrets.token_urlsafe(32),
            pid=os.getpid(),
            fingerprint=certificate.fingerprint if certificate is not None else "",
        )
        listeners = reach.listen(port)
        about = replace(about, port=listeners[0].getsockname()[1])
        downloads = Downloads(data, on_change=changes.send)
        app = create_app(supervisor, downloads, changes, lambda: server.end())
        connections = Connections()
        guard = Guard(
            app,
            about.token,
            Limits(),
            connections.accept,
            names=reach.allowed_names(),
            scheme="https" if reach.tls else "http",
        )
        http = counting(connections) if context is None else counting_tls(connections, context)
        server = _Server(guard, changes, about, data, http, database.is_lost, reach.words(about))
        if parent is not None:
            server.watch(parent, lambda: database.active() + downloads.active())
        # uvicorn raises the signals that it got again after its end; then there is nothing left to interrupt.
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: None)
        # The end of the terminal is the end of the server, unless nohup keeps it.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, lambda *_: server.end())
        server.run(sockets=listeners)
        logger.info("Process %d ends", os.getpid())
    finally:
        database.close()
    return EXIT_LOST if server.lost else 0


class _Server(uvicorn.Server):
    def __init__(
        self,
        guard: Guard,
        changes: ChangeSignal,
        about: ServerFile,
        data: Path,
        http: Any,
        is_lost: Callable[[], bool],
        words: str,
    ) -> None:
        """http: makes the protocol of each connection. is_lost: whether the job list was taken away. words: printed at
        the start."""
        super().__init__(
            uvicorn.Config(
                guard,
                loop="asyncio",
                http=http,
                backlog=ACCEPT_AT_ONCE,
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=5,
            )
        )
        self._guard, self._changes, self._about, self._data = guard, changes, about, data
        self._parent: tuple[psutil.Process | None, Callable[[], int]] | None = None
        self._folder, self._list_is_lost = Identity(data), is_lost
        self._watchers: list[asyncio.Task[None]] = []
        self._words = words
        self.lost = False

    def end(self) -> None:
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order at a second Ctrl-C, too, at which uvicorn would leave the running stage behind."""
        self.end()

    def watch(self, parent: int, active: Callable[[], int]) -> None:
        """End after this process. active: how much is still to be done."""
        try:
            self._parent = psutil.Process(parent), active
        except psutil.NoSuchProcess:
            self._parent = None, active

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            listener.listen(QUEUE)  # asyncio has made it as short as what it accepts at once
        self._about.write(self._data)
        print(f"{self._words}, data in {self._data}", flush=True)
        self._watchers.append(asyncio.create_task(self._watch_folder()))
        if self._parent is not None:
            self._watchers.append(asyncio.create_task(self._watch(*self._parent)))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._about.remove(self._data)
        self._changes.close()
        await super().shutdown(sockets)

    async def _watch_folder(self) -> None:
        while not self.should_exit:
            await asyncio.sleep(FOLDER_POLL_S)
            with suppress(OSError):
                await anyio.to_thread.run_sync(self._check_folder)

    def _check_folder(self) -> None:
        if self._folder.is_lost() or self._list_is_lost():
            logger.error("The data folder or its job list was removed or replaced; the backend ends")
            self.lost = True
            self.end()
        elif not self.should_exit and not (self._data / FILE_NAME).exists():
            # Nobody would find this backend without it, and no other could start. `shutdown` removes it for good.
            self._about.write(self._data)

    async def _watch(self, parent: psutil.Process | None, active: Callable[[], int]) -> None:
        while not self.should_exit:
            await asyncio.sleep(PARENT_POLL_S)
            idle = time.monotonic() - self._guard.last_seen > IDLE_AFTER_PARENT_S
            if not idle or (parent is not None and parent.is_running()):
                continue
            try:
                if not await anyio.to_thread.run_sync(active):
                    self.end()
            except sqlite3.Error:
                logger.exception("The job list cannot be read")


def run(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m reangle.api.serve", description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="the data folder")
    add_options(parser, int, int)
    chosen = parser.parse_args(arguments)
    return main_of(chosen, chosen.data or data_folder())


def main_of(options: argparse.Namespace, data: Path) -> int:
    """`main` with the options of `add_options`."""
    try:
        reach = reach_of(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    return main(data, port=port_of(options), parent=options.parent, at_once=max(options.jobs, 1), reach=reach)


if __name__ == "__main__":
    sys.exit(run())
