# SPDX-License-Identifier: Apache-2.0
"""`reangle logs JOB`: the logs of a job's stages, with or without a running backend."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from reangle.cli.jobs import find_job, open_jobs
from reangle.cli.output import Output
from reangle.contract import FINAL_STATES
from reangle.errors import UserError
from reangle.runtime.data_folder import data_folder
from reangle.runtime.logs import job_folder, list_logs, stage_file_name

POLL_S = 0.5


def logs(options: Namespace, output: Output) -> int:
    """Print the logs of a job; with `options.follow`, also new lines until the job ends."""
    data = data_folder(options.data)
    with open_jobs(data) as reader:
        job = find_job(reader, options.job)
        followed: dict[str, Iterator[str]] = {}
        while True:
            # Read the state first, so that the job's last lines are printed, too.
            status = reader.status(job) if reader else None
            stages = _stages(data, job, options.stage)
            for stage in stages:
                added = followed.setdefault(stage, _added(job_folder(data, job) / f"{stage}.log"))
                for line in next(added).splitlines():
                    output.data({"stage": stage, "line": line}, line)
            if output.lost or not options.follow or status is None or status.state in FINAL_STATES:
                break
            time.sleep(POLL_S)
    if options.stage and not stages:
        present = ", ".join(log.stage for log in list_logs(data, job)) or "no stage"
        raise UserError(f"The job {job[:8]} has no log {options.stage!r}.", advice=f"It has logs of {present}.")
    return 0


def _stages(data: Path, job: str, wanted: str | None) -> list[str]:
    """The logs to print: all, or those of one stage, given by its log's name, the start of it, or as in "warp left"."""
    present = [log.stage for log in list_logs(data, job)]
    if wanted is None:
        return present
    names = (wanted, stage_file_name(*wanted.split(" ", 1)))
    return [stage for stage in present if stage in names] or [stage for stage in present if stage.startswith(wanted)]


def _added(path: Path) -> Iterator[str]:
    """At each step, the whole lines added to a log file since the last one, across its rotation."""
    # Opened again each time: on Windows an open file cannot be rotated.
    older = path.with_name(f"{path.name}.1")
    at, inode = 0, None
    while True:
        added = b""
        with suppress(OSError):
            now = path.stat().st_ino
            if now != inode and older.exists():
                added, at = _read_lines(older, at), 0
            inode = now
            new = _read_lines(path, at)
            added, at = added + new, at + len(new)
        yield added.decode("utf-8", "replace")


def _read_lines(path: Path, at: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        text = file.read()
        return text[: text.rfind(b"\n") + 1]
