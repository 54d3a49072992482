# SPDX-License-Identifier: Apache-2.0
"""One stage in a process of its own, with everything that it starts. The only place that knows process groups."""

from __future__ import annotations

import collections
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil

MODULE = "reangle.runtime.stage_process"
RUN_MARK = "REANGLE_STAGE_RUN"
GRACE_S = 3.0
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


class StageProcess:
    """A stage process that waits for its work.

    It does nothing before `begin`, so its id can be written down first; if the backend dies in between, it reads an
    empty standard input and ends. run: random name in its environment, which everything that it starts inherits, and by
    which `end_orphans` knows them from strangers with the same process ids.
    """

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex
        self._popen = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(self.run),
            **_own_group(),
        )
        self._lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stderr: collections.deque[str] = collections.deque(maxlen=60)
        self._readers = [self._thread(self._read_lines), self._thread(self._read_stderr)]

    @staticmethod
    def _thread(target: Any, *values: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=values, daemon=True)
        thread.start()
        return thread

    def begin(self, spec: Mapping[str, Any]) -> None:
        """Give it its work, without waiting for it to read."""
        self._thread(self._feed, json.dumps(spec).encode())

    def _feed(self, data: bytes) -> None:
        with suppress(OSError):  # it may have died
            assert self._popen.stdin is not None
            self._popen.stdin.write(data)
            self._popen.stdin.close()

    def _read_lines(self) -> None:
        for line in _text(self._popen.stdout):
            with suppress(ValueError):
                values = json.loads(line)
                if isinstance(values, dict):
                    self._lines.put(values)
        self._lines.put(None)

    def _read_stderr(self) -> None:
        for line in _text(self._popen.stderr):
            self._stderr.append(line[:1000])

    def next_line(self, seconds: float) -> dict[str, Any] | None:
        """The next line that it prints, or None if there is none within that time."""
        with suppress(queue.Empty):
            return self._lines.get(timeout=seconds)
        return None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; below zero is the signal that ended it."""
        return self._popen.poll()

    def errors(self) -> str:
        """The end of what it wrote to standard error."""
        return "".join(self._stderr)

    def end(self) -> None:
        """End it and all that it started: ask, wait, kill. Returns when they are gone."""
        _end(self.run, group=self._popen.pid, grace_s=GRACE_S)
        self._popen.wait()
        for thread in self._readers:
            thread.join(timeout=1)


def _text(stream: IO[bytes] | None) -> Any:
    assert stream is not None
    return (line.decode("utf-8", "replace") for line in stream)


def _environment(run: str) -> dict[str, str]:
    # The backend may have been started from anywhere; what happens to lie in the current folder must not be imported.
    paths = [_PACKAGE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        RUN_MARK: run,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONSAFEPATH": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _members(run: str, group: int | None) -> set[psutil.Process]:
    """All processes with this mark, those that they started, and those in the group, where the system has groups."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            in_group = group is not None and sys.platform != "win32" and os.getpgid(process.pid) == group
            if in_group or process.environ().get(RUN_MARK) == run:
                found |= {process, *process.children(recursive=True)}
    return found


def _wait_gone(members: set[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(_runs(process) for process in members) and time.monotonic() < deadline:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    # A zombie has given back all but its number; in some containers nobody ever collects it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _end(run: str, group: int | None, grace_s: float) -> None:
    members = _members(run, group)
    for process in members:
        with suppress(psutil.Error):
            process.terminate()
    _wait_gone(members, grace_s)
    members |= _members(run, group)
    for process in members:
        with suppress(psutil.Error):
            process.kill()
    _wait_gone(members, GRACE_S)


def end_orphans(run: str) -> None:
    """End what an earlier backend's stage process left behind, itself and what it started, without asking."""
    _end(run, group=None, grace_s=0)
