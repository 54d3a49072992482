# SPDX-License-Identifier: GPL-3.0-or-later
"""nerfstudio's `camera_path.json`, which `ns-render camera-path` reads, and `transforms.json`, its form of a data set.

Axes: cameras as in OpenGL and Blender, x right, y up, looking along -z; world with z up. Matrices are camera to world,
row by row. Pixel centres are at +0.5, as here. A camera path's `fov` is the vertical angle in degrees, its lens has the
centre in the middle and square pixels. `transforms.json` has focal lengths and centre in pixels, for all frames
or for each; instant-ngp's and NeRF's older `camera_angle_x` is read, too.
Sources: docs.nerf.studio/quickstart/data_conventions.html; nerfstudio/cameras/camera_paths.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..contract.sequences import frame_order
from ..errors import UserError
from .track import (
    Hints,
    Take,
    Track,
    from_blender_axes,
    lost_by_fov,
    of_vertical_fov,
    pinholes,
    to_blender_axes,
    vertical_fov,
)

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def read_camera_path(file: Path, _hints: Hints) -> Track:
    content = json.loads(file.read_text(encoding="utf-8-sig"))
    kind = str(content.get("camera_type", "perspective")).lower()
    if kind != "perspective":
        raise UserError(f"{file.name} is of a camera of the kind {kind}.", advice="Only perspective cameras are read.")
    cameras = content["camera_path"]
    width, height = int(content["render_width"]), int(content["render_height"])
    matrices = np.array([camera["camera_to_world"] for camera in cameras], np.float64).reshape(-1, 4, 4)
    K = of_vertical_fov(np.array([camera["fov"] for camera in cameras], np.float64), width, height)
    return Track(from_blender_axes(matrices), K, width, height, float(content.get("fps", 0)))


def write_camera_path(take: Take, file: Path) -> tuple[str, ...]:
    path = take.path
    cameras = [
        {"camera_to_world": matrix.ravel().tolist(), "fov": float(fov), "aspect": path.width / path.height}
        for matrix, fov in zip(to_blender_axes(take.world_from_camera), vertical_fov(take), strict=True)
    ]
    content = {
        "camera_type": "perspective",
        "render_height": path.height,
        "render_width": path.width,
        "camera_path": cameras,
        "fps": path.fps,
        "seconds": len(cameras) / path.fps,
        "smoothness_value": 0,
        "is_cycle": False,
        "crop": None,
        "keyframes": [],
    }
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return lost_by_fov(take)


def read_transforms(file: Path, hints: Hints) -> Track:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8-sig"))
    model = str(content.get("camera_model", "OPENCV")).upper()
    if "FISHEYE" in model or "EQUI" in model:
        raise UserError(f"{file.name} is of a camera of the kind {model}.", advice="Only perspective cameras are read.")
    frames: list[dict[str, Any]] = content["frames"]
    names = [str(frame.get("file_path", "")) for frame in frames]
    if all(names):
        frames = [frames[at] for at in frame_order(names)]
    merged = [{**content, **frame} for frame in frames]
    sizes = {(int(one.get("w", hints.width)), int(one.get("h", hints.height))) for one in merged}
    if len(sizes) > 1:
        raise UserError(f"{file.name} has frames of different sizes.", advice="Give the frames of one clip alone.")
    width, height = sizes.pop()
    notes: list[str] = []
    if any(float(one.get(name, 0)) for one in merged for name in _DISTORTION):
        notes.append("The lens bends the picture, which Blender's camera does not: its distortion is left out.")
    matrices = np.array([frame["transform_matrix"] for frame in frames], np.float64)
    K = np.concatenate([_lens(one, width, height) for one in merged])
    return Track(from_blender_axes(matrices), K, width, height, float(content.get("fps", 0)), tuple(notes))


def _lens(one: dict[str, Any], width: int, height: int) -> np.ndarray:
    """1 x 3 x 3 of a frame's entries."""
    fx = one.get("fl_x") or (width / 2 / np.tan(float(one["camera_angle_x"]) / 2) if "camera_angle_x" in one else None)
    fy = one.get("fl_y") or (height / 2 / np.tan(float(one["camera_angle_y"]) / 2) if "camera_angle_y" in one else fx)
    if fx is None or fy is None:
        raise ValueError("it has neither fl_x nor camera_angle_x")
    centre = float(one.get("cx", width / 2)), float(one.get("cy", height / 2))
    return pinholes(*(np.array([float(value)]) for value in (fx, fy, *centre)))


def write_transforms(take: Take, file: Path) -> tuple[str, ...]:
    """The frames' files are named as in a result's folder, which makes that a data set if the file lies in it."""
    path = take.path
    lenses = [
        dict(zip(("fl_x", "fl_y", "cx", "cy"), values, strict=True))
        for values in take.K[:, (0, 1, 0, 1), (0, 1, 2, 2)].tolist()
    ]
    is_fixed = all(lens == lenses[0] for lens in lenses)
    content: dict[str, Any] = {"camera_model": "OPENCV", "w": path.width, "h": path.height}
    content |= lenses[0] if is_fixed else {}
    content |= {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0, "fps": path.fps}
    content["frames"] = [
        {"file_path": f"frames/{number:06d}.png", "transform_matrix": matrix, **({} if is_fixed else lens)}
        for number, (matrix, lens) in enumerate(
            zip(to_blender_axes(take.world_from_camera).tolist(), lenses, strict=True), start=1
        )
    ]
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return ()
