# SPDX-License-Identifier: Apache-2.0
"""From what is asked to the stages that do it."""

from __future__ import annotations

from pathlib import Path

from reangle.contract import CameraPath, JobRequest
from reangle.engines.preview import warp_and_fill
from reangle.engines.reangle import generation, shared_learning, video_checkpoint
from reangle.errors import UserError
from reangle.geometry.depth.availability import provider_weights
from reangle.geometry.depth.providers import provider_named
from reangle.runtime.stage import Stage

DECODE_VERSION = 1
GEOMETRY_VERSION = 1
DELIVER_VERSION = 3


def plan_job(request: JobRequest, data: Path) -> list[Stage]:
    """The stages of a job, in an order in which each finds its inputs done.

    A camera's name is read by `deliver` alone, so renaming a camera renders nothing again. Raises UserError for what is
    known to fail before any work: missing weights, a camera that asks for frames that the clip's selection cannot have.
    """
    checkpoint = provider_weights(request.geometry, data)
    clip, geometry = request.clip, request.geometry
    stages = [
        Stage(
            name="decode",
            run="decode",
            version=DECODE_VERSION,
            params=clip.model_dump(exclude={"files"}),
            files={"clip": clip.files},
            weight=1,
            publishes="source",
        ),
        Stage(
            name="geometry",
            run="geometry",
            version=GEOMETRY_VERSION,
            params={**geometry.model_dump(exclude={"files", "checkpoint"}), "start": clip.start},
            inputs={"decode": "decode"},
            files={"geometry": geometry.files} if geometry.files else {},
            checkpoint=checkpoint,
            weight=provider_named(geometry.provider).seconds,
            publishes="geometry",
        ),
    ]
    video = video_checkpoint(request, data) if request.engine == "reangle" else ""
    if video and request.paths:
        stages += shared_learning(request, video)
    for path in request.paths:
        _check_frames(path, clip.frames)
        stages += warp_and_fill(request, path)
        if video:
            stages += generation(request, path, video)
        stages.append(_deliver(request, path, stages[-1].name))
    return stages


def _deliver(request: JobRequest, path: CameraPath, frames: str) -> Stage:
    """frames: the stage that wrote the finished frames."""
    settings = request.preview.model_dump()
    if request.engine == "reangle":
        settings |= request.reangle.model_dump()
    inputs = {"warp": f"warp {path.name}", "preview": frames, "decode": "decode", "geometry": "geometry"}
    return Stage(
        name=f"deliver {path.name}",
        run="deliver",
        version=DELIVER_VERSION,
        params={
            "path": path.model_dump(mode="json"),
            "engine": request.engine,
            "settings": settings,
            "seed": request.seed,
            "title": request.title,
        },
        inputs=inputs,
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
