# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera path between Reangle and another program's file, and the mathematics that the formats share.

Everywhere here cameras and worlds have the axes of OpenCV: x right, y down, z forward. K is in pixels whose centres are
at +0.5. A format's module alone knows the axes of its files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..camera import BLENDER_FROM_CV, FLIP, matrix_in_origin, scale_intrinsics
from ..contract import MAX_FRAMES, CameraPath, file_name_from
from ..errors import UserError
from .rotations import RotationOrder

NEARLY_RIGID = 1e-2
"""Files round, and some keep 32 bits: what is off by less is made rigid, what is off by more is refused."""
SAME_ASPECT = 1e-3


@dataclass(frozen=True, eq=False)
class Track:
    """A camera path as a file has it.

    world_from_camera: N x 4 x 4. K: N x 3 x 3 in pixels of width x height; None if the file has no lens. width, height:
    0 if the file does not say. fps: 0 if the file does not say. notes: sentences for the artist.
    """

    world_from_camera: np.ndarray
    K: np.ndarray | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hints:
    """What a file may leave out. width, height: of the clip's frames. rotation_order: of angles in the file."""

    width: int
    height: int
    rotation_order: RotationOrder = "ZXY"


@dataclass(frozen=True, eq=False)
class Take:
    """A camera path to be written, and what some formats need beside it.

    source: the clip's own camera over the same frames. focus: distance of what the cameras look at, in the paths' unit,
    above 0. first_frame: number of the first frame in the scene. rotation_order: of angles in the file.
    """

    path: CameraPath
    source: CameraPath
    focus: float = 1.0
    first_frame: int = 1
    rotation_order: RotationOrder = "ZXY"

    @property
    def world_from_camera(self) -> np.ndarray:
        """N x 4 x 4."""
        return np.asarray(self.path.world_from_camera, np.float64)

    @property
    def K(self) -> np.ndarray:
        """N x 3 x 3."""
        return np.asarray(self.path.K, np.float64)

    @property
    def source_from_camera(self) -> np.ndarray:
        """N x 4 x 4: the camera as the clip's camera of that frame sees it, for programs that take that for still."""
        return np.linalg.inv(np.asarray(self.source.world_from_camera, np.float64)) @ self.world_from_camera


def completed(track: Track, like: CameraPath, name: str) -> tuple[CameraPath, tuple[str, ...]]:
    """The track as a path over the clip from its first frame on, and notes.

    like: the clip's camera. It gives the size, where the track has none or the same aspect, the lens, where the track
    has none, and the frame rate. Raises UserError for a track that is empty, too long, mirrored or not rigid.
    """
    notes = list(track.notes)
    count, clip = len(track.world_from_camera), len(like.frames)
    if not 1 <= count <= MAX_FRAMES:
        raise UserError(f"The file has {count} frames.", advice=f"Give one with 1 to {MAX_FRAMES}.")
    if count not in (1, clip):
        notes.append(f"The file has {count} frames, the clip {clip}: they are keyed from the clip's first frame on.")
    if track.fps and abs(track.fps / like.fps - 1) > 1e-3:
        notes.append(f"The file has {track.fps:.5g} frames per second, the clip {like.fps:.5g}: frames are kept.")
    width, height = track.width or like.width, track.height or like.height
    if track.K is None:
        width, height = like.width, like.height
        lenses = np.asarray(like.K, np.float64)[np.minimum(np.arange(count), clip - 1)]
        notes.append("The file has no lens: the camera gets the lens of the clip's camera.")
    elif abs(width / height / (like.width / like.height) - 1) < SAME_ASPECT:
        lenses = scale_intrinsics(np.asarray(track.K, np.float64), (width, height), (like.width, like.height))
        width, height = like.width, like.height
    else:
        lenses = np.asarray(track.K, np.float64)
        notes.append(
            f"The file is for {width} x {height} pixels, the clip has {like.width} x {like.height}: the horizontal "
            "field of view is kept."
        )
    path = CameraPath(
        name=file_name_from(name),
        fps=like.fps,
        width=width,
        height=height,
        frames=tuple(range(count)),
        world_from_camera=rigid(track.world_from_camera).tolist(),
        K=lenses.tolist(),
    )
    return path, tuple(notes)


