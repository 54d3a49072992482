# SPDX-License-Identifier: Apache-2.0
"""Cameras from JSON files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reangle.contract import CameraPath, ContractError
from reangle.contract.wire import parse
from reangle.errors import UserError
from reangle.folders import Distortion

JSON_FORM = (
    '{"width": W, "height": H, '
    '"frames": [{"K": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], "world_from_camera": 4 x 4}, ...]}'
)


class PngDepth(BaseModel):
    """How a 16-bit PNG stores depth: value = pixel * scale + offset; depth = value, or 1 / value if inverse.

    Pixel 0 has no depth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    encoding: Literal["linear", "inverse"] = "linear"
    scale: float = Field(default=1.0, gt=0)
    offset: float = Field(default=0.0, ge=0)


PLAIN_PNG = PngDepth()


@dataclass(frozen=True)
class CameraTrack:
    """The source camera as read from files: one entry for all frames, or one per frame.

    K: N x 3 x 3 in pixels of width x height, centres at +0.5; of the frames without distortion, if there is some.
    world_from_camera: N x 4 x 4, in any world. margins: pixels (left, top, right, bottom) of width x height that the
    depth maps beside it lack. notes: for the artist.
    """

    K: np.ndarray
    world_from_camera: np.ndarray
    width: int
    height: int
    scale: Literal["metric", "relative"] = "metric"
    png: PngDepth = PLAIN_PNG
    distortion: Distortion | None = None
    margins: tuple[int, int, int, int] = (0, 0, 0, 0)
    notes: tuple[str, ...] = ()


def relative_to_first(world_from_camera: np.ndarray) -> np.ndarray:
    """The same path in the world of the first camera; N x 4 x 4."""
    return np.linalg.inv(world_from_camera[0]) @ world_from_camera


def read_camera_json(name: str, path: Path) -> CameraTrack:
    """Read JSON_FORM, a CameraPath, or the source camera of a ground-truth scene.json.

    Raises UserError that names the file, the problem and the frame.
    """
    try:
        content = parse(path.read_text(encoding="utf-8-sig"))
        width, height = int(content["width"]), int(content["height"])
        K, world_from_camera = _matrices(content.get("source", content))
        count = max(len(K), len(world_from_camera))
        checked = CameraPath(
            name="source",
            fps=24,
            width=width,
            height=height,
            frames=tuple(range(count)),
            K=tuple(K * count if len(K) == 1 else K),
            world_from_camera=tuple(world_from_camera * count if len(world_from_camera) == 1 else world_from_camera),
        )
        png = PngDepth.model_validate(content.get("depth", {}))
        scale = content.get("scale", "metric")
        if scale not in ("metric", "relative"):
            raise ValueError(f'"scale" must be "metric" or "relative", not {scale!r}')
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ContractError) as error:
        raise UserError(
            f"The camera file {name} cannot be used: {_reason(error)}.", advice=f"It should read {JSON_FORM}."
        ) from error
    return CameraTrack(np.asarray(checked.K), np.asarray(checked.world_from_camera), width, height, scale, png)


def _matrices(source: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    frames = source.get("frames")
    if isinstance(frames, list) and frames and isinstance(frames[0], dict):
        identity = np.eye(4).tolist()
        return [frame["K"] for frame in frames], [frame.get("world_from_camera", identity) for frame in frames]
    return _listed(source["K"]), _listed(source["world_from_camera"])


def _listed(matrices: list[Any]) -> list[Any]:
    return matrices if np.asarray(matrices).ndim > 2 else [matrices]


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    if isinstance(error, ContractError):
        return error.message.rstrip(".")
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
    return str(error)
