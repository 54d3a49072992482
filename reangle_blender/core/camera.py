# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's lens, shift and matrices <-> the contract's K and world_from_camera, in both directions.

Contract: OpenCV axes (x right, y down, z forward), K in pixels with pixel centres at +0.5. Blender: cameras look along
their -z with y up. The geometry's world is a child of an empty, the origin: in the empty's space, an OpenCV world point
(x, y, z) is (x, z, -y). The empty may be moved, rotated and uniformly scaled; what is exported is relative to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .contract import MAX_SIDE, CameraPath, SourceCamera
from .errors import UserError

SensorFit = Literal["AUTO", "HORIZONTAL", "VERTICAL"]

BLENDER_FROM_CV = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)
"""4 x 4: a point of the OpenCV world, in the space of the origin empty."""

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
"""4 x 4, its own inverse: between the axes of an OpenCV camera and those of a Blender camera."""

SHEAR_TOLERANCE = 1e-4
PIXEL_ASPECT_TOLERANCE = 1e-3
MIN_LENS_MM = 1.0


class CameraError(UserError):
    """A camera or an origin that cannot be converted."""


@dataclass(frozen=True)
class RenderSize:
    """The render settings that decide which pixels a camera has.

    percentage: whole percent, as Blender stores it. pixel_aspect_x, pixel_aspect_y: 1 to 200.
    """

    resolution_x: int
    resolution_y: int
    percentage: int = 100
    pixel_aspect_x: float = 1.0
    pixel_aspect_y: float = 1.0

    @property
    def width(self) -> int:
        return self.resolution_x * self.percentage // 100

    @property
    def height(self) -> int:
        return self.resolution_y * self.percentage // 100


@dataclass(frozen=True)
class Lens:
    """The lens of a Blender camera: lens and sensors in millimetres, shifts in units of the fitted side."""

    lens: float
    sensor_fit: SensorFit = "AUTO"
    sensor_width: float = 36.0
    sensor_height: float = 24.0
    shift_x: float = 0.0
    shift_y: float = 0.0


@dataclass(frozen=True, eq=False)
class CameraSample:
    """A Blender camera as evaluated at one scene frame: after parents, constraints and drivers.

    frame: scene frame, for messages. matrix_world, origin_matrix_world: 4 x 4 of the camera and of the origin empty.
    type: Blender's camera type, "PERSP" for those that can be exported.
    """

    frame: int
    matrix_world: np.ndarray
    origin_matrix_world: np.ndarray
    lens: Lens
    type: str = "PERSP"


def _sensor_and_view(lens: Lens, render: RenderSize) -> tuple[float, float]:
    """The sensor side in millimetres that is fitted, and how many (horizontal) pixels it spans."""
    ax, ay = render.pixel_aspect_x, render.pixel_aspect_y
    fit = lens.sensor_fit
    if fit == "AUTO":
        fit = "HORIZONTAL" if ax * render.width >= ay * render.height else "VERTICAL"
    # An AUTO portrait frame fits its height, but to the sensor's width.
    sensor = lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width
    return sensor, float(render.width) if fit == "HORIZONTAL" else ay / ax * render.height


def intrinsics_from_lens(lens: Lens, render: RenderSize) -> np.ndarray:
    """K, 3 x 3 float64, in pixels of render.width x render.height with centres at +0.5."""
    sensor, view = _sensor_and_view(lens, render)
    aspect = render.pixel_aspect_x / render.pixel_aspect_y
    fx = lens.lens * view / sensor
    cx = render.width / 2 - lens.shift_x * view
    cy = render.height / 2 + lens.shift_y * view * aspect
    return np.array([[fx, 0, cx], [0, fx * aspect, cy], [0, 0, 1]], np.float64)


