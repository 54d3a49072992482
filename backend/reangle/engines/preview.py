# SPDX-License-Identifier: Apache-2.0
"""Engine `preview`: warps the clip's pixels, and fills what no frame saw from its surroundings."""

from __future__ import annotations

from dataclasses import replace

from reangle.contract import CameraPath, JobRequest
from reangle.finishing.spec import FILL, FillParams
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.media.spec import DECODE
from reangle.runtime.stage import PlannedStage, StageId
from reangle.warping.spec import WARP, WarpParams


def clip_inputs() -> dict[str, StageId]:
    """The clip, its camera and its geometry."""
    return {spec.kind: spec.id() for spec in (DECODE, CAMERA, GEOMETRY)}


def unnamed(path: CameraPath) -> CameraPath:
    """The path with a fixed name, so that renaming a camera renders nothing again."""
    return replace(path, name="camera")


def preview_stages(request: JobRequest, path: CameraPath) -> list[PlannedStage]:
    """One camera's stages: the warp with holes, then the filled frames."""
    camera = path.name
    return [
        PlannedStage(
            spec=WARP,
            camera=camera,
            params=WarpParams(path=unnamed(path), preview=request.preview),
            inputs=clip_inputs(),
            weight=6,
        ),
        PlannedStage(
            spec=FILL,
            camera=camera,
            params=FillParams(path=unnamed(path)),
            inputs={"warp": WARP.id(camera)},
            weight=3,
        ),
    ]
