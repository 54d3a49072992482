# SPDX-License-Identifier: Apache-2.0
"""Declares stage `geometry`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.folders import DecodedClip, GeometryFolder
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GeometryParams:
    """As in `contract.GeometrySettings`. start: the clip's first used frame."""

    provider: str
    start: int = 0
    horizontal_fov_deg: float | None = None
    depth_files_scale: float = 1.0


GEOMETRY = StageSpec(
    kind="geometry",
    version=1,
    params=GeometryParams,
    reads={"decode": DecodedClip},
    files=("geometry",),
    writes=GeometryFolder,
    run="reangle.geometry.stage:estimate",
)
GeometryContext = StageContext[GeometryParams, GeometryFolder]
