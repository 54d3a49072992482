# SPDX-License-Identifier: Apache-2.0
"""The downloads that clients asked the backend for: beside the jobs, one at a time, each in its own process.

Each is a file `downloads/NAME.json` in the data folder, written before a client sees the state, so that a later backend
goes on with what was not finished. The bytes are in `models/NAME.part`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reangle import contract
from reangle.contract import ContractError, DownloadRequest, DownloadStatus, JobError, from_data, to_data
from reangle.errors import UserError
from reangle.runtime import stall
from reangle.runtime.data_folder import disk_errors, write_atomically
from reangle.runtime.process import StageProcess, end_orphans
from reangle.runtime.stall import Lifeless, Silence, duration
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.download import now
from reangle.weights.registry import is_installed
from reangle.weights.suites import published_parts

FOLDER = "downloads"
MODULE = "reangle.weights.download_process"
POLL_S = 0.1
MAX_DEATHS = 3
"""A download fails once so many of its processes were ended from outside, or by a crash."""
PACE_S = 30.0
"""The speed is that of so many seconds; the hub's library reports each 10 MiB alone."""

logger = logging.getLogger(__name__)


@dataclass
class _Download:
    """accepted: when its licence was accepted. run: of its process, "" for none. canceled: it shall end."""

    status: DownloadStatus
    accepted: str
    run: str = ""
    canceled: bool = False
    pace: deque[tuple[float, int]] = field(default_factory=deque)


class Downloads:
    """data: the data folder. on_change: called after each change, from any thread."""

    def __init__(self, data: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self._data, self._on_change = data, on_change
        self._downloads: dict[str, _Download] = {}
        self._number = 1
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="downloads", daemon=True)

    def start(self) -> None:
        """End what an earlier backend left running, and go on with its unfinished downloads."""
        for download in sorted(_read_all(self._data / FOLDER), key=lambda one: one.status.requested):
            if download.run and not end_orphans(download.run):
                logger.error("A download process of an earlier backend does not end; it is left behind")
            download.run = ""
            if not download.status.is_final:
                download.status = replace(download.status, state="canceled" if download.canceled else "queued")
            self._downloads[download.status.name] = download
        self._thread.start()

    def stop(self) -> None:
        """End the running download; it goes on at the next start."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=15)

    def request(self, request: DownloadRequest) -> tuple[tuple[DownloadStatus, ...], bool]:
        """Queue what is missing of the named weights, and return its downloads, and whether any of them is new.

        Raises UserError for unknown weights, for a licence that was not accepted or is not wanted, and for a full disk.
        """
        missing = [known for known in published_parts(request.name) if not is_installed(known, self._data)]
        for known in missing:
            _check_licence(known, request)
        with self._changed:
            new = [known for known in missing if not self._is_under_way(known.name)]
            for known in new:
                status = DownloadStatus(
                    known.name, known.title, known.terms, "queued", requested=time.time(), size=known.size
                )
                download = _Download(status, accepted=now())
                with disk_errors(self._data):
                    self._save(download)
                self._downloads.pop(known.name, None)  # the latest request is the last one
                self._downloads[known.name] = download
            self._changed.notify_all()
            statuses = tuple(self._downloads[known.name].status for known in missing)
        self._tell()
        return statuses, bool(new)

    def now(self) -> contract.Downloads:
        with self._changed:
            return contract.Downloads(tuple(one.status for one in self._downloads.values()), self._number)

    def active(self) -> int:
        """How many downloads are queued or running."""
        return sum(not status.is_final for status in self.now().downloads)

    def cancel(self, name: str) -> DownloadStatus | None:
        """Cancel a download, at once if it is queued, within seconds if it runs. None for an unknown one.

        What has come stays for the next try. Raises UserError for a full disk; it is canceled nevertheless.
        """
        with self._changed:
            download = next((one for key, one in self._downloads.items() if key.casefold() == name.casefold()), None)
            if download is None:
                return None
            if download.status.state == "queued":
                self._set(download, state="canceled")
            elif download.status.state == "running":
                download.canceled = True
                with disk_errors(self._data):
                    self._save(download)
            return download.status

    def _is_under_way(self, name: str) -> bool:
        download = self._downloads.get(name)
        return download is not None and not download.status.is_final and not download.canceled

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                download = next((one for one in self._downloads.values() if one.status.state == "queued"), None)
                if download is None:
                    self._changed.wait()
                    continue
                self._set(download, state="running")
            try:
                self._run(download)
            except Exception as error:  # as where no process can be started
                logger.exception("The download of %s failed", download.status.name)
                self._set(download, state="failed", error=JobError(str(error), "Download again."))

    def _run(self, download: _Download) -> None:
        name = download.status.name
        deaths = 0
        while True:
            process, last = self._run_process(download)
            if last or self._closing or download.canceled:
                break
            deaths += 1
            logger.warning("Its process ended with status %s, for the %d. time", process.exit_code, deaths)
            if deaths == MAX_DEATHS:
                message = f"The download of {name} ended {deaths} times, the last time with status {process.exit_code}."
                advice = "Download again: it goes on where it stopped."
                last = {"error": to_data(JobError(message, advice, process.errors()))}
                break
        if "done" in last:
            self._set(download, state="done", here=download.status.size)
        elif "error" in last:
            self._set(download, state="failed", error=from_data(JobError, last["error"]))
        elif download.canceled:
            self._set(download, state="canceled")
        logger.info("The download of %s is %s", name, download.status.state)

    def _run_process(self, download: _Download) -> tuple[StageProcess, dict[str, Any]]:
        """Download in one process; returns that, after its end, and its last line, empty if it has none."""
        name = download.status.name
        process = StageProcess(lambda line: logger.info("%s: %s", name, line), module=MODULE)
        logger.info("The download of %s starts as process %d", name, process.pid)
        try:
            download.run = process.run
            self._set(download)
            process.begin({"data": str(self._data), "name": name, "accepted": download.accepted})
            last = self._listen(process, download)
        finally:
            # One that does not end stays recorded, so that the next backend tries again.
            if process.end():
                download.run = ""
        return process, last

    def _listen(self, process: StageProcess, download: _Download) -> dict[str, Any]:
        """Follow a download's process; returns its last line, empty if it ended or was ended without one."""
        life, silence = Lifeless(), Silence(PACE_S)
        while not (self._closing or download.canceled):
            # Checked before reading, so that its last lines are still read after its end.
            ended = process.exit_code is not None
            line = process.next_line(POLL_S)
            if silence.is_new():
                self._set(download, bytes_per_s=None, eta_s=None)
            if line is None:
                if ended:
                    break
                if life.is_over():
                    logger.warning("Its process has shown no sign of life for %s", duration(stall.LIFELESS_S))
                    break
                continue
            life.shown()
            if "here" in line:
                silence.reported()
                if line["file"] != download.status.file:
                    # A file that is there is read faster than one comes.
                    download.pace.clear()
                speed, eta_s = _pace(download.pace, line["here"], line["size"])
                self._set(download, **line, bytes_per_s=speed, eta_s=eta_s)
            elif "alive" not in line:
                return line
        return {}

    def _set(self, download: _Download, **values: Any) -> None:
        """Change a status; a new state, or a new process, reaches the disk before anyone sees it."""
        with self._changed:
            if values.get("state", "running") != "running":
                values |= {"bytes_per_s": None, "eta_s": None, "file": ""}
            download.status = replace(download.status, **values)
            is_latest = self._downloads.get(download.status.name) is download
            if is_latest and ("here" not in values or "state" in values):
                try:
                    self._save(download)
                except OSError as error:  # as on a full disk; after a restart it would go on, which finds it done
                    logger.warning("The download's state cannot be written: %s", error)
        self._tell()

    def _save(self, download: _Download) -> None:
        record = {
            "status": to_data(download.status),
            "accepted": download.accepted,
            "run": download.run,
            "canceled": download.canceled,
        }
        (self._data / FOLDER).mkdir(exist_ok=True)
        write_atomically(self._data / FOLDER / f"{download.status.name}.json", json.dumps(record, indent=1).encode())

    def _tell(self) -> None:
        with self._changed:
            self._number += 1
        self._on_change()


