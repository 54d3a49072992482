# SPDX-License-Identifier: Apache-2.0
"""Runs a job's stages as the backend does, each in its own process, and measures seconds and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from reangle.contract import CameraPath, Clip, GeometrySettings, JobRequest, PreviewSettings, new_job_id
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder, WarpFolder
from reangle.geometry.clip_camera import ClipCamera, Motion
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.spec import DECODE
from reangle.media.write import read_images
from reangle.runtime.execute import inputs_of, stage_key
from reangle.runtime.process import MODULE
from reangle.runtime.stage import PlannedStage, StageId
from reangle.runtime.stage_process import stage_to_json
from reangle.runtime.store import Artifact, Store
from reangle.runtime.threads import thread_settings
from reangle.warping.spec import WARP
from reangle.weights.installed import InstalledWeights

FAILED_RUN_AGAIN = 3
HOLE = 24


@dataclass(frozen=True)
class StageCost:
    """Of one stage's process, from its start to its end. peak_bytes: of resident memory."""

    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class GeometryRun:
    """A clip's geometry, the folders of all its stages, and their costs by kind of stage."""

    geometry: VideoGeometry
    done: dict[StageId, Artifact]
    costs: dict[str, StageCost]

    def frames(self) -> np.ndarray:
        """The clip that the geometry describes, T x H x W x 3 uint8."""
        decoded = DecodedClip(self.done[DECODE.id()].folder)
        return read_images(CameraFolder(self.done[CAMERA.id()].folder).clip(decoded).frames)

    def camera(self) -> ClipCamera:
        """The camera as the stage `camera` wrote it."""
        return ClipCamera.load(CameraFolder(self.done[CAMERA.id()].folder))

    def motion(self) -> Motion:
        """What the camera is said to do."""
        return self.camera().motion


def run_geometry(title: str, clip: Clip, settings: GeometrySettings, store: Store) -> GeometryRun:
    """The stages of a job without cameras. Raises UserError with a stage's own message if one fails."""
    request = JobRequest(id=new_job_id(), title=title, clip=clip, geometry=settings)
    done, costs = _run_all(plan_job(request, store.root), store)
    geometry = VideoGeometry.load(GeometryFolder(done[GEOMETRY.id()].folder))
    return GeometryRun(geometry, done, costs)


def warped(
    run: GeometryRun, clip: Clip, settings: GeometrySettings, path: CameraPath, number: int, store: Store
) -> np.ndarray:
    """Frame `number` of a path as the stage `warp` shows it without memory: H x W x 3 uint8, holes dark."""
    one = replace(
        path,
        frames=path.frames[number : number + 1],
        world_from_camera=path.world_from_camera[number : number + 1],
        K=path.K[number : number + 1],
    )
    request = JobRequest(
        id=new_job_id(), title="", clip=clip, geometry=settings, preview=PreviewSettings(memory=False), paths=(one,)
    )
    stages = [stage for stage in plan_job(request, store.root) if stage.id in run.done or stage.spec.kind == WARP.kind]
    done, _ = _run_all(stages, store)
    folder = WarpFolder(done[WARP.id(path.name)].folder)
    picture, seen = read_images(folder.warped)[0], read_images(folder.visibility)[0] > 0
    picture[~seen] = HOLE
    return picture


def _run_all(stages: Sequence[PlannedStage], store: Store) -> tuple[dict[StageId, Artifact], dict[str, StageCost]]:
    """The artifacts of a plan, and the costs of those of its stages that were not in the store yet."""
    weights = InstalledWeights(store.root)
    done: dict[StageId, Artifact] = {}
    costs: dict[str, StageCost] = {}
    for stage in stages:
        inputs = inputs_of(stage, done)
        key = stage_key(stage, inputs, weights.checkpoint_hash(stage.checkpoint))
        artifact = store.sound_artifact(key)
        if artifact is None:
            costs[stage.spec.kind] = _run(stage, key, inputs, store)
            artifact = store.artifact(key)
            assert artifact is not None
        done[stage.id] = artifact
    return done, costs


def _run(stage: PlannedStage, key: str, inputs: dict[str, Artifact], store: Store) -> StageCost:
    order = {
        "root": str(store.root),
        "job": "bench",
        "key": key,
        "stage": stage_to_json(stage),
        "inputs": {role: artifact.key for role, artifact in inputs.items()},
    }
    log = store.root / "bench.log"
    while True:
        started = time.perf_counter()
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **thread_settings(os.environ), "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
            lines = [json.loads(line) for line in process.stdout]
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode == 0:
            unit = 1 if sys.platform == "darwin" else 1024
            return StageCost(time.perf_counter() - started, usage.ru_maxrss * unit)
        if process.returncode != FAILED_RUN_AGAIN:
            raise _failure(stage, lines, log)


def _failure(stage: PlannedStage, lines: list[dict[str, Any]], log: Path) -> UserError:
    for line in reversed(lines):
        if error := line.get("error"):
            return UserError(f"{stage.title}: {error['message']}", advice=error["advice"])
    text = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return UserError(f"{stage.title} ended: {text[-1] if text else 'no message'}", advice="")
