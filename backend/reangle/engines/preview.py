# SPDX-License-Identifier: Apache-2.0
"""Engine `preview`: warps the clip's pixels, and fills what no frame saw from its surroundings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reangle.contract import CameraPath, JobRequest, PreviewSettings
from reangle.contract.engines import ENGINES
from reangle.finishing.spec import FILL, FillParams
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.media.spec import DECODE
from reangle.runtime.stage import PlannedStage, StageId
from reangle.starting.painters import AUTO, find_painter, suite_painter
from reangle.starting.painters import FILL as NO_PAINTER
from reangle.warping.spec import WARP, WarpParams
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
    """The settings that decide how the clip is warped, without the one that says how holes are filled."""
    return replace(request.preview, fill=PreviewSettings().fill)


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