def lens_from_intrinsics(K: np.ndarray, render: RenderSize, like: Lens | None = None) -> Lens:
    """The lens that gives this K, on the sensor of `like` (its lens and shifts are not read; None is a new camera's).

    K: 3 x 3 in pixels of render.width x render.height; see `scale_intrinsics` for another size. Raises CameraError if
    the render's pixel aspect cannot give fx and fy at once (see `pixel_aspect_for`), or the lens is below 1 mm.
    """
    like = like or Lens(lens=50.0)
    sensor, view = _sensor_and_view(like, render)
    aspect = render.pixel_aspect_x / render.pixel_aspect_y
    fx, fy, cx, cy = (float(K[index]) for index in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if not (fx > 0 and fy > 0):
        raise CameraError("The focal length must be above zero.", advice="Check the camera file of this geometry.")
    if abs(fy / (fx * aspect) - 1) > PIXEL_ASPECT_TOLERANCE:
        raise CameraError(
            f"The focal lengths {fx:.2f} and {fy:.2f} do not fit the scene's pixel aspect of {aspect:.4f}.",
            advice=f"Set the pixel aspect of the render to {fy / fx:.4f} (x divided by y).",
        )
    millimetres = fx * sensor / view
    if millimetres < MIN_LENS_MM:
        raise CameraError(
            f"The focal length of {fx:.2f} pixels would be a lens of {millimetres:.2f} mm, below Blender's 1 mm.",
            advice="Use a larger sensor or check the camera of this geometry.",
        )
    return replace(
        like,
        lens=millimetres,
        shift_x=-(cx - render.width / 2) / view,
        shift_y=(cy - render.height / 2) / (view * aspect),
    )


def scale_intrinsics(K: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> np.ndarray:
    """K (... x 3 x 3) of size (width, height) for the same view at new_size. Exact, as centres are at +0.5."""
    return np.diag([new_size[0] / size[0], new_size[1] / size[1], 1.0]) @ K


def assumed_intrinsics(width: int, height: int, horizontal_fov_deg: float) -> np.ndarray:
    """K (3 x 3) of a lens with its centre in the middle of the picture and square pixels."""
    focal = width / 2 / np.tan(np.radians(horizontal_fov_deg) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float64)


def fill_intrinsics(K: np.ndarray, size: tuple[int, int], new_size: tuple[int, int]) -> np.ndarray:
    """K (... x 3 x 3) of size (width, height) where the middle of the picture fills new_size, as the backend crops."""
    scale = max(new / old for new, old in zip(new_size, size, strict=True))
    filled = np.diag([scale, scale, 1.0]) @ K
    filled[..., :2, 2] += (np.array(new_size) - scale * np.array(size)) / 2
    return filled


def pixel_aspect_for(K: np.ndarray) -> tuple[float, float]:
    """Blender's (pixel_aspect_x, pixel_aspect_y), both at least 1, that let one lens give K's fx and fy."""
    ratio = float(K[1, 1] / K[0, 0])
    if abs(ratio - 1) <= PIXEL_ASPECT_TOLERANCE:
        return 1.0, 1.0
    return (ratio, 1.0) if ratio > 1 else (1.0, 1.0 / ratio)


def _rotation(matrix: np.ndarray, who: str) -> tuple[np.ndarray, np.ndarray]:
    """Split the upper 3 x 3 of matrices (... x 4 x 4) into rotations (... x 3 x 3) and the lengths of their columns
    (... x 3), or raise CameraError."""
    columns = matrix[..., :3, :3]
    lengths = np.linalg.norm(columns, axis=-2)
    if not np.isfinite(matrix).all():
        raise CameraError(f"{who} has a transform that is not finite.", advice="Check its drivers and constraints.")
    if lengths.min() < 1e-9:
        raise CameraError(f"{who} has a scale of zero.", advice="Set its scale to 1.")
    unit = columns / lengths[..., None, :]
    if np.abs(unit.swapaxes(-1, -2) @ unit - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise CameraError(f"{who} is sheared.", advice="Remove the non-uniform scale of its parents.")
    if np.linalg.det(unit).min() < 0:
        raise CameraError(
            f"{who} is mirrored by a negative scale.", advice="Make its scale, and its parents', positive."
        )
    left, _, right = np.linalg.svd(unit)
    return left @ right, lengths


def _origin_parts(origin_matrix_world: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotation (... x 3 x 3), translation (... x 3) and uniform scale (...) of the origin empty, or CameraError."""
    matrix = np.asarray(origin_matrix_world, np.float64)
    rotation, lengths = _rotation(matrix, "The geometry's origin")
    scale = lengths.mean(axis=-1)
    if np.abs(lengths / scale[..., None] - 1).max() > SHEAR_TOLERANCE:
        raise CameraError(
            "The geometry's origin is scaled differently along its axes.", advice="Give it one scale for x, y and z."
        )
    return rotation, matrix[..., :3, 3], scale


def world_from_camera_of(
    matrix_world: np.ndarray, origin_matrix_world: np.ndarray, who: str = "The camera"
) -> np.ndarray:
    """The contract's world_from_camera (... x 4 x 4 float64, rigid, in the geometry's units) of a Blender camera.

    A camera's own scale does not matter, as in Blender. Raises CameraError for mirrored or sheared cameras and for
    an origin that is mirrored or not uniformly scaled; `who`: start of the sentence about the camera.
    """
    matrix = np.asarray(matrix_world, np.float64)
    camera, _ = _rotation(matrix, who)
    origin, position, scale = _origin_parts(origin_matrix_world)
    from_world = origin.swapaxes(-1, -2)
    in_origin = np.zeros_like(matrix)
    in_origin[..., :3, :3] = from_world @ camera
    in_origin[..., :3, 3] = (from_world @ (matrix[..., :3, 3] - position)[..., None])[..., 0] / scale[..., None]
    in_origin[..., 3, 3] = 1
    return BLENDER_FROM_CV.T @ in_origin @ FLIP


def matrix_in_origin(world_from_camera: np.ndarray) -> np.ndarray:
    """The matrix (... x 4 x 4) of a Blender camera that is a child of the origin empty (identity parent inverse)."""
    return BLENDER_FROM_CV @ world_from_camera @ FLIP


def matrix_world_of(world_from_camera: np.ndarray, origin_matrix_world: np.ndarray) -> np.ndarray:
    """The matrix_world (4 x 4, scale 1) of a Blender camera that sees what this camera sees."""
    origin, position, scale = _origin_parts(origin_matrix_world)
    local = matrix_in_origin(np.asarray(world_from_camera, np.float64))
    matrix = np.eye(4)
    matrix[:3, :3] = origin @ local[:3, :3]
    matrix[:3, 3] = origin @ local[:3, 3] * scale + position
    return matrix


def project(points: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """Pixel positions, n x 2, of n x 3 points of the OpenCV world; centres at +0.5. Points must be in front."""
    camera_from_world = np.linalg.inv(world_from_camera)
    seen = points @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    pixels = seen @ K.T
    return pixels[:, :2] / pixels[:, 2:]


def export_path(
    name: str, fps: float, render: RenderSize, frames: Sequence[int], samples: Sequence[CameraSample]
) -> CameraPath:
    """The contract's camera path of a Blender camera.

    frames: index into the clip's used frames, per sample. Raises CameraError naming the camera and the scene frame for
    orthographic, panoramic, mirrored or sheared cameras, and for frames with no pixels or more than 8192 on a side.
    """
    matrices, intrinsics = _matrices(name, render, samples)
    return CameraPath(
        name=name,
        fps=fps,
        width=render.width,
        height=render.height,
        frames=tuple(frames),
        world_from_camera=matrices.tolist(),
        K=intrinsics.tolist(),
    )


def export_source(name: str, render: RenderSize, samples: Sequence[CameraSample]) -> SourceCamera:
    """The contract's given camera of a Blender camera, with one sample per used frame of the clip.

    render: of the clip's whole picture. Its world has the axes of OpenCV and the unit and origin of the samples'
    origin. Raises CameraError as `export_path` does.
    """
    matrices, intrinsics = _matrices(name, render, samples)
    return SourceCamera(
        width=render.width, height=render.height, world_from_camera=matrices.tolist(), K=intrinsics.tolist()
    )


def _matrices(name: str, render: RenderSize, samples: Sequence[CameraSample]) -> tuple[np.ndarray, np.ndarray]:
    """world_from_camera (N x 4 x 4) and K (N x 3 x 3) of the samples, or CameraError."""
    if not (1 <= render.width <= MAX_SIDE and 1 <= render.height <= MAX_SIDE):
        raise CameraError(
            f"The render size of {render.width} x {render.height} pixels is outside 1 to {MAX_SIDE}.",
            advice="Change the resolution or its percentage in the output settings.",
        )
    who = [f"Camera {name!r} at frame {sample.frame}" for sample in samples]
    for sample, start in zip(samples, who, strict=True):
        if sample.type != "PERSP":
            kind = {"ORTHO": "orthographic", "PANO": "panoramic"}.get(sample.type, sample.type.lower())
            raise CameraError(f"{start} is {kind}.", advice="Set the camera's type to Perspective.")
    places = np.array([sample.matrix_world for sample in samples])
    origins = np.array([sample.origin_matrix_world for sample in samples])
    try:
        # All frames at once, because there may be thousands and the artist waits.
        matrices = world_from_camera_of(places, origins)
    except CameraError:
        # One by one, to name the frame that is wrong.
        for place, origin, start in zip(places, origins, who, strict=True):
            world_from_camera_of(place, origin, start)
        raise
    return matrices, np.array([intrinsics_from_lens(sample.lens, render) for sample in samples])


def origin_matrix_of(world_from_camera: np.ndarray, scale: float) -> np.ndarray:
    """Where the origin empty must be (4 x 4) for the geometry's first camera to be this one.

    world_from_camera: of the first given camera, in Blender's world with OpenCV axes. scale: of the empty.
    """
    matrix = matrix_in_origin(np.asarray(world_from_camera, np.float64)) @ FLIP @ BLENDER_FROM_CV.T
    matrix[:3, :3] *= scale
    return matrix