def placed(path: CameraPath, start: np.ndarray, scale: float) -> CameraPath:
    """The path with its first pose at `start` (4 x 4) and its way scaled."""
    matrices = np.linalg.inv(np.asarray(path.world_from_camera[0])) @ np.asarray(path.world_from_camera)
    matrices[:, :3, 3] *= scale
    return replace(path, world_from_camera=rigid(start @ matrices).tolist())


def scaled(path: CameraPath, scale: float) -> CameraPath:
    """The path in a world that is larger by `scale`."""
    matrices = np.array(path.world_from_camera, np.float64)
    matrices[:, :3, 3] *= scale
    return replace(path, world_from_camera=matrices.tolist())


def rigid(matrices: np.ndarray) -> np.ndarray:
    """The nearest rigid matrices (N x 4 x 4) to those of a file (N x 3 x 4 or N x 4 x 4).

    Raises UserError that names the frame for matrices that are mirrored, scaled, sheared or not finite.
    """
    given = np.asarray(matrices, np.float64)
    if given.ndim != 3 or given.shape[1:] not in ((3, 4), (4, 4)):
        raise UserError(f"The poses have the shape {given.shape}.", advice="They should be N x 3 x 4 or N x 4 x 4.")
    finite = np.asarray(np.isfinite(given).all(axis=(1, 2)))
    turns = np.where(finite[:, None, None], given[:, :3, :3], np.eye(3))
    off = np.abs(turns.swapaxes(1, 2) @ turns - np.eye(3)).max(axis=(1, 2))
    for wrong, what in (
        (~finite, "is not finite"),
        (np.linalg.det(turns) < 0, "is mirrored"),
        (off > NEARLY_RIGID, "is scaled or sheared"),
    ):
        if wrong.any():
            raise UserError(
                f"The pose of frame {int(np.flatnonzero(wrong)[0])}, counted from 0, {what}.",
                advice="Export rotation and position alone.",
            )
    left, _, right = np.linalg.svd(turns)
    result = np.tile(np.eye(4), (len(given), 1, 1))
    result[:, :3, :3] = left @ right
    result[:, :3, 3] = given[:, :3, 3]
    return result


def pinholes(fx: np.ndarray, fy: np.ndarray, cx: np.ndarray, cy: np.ndarray) -> np.ndarray:
    """N x 3 x 3 of N focal lengths and centres in pixels."""
    K = np.zeros((len(fx), 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2], K[:, 2, 2] = fx, fy, cx, cy, 1
    return K


def of_vertical_fov(degrees: np.ndarray, width: int, height: int) -> np.ndarray:
    """K (N x 3 x 3) of lenses with their centre in the middle of the picture and square pixels."""
    focal = height / 2 / np.tan(np.radians(degrees) / 2)
    return pinholes(focal, focal, np.full(len(focal), width / 2), np.full(len(focal), height / 2))


def vertical_fov(take: Take) -> np.ndarray:
    """N angles in degrees that the pictures are high."""
    return np.degrees(2 * np.arctan(take.path.height / 2 / take.K[:, 1, 1]))


def lost_by_fov(take: Take) -> tuple[str, ...]:
    """Notes for formats whose lens is nothing but an angle."""
    K, middle = take.K, np.array([take.path.width / 2, take.path.height / 2])
    notes: list[str] = []
    if np.abs(K[:, :2, 2] - middle).max() > 1e-3:
        notes.append("The lens is shifted, which this format cannot say: the shift is left out.")
    if np.abs(K[:, 0, 0] / K[:, 1, 1] - 1).max() > 1e-4:
        notes.append("Pixels are not square, which this format cannot say: the vertical field of view is kept.")
    return tuple(notes)


def to_blender_axes(world_from_camera: np.ndarray) -> np.ndarray:
    """N x 4 x 4 in a world whose z is up, with cameras that look along -z with y up."""
    return matrix_in_origin(world_from_camera)


def from_blender_axes(matrices: np.ndarray) -> np.ndarray:
    """The inverse of `to_blender_axes`; N x 4 x 4 or N x 3 x 4."""
    whole = np.tile(np.eye(4), (len(matrices), 1, 1))
    whole[:, :3] = np.asarray(matrices, np.float64)[:, :3]
    return BLENDER_FROM_CV.T @ whole @ FLIP
