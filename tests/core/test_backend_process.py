# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding, starting, adopting and stopping a backend; the backend here is a small script that follows the contract."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reangle_blender.core import backend_process
from reangle_blender.core.backend_process import NotInstalledError, StartError, ensure, find, stop
from reangle_blender.core.client import VersionMismatchError
from reangle_blender.core.contract import CONTRACT_VERSION
from reangle_blender.core.files import CanceledError

BACKEND = """
import http.server, json, os, sys, threading, time
from pathlib import Path

serve, _, data = sys.argv[1:4]
assert serve == "serve" and os.environ["REANGLE_DATA"] == data and os.environ["GREETING"] == "hello"
about = {"contract": CONTRACT, "version": "0.1", "pid": os.getpid(), "data": data}

class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        if Path(data, "busy").exists():
            Path(data, "busy").unlink()
            time.sleep(0.6)
        good = self.headers["Authorization"] == "Bearer right"
        body = json.dumps(about if good else {}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/v1/shutdown":
            threading.Thread(target=server.shutdown).start()
    do_GET = do_POST = answer
    def log_message(self, *_): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
file = Path(data, "server.json")
Path(data, "new").write_text(json.dumps({
    **about, "host": "127.0.0.1", "port": server.server_address[1], "token": "right", "started": 1.0, "more": 1
}))
Path(data, "new").replace(file)
print("up", sys.argv[4:], flush=True)
server.serve_forever()
file.unlink()
"""


def install(data: Path, code: str) -> None:
    data.mkdir(exist_ok=True)
    program = data / "backend.py"
    program.write_text(code)
    launch = {"command": [sys.executable, str(program)], "environment": {"GREETING": "hello"}}
    (data / "backend.json").write_text(json.dumps(launch))


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    data = tmp_path / "däta folder"
    install(data, BACKEND.replace("CONTRACT", str(CONTRACT_VERSION)))
    yield data
    if running := find(data):
        stop(running)


def test_start_adopt_stop(data: Path) -> None:
    assert find(data) is None
    first = ensure(data)
    assert first.process is not None
    assert first.pid == first.process.pid
    second = ensure(data)
    assert (second.pid, second.process) == (first.pid, first.process), "whoever finds our own process can end it"
    assert str(os.getpid()) in backend_process.log_file(data).read_text()
    stop(second)
    assert find(data) is None
    assert first.process.wait(5) == 0
    stop(first)


def test_backend_outlives_the_program_that_started_it(data: Path) -> None:
    code = "import sys; from pathlib import Path; from reangle_blender.core.backend_process import ensure"
    code += "; print(ensure(Path(sys.argv[1])).pid)"
    repository = str(Path(backend_process.__file__).parents[2])
    starter = subprocess.run(
        [sys.executable, "-c", code, str(data)],
        env={**os.environ, "PYTHONPATH": repository},
        capture_output=True,
        check=True,
        timeout=30,
    )
    running = find(data)
    assert running is not None
    assert running.pid == int(starter.stdout)


def server_file(data: Path, **change: object) -> None:
    about = {"version": "1", "host": "127.0.0.1", "port": 1, "token": "right", "pid": 1, "started": 1.0}
    (data / "server.json").write_text(json.dumps({"contract": CONTRACT_VERSION, **about, **change}))


def test_stale_server_files_are_ignored(data: Path, tmp_path: Path) -> None:
    # A running process id (this one), but a closed port.
    server_file(data, pid=os.getpid())
    assert find(data) is None
    backend = ensure(data)
    port = json.loads((data / "server.json").read_text())["port"]
    # Another program that does not know the token uses the port.
    other = tmp_path / "other"
    other.mkdir()
    server_file(other, port=port, token="wrong")
    assert find(other) is None
    # The right token, but that backend serves another folder.
    server_file(other, port=port)
    assert find(other) is None
    for content in ("", "{}", '{"port": "x"}', "[1]"):
        (other / "server.json").write_text(content)
        assert find(other) is None
    stop(backend)


