# SPDX-License-Identifier: Apache-2.0
"""Engine `preview`: warps the clip's pixels, and fills what no frame saw from its surroundings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reangle.contract import CameraPath, Clip, JobRequest, PreviewSettings
from reangle.contract.engines import ENGINES
from reangle.finishing.spec import FILL, FillParams
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.media.spec import DECODE, DECODE_16, DecodeParams
from reangle.runtime.stage import PlannedStage, StageId
from reangle.starting.painters import AUTO, find_painter, suite_painter
from reangle.starting.painters import FILL as NO_PAINTER
from reangle.warping.spec import WARP, WARP_16, WarpParams
from reangle.weights.suites import MINI


def clip_inputs() -> dict[str, StageId]:
    """The clip, its camera and its geometry."""
    return {spec.kind: spec.id() for spec in (DECODE, CAMERA, GEOMETRY)}


def unnamed(path: CameraPath) -> CameraPath:
    """The path with a fixed name, so that renaming a camera renders nothing again."""
    return replace(path, name="camera")


def preview_stages(request: JobRequest, path: CameraPath, painter: str = "") -> list[PlannedStage]:
    """One camera's stages: the warp with holes, then the filled frames. painter: see `fill_painter`."""
    camera = path.name
    return [
        PlannedStage(
            spec=WARP,
            camera=camera,
            params=WarpParams(path=unnamed(path), preview=warping(request)),
            inputs=clip_inputs(),
            weight=6,
        ),
        PlannedStage(
            spec=FILL,
            camera=camera,
            params=FillParams(
                path=unnamed(path),
                painted=bool(painter),
                prompt=request.reangle.caption if painter else "",
                seed=request.seed if painter else 0,
            ),
            inputs={"warp": WARP.id(camera)},
            checkpoint=painter,
            weight=15 if painter else 3,
        ),
    ]


def warping(request: JobRequest) -> PreviewSettings:
    """The settings that decide how the clip is warped, without those of filling holes and of the files."""
    default = PreviewSettings()
    return replace(request.preview, fill=default.fill, frame_format=default.frame_format)


def decode_params(clip: Clip) -> DecodeParams:
    """Which part of the clip is used."""
    return DecodeParams(start=clip.start, frames=clip.frames, width=clip.width, height=clip.height, fps=clip.fps)


def is_precise(request: JobRequest) -> bool:
    """Whether the result's frames keep more than 8 bits."""
    return request.preview.frame_format != PreviewSettings().frame_format


def precise_clip(request: JobRequest) -> list[PlannedStage]:
    """The clip with all its bits; nothing for a result of 8 bits."""
    if not (is_precise(request) and request.paths):
        return []
    return [
        PlannedStage(spec=DECODE_16, params=decode_params(request.clip), files={"clip": request.clip.files}, weight=2)
    ]


def precise_warp(request: JobRequest, path: CameraPath) -> list[PlannedStage]:
    """One camera's warp with all the clip's bits; nothing for a result of 8 bits."""
    if not is_precise(request):
        return []
    return [
        PlannedStage(
            spec=WARP_16,
            camera=path.name,
            params=WarpParams(path=unnamed(path), preview=warping(request)),
            inputs={spec.kind: spec.id() for spec in (DECODE_16, CAMERA, GEOMETRY)},
            weight=6,
        )
    ]


def fill_painter(request: JobRequest, data: Path) -> str:
    """The checkpoint of the image model that fills what no frame shows; "" where that is continued from around.

    Raises UserError if chosen weights are missing.
    """
    if request.preview.fill != "painted":
        return ""
    suite = request.reangle.suite if ENGINES[request.engine].needs else MINI.name
    if request.starting.painter in (AUTO, NO_PAINTER):
        return suite_painter(suite, data)
    return find_painter(request.starting.painter, suite, data)
