# SPDX-License-Identifier: Apache-2.0
"""Declares the stages `glance`, `camera` and `geometry`."""

from __future__ import annotations

from typing import Any

from pydantic.dataclasses import dataclass

from reangle.contract import SourceCamera
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GlanceParams:
    """depth: the provider. horizontal_fov_deg: of the lens; None if it is unknown."""

    depth: str
    horizontal_fov_deg: float | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CameraParams:
    """camera: the provider. The rest is as in `contract.GeometrySettings`, for the provider that reads it.

    start: the clip's first used frame.
    """

    camera: str
    start: int = 0
    horizontal_fov_deg: float | None = None
    given: SourceCamera | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GeometryParams:
    """depth: the provider. depth_files_scale: as in `contract.GeometrySettings`. start: the clip's first used frame."""

    depth: str
    start: int = 0
    depth_files_scale: float = 1.0


GLANCE = StageSpec(
    kind="glance",
    version=6,
    params=GlanceParams,
    reads={"decode": DecodedClip},
    writes=GeometryFolder,
    run="reangle.geometry.stage:glance",
)
GlanceContext = StageContext[GlanceParams, GeometryFolder]

CAMERA = StageSpec(
    kind="camera",
    version=8,
    params=CameraParams,
    reads={"decode": DecodedClip},
    files=("geometry",),
    writes=CameraFolder,
    run="reangle.geometry.camera.stage:find_camera",
)
CameraContext = StageContext[CameraParams, CameraFolder]

GEOMETRY = StageSpec(
    kind="geometry",
    version=14,
    params=GeometryParams,
    reads={"decode": DecodedClip, "camera": CameraFolder},
    files=("geometry",),
    writes=GeometryFolder,
    run="reangle.geometry.stage:estimate",
)
GeometryContext = StageContext[GeometryParams, GeometryFolder]

DepthContext = StageContext[Any, GeometryFolder]
"""Of `glance` or `geometry`: a depth provider reads files, its checkpoint and, in `geometry`, the camera's folder."""
