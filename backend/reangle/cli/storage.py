# SPDX-License-Identifier: Apache-2.0
"""`reangle storage`: the room that the data folder takes, and cleaning up, with or without a running backend."""

from __future__ import annotations

import hashlib
import http.client
import ssl
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import filelock

from reangle.api.facts import Facts
from reangle.api.server_file import ServerFile
from reangle.cli.clean_options import KINDS
from reangle.cli.output import Output
from reangle.contract import Cleaned, CleanRequest, Storage, from_json, to_data, to_json
from reangle.contract.wire import parse
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.runtime.cleaning import Cleaner
from reangle.runtime.data_folder import data_folder
from reangle.runtime.database import JobDatabase
from reangle.runtime.private_folder import FolderTakenError, hold_folder
from reangle.runtime.store import Store
from reangle.weights.checkpoints import size_in_words
from reangle.weights.installed import InstalledWeights

TIMEOUT_S = 600.0


def storage(options: Namespace, output: Output) -> int:
    """Print the size of each part of the data folder; with `options.clean`, remove first."""
    data = data_folder(options.data)
    if not data.is_dir():
        raise UserError(f"There is no data folder {data}.", advice="Give its place with --data or REANGLE_DATA.")
    kinds = KINDS if options.clean and "all" in options.clean else tuple(dict.fromkeys(options.clean or ()))
    request = CleanRequest(kinds, options.days) if kinds else None
    try:
        with _held(data):
            cleaned, now = _directly(data, request)
    except (filelock.Timeout, FolderTakenError):
        cleaned, now = _by_the_backend(data, request)
    values = {**to_data(now), "removed": to_data(cleaned.removed if cleaned else ())}
    output.data(values, _text(now, cleaned))
    return 0


@contextmanager
def _held(data: Path) -> Iterator[None]:
    """Keep backends away. Raises filelock.Timeout or FolderTakenError while one runs."""
    with hold_folder(data), filelock.FileLock(data / "server.lock", timeout=0):
        yield


def _directly(data: Path, request: CleanRequest | None) -> tuple[Cleaned | None, Storage]:
    with closing(JobDatabase(data / "jobs.sqlite")) as database:
        facts = Facts(Cleaner(database, Store(data), plan_job, InstalledWeights(data)))
        cleaned = facts.clean(request) if request else None
        return cleaned, cleaned.storage if cleaned else facts.measure()


def _by_the_backend(data: Path, request: CleanRequest | None) -> tuple[Cleaned | None, Storage]:
    about = ServerFile.read(data)
    if about is None:
        raise UserError("A backend starts or ends now.", advice="Try again in a moment.")
    if request is None:
        return None, from_json(Storage, _ask(about, "GET", "/v1/storage"))
    cleaned = from_json(Cleaned, _ask(about, "POST", "/v1/storage/clean", to_json(request).encode()))
    return cleaned, cleaned.storage


def _ask(about: ServerFile, method: str, path: str, body: bytes | None = None) -> bytes:
    """Ask the backend of this machine. Raises UserError."""
    try:
        with closing(_connection(about)) as connection:
            headers = {"Authorization": f"Bearer {about.token}", "Content-Type": "application/json"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise UserError(
            f"The backend (process {about.pid}) does not answer: {error}.", advice="Try again, or end it first."
        ) from error
    if answer.status != 200:
        reason = parse(content)["error"]
        raise UserError(str(reason["message"]), advice=str(reason["advice"]))
    return content


def _connection(about: ServerFile) -> http.client.HTTPConnection:
    if not about.fingerprint:
        return http.client.HTTPConnection(about.host, about.port, timeout=TIMEOUT_S)
    # The certificate is its own authority: it is known by its fingerprint, which is compared before anything is sent.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(about.host, about.port, timeout=TIMEOUT_S, context=context)
    connection.connect()
    shown = connection.sock.getpeercert(binary_form=True) or b""
    if hashlib.sha256(shown).hexdigest().upper() != about.fingerprint.replace(":", ""):
        connection.close()
        raise UserError("Another program answers in place of the backend.", advice="Start the backend again.")
    return connection


def _text(now: Storage, cleaned: Cleaned | None) -> str:
    rows = [("PART", "SIZE", "REMOVABLE")]
    rows += [(part.name, _size(part.size), _size(part.removable)) for part in now.parts]
    rows.append(("all", _size(now.used), _size(sum(part.removable for part in now.parts))))
    lines = [f"{now.folder}: {_size(now.free)} of {_size(now.total)} free", *_table(rows)]
    lines += [now.note] if now.note else []
    lines += [f"Removed {_size(cleaned.size)}."] if cleaned else []
    return "\n".join(lines)


def _size(size: int) -> str:
    return size_in_words(size) if size else "-"


def _table(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]
