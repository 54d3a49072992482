# SPDX-License-Identifier: Apache-2.0
"""A backend in its own process, an HTTP client for it, and jobs to submit."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import requests

REPOSITORY = Path(__file__).resolve().parents[2]
RUNS = ("decode", "camera", "geometry", "warp", "fill", "deliver")
PATIENCE_S = 60.0
JSON = dict[str, Any]
T = TypeVar("T")


def wait_for(what: Callable[[], T | None], seconds: float = PATIENCE_S) -> T:
    """Call `what` until its result is true, and return it; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)
    return answer


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Stages:
    """Controls and watches the stages of a backend that runs `slow_stages`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def order(self, *orders: str) -> None:
        """hold-RUN: wait and report. hang-RUN: wait without a report. raise-RUN: raise. fill-RUN: write 8 MiB.

        learn-RUN: report a loss and a picture. warn-RUN: warn of frames 3 to 7. again-RUN: restart once. endless-RUN:
        restart always. stop-RUN: be stopped, as by the system. end-RUN: end the backend. import-RUN: import a package
        that is missing. stubborn: ignore SIGTERM. children: start a child process.
        """
        for order in orders:
            (self.folder / order).touch()

    def die(self, run: str, code: int, words: str = "") -> None:
        """Stage `run` writes these words to standard error, and ends with this status, or by the signal -code."""
        (self.folder / "order").write_text(f"{code} {words}")
        (self.folder / "order").rename(self.folder / f"die-{run}")

    def release(self, *orders: str) -> None:
        for order in orders:
            (self.folder / order).unlink(missing_ok=True)  # again-RUN deletes itself

    def started(self, run: str | None = None) -> list[JSON]:
        """Every start of a stage so far: run, pid, child."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in map(json.loads, lines) if run in (None, line["run"])]

    def wait_started(self, run: str, times: int = 1) -> JSON:
        """Wait for the n-th start of a stage."""
        return wait_for(lambda: self.started(run) if len(self.started(run)) >= times else [])[times - 1]


class Backend:
    """One data folder, and the backend that serves it."""

    def __init__(
        self,
        data: Path,
        *arguments: str,
        stages: Stages | None = None,
        environment: dict[str, str] | None = None,
        code: Path = REPOSITORY / "backend",
    ) -> None:
        """environment: more variables of its process. code: the folder of the package that it runs."""
        self.data, self.stages, self.environment, self.code = data, stages, environment or {}, code
        self.arguments = ["--data", str(data), *arguments]
        self.process = self.start()

    def spawn(self, *more: str) -> subprocess.Popen[str]:
        """Start a backend process on the folder without waiting until it answers."""
        paths, environment = [str(REPOSITORY), str(self.code)], {**os.environ, **self.environment}
        if self.stages is not None:
            paths.insert(0, str(REPOSITORY / "tests" / "backend" / "slow_stages"))
            environment["REANGLE_TEST_STAGES"] = str(self.stages.folder)
        environment["PYTHONPATH"] = os.pathsep.join(paths)
        return subprocess.Popen(
            [sys.executable, "-m", "reangle.api.serve", *self.arguments, *more],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *more: str) -> subprocess.Popen[str]:
        self.process = self.spawn(*more)

        def up() -> JSON | None:
            assert self.process.poll() is None, self.process.communicate()
            try:
                about = json.loads((self.data / "server.json").read_text())
            except (OSError, ValueError):
                return None
            return about if about["pid"] == self.process.pid else None

        self.about = wait_for(up)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {self.about['token']}"
        self.scheme = "https" if self.about["fingerprint"] else "http"
        if self.about["fingerprint"]:
            self.session.verify = str(self.certificate)
        return self.process

    @property
    def certificate(self) -> Path:
        """Of a backend with --tls."""
        return self.data / "remote" / "certificate.pem"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, f"{self.scheme}://127.0.0.1:{self.about['port']}{path}", timeout=60, **more)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> tuple[int, bytes]:
        """Send a request without default headers. Returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.about["port"], timeout=20)
        if self.scheme == "https":
            context = ssl.create_default_context(cafile=self.certificate)
            connection = http.client.HTTPSConnection("127.0.0.1", self.about["port"], timeout=20, context=context)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body or None)
        answer = connection.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            connection.close()

    @property
    def good_headers(self) -> dict[str, str]:
        return {"Host": f"127.0.0.1:{self.about['port']}", "Authorization": f"Bearer {self.about['token']}"}

    def upload(self, content: bytes, name: str) -> JSON:
        digest = hashlib.sha256(content).hexdigest()
        assert self.ask("PUT", f"/v1/blobs/{digest}", data=content).status_code in (200, 201)
        return {"name": name, "sha256": digest, "size": len(content)}

    def request(self, *cameras: str, clip: bytes = b"a clip", depth: bytes = b"depth", **more: Any) -> JSON:
        """A job with these cameras, its files uploaded."""
        return {
            "id": uuid.uuid4().hex,
            "clip": {"files": [self.upload(clip, "clip.mp4")]},
            "geometry": {"camera": "files", "depth": "files", "files": [self.upload(depth, "depth.npz")]},
            "paths": [camera(name) for name in cameras],
            **more,
        }

    def submit(self, *cameras: str, **more: Any) -> str:
        request = self.request(*cameras, **more)
        answer = self.ask("POST", "/v1/jobs", json=request)
        assert answer.status_code == 201, answer.text
        return request["id"]

    def state(self, job: str) -> str:
        return self.get(f"/v1/jobs/{job}")["state"]

    def events(self, job: str, since: int = 0) -> list[JSON]:
        return self.get(f"/v1/jobs/{job}/events?since={since}")["events"]

    def finish(self, job: str) -> JSON:
        """Wait until a job has ended; returns its status."""
        wait_for(lambda: self.state(job) in ("done", "failed", "canceled"))
        return self.get(f"/v1/jobs/{job}")


@contextmanager
def mounted(folder: Path, option: str) -> Iterator[None]:
    """A disk of its own in `folder`, with this mount option; the test is skipped where that is not permitted."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def serving(folder: Path, *arguments: str, slow: bool = True, **more: Any) -> Iterator[Backend]:
    """A backend for one test or one file of tests; with the real stages unless `slow`. more: of `Backend`."""
    backend = Backend(folder / "data", *arguments, stages=Stages(folder / "stages") if slow else None, **more)
    try:
        yield backend
    finally:
        backend.kill()
        for start in backend.stages.started() if backend.stages else []:
            for pid in filter(None, (start["pid"], start["child"])):
                with suppress(psutil.Error):
                    psutil.Process(pid).kill()


def camera(name: str = "left", x: float = 0.0, **more: Any) -> JSON:
    """A camera path of two frames, moved to x."""
    matrix = [[1.0, 0, 0, x], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    K = [[50.0, 0, 24], [0, 50, 16], [0, 0, 1]]
    return {
        "name": name,
        "fps": 24,
        "width": 48,
        "height": 32,
        "frames": [0, 1],
        "world_from_camera": [matrix, matrix],
        "K": [K, K],
        **more,
    }
