# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's client and process code with the real backend: start, submit, follow, download, cancel, adopt, stop."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from reangle.geometry.camera.providers import CAMERAS
from reangle.geometry.depth.providers import DEPTHS
from reangle.media.exr import write_exr_depth

from reangle_blender.core import backend_process
from reangle_blender.core.client import Client, RefusedError
from reangle_blender.core.contract import (
    MAX_FRAMES,
    CameraPath,
    Clip,
    GeometrySettings,
    JobRequest,
    JobStatus,
    new_job_id,
)
from reangle_blender.core.errors import UserError
from reangle_blender.core.exr import read_depth
from reangle_blender.core.files import file_refs
from tests.backend.server_harness import PATIENCE_S, REPOSITORY, Stages


class Desk:
    """A backend that the add-on's code started, and files to send."""

    def __init__(self, folder: Path) -> None:
        self.data, self.stages = folder / "data", Stages(folder / "stages")
        self.data.mkdir()
        paths = [str(REPOSITORY / "tests" / "backend" / "slow_stages"), str(REPOSITORY), str(REPOSITORY / "backend")]
        environment = {"PYTHONPATH": os.pathsep.join(paths), "REANGLE_TEST_STAGES": str(self.stages.folder)}
        launch = {"command": [sys.executable, "-m", "reangle"], "environment": environment}
        (self.data / "backend.json").write_text(json.dumps(launch))
        self.backend = backend_process.ensure(self.data)
        self.client: Client = self.backend.client
        self.folder = folder
        (folder / "clip é.mp4").write_bytes(os.urandom(2_000_000))
        (folder / "depth.npz").write_bytes(b"depth")

    def request(self, *names: str) -> tuple[JobRequest, dict[str, Path]]:
        refs, places = file_refs([self.folder / "clip é.mp4", self.folder / "depth.npz"])
        paths = tuple(
            CameraPath(
                name=name,
                fps=24,
                width=48,
                height=32,
                frames=(0,),
                world_from_camera=np.eye(4)[None].tolist(),
                K=(((50, 0, 24), (0, 50, 16), (0, 0, 1)),),
            )
            for name in names
        )
        geometry = GeometrySettings("files", "files", files=refs[1:])
        return JobRequest(id=new_job_id(), clip=Clip(files=refs[:1]), geometry=geometry, paths=paths), places

    def done_under(self, order: str) -> JobStatus:
        """Run a job without cached geometry to its end, with this order for the stages."""
        (self.folder / "depth.npz").write_bytes(order.encode())
        self.stages.order(order)
        request, places = self.request("left")
        self.client.upload(places)
        self.client.submit(request)
        status = self.follow(request.id)
        self.stages.release(order)
        assert status.state == "done"
        return status

    def follow(self, job: str) -> JobStatus:
        """Read events until the job has ended, and check that no event is missing."""
        since, deadline = 0, time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            batch = self.client.events(job, since, wait_s=5)
            assert [event.n for event in batch.events] == list(range(since + 1, batch.last + 1))
            since = batch.last
            if any(event.state in ("done", "failed", "canceled") for event in batch.events):
                return self.client.job(job)
        raise AssertionError("the job did not end")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    backend_process.stop(desk.backend)
    assert backend_process.find(desk.data) is None


def test_job_from_upload_to_downloaded_results(desk: Desk, tmp_path: Path) -> None:
    request, places = desk.request("Left é", "right")
    with pytest.raises(RefusedError, match="not uploaded") as caught:
        desk.client.submit(request)
    assert set(caught.value.missing) == set(places)
    assert desk.client.upload(places) == 2
    assert desk.client.upload(places) == 0
    assert desk.client.submit(request).id == desk.client.submit(request).id == request.id
    assert desk.follow(request.id).state == "done"
    results = {result.name: result for result in desk.client.results(request.id)}
    assert set(results) == {"source", "camera", "geometry", "cameras/Left é", "cameras/right"}
    left = results["cameras/Left é"]
    downloaded = desk.client.download(request.id, left, tmp_path)
    assert downloaded == [tmp_path / file.path for file in left.files]
    before = [path.stat().st_mtime_ns for path in downloaded]
    assert desk.client.download(request.id, left, tmp_path) == downloaded
    assert [path.stat().st_mtime_ns for path in downloaded] == before
    assert request.id in [job.id for job in desk.client.jobs()]


def test_training_progress_reaches_the_client(desk: Desk) -> None:
    status = desk.done_under("learn-geometry")
    reported = [event for event in desk.client.events(status.id).events if event.loss is not None]
    assert {event.stage for event in reported} == {"Geometry"}
    assert (reported[-1].loss, reported[-1].message) == (0.25, "step 2")
    assert status.notes == (), "training progress is not a note"
    assert base64.b64decode(reported[-1].picture or "") == b"a picture"


