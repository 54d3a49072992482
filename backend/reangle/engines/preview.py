# SPDX-License-Identifier: Apache-2.0
"""Engine `preview`: the clip's pixels, moved; what nobody saw, continued from around."""

from __future__ import annotations

from typing import Any

from reangle.contract import CameraPath, JobRequest
from reangle.runtime.stage import Stage

WARP_VERSION = 2
PREVIEW_VERSION = 1


def unnamed(path: CameraPath) -> dict[str, Any]:
    """The path as JSON without its name, which only `deliver` reads: a renamed camera renders nothing again."""
    return {**path.model_dump(mode="json", exclude={"name"}), "name": "camera"}


def warp_and_fill(request: JobRequest, path: CameraPath) -> list[Stage]:
    """One camera's stages: the warp with holes, then `fill` with finished frames."""
    warp = f"warp {path.name}"
    return [
        Stage(
            name=warp,
            run="warp",
            version=WARP_VERSION,
            params={"path": unnamed(path), **request.preview.model_dump()},
            inputs={"decode": "decode", "geometry": "geometry"},
            weight=6,
        ),
        Stage(
            name=f"fill {path.name}",
            run="preview",
            version=PREVIEW_VERSION,
            params={"path": unnamed(path)},
            inputs={"warp": warp, "decode": "decode", "geometry": "geometry"},
            weight=3,
        ),
    ]
