# SPDX-License-Identifier: Apache-2.0
"""What a camera would see, asked of the real backend before anything is rendered, and what the render then shows."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import psutil
import pytest
from reangle.contract import CameraPath, LookRequest, PreviewSettings, from_data, to_data

from tests.backend.preview_scene import BOX, HEIGHT, MOVER, WALL, WIDTH, camera, film, make_path
from tests.backend.server_harness import JSON, Backend, alive, serving, wait_for

FRAMES, BIGGER = 4, 4
SEEN, ELSEWHERE, NOWHERE = 255, 128, 0


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with serving(tmp_path_factory.mktemp("lookahead"), slow=False) as backend:
        yield backend


@pytest.fixture(scope="module")
def shot(backend: Backend) -> JSON:
    """The parts of a request that import a clip in which a thing moves, with its true depth."""
    cameras = np.stack([camera(0.08 * index) for index in range(FRAMES)])
    frames, geometry = film((WALL, BOX, MOVER), FRAMES, cameras)
    depth, images = io.BytesIO(), []
    np.savez(depth, depth=geometry.depth)
    for index, frame in enumerate(frames):
        png = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()
        images.append(backend.upload(png, f"shot_{index:04d}.png"))
    about = {
        "width": WIDTH,
        "height": HEIGHT,
        "K": geometry.K[0].tolist(),
        "world_from_camera": geometry.world_from_camera.tolist(),
    }
    files = [
        backend.upload(depth.getvalue(), "depth.npz"),
        backend.upload(json.dumps(about).encode(), "camera.json"),
    ]
    return {
        "clip": {"files": images, "fps": 24.0},
        "geometry": {"camera": "files", "depth": "files", "files": files},
    }


def run(backend: Backend, shot: JSON, *paths: CameraPath) -> str:
    """A job with these cameras, done."""
    job = backend.request()["id"]
    request = {"id": job, **shot, "paths": [to_data(path) for path in paths]}
    answer = backend.ask("POST", "/v1/jobs", json=request)
    assert answer.status_code == 201, answer.text
    assert backend.finish(job)["state"] == "done"
    return job


@pytest.fixture(scope="module")
def imported(backend: Backend, shot: JSON) -> str:
    return run(backend, shot)


def path() -> CameraPath:
    """Moves to the right, and sees the picture larger than the clip has it."""
    one = make_path(np.stack([camera(0.3 + 0.1 * index) for index in range(FRAMES)]), name="right")
    K = np.diag([BIGGER, BIGGER, 1]) @ np.array(one.K)
    return from_data(CameraPath, {**to_data(one), "width": BIGGER * WIDTH, "height": BIGGER * HEIGHT, "K": K.tolist()})


def look(path: CameraPath, *frames: int) -> JSON:
    """The request for some of a path's output frames."""

    def chosen(values: tuple) -> tuple:
        return tuple(values[index] for index in frames)

    part = replace(path, frames=chosen(path.frames), world_from_camera=chosen(path.world_from_camera), K=chosen(path.K))
    return to_data(LookRequest(part, PreviewSettings()))


def file_of(backend: Backend, job: str, name: str) -> np.ndarray:
    answer = backend.ask("GET", f"/v1/jobs/{job}/files/cameras/right/{name}")
    assert answer.status_code == 200, answer.text
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


def test_pixels_seen_ahead_are_those_of_the_render(backend: Backend, shot: JSON, imported: str) -> None:
    camera_path = path()
    ahead = []
    for frame in range(FRAMES):
        answer = backend.ask("POST", f"/v1/jobs/{imported}/picture", json=look(camera_path, frame))
        assert answer.status_code == 200, answer.text
        ahead.append(np.frombuffer(answer.content, np.uint8).reshape(camera_path.height, camera_path.width, 4))
    assert {SEEN, ELSEWHERE, NOWHERE} == set(np.unique(np.stack(ahead)[..., 3]))
    job = run(backend, shot, camera_path)
    for frame, seen in enumerate(ahead):
        rgb = file_of(backend, job, f"warped/{frame + 1:06d}.png")[..., ::-1]
        visible, memory = (file_of(backend, job, f"{mask}/{frame + 1:06d}.png") for mask in ("visibility", "memory"))
        np.testing.assert_array_equal(seen[..., :3], rgb)
        np.testing.assert_array_equal(seen[..., 3] == SEEN, visible == 255)
        np.testing.assert_array_equal(seen[..., 3] == ELSEWHERE, memory == 255)


def test_coverage_known_ahead_is_near_that_of_the_render(backend: Backend, shot: JSON, imported: str) -> None:
    camera_path = path()
    answer = backend.ask("POST", f"/v1/jobs/{imported}/coverage", json=look(camera_path, *range(FRAMES)))
    assert answer.status_code == 200, answer.text
    ahead = answer.json()
    job = run(backend, shot, camera_path)
    for frame in range(FRAMES):
        for name, mask in (("visible", "visibility"), ("remembered", "memory")):
            true = (file_of(backend, job, f"{mask}/{frame + 1:06d}.png") == 255).mean()
            assert ahead[name][frame] == pytest.approx(true, abs=0.02), (name, frame)


def test_what_cannot_be_answered_says_why(backend: Backend, imported: str) -> None:
    def refused(address: str, request: JSON) -> str:
        answer = backend.ask("POST", address, json=request)
        assert 400 <= answer.status_code < 500, answer.text
        return answer.json()["error"]["message"]

    beyond = look(replace(path(), frames=(FRAMES + 3,) * FRAMES), 0)
    assert f"frame {FRAMES + 3}" in refused(f"/v1/jobs/{imported}/coverage", beyond)
    assert "one frame" in refused(f"/v1/jobs/{imported}/picture", look(path(), 0, 1))
    assert "no job" in refused(f"/v1/jobs/{'0' * 32}/picture", look(path(), 0))
    many = look(path(), *([0] * 65))
    assert "at most 64" in refused(f"/v1/jobs/{imported}/coverage", many)


def test_a_lost_process_is_started_again_and_ends_with_the_backend(backend: Backend, imported: str) -> None:
    def process() -> psutil.Process | None:
        for child in psutil.Process(backend.process.pid).children():
            if "reangle.lookahead.process" in child.cmdline():
                return child
        return None

    assert backend.ask("POST", f"/v1/jobs/{imported}/picture", json=look(path(), 0)).status_code == 200
    first = wait_for(process)
    first.kill()
    time.sleep(0.1)
    assert backend.ask("POST", f"/v1/jobs/{imported}/picture", json=look(path(), 0)).status_code == 200
    second = wait_for(process)
    assert second.pid != first.pid
    backend.kill()
    try:
        wait_for(lambda: not alive(second.pid), 10)
    finally:
        backend.start()
