# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, start, adopt and stop the backend on this machine, and connect to one on another.

The backend is a separate program: it outlives Blender while jobs run, and any Blender may connect to it through the
server file in the data folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

from .address import Address, AddressError, read_fingerprint
from .client import Client, UnauthorizedError, UnreachableError, VersionMismatchError
from .contract import Device, Storage, from_data, from_json
from .errors import UserError
from .files import check_cancel, disk_errors

HEALTH_TIMEOUT_S = 3.0
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05
RESTART_S = 1.0
MAX_LOG_BYTES = 4 << 20
EXIT_TAKEN = 3
"""The backend's exit status when another one serves this data folder."""

# Signals to Blender must not reach the backend, and on Windows it must open no console; see start_new_session, too.
_CREATION_FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0

_INSTALL = "Install it in the add-on's preferences."
_LOG = "Open Log in the add-on's preferences shows why."


class NotInstalledError(UserError):
    """There is no backend to start."""


class StartError(UserError):
    """The backend was started but does not answer."""


@dataclass(frozen=True)
class ServerFile:
    """`server.json`: where a backend listens, and the token that it accepts. It may be stale.

    fingerprint: of its certificate; "" where it speaks plain http.
    """

    contract: int
    version: str
    host: str
    port: int
    token: str
    pid: int
    started: float
    fingerprint: str = ""


@dataclass(frozen=True)
class Launch:
    """`backend.json`: how to start the backend; `serve` and its options are added to the command."""

    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Backend:
    """A backend that answers. data: its folder, on its machine. process: set if we started it.

    is_remote: it belongs to another machine, so it is neither started nor stopped here. device, storage: as it said
    when it was connected; None while it had not measured them.
    """

    client: Client
    data: Path
    version: str
    pid: int
    process: subprocess.Popen[bytes] | None = None
    is_remote: bool = False
    device: Device | None = None
    storage: Storage | None = None


def data_folder() -> Path:
    """The data folder: REANGLE_DATA, else the system's place for application data. Not created."""
    if chosen := os.environ.get("REANGLE_DATA"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "Reangle"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reangle"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reangle"


def log_file(data: Path) -> Path:
    """Where a backend that we start writes its output."""
    return data / "backend.log"


def read_server_file(data: Path) -> ServerFile | None:
    """None if there is none, or none that can be read."""
    try:
        return from_json(ServerFile, (data / "server.json").read_bytes(), ignore_unknown=True)
    except (OSError, ValueError, UserError):
        return None


def read_launch(data: Path) -> Launch:
    """How to start the backend. Raises NotInstalledError."""
    path = data / "backend.json"
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        command = from_data(tuple[str, ...], about["command"])
        environment = {str(name): str(value) for name, value in about.get("environment", {}).items()}
    except FileNotFoundError as error:
        raise NotInstalledError(f"The backend is not installed: there is no {path}.", advice=_INSTALL) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError) as error:
        raise NotInstalledError(f"{path} cannot be used: {error}", advice=_INSTALL) from error
    if not command or not Path(command[0]).is_file():
        program = command[0] if command else "nothing"
        raise NotInstalledError(f"{path} starts {program!r}, which is not there.", advice=_INSTALL)
    return Launch(command, environment)


def find(data: Path) -> Backend | None:
    """The backend that serves this data folder, if one answers there with the token of its server file.

    Neither the file nor a live process id proves anything: both outlive a crash, and ids are used again. Raises
    VersionMismatchError if it answers and speaks another contract.
    """
    about = read_server_file(data)
    return None if about is None else _adopt(data, about)


def connect(address: Address, token: str) -> Backend:
    """The backend on another machine. Blocks: call it from a worker thread.

    Raises AddressError, UnreachableError (CertificateError for a wrong certificate), UnauthorizedError,
    VersionMismatchError.
    """
    token = token.strip()
    if not token:
        raise AddressError("The token is empty.", advice="Enter the token that the backend prints when it starts.")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise AddressError("The token has characters that no token has.", advice="Copy the token that it prints again.")
    client = Client(
        address.host, address.port, token, tls=address.tls, fingerprint=address.fingerprint, is_remote=True
    )  # fmt: skip
    try:
        health = client.health()
    except BaseException:
        client.close()
        raise
    return Backend(
        client, Path(health.data), health.version, health.pid, None, True, health.device, health.storage
    )  # fmt: skip


def asked_again(backend: Backend) -> Backend:
    """With the device and the storage as the backend knows them now. Raises as `Client.health`."""
    health = backend.client.health(HEALTH_TIMEOUT_S if not backend.is_remote else None)
    return replace(backend, device=health.device, storage=health.storage)


def _adopt(data: Path, about: ServerFile) -> Backend | None:
    try:
        fingerprint = read_fingerprint(about.fingerprint)
        client = Client(about.host, about.port, about.token, tls=bool(fingerprint), fingerprint=fingerprint)
        health = client.health(HEALTH_TIMEOUT_S)
    except (AddressError, UnreachableError, UnauthorizedError, ValueError):
        return None
    if not _same_folder(Path(health.data), data):
        return None
    return Backend(
        client, data, health.version, health.pid, _child(health.pid), device=health.device, storage=health.storage
    )


_children: list[subprocess.Popen[bytes]] = []
"""The backends that this process started: whoever starts a process must ask for its end, or its entry stays."""


