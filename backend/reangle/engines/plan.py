# SPDX-License-Identifier: Apache-2.0
"""From a request to the stages of its job."""

from __future__ import annotations

from pathlib import Path

from reangle.contract import CameraPath, JobRequest, to_data
from reangle.engines.preview import preview_stages
from reangle.engines.reangle import reangle_stages, shared_learning, video_checkpoint
from reangle.errors import UserError
from reangle.finishing.spec import DELIVER, DeliverParams
from reangle.geometry.depth.availability import chosen_depth, provider_weights
from reangle.geometry.depth.providers import provider_named
from reangle.geometry.spec import GEOMETRY, GeometryParams
from reangle.media.spec import DECODE, DecodeParams
from reangle.runtime.stage import PlannedStage
from reangle.warping.spec import WARP


def plan_job(request: JobRequest, data: Path) -> list[PlannedStage]:
    """The stages of a job, each after those whose output it reads. data: the data folder.

    Raises UserError for what is known to fail before any work: missing weights, a camera that asks for frames that the
    clip's selection cannot have.
    """
    for path in request.paths:
        _check_frames(path, request.clip.frames)
    stages = [_decode(request), _geometry(request, data)]
    video = video_checkpoint(request, data) if request.engine == "reangle" else ""
    if video and request.paths:
        stages += shared_learning(request, video)
    for path in request.paths:
        stages += preview_stages(request, path)
        if video:
            stages += reangle_stages(request, path, video)
        stages.append(_deliver(request, path, stages[-1]))
    return stages


def _decode(request: JobRequest) -> PlannedStage:
    clip = request.clip
    return PlannedStage(
        spec=DECODE,
        params=DecodeParams(start=clip.start, frames=clip.frames, width=clip.width, height=clip.height, fps=clip.fps),
        files={"clip": clip.files},
        weight=1,
        publishes="source",
    )


def _geometry(request: JobRequest, data: Path) -> PlannedStage:
    settings = request.geometry
    return PlannedStage(
        spec=GEOMETRY,
        params=GeometryParams(
            provider=chosen_depth(settings),
            start=request.clip.start,
            horizontal_fov_deg=settings.horizontal_fov_deg,
            depth_files_scale=settings.depth_files_scale,
        ),
        inputs={"decode": DECODE.id()},
        files={"geometry": settings.files} if settings.files else {},
        checkpoint=provider_weights(settings, data),
        weight=provider_named(chosen_depth(settings)).seconds,
        publishes="geometry",
    )


def _deliver(request: JobRequest, path: CameraPath, frames: PlannedStage) -> PlannedStage:
    """frames: the stage that writes the finished frames. Only here the camera's name matters to the output."""
    settings = to_data(request.preview)
    if request.engine == "reangle":
        settings |= to_data(request.reangle)
    return PlannedStage(
        spec=DELIVER,
        camera=path.name,
        params=DeliverParams(
            path=path, title=request.title, engine=request.engine, settings=settings, seed=request.seed
        ),
        inputs={
            "decode": DECODE.id(),
            "geometry": GEOMETRY.id(),
            "warp": WARP.id(path.name),
            frames.spec.kind: frames.id,
        },
        weight=1,
        publishes=f"cameras/{path.name}",
    )


def _check_frames(path: CameraPath, count: int | None) -> None:
    last = max(path.frames)
    if count is not None and last >= count:
        raise UserError(
            f"Camera {path.name!r} asks for the clip's frame {last}, but only frames 0 to {count - 1} are used.",
            advice="Use more frames of the clip, or shorten the camera's range.",
        )
