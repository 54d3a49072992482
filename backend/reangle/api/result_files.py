# SPDX-License-Identifier: Apache-2.0
"""The files of a job's results.

A requested name is compared with the list of published files; it never becomes a path itself.
"""

from __future__ import annotations

from pathlib import Path

from reangle.api.error_responses import RefusedError
from reangle.contract import Result
from reangle.runtime.database import JobDatabase
from reangle.runtime.store import Store


def results_of(database: JobDatabase, store: Store, job_id: str) -> list[Result]:
    """The job's results published so far."""
    artifacts = {name: store.artifact(key) for name, key in database.results(job_id).items()}
    return [Result(name=name, files=artifact.files) for name, artifact in artifacts.items() if artifact is not None]


def find_file(database: JobDatabase, store: Store, job_id: str, address: str) -> tuple[Path, str]:
    """Path and SHA-256 of the file at RESULT/PATH. Raises RefusedError (404), also for a file that is now a link."""
    for name, key in database.results(job_id).items():
        if not address.startswith(f"{name}/"):
            # Results have hundreds of files, which are asked for one by one: only one list is read for each.
            continue
        found = store.artifact_file(key, address.removeprefix(f"{name}/"))
        if found is None:
            continue
        folder, listed = found
        path = folder.resolve() / listed.path
        if path.is_file() and path.resolve() == path:
            return path, listed.sha256
        raise RefusedError(404, f"The result file {address!r} is damaged.", advice="Send the job again under a new id.")
    raise RefusedError(
        404, f"The job has published no file {address[:200]!r}.", advice="GET /v1/jobs/{id}/results lists the files."
    )
