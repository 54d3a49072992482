# SPDX-License-Identifier: Apache-2.0
"""Declares stage `warp`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.contract import CameraPath, PreviewSettings
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder, PreciseClip, PreciseWarp, WarpFolder
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WarpParams:
    """path: the new camera. preview: how the clip is warped."""

    path: CameraPath
    preview: PreviewSettings = PreviewSettings()


WARP = StageSpec(
    kind="warp",
    version=6,
    params=WarpParams,
    reads={"decode": DecodedClip, "camera": CameraFolder, "geometry": GeometryFolder},
    writes=WarpFolder,
    run="reangle.warping.stage:warp",
)
WarpContext = StageContext[WarpParams, WarpFolder]

WARP_16 = StageSpec(
    kind="warp-16",
    version=3,
    params=WarpParams,
    reads={"decode-16": PreciseClip, "camera": CameraFolder, "geometry": GeometryFolder},
    writes=PreciseWarp,
    run="reangle.warping.precise:warp_16",
)
PreciseContext = StageContext[WarpParams, PreciseWarp]