def test_stage_can_restart_in_a_new_process(desk: Desk) -> None:
    status = desk.done_under("again-geometry")
    assert status.notes == ("geometry needs a new process",)
    before, after = desk.stages.started("geometry")[-2:]
    assert before["pid"] != after["pid"]


def test_failures_and_cancellation_reach_the_client(desk: Desk) -> None:
    (desk.folder / "depth.npz").write_bytes(b"other depth")
    request, places = desk.request("left")
    desk.client.upload(places)
    desk.stages.order("raise-geometry")
    desk.client.submit(request)
    status = desk.follow(request.id)
    desk.stages.release("raise-geometry")
    assert status.state == "failed"
    assert status.error is not None
    assert "the first line" in status.error.message + status.error.traceback

    desk.stages.order("hold-geometry")
    again, _ = desk.request("left")
    desk.client.submit(again)
    desk.client.cancel(again.id)
    desk.client.cancel(again.id)
    assert desk.follow(again.id).state == "canceled"
    desk.stages.release("hold-geometry")
    with pytest.raises(RefusedError, match="no job"):
        desk.client.job(new_job_id())


def test_capabilities_list_parts_settings_and_licences(desk: Desk) -> None:
    capabilities = desk.client.capabilities()
    cameras, depths = capabilities.camera_providers, capabilities.depth_providers
    assert [camera.name for camera in cameras] == ["auto", *(spec.name for spec in CAMERAS)]
    assert [depth.name for depth in depths] == ["auto", *(spec.name for spec in DEPTHS)]
    assert all(provider.available or provider.advice for provider in (*cameras, *depths))
    assert {camera.name for camera in cameras if not camera.commercial_ok} == {"dust3r"}
    assert all(provider.estimate_s(100, 1280, 720) > 0 for provider in (*cameras, *depths))
    settings = {group.name: {info.name: info for info in group.settings} for group in capabilities.settings}
    for provider in (*cameras, *depths):
        assert set(provider.settings) - {"files", "given"} <= set(settings["geometry"])
    for engine in capabilities.engines:
        assert set(engine.settings) <= set(settings)
    mini = capabilities.suite("mini")
    assert mini is not None
    assert {part.role: part.installed for part in mini.parts} == {"geometry": True, "video": True, "image": True}
    assert (mini.size > 0, mini.commercial_ok) == (True, True)
    rank = settings["reangle"]["rank"]
    assert (rank.type, rank.optional, rank.minimum, rank.maximum, rank.suggested) == ("int", True, 1, 1024, 128)
    assert {move.name: (move.unit, move.default) for move in capabilities.moves}["dolly-in"] == ("percent", 20)
    assert [easing.name for easing in capabilities.easings if easing.default] == ["smooth"]
    assert capabilities.limits.frames == MAX_FRAMES


def test_another_client_adopts_the_backend_and_a_crash_is_recovered(desk: Desk) -> None:
    other = backend_process.ensure(desk.data)
    assert (other.pid, other.process) == (desk.backend.pid, desk.backend.process)
    assert desk.backend.process is not None
    desk.backend.process.kill()
    desk.backend.process.wait()
    assert (desk.data / "server.json").exists()
    assert backend_process.find(desk.data) is None
    desk.backend = backend_process.ensure(desk.data)
    desk.client = desk.backend.client
    assert desk.backend.pid != other.pid
    assert len(desk.client.jobs()) >= 2


def test_clip_that_changed_since_its_import_is_named_with_advice_that_helps(desk: Desk) -> None:
    clip = desk.folder / "clip é.mp4"
    clip.write_bytes(os.urandom(2_000_000))
    request, places = desk.request("left")
    for content in (os.urandom(2_000_000), os.urandom(1000)):
        clip.write_bytes(content)
        with pytest.raises(UserError, match=r"clip é.mp4 has changed since it was imported") as caught:
            desk.client.upload({request.clip.files[0].sha256: places[request.clip.files[0].sha256]})
        assert caught.value.advice == "Import the clip again."


@pytest.mark.parametrize("size", [(48, 64), (37, 53), (1, 1)])
def test_the_add_on_reads_the_depth_of_results(tmp_path: Path, size: tuple[int, int]) -> None:
    depth = np.random.default_rng(0).random(size).astype(np.float32)
    depth[3:9] = 0  # rows that become small, beside noise that does not
    write_exr_depth(tmp_path / "000001.exr", depth)
    assert np.array_equal(read_depth(tmp_path / "000001.exr"), depth)
    whole = (tmp_path / "000001.exr").read_bytes()
    (tmp_path / "000001.exr").write_bytes(whole[:-5])
    with pytest.raises(UserError, match=r"000001\.exr cannot be read"):
        read_depth(tmp_path / "000001.exr")
