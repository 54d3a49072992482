# SPDX-License-Identifier: Apache-2.0
"""Deletes a job with the stage outputs that no other job needs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from reangle.contract import ContractError, DeletedJob, read_request
from reangle.errors import UserError
from reangle.runtime.expected import cached_stages
from reangle.runtime.logs import remove_old_logs
from reangle.runtime.supervisor import Supervisor

END_WITHIN_S = 20.0
POLL_S = 0.05


def delete_job(supervisor: Supervisor, job_id: str) -> DeletedJob | None:
    """Cancel the job if it has not ended, wait for its end, and remove it. None for an unknown job.

    A stage output stays if another job made or reused it, or would find it in the cache. Uploaded files stay. Raises
    UserError for a job that does not end.
    """
    database, store = supervisor.database, supervisor.store
    deadline = time.monotonic() + END_WITHIN_S
    while (status := supervisor.cancel(job_id)) is not None and not status.is_final:
        if time.monotonic() > deadline:
            raise UserError(f"{status.title or job_id[:8]} does not end.", advice="Delete it again in a minute.")
        time.sleep(POLL_S)
    others = [job for job in database.jobs_without_stages() if job != job_id]
    needed = set[str]().union(*(_keys_of(supervisor, job) for job in others))
    mine = database.stage_keys(job_id) or _keys_of(supervisor, job_id)
    aside: list[Path] = []

    def discard(keys: Iterable[str]) -> None:
        aside.extend(folder for key in keys if (folder := store.set_aside(key)) is not None)

    if not database.delete(job_id, mine - needed, discard):
        return None
    size = sum(store.clear_aside(folder) for folder in aside)
    remove_old_logs(store.root, database.job_ids())
    return DeletedJob(job_id, len(aside), size)


def _keys_of(supervisor: Supervisor, job_id: str) -> set[str]:
    """The artifacts that a job without a record has published, or would find in the cache."""
    keys = set(supervisor.database.results(job_id).values())
    try:
        request = read_request(supervisor.database.request_text(job_id) or "")
        found = cached_stages(supervisor.plan(request), supervisor.store, supervisor.weights)
    except (UserError, ContractError):
        return keys
    return keys | {artifact.key for artifact in found.values()}