def _child(pid: int) -> subprocess.Popen[bytes] | None:
    """The process of this id if we started it and it runs."""
    _children[:] = [child for child in _children if child.poll() is None]
    return next((child for child in _children if child.pid == pid), None)


def let_go() -> None:
    """Give up the processes that were started here; those that run go on.

    Without this, a version of the add-on that an update replaces keeps them, and nobody asks for their end. For those
    that are given up, `subprocess` asks whenever it starts another, and `stop` does.
    """
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        _children.clear()


def _same_folder(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def ensure(
    data: Path, *, cancel: threading.Event | None = None, timeout_s: float = START_TIMEOUT_S, parent: int | None = None
) -> Backend:
    """Adopt the backend that runs, or start one and wait until it answers. Blocks: call it from a worker thread.

    parent: process id; the backend ends some time after that process if no job is left. None: this process; 0: it stays
    until its shutdown request. Raises NotInstalledError, StartError (with the last line of its log),
    VersionMismatchError, CanceledError.
    """
    stale = read_server_file(data)
    if stale is not None and (running := _adopt(data, stale)):
        return running
    launch = read_launch(data)
    deadline = time.monotonic() + timeout_s
    while True:
        with disk_errors(data, writing=True):
            process, log_start = _spawn(launch, data, os.getpid() if parent is None else parent)
        try:
            running = _wait(process, data, stale, log_start, deadline, cancel)
        except BaseException:
            process.kill()
            process.wait()
            raise
        if running is not None:
            return running


def _wait(
    process: subprocess.Popen[bytes],
    data: Path,
    stale: ServerFile | None,
    log_start: int,
    deadline: float,
    cancel: threading.Event | None,
) -> Backend | None:
    """The backend that answers; None if it must be started again, since one that is ending still held the folder."""
    began, taken = time.monotonic(), 0.0
    while True:
        about = read_server_file(data)
        if about is not None and about != stale and (running := _adopt(data, about)):
            # Another Blender may have been faster; then the backend that answers is not the one we started.
            return running if process.poll() is not None else replace(running, process=process)
        status = process.poll()
        if status == EXIT_TAKEN:
            taken = taken or time.monotonic()
            # The file was not stale: its backend was only too busy to answer.
            stale = None
            # A backend that starts writes its file soon, and one that ends has removed it.
            if read_server_file(data) is None and time.monotonic() - taken > RESTART_S:
                return None
        elif status is not None:
            last = _last_line(log_file(data), log_start) or f"it ended with status {status}"
            raise StartError(
                f"The backend did not start: {last}", advice="Open Log in the add-on's preferences shows why."
            )
        if time.monotonic() > deadline:
            last = _last_line(log_file(data), log_start)
            raise StartError(
                f"The backend did not answer within {deadline - began:.0f} s. {last}".strip(),
                advice=f"See {log_file(data)}, then try again.",
            )
        check_cancel(cancel)
        time.sleep(POLL_S)


def stop(backend: Backend, timeout_s: float = STOP_TIMEOUT_S) -> None:
    """End a backend and wait until it answers no more, and for its process if we started it; its jobs resume at the
    next start. One on another machine goes on, and is only left.

    Raises UnreachableError if a backend that we did not start still answers; one that we started is killed then.
    """
    if backend.is_remote:
        backend.client.close()
        return
    with contextlib.suppress(UnreachableError, UnauthorizedError):
        backend.client.shutdown()
    deadline = time.monotonic() + timeout_s
    while _answers(backend.client) or _runs(backend):
        if time.monotonic() > deadline:
            if backend.process is None:
                raise UnreachableError(
                    f"The backend (process {backend.pid}) does not end.", advice="End it with the system's tools."
                )
            backend.process.kill()
            backend.process.wait()
            break
        time.sleep(POLL_S)
    backend.client.close()
    _child(0)  # asks for the end of others that have ended by themselves


def _runs(backend: Backend) -> bool:
    """Whether the process has not ended, if it was started here. Asks for its end, also if it was given up since."""
    if backend.process is not None:
        return backend.process.poll() is None
    if sys.platform == "win32":
        return False
    try:
        return os.waitpid(backend.pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _answers(client: Client) -> bool:
    try:
        client.health(HEALTH_TIMEOUT_S)
    except VersionMismatchError:
        return True
    except (UnreachableError, UnauthorizedError):
        return False
    return True


def _spawn(launch: Launch, data: Path, parent: int) -> tuple[subprocess.Popen[bytes], int]:
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [*launch.command, "serve", "--data", str(data)]
    if parent:
        command += ["--parent", str(parent)]
    # Blender and a bpy environment set these for their own Python; the backend has another.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
    }
    log = log_file(data)
    too_long = log.exists() and log.stat().st_size > MAX_LOG_BYTES
    with log.open("wb" if too_long else "ab") as out:
        start = out.tell()
        try:
            process = subprocess.Popen(
                command,
                cwd=data,
                env={**inherited, **launch.environment, "REANGLE_DATA": str(data)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=False,
                creationflags=_CREATION_FLAGS,
                start_new_session=True,
            )
        except OSError as error:
            raise StartError(f"{command[0]} could not be started: {error}", advice=_INSTALL) from error
    _children.append(process)
    return process, start


def _last_line(log: Path, start: int) -> str:
    try:
        with log.open("rb") as file:
            file.seek(start)
            lines = file.read().decode("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
