# SPDX-License-Identifier: Apache-2.0
"""`reangle jobs`: the jobs of a data folder, newest first, whether or not its backend runs."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from reangle.cli.output import Output
from reangle.contract import JobStatus
from reangle.errors import UserError
from reangle.runtime.data_folder import data_folder
from reangle.runtime.job_reader import JobReader

MAX_JOBS = 10_000


def jobs(options: Namespace, output: Output) -> int:
    """List id, state, stage, progress, age and title of each job."""
    with open_jobs(data_folder(options.data)) as reader:
        rows = reader.newest(MAX_JOBS) if reader else []
    now = time.time()
    values = [
        {
            "id": job.id,
            "state": job.state,
            "stage": job.stage,
            "progress": job.progress,
            "age_s": round(now - job.created, 1),
            "created": job.created,
            "title": job.title,
        }
        for job in rows
    ]
    output.data(values, _table(rows, now) if rows else "There are no jobs.")
    return 0


@contextmanager
def open_jobs(data: Path) -> Iterator[JobReader | None]:
    """The job list of a data folder; None if it has none yet."""
    path = data / "jobs.sqlite"
    if not path.exists():
        yield None
        return
    with closing(JobReader(path)) as reader:
        yield reader


def find_job(reader: JobReader | None, prefix: str) -> str:
    """The id of the one job whose id starts with `prefix`. Raises UserError if there is none, or more than one."""
    matches = sorted(job for job in (reader.job_ids() if reader else ()) if job.startswith(prefix.lower()))
    if not matches:
        raise UserError(f"There is no job {prefix!r}.", advice="`reangle jobs` lists the jobs.")
    if len(matches) > 1:
        raise UserError(
            f"{len(matches)} jobs start with {prefix!r}: {', '.join(matches[:3])}{' ...' if len(matches) > 3 else ''}",
            advice="Give more of the id.",
        )
    return matches[0]


def _table(rows: Sequence[JobStatus], now: float) -> str:
    short = 8
    while short < 32 and len({job.id[:short] for job in rows}) < len(rows):
        short += 1
    cells = [("JOB", "STATE", "DONE", "AGE", "STAGE", "TITLE")]
    for job in rows:
        done = f"{job.progress:.0%}"
        cells.append((job.id[:short], job.state, done, _age(now - job.created), job.stage, _printable(job.title)))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
