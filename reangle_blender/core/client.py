# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend over HTTP. Every call blocks: make it from a worker thread, never from Blender's main thread."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from .contract import (
    CONTRACT_VERSION,
    Capabilities,
    Cleaned,
    CleanRequest,
    ContractError,
    Coverages,
    DeletedJob,
    DownloadRequest,
    Downloads,
    DownloadStatus,
    Estimate,
    EstimateRequest,
    Events,
    Health,
    JobList,
    JobRequest,
    JobStatus,
    LookRequest,
    Result,
    ResultFile,
    RetryRequest,
    Storage,
    version_advice,
)
from .errors import UserError
from .files import CanceledError, FileBody, Progress, check_cancel, disk_errors, hash_file
from .transport import (
    CertificateError,
    RefusedError,
    Transport,
    UnauthorizedError,
    UnreachableError,
    VersionMismatchError,
    read,
)

CLEAN_TIMEOUT_S = 600.0
MAX_WAIT_S = 25.0
LOOK_TIMEOUT_S = 150.0
"""The first question about a clip opens it, which takes longer than an answer."""


class Client(Transport):
    """One backend. Raises the errors of `transport`, all of them UserError."""

    def health(self, timeout_s: float | None = None) -> Health:
        """The backend's identity. Raises VersionMismatchError if it has another version of the contract."""
        try:
            health = read(Health, self._ask("GET", "/v1/health", timeout_s=timeout_s))
        except RefusedError as error:
            if self.is_remote and error.status == 403:
                raise UnreachableError(
                    f"The backend does not know its machine by the name in {self.address}.",
                    advice="Start it there with `--name` and this name, or write the address that it printed.",
                ) from error
            raise self._other_program() from error
        except ContractError as error:
            raise self._other_program() from error
        try:
            check_version(health.contract, health.version)
        except VersionMismatchError as error:
            if not self.is_remote or health.contract > CONTRACT_VERSION:
                raise
            raise VersionMismatchError(error.message, advice=f"On the backend's machine: {error.advice}") from error
        return health

    def _other_program(self) -> UnreachableError:
        advice = "Check the address." if self.is_remote else "Start the backend again."
        return UnreachableError(f"The program at {self.address} is not the backend.", advice=advice)

    def capabilities(self) -> Capabilities:
        """Engines, providers, suites, settings, moves and limits."""
        return self._get(Capabilities, "/v1/capabilities")

    def jobs(self) -> tuple[JobStatus, ...]:
        """All jobs, newest first."""
        return self._get(tuple[JobStatus, ...], "/v1/jobs")

    def job(self, job: str) -> JobStatus:
        return self._get(JobStatus, f"/v1/jobs/{job}")

    def events(self, job: str, since: int = 0, wait_s: float = 0.0) -> Events:
        """The events after number `since`; waits up to wait_s (at most 25 s) for one, then returns none."""
        wait_s = min(wait_s, MAX_WAIT_S)
        address = f"/v1/jobs/{job}/events?since={since}&wait={wait_s:g}"
        return self._get(Events, address, timeout_s=wait_s + self._timeout_s)

    def results(self, job: str) -> tuple[Result, ...]:
        return self._get(tuple[Result, ...], f"/v1/jobs/{job}/results")

    def cancel(self, job: str) -> JobStatus:
        """Idempotent; the status may still be running for some seconds."""
        return self._parse(JobStatus, self._ask("POST", f"/v1/jobs/{job}/cancel"))

    def downloads(self, since: int = 0, wait_s: float = 0.0) -> Downloads:
        """The weights that the backend downloads; waits up to wait_s (at most 25 s) for a state other than `since`."""
        wait_s = min(wait_s, MAX_WAIT_S)
        address = f"/v1/downloads?since={since}&wait={wait_s:g}"
        return self._get(Downloads, address, timeout_s=wait_s + self._timeout_s)

    def request_download(self, request: DownloadRequest) -> tuple[DownloadStatus, ...]:
        """The downloads of all weights that the name stands for and that are not on the machine."""
        return self._parse(tuple[DownloadStatus, ...], self._post("/v1/downloads", request))

    def cancel_download(self, name: str) -> DownloadStatus:
        """Idempotent; the status may still be running for some seconds."""
        return self._parse(DownloadStatus, self._ask("POST", f"/v1/downloads/{quote(name, safe='')}/cancel"))

    def coverage(self, job: str, request: LookRequest) -> Coverages:
        """What a camera would see of the clip that this job imported."""
        answer = self._post(f"/v1/jobs/{job}/coverage", request, timeout_s=LOOK_TIMEOUT_S)
        return self._parse(Coverages, answer)

    def picture(self, job: str, request: LookRequest) -> bytes:
        """One frame as the warp would show it: height x width x 4 bytes, RGB and what shows the pixel."""
        return self._post(f"/v1/jobs/{job}/picture", request, timeout_s=LOOK_TIMEOUT_S).content

    def storage(self) -> Storage:
        """The room that the backend's data folder takes, measured within the last seconds."""
        return self._parse(Storage, self._ask("GET", "/v1/storage", timeout_s=CLEAN_TIMEOUT_S))

    def clean(self, request: CleanRequest) -> Cleaned:
        """Remove what no job needs from the backend's data folder."""
        return self._parse(Cleaned, self._post("/v1/storage/clean", request, CLEAN_TIMEOUT_S))

    def set_fetched(self, job: str) -> None:
        """Tell the backend that its results of a job are here, so that they may be cleaned up there. An older backend
        does not want to know."""
        self._ask("POST", f"/v1/jobs/{job}/fetched", fine=(200, 404, 405))

    def shutdown(self) -> None:
        """Ask the backend to end; running jobs resume at its next start."""
        self._ask("POST", "/v1/shutdown")

    def submit(self, request: JobRequest) -> JobStatus:
        """Send a job whose files are uploaded; sending it again does not create another job. RefusedError.missing
        lists files that are not uploaded yet."""
        return self._parse(JobStatus, self._post("/v1/jobs", request))

    def has_file(self, sha256: str) -> bool:
        return self._ask("HEAD", f"/v1/blobs/{sha256}", fine=(200, 404)).status_code == 200

    def upload(
        self, places: Mapping[str, Path], *, progress: Progress | None = None, cancel: threading.Event | None = None
    ) -> int:
        """Send files, by hash as `files.file_refs` gives them; the backend's own are skipped.

        Returns how many were sent. Raises CanceledError and UserError too; files already sent need not be sent again.
        """
        missing: list[tuple[str, Path]] = []
        for sha256, path in places.items():
            check_cancel(cancel)
            if not self.has_file(sha256):
                missing.append((sha256, path))
        with disk_errors(Path("The clip")):
            sizes = [path.stat().st_size for _, path in missing]
        total, done = sum(sizes), 0
        for (sha256, path), size in zip(missing, sizes, strict=True):
            before = done

            def step(count: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + count, total)

            with disk_errors(path):
                body = FileBody(path, size, step, cancel)
                try:
                    self._ask("PUT", f"/v1/blobs/{sha256}", data=body, fine=(200, 201))
                except RefusedError as error:
                    if error.status != 422 or hash_file(path) == sha256:
                        raise
                    # The hash is of what the file held at the import, so sending it again cannot help.
                    raise UserError(
                        f"{path} has changed since it was imported.", advice="Import the clip again."
                    ) from error
            done += size
        return len(missing)

    def download(
        self,
        job: str,
        result: Result,
        folder: Path,
        *,
        wanted: Callable[[str], bool] = lambda path: True,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> list[Path]:
        """Fetch a result's files into `folder`, in their order, keeping relative paths; returns their paths.

        Existing files with the right content are kept, so an interrupted download continues. A
        file gets its name only when it is complete. wanted(path) chooses files.
        """
        chosen = [file for file in result.files if wanted(file.path)]
        total, done = sum(file.size for file in chosen), 0
        places: list[Path] = []
        for file in chosen:
            check_cancel(cancel)
            place = folder.joinpath(*file.path.split("/"))
            before = done

            def step(count: int, before: int = before) -> None:
                if progress is not None:
                    progress(before + count, total)

            with disk_errors(place, writing=True):
                if not _is_there(place, file):
                    self._fetch(
                        f"/v1/jobs/{job}/files/{quote(f'{result.name}/{file.path}')}", file, place, step, cancel
                    )
            done += file.size
            step(file.size)
            places.append(place)
        return places

    def _fetch(
        self, address: str, file: ResultFile, place: Path, step: Callable[[int], None], cancel: threading.Event | None
    ) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        # No fsync: hundreds of them take long, and every file is checked against its hash before it is used again.
        temporary = place.with_name(f".{uuid.uuid4().hex}.part")
        digest, count = hashlib.sha256(), 0
        try:
            with self._ask("GET", address, stream=True) as answer, temporary.open("wb") as out:
                for chunk in self._chunks(answer):
                    check_cancel(cancel)
                    out.write(chunk)
                    digest.update(chunk)
                    count += len(chunk)
                    step(min(count, file.size))
            if digest.hexdigest() != file.sha256:
                raise RefusedError(
                    f"{file.path} arrived damaged.",
                    advice="Load the results again; if that does not help, run the job again.",
                )
            os.replace(temporary, place)
        finally:
            temporary.unlink(missing_ok=True)

    def queue(self, since: int = 0, wait_s: float = 0.0) -> JobList:
        """The newest jobs; waits up to wait_s (at most 25 s) for another state of the list than `since`."""
        wait_s = min(wait_s, MAX_WAIT_S)
        return self._get(JobList, f"/v1/queue?since={since}&wait={wait_s:g}", timeout_s=wait_s + self._timeout_s)

    def request_of(self, job: str) -> JobRequest:
        """What was sent as this job."""
        return self._get(JobRequest, f"/v1/jobs/{job}/request")

    def retry(self, job: str, request: RetryRequest) -> JobStatus:
        """Run an earlier job once more, as a new one; sending it again does not create another."""
        return self._parse(JobStatus, self._post(f"/v1/jobs/{job}/retry", request))

    def delete(self, job: str) -> DeletedJob:
        """Cancel a job if it runs, and remove it with what no other job needs."""
        return self._parse(DeletedJob, self._ask("DELETE", f"/v1/jobs/{job}", timeout_s=self._timeout_s * 2))

    def estimate(self, request: EstimateRequest) -> Estimate:
        """How long a request will take; nothing is sent and no file is needed."""
        return self._parse(Estimate, self._post("/v1/estimate", request))

    def log(self, job: str) -> str:
        """The logs of all stages of a job, in order; "" if it has none yet."""
        listed = self._ask("GET", f"/v1/jobs/{job}/logs").json()
        names = [str(log["stage"]) for log in listed]
        return "\n".join(self._ask("GET", f"/v1/jobs/{job}/logs/{quote(name, safe='')}").text for name in names)


def check_version(contract: int, version: str) -> None:
    """Raise VersionMismatchError, with advice on what to install, unless the versions are equal."""
    if contract == CONTRACT_VERSION:
        return
    raise VersionMismatchError(
        f"The backend {version} has version {contract} of the contract, this add-on version {CONTRACT_VERSION}.",
        advice=version_advice(addon=CONTRACT_VERSION, backend=contract),
    )


def _is_there(place: Path, file: ResultFile) -> bool:
    return place.is_file() and place.stat().st_size == file.size and hash_file(place) == file.sha256


__all__ = [
    "CanceledError",
    "CertificateError",
    "Client",
    "RefusedError",
    "UnauthorizedError",
    "UnreachableError",
    "VersionMismatchError",
    "check_version",
]
