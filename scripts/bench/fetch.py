# SPDX-License-Identifier: Apache-2.0
"""Measure how long the add-on's client waits for answers and for the files of a result.

    python3.11 scripts/bench/fetch.py [--size 240x160]

A backend renders the sample from two cameras that stand where the clip's stands, then the client of the add-on fetches
both. Milliseconds for each request, beside the time in which the same files are copied on the disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
from reangle.api.server_file import ServerFile

from reangle_blender.core.client import Client
from reangle_blender.core.contract import JobRequest, from_data
from reangle_blender.core.files import hash_file
from scripts.environments import REPOSITORY

CLIP = REPOSITORY / "scripts" / "sample" / "footage" / "clip.mp4"
FRAMES, ROUNDS = 49, 20


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the client's requests.")
    parser.add_argument("--size", default="240x160", metavar="WxH")
    size = tuple(int(part) for part in parser.parse_args().size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen([sys.executable, "-m", "reangle", "serve", "--data", folder])
        try:
            figures = measure(connect(Path(folder)), (size[0], size[1]), Path(folder))
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({"bench": "fetch", "figures": {name: round(value, 2) for name, value in figures.items()}}))
    return 0


def connect(data: Path) -> Client:
    while (server := ServerFile.read(data)) is None:
        time.sleep(0.1)
    return Client(server.host, server.port, server.token)


def measure(client: Client, size: tuple[int, int], folder: Path) -> dict[str, float]:
    request = job(size)
    client.upload({request.clip.files[0].sha256: CLIP})
    client.submit(request)
    while (status := client.job(request.id)).state not in ("done", "failed", "canceled"):
        time.sleep(0.5)
    if status.state != "done":
        raise SystemExit(f"The job ended as {status.state}.")
    figures = {"health_ms": each(client.health), "status_ms": each(lambda: client.job(request.id))}
    started, places = time.perf_counter(), []
    for result in client.results(request.id):
        if result.name.startswith("cameras/"):
            places += client.download(request.id, result, folder / "fetched" / str(len(places)))
    seconds = time.perf_counter() - started
    figures |= {"files": len(places), "fetch_s": seconds, "file_ms": 1e3 * seconds / len(places)}
    started = time.perf_counter()
    shutil.copytree(folder / "fetched", folder / "copied")
    figures["copy_s"] = time.perf_counter() - started
    return figures


def job(size: tuple[int, int]) -> JobRequest:
    width, height = size
    lens = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])

    def path(name: str) -> dict[str, Any]:
        stay = {"world_from_camera": [np.eye(4).tolist()] * FRAMES, "K": [lens.tolist()] * FRAMES}
        return {"name": name, "fps": 24, "width": width, "height": height, "frames": list(range(FRAMES)), **stay}

    clip = {"name": CLIP.name, "sha256": hash_file(CLIP), "size": CLIP.stat().st_size}
    return from_data(
        JobRequest,
        {
            "id": uuid.uuid4().hex,
            "title": "fetch",
            "clip": {"files": [clip], "width": width, "height": height},
            "geometry": {"camera": "still", "depth": "mini"},
            "paths": [path("first"), path("second")],
        },
    )


def each(ask: Callable[[], object]) -> float:
    """Milliseconds of a request."""
    started = time.perf_counter()
    for _ in range(ROUNDS):
        ask()
    return 1e3 * (time.perf_counter() - started) / ROUNDS


if __name__ == "__main__":
    sys.exit(main())