def test_not_installed(tmp_path: Path) -> None:
    with pytest.raises(NotInstalledError, match=r"not installed.*add-on's preferences"):
        ensure(tmp_path)
    for content in ("", "[]", '{"command": []}', '{"command": ["/nowhere/python"]}', '{"command": "python"}'):
        (tmp_path / "backend.json").write_text(content)
        with pytest.raises(NotInstalledError, match=r"add-on's preferences"):
            ensure(tmp_path)


def test_error_of_a_backend_that_dies_has_its_last_line(data: Path) -> None:
    backend_process.log_file(data).write_text("an old line\n")
    install(data, "import sys; print('No space left for weights.'); sys.exit(2)")
    with pytest.raises(StartError, match="did not start: No space left for weights"):
        ensure(data)
    install(data, "raise SystemExit(4)")
    with pytest.raises(StartError, match="ended with status 4"):
        ensure(data)


def test_backend_that_hangs_times_out(data: Path) -> None:
    install(data, "import time; print('Loading ...', flush=True); time.sleep(60)")
    with pytest.raises(StartError, match=r"did not answer within 1 s\. Loading"):
        ensure(data, timeout_s=1)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CanceledError):
        ensure(data, cancel=cancel)


LOCK = """
import os, sys
try:
    os.open(os.path.join(sys.argv[3], "lock"), os.O_CREAT | os.O_EXCL)
except FileExistsError:
    sys.exit(3)
"""


def test_busy_backend_is_adopted_later(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(data, LOCK + BACKEND.replace("CONTRACT", str(CONTRACT_VERSION)))
    running = ensure(data)
    monkeypatch.setattr(backend_process, "HEALTH_TIMEOUT_S", 0.3)
    (data / "busy").touch()
    assert ensure(data, timeout_s=10).pid == running.pid
    stop(running)


def test_a_start_waits_for_the_end_of_the_backend_that_another_program_stopped(data: Path) -> None:
    dying = (
        BACKEND.replace("CONTRACT", str(CONTRACT_VERSION))
        + """
server.server_close()
time.sleep(1.5)
Path(data, "lock").unlink()
"""
    )
    install(data, LOCK + dying)
    first = ensure(data)
    stop(replace(first, process=None))
    second = ensure(data, timeout_s=20)
    assert second.pid != first.pid
    stop(second)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no entry of a process that has ended")
def test_the_end_of_a_process_that_was_given_up_is_asked_for(data: Path) -> None:
    """As when an update replaces the add-on: the backend goes on, and its entry goes with it."""
    pid = ensure(data).pid
    backend_process.let_go()
    adopted = find(data)
    assert adopted is not None
    assert adopted.process is None
    stop(adopted)
    assert not has_entry(pid)
    pid = ensure(data).pid
    backend_process.let_go()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while has_entry(pid):
        assert time.monotonic() < deadline
        subprocess.run([sys.executable, "-c", ""], check=True)


def has_entry(pid: int) -> bool:
    """Whether the system knows this process, ended or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_two_simultaneous_starts_give_one_backend(data: Path) -> None:
    install(data, LOCK + BACKEND.replace("CONTRACT", str(CONTRACT_VERSION)))
    backends: list[backend_process.Backend] = []
    threads = [threading.Thread(target=lambda: backends.append(ensure(data))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({backend.pid for backend in backends}) == 1
    for backend in backends:
        stop(backend)


def test_other_version_is_reported(data: Path) -> None:
    install(data, BACKEND.replace("CONTRACT", "1"))
    with pytest.raises(VersionMismatchError, match="Update the backend"):
        ensure(data)


def test_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REANGLE_DATA", str(tmp_path))
    assert backend_process.data_folder() == tmp_path
    monkeypatch.delenv("REANGLE_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert backend_process.data_folder() == tmp_path / "reangle"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert backend_process.data_folder().parts[-2:] == ("Application Support", "Reangle")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert backend_process.data_folder() == tmp_path / "Reangle"
