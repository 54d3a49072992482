# SPDX-License-Identifier: Apache-2.0
"""Log files in the data folder: `logs/server.log`, and `logs/JOB/STAGE.log` for each stage of a job.

Every line has time, level, job, stage and logger. Only the backend writes these files: a stage process logs to its
standard error, which the backend copies into the stage's file. So one process rotates each file.
"""

from __future__ import annotations

import faulthandler
import hashlib
import logging
import re
import shutil
import time
from collections import Counter
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

FOLDER = "logs"
SERVER_LOG = "server.log"

SERVER_BYTES = 4 << 20
STAGE_BYTES = 1 << 20
TOTAL_BYTES = 256 << 20
"""Largest size of the logs of all jobs; the oldest are removed first."""
ALWAYS_KEPT = 8
"""The logs of the newest jobs are never removed, because those jobs may be running."""

_STAMPED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_JOB = re.compile(r"[0-9a-f]{32}")
_SAFE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class _Place:
    job: str = "-"
    stage: str = "-"


_NOWHERE = _Place()
_place: ContextVar[_Place] = ContextVar("log_place", default=_NOWHERE)


@contextmanager
def log_place(job: str, stage: str = "-") -> Generator[None]:
    """Mark what this thread logs as belonging to a job and one of its stages."""
    token = _place.set(_Place(job, stage))
    try:
        yield
    finally:
        _place.reset(token)


class _Formatter(logging.Formatter):
    """Repeats time, job and stage on every line of a message or traceback. A line that has them does not change."""

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, "stamped", False):
            return record.getMessage()
        place = _place.get()
        head = f"{self.formatTime(record)} {record.levelname} {place.job[:8]} {place.stage} {record.name}: "
        return "\n".join(head + line for line in super().format(record).splitlines() or [""])


class _RotatingFile(RotatingFileHandler):
    """If the log cannot be written, for example on a full disk, lines are lost and work continues."""

    def __init__(self, path: Path, limit: int, older: int) -> None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__(
            path, maxBytes=limit, backupCount=older, encoding="utf-8", errors="backslashreplace", delay=True
        )
        self.setFormatter(_Formatter())

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class Sparse(logging.Filter):
    """Lets the same message through only so often, whoever causes it, and says so."""

    MOST, EVERY_S = 20, 60.0

    def __init__(self) -> None:
        super().__init__()
        self._since, self._counts = time.monotonic(), Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        if time.monotonic() - self._since > self.EVERY_S:
            self._since, self._counts = time.monotonic(), Counter[str]()
        kind = f"{record.name} {str(record.msg)[:200]}"
        self._counts[kind] += 1
        if self._counts[kind] == self.MOST:
            record.msg = f"{record.msg} (the same is not repeated for a minute)"
        return self._counts[kind] <= self.MOST


def log_to_server_file(data: Path) -> None:
    """Send this process's logging to `logs/server.log`, and warnings also to standard error."""
    file = _RotatingFile(data / FOLDER / SERVER_LOG, SERVER_BYTES, 2)
    stderr = logging.StreamHandler()
    stderr.setLevel(logging.WARNING)
    stderr.setFormatter(_Formatter())
    # Standard error goes to a file that nothing rotates while the backend runs.
    stderr.addFilter(Sparse())
    logging.basicConfig(handlers=[file, stderr], level=logging.WARNING, force=True)
    logging.getLogger("reangle").setLevel(logging.INFO)
    logging.captureWarnings(True)


def log_to_stderr(job: str, stage: str) -> None:
    """In a stage process: send logging, Python warnings and the stacks of crashes to standard error."""
    _place.set(_Place(job, stage))
    stderr = logging.StreamHandler()
    stderr.setFormatter(_Formatter())
    logging.basicConfig(handlers=[stderr], level=logging.WARNING, force=True)
    logging.getLogger("reangle").setLevel(logging.INFO)
    logging.captureWarnings(True)
    faulthandler.enable()


