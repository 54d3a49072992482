# SPDX-License-Identifier: GPL-3.0-or-later
"""A dense camera path as the few keyframes that an artist can edit.

Each channel becomes a cubic Hermite curve: in Blender a Bezier F-curve whose handles reach a third of the way to the
neighbouring keys, at `value +- slope * frames / 3`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .camera import matrix_in_origin

ANGLE_TOLERANCE_DEG = 0.01
LENS_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class CameraKeys:
    """Keyframes of a camera that is a child of the origin empty, rotation mode XYZ.

    frames: m, offsets from the path's first frame, rising. values, slopes: m x 7, columns location x y z,
    rotation_euler x y z in radians, lens in millimetres; slopes are per frame.
    position_error: largest distance between the curves and the path at any of its frames, in the geometry's unit;
    angle_error_deg: largest angle; lens_error: largest relative error of the lens.
    """

    frames: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    position_error: float
    angle_error_deg: float
    lens_error: float

    def handles(self) -> tuple[np.ndarray, np.ndarray]:
        """Left and right Bezier handles, each m x 7 x 2 of (frame offset, value). Ends mirror their inner handle."""
        gaps = np.diff(self.frames) / 3.0 if len(self.frames) > 1 else np.array([1.0])
        before, after = np.r_[gaps[0], gaps], np.r_[gaps, gaps[-1]]
        if len(self.frames) == 1:
            before, after = gaps, gaps

        def at(distance: np.ndarray) -> np.ndarray:
            frames = np.broadcast_to((self.frames + distance)[:, None], self.values.shape)
            return np.stack([frames, self.values + self.slopes * distance[:, None]], -1)

        return at(-before), at(after)

    def evaluate(self, frames: np.ndarray) -> np.ndarray:
        """The curves' values, n x 7, at frame offsets within the keys' range."""
        return _basis(self.frames, np.asarray(frames, np.float64)) @ np.concatenate([self.values, self.slopes])


def fit_keys(
    world_from_camera: np.ndarray,
    lens: np.ndarray,
    *,
    position_tolerance: float,
    angle_tolerance_deg: float | None = None,
) -> CameraKeys:
    """Few keys: add one where the error is largest, until all errors are within the tolerances.

    world_from_camera: N x 4 x 4 in the geometry's world, one per frame. lens: N, millimetres. position_tolerance: in
    the geometry's unit; 2e-4 of the focus depth keeps an orbit on its arc to the eye. A static camera gets one key;
    keys on every frame would be exact.
    """
    angle_tolerance = ANGLE_TOLERANCE_DEG if angle_tolerance_deg is None else angle_tolerance_deg
    local = matrix_in_origin(np.asarray(world_from_camera, np.float64))
    dense = np.column_stack([local[:, :3, 3], euler_xyz(local[:, :3, :3]), np.asarray(lens, np.float64)])
    count = len(dense)
    keys = [0]
    while True:
        frames = np.array(keys)
        slopes = _slopes(frames, dense)
        curve = _basis(frames, np.arange(count)) @ np.concatenate([dense[frames], slopes])
        position = np.linalg.norm(curve[:, :3] - dense[:, :3], axis=1)
        angle = _angles_deg(rotation_xyz(curve[:, 3:6]), local[:, :3, :3])
        focal = np.abs(curve[:, 6] / dense[:, 6] - 1)
        worst = np.maximum.reduce([position / position_tolerance, angle / angle_tolerance, focal / LENS_TOLERANCE])
        if worst.max() <= 1 or len(keys) == count:
            return CameraKeys(
                frames, dense[frames], slopes, float(position.max()), float(angle.max()), float(focal.max())
            )
        if len(keys) == 1:
            keys.append(count - 1)
            continue
        free = np.setdiff1d(np.arange(count), frames)
        # The middle of the worst span, not its worst frame: spans of similar length keep the curves easy to edit.
        span = int(np.searchsorted(frames, int(free[np.argmax(worst[free])])))
        keys = sorted({*keys, (int(frames[span - 1]) + int(frames[span])) // 2})


def _basis(keys: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """n x 2m: cubic Hermite weights of the m key values and the m slopes (per frame)."""
    basis = np.zeros((len(frames), 2 * len(keys)))
    rows = np.arange(len(frames))
    if len(keys) == 1:
        basis[:, 0] = 1
        return basis
    span = np.clip(np.searchsorted(keys, frames, side="right") - 1, 0, len(keys) - 2)
    length = (keys[span + 1] - keys[span]).astype(np.float64)
    u = (frames - keys[span]) / length
    basis[rows, span] = (1 + 2 * u) * (1 - u) ** 2
    basis[rows, span + 1] = u * u * (3 - 2 * u)
    basis[rows, len(keys) + span] = u * (1 - u) ** 2 * length
    basis[rows, len(keys) + span + 1] = u * u * (u - 1) * length
    return basis


def _slopes(keys: np.ndarray, dense: np.ndarray) -> np.ndarray:
    """Slopes at the keys, m x channels, that bring the curves closest to the dense path while they pass the keys."""
    if len(keys) == 1:
        return np.zeros((1, dense.shape[1]))
    basis = _basis(keys, np.arange(len(dense)))
    # A weak pull to the finite difference determines slopes between keys without a frame in between.
    pull = 1e-6
    weights = np.concatenate([basis[:, len(keys) :], pull * np.eye(len(keys))])
    wanted = np.concatenate([dense - basis[:, : len(keys)] @ dense[keys], pull * np.gradient(dense, axis=0)[keys]])
    return np.linalg.lstsq(weights, wanted, rcond=None)[0]


def euler_xyz(rotations: np.ndarray) -> np.ndarray:
    """Blender's XYZ Euler angles (Rz Ry Rx) in radians, n x 3, of n x 3 x 3 rotations, without jumps in between."""
    y = np.arcsin(np.clip(-rotations[:, 2, 0], -1, 1))
    first = np.stack(
        [
            np.arctan2(rotations[:, 2, 1], rotations[:, 2, 2]),
            y,
            np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]),
        ],
        -1,
    )
    second = np.stack([first[:, 0] + np.pi, np.pi - y, first[:, 2] + np.pi], -1)
    angles = first.copy()
    for n in range(1, len(angles)):
        before: np.ndarray = angles[n - 1]
        both: list[np.ndarray] = [first[n], second[n]]
        near: list[np.ndarray] = [a + 2 * np.pi * np.round((before - a) / (2 * np.pi)) for a in both]
        angles[n] = min(near, key=lambda a: float(np.abs(a - before).sum()))
    return angles


def rotation_xyz(angles: np.ndarray) -> np.ndarray:
    """n x 3 x 3 rotations of n x 3 XYZ Euler angles in radians."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles).T, np.cos(angles).T
    rows = [
        [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
        [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
        [-sy, sx * cy, cx * cy],
    ]
    return np.array(rows).transpose(2, 0, 1)


def _angles_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # The chord between two rotations stays exact for tiny angles, where the arc cosine of the trace does not.
    chord = np.linalg.norm(first - second, axis=(1, 2)) / np.sqrt(8)
    return np.degrees(2 * np.arcsin(np.clip(chord, 0, 1)))