def _read_all(folder: Path) -> list[_Download]:
    downloads = []
    for path in folder.glob("*.json"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            status = from_data(DownloadStatus, record["status"], ignore_unknown=True)
            downloads.append(_Download(status, record["accepted"], record["run"], record["canceled"]))
        except (OSError, ValueError, KeyError, TypeError, ContractError) as error:
            logger.warning("%s cannot be read: %s", path, error)
    return downloads


def _check_licence(known: Checkpoint, request: DownloadRequest) -> None:
    if known.licence.commercial_ok:
        return
    if request.commercial_only:
        raise UserError(
            f"{known.title} is not downloaded, since only weights for commercial work are wanted: {known.terms}.",
            advice="Choose other weights, or switch Commercial Use Only off.",
        )
    if known.terms not in request.accepted_licences:
        raise UserError(
            f"The licence of {known.title} must be accepted first: {known.terms}.",
            advice=f"Read it at {known.page}, then accept it.",
        )


def _pace(seen: deque[tuple[float, int]], here: int, size: int) -> tuple[float | None, float | None]:
    """Bytes per second and seconds left, from what was seen in the last PACE_S; None while unknown."""
    time_s = time.monotonic()
    seen.append((time_s, here))
    while len(seen) > 2 and time_s - seen[0][0] > PACE_S:
        seen.popleft()
    seconds, came = time_s - seen[0][0], here - seen[0][1]
    if seconds <= 0 or came <= 0:
        return None, None
    return came / seconds, (size - here) * seconds / came