class StageLog:
    """The log file of one stage of one job, while the context is open.

    It receives the log of the backend's thread in this context, and the lines of `write_output`.
    """

    def __init__(self, data: Path, job: str, kind: str, camera: str = "") -> None:
        self._place = _Place(job, f"{kind} {camera}".strip())
        self._file = _RotatingFile(job_folder(data, job) / f"{stage_file_name(kind, camera)}.log", STAGE_BYTES, 1)
        self._file.addFilter(lambda _: _place.get() == self._place)

    def __enter__(self) -> StageLog:
        self._context = log_place(self._place.job, self._place.stage)
        self._context.__enter__()
        logging.getLogger("reangle").addHandler(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("reangle").removeHandler(self._file)
        self._context.__exit__(None, None, None)
        self._file.close()

    def write_output(self, line: str) -> None:
        """Add a line of the process's standard error; called from any thread."""
        record = logging.LogRecord("stderr", logging.INFO, "", 0, "%s", (line,), None)
        record.stamped = bool(_STAMPED.match(line))
        with log_place(self._place.job, self._place.stage):
            self._file.handle(record)


def stage_file_name(kind: str, camera: str = "") -> str:
    """A file name for a stage, without extension. Any camera name gives a safe one, and different ones differ."""
    name = _SAFE.sub("-", kind.lower()).strip("-") or "stage"
    if not camera:
        return name
    readable = _SAFE.sub("-", camera.lower()).strip("-")[:40]
    digest = hashlib.sha256(camera.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(filter(None, (name, readable, digest)))


def job_folder(data: Path, job: str) -> Path:
    """The folder of a job's logs. Raises ValueError for an invalid job id."""
    if not _JOB.fullmatch(job):
        raise ValueError(f"not a job id: {job!r}")
    return data / FOLDER / job


@dataclass(frozen=True)
class LogFile:
    """stage: the file's name without extension. size: bytes, older part included. modified: seconds since 1970."""

    stage: str
    size: int
    modified: float


def list_logs(data: Path, job: str) -> list[LogFile]:
    """A job's log files, in the order in which they were last written."""
    log_files: list[LogFile] = []
    for path in job_folder(data, job).glob("*.log"):
        with suppress(OSError):  # a rotation may move it meanwhile
            stat = path.stat()
            log_files.append(LogFile(path.stem, sum(part.stat().st_size for part in _parts(path)), stat.st_mtime))
    return sorted(log_files, key=lambda log: (log.modified, log.stage))


def read_log(data: Path, job: str, stage: str, limit: int) -> str | None:
    """The last `limit` bytes of a log file that `list_logs` lists, from the start of a line; None for any other."""
    if stage not in (log.stage for log in list_logs(data, job)):
        return None
    content = b""
    for path in _parts(job_folder(data, job) / f"{stage}.log"):
        with suppress(OSError):
            content += path.read_bytes()
    if len(content) > limit:
        content = content[-limit:].partition(b"\n")[2]
    return content.decode("utf-8", "replace")


def _parts(path: Path) -> list[Path]:
    older = path.with_name(f"{path.name}.1")
    return [older, path] if older.exists() else [path]


def remove_old_logs(data: Path, jobs: Collection[str]) -> None:
    """Remove the logs of jobs that are not listed, and the oldest of the others while all take too much room."""
    room = TOTAL_BYTES
    sizes: list[tuple[float, int, Path]] = []
    for folder in (data / FOLDER).glob("*/"):
        with suppress(OSError):
            stats = [path.stat() for path in folder.iterdir()]
            if folder.name not in jobs:
                shutil.rmtree(folder, ignore_errors=True)
            elif stats:
                sizes.append((max(stat.st_mtime for stat in stats), sum(stat.st_size for stat in stats), folder))
    for number, (_, size, folder) in enumerate(sorted(sizes, reverse=True)):
        room -= size
        if room < 0 and number >= ALWAYS_KEPT:
            shutil.rmtree(folder, ignore_errors=True)
