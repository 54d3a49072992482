# SPDX-License-Identifier: Apache-2.0
"""A stage or a download in its own process, and the end of it and of its children. Every wait has a limit."""

from __future__ import annotations

import collections
import errno
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import psutil

from reangle.runtime.threads import thread_settings

MODULE = "reangle.stage_process"
RUN_MARK = "REANGLE_STAGE_RUN"
GRACE_S = 3.0
SEARCH_S = 10.0
"""How long the search for a run's processes may take: reading /proc of a process that hangs in a driver can block."""
ERROR_LINES = 60
MAX_LINE_BYTES = 8192
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])

logger = logging.getLogger(__name__)


class StageProcess:
    """A stage process that waits for its work.

    It does nothing before `begin`, so that its run can be recorded first; if the backend dies in between, it reads an
    empty standard input and ends. run: random name in its environment, inherited by everything that it starts, by which
    `end_orphans` tells them from other processes with the same ids. log: called with each line of standard error, from
    another thread. module: what it runs, if it is no stage. pid: of the process.
    """

    def __init__(self, log: Callable[[str], None] = lambda line: None, *, module: str = MODULE) -> None:
        self.run = uuid.uuid4().hex
        self._log = log
        self._popen = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**child_environment(), RUN_MARK: self.run},
            **own_group(),
        )
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr: collections.deque[str] = collections.deque(maxlen=ERROR_LINES)
        self._readers = [self._thread(self._read_lines), self._thread(self._read_stderr)]

    @staticmethod
    def _thread(target: Any, *values: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=values, daemon=True)
        thread.start()
        return thread

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Send it its work, without waiting until it reads."""
        self._thread(self._feed, json.dumps(spec).encode())

    def _feed(self, data: bytes) -> None:
        with suppress(OSError):  # it may have died
            assert self._popen.stdin is not None
            self._popen.stdin.write(data)
            self._popen.stdin.close()

    def _read_lines(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            with suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict):
                    self._lines.put(cast(dict[str, Any], values))
        self._lines.put(None)

    def _read_stderr(self) -> None:
        for line in _lines_of(self._popen.stderr):
            self._stderr.append(f"{line[:1000]}\n")
            self._log(line)

    def next_line(self, seconds: float) -> dict[str, Any] | None:
        """The next JSON line of its output, or None if there is none within that time."""
        with suppress(queue.Empty):
            return self._lines.get(timeout=seconds)
        return None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; a negative number is the signal that ended it."""
        return self._popen.poll()

    def errors(self) -> str:
        """The last lines of its standard error."""
        return "".join(self._stderr)

    def end(self) -> bool:
        """End it and all that it started: ask, wait, kill. False if something still runs, as in a driver that hangs."""
        ended = _end(self.run, group=self._popen.pid, grace_s=GRACE_S)
        try:
            self._popen.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            ended = False
        for thread in self._readers:
            thread.join(timeout=1)
        if not ended:
            logger.error("Process %d or one that it started does not end; it is left behind", self._popen.pid)
        return ended


def _lines_of(stream: IO[bytes] | None) -> Iterator[str]:
    """Lines without their ends, cut at MAX_LINE_BYTES; of a progress bar only the last state."""
    assert stream is not None
    while part := stream.readline(MAX_LINE_BYTES):
        yield part.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]


def child_environment() -> dict[str, str]:
    """Environment variables of a Python process that runs this package."""
    # The backend may run in any folder, whose modules must not be imported.
    paths = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **thread_settings(os.environ),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def own_group() -> dict[str, Any]:
    """Arguments of Popen by which a process gets a group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


@contextmanager
def _unless_exhausted() -> Generator[None]:
    """Ignore what the system refuses to tell of a process; raise if it refuses everything, without a descriptor."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise


def _members(run: str, group: int | None) -> set[psutil.Process]:
    """All processes with this mark, their children, and those of the group, if the system has process groups."""
    members: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error), _unless_exhausted():
            in_group = group is not None and sys.platform != "win32" and os.getpgid(process.pid) == group
            if in_group or process.environ().get(RUN_MARK) == run:
                members |= {process, *process.children(recursive=True)}
    return members


def _wait_gone(members: set[psutil.Process], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running := any(_runs(process) for process in members):
        if time.monotonic() >= deadline:
            break
        time.sleep(0.02)
    return not running


def _runs(process: psutil.Process) -> bool:
    # A zombie holds only its number; in some containers no process collects it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _end(run: str, group: int | None, grace_s: float) -> bool:
    """Whether every process of the run has ended. Does not block where the system does."""
    outcome: list[bool] = []

    def terminate() -> None:
        try:
            outcome.append(_terminate(run, group, grace_s))
        except OSError as error:
            # A group gets its signal without a search, which needs file descriptors.
            logger.error("The processes of a stage cannot be searched: %s", error)
            _signal_group(group, "SIGTERM")
            time.sleep(grace_s)

    thread = threading.Thread(target=terminate, daemon=True)
    thread.start()
    thread.join(SEARCH_S + grace_s + GRACE_S)
    if not outcome:
        _signal_group(group, "SIGKILL")
    return outcome == [True]


def _signal_group(group: int | None, name: str) -> None:
    if group is not None and sys.platform != "win32":
        with suppress(OSError):
            os.killpg(group, getattr(signal, name))


def _terminate(run: str, group: int | None, grace_s: float) -> bool:
    members = _members(run, group)
    for process in members:
        with suppress(psutil.Error):
            process.terminate()
    _wait_gone(members, grace_s)
    members |= _members(run, group)
    for process in members:
        with suppress(psutil.Error):
            process.kill()
    return _wait_gone(members, GRACE_S)


def end_orphans(run: str) -> bool:
    """Kill the stage process of an earlier backend and its children. False if any of them still runs."""
    return _end(run, group=None, grace_s=0)
