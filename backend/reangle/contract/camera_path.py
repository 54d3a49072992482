# SPDX-License-Identifier: Apache-2.0
"""CameraPath: a new camera, frame by frame. SourceCamera: the camera that filmed the clip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Annotated, Any, cast

from .errors import ContractError
from .fields import Length, Range, Whole, check_fields, check_of
from .names import MAX_NAME_BYTES, FileName

MAX_FRAMES = 4096
MAX_SIDE = 8192
RIGID_TOLERANCE = 1e-4

Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
Matrix3 = tuple[Row3, Row3, Row3]
Matrix4 = tuple[Row4, Row4, Row4, Row4]

_NUMBER = check_of(float)
_as_tuple = cast("Callable[[Any], tuple[Any, ...]]", tuple)


def _matrices(size: int) -> Whole:
    """Checks n matrices of size x size. A job may hold 262,144 of them, so numbers are checked all at once."""

    def check(value: Any) -> tuple[Any, ...]:
        try:
            matrices = tuple(tuple(map(_as_tuple, matrix)) for matrix in value)
            rows = list(chain.from_iterable(matrices))
            numbers = list(chain.from_iterable(rows))
            if (
                set(map(len, matrices)) <= {size}
                and set(map(len, rows)) <= {size}
                and set(map(type, numbers)) <= {float}
                and all(map(isfinite, numbers))
            ):
                return matrices
        except TypeError:
            pass
        return _matrix_by_matrix(value, size)

    return Whole(check)


def _matrix_by_matrix(value: Any, size: int) -> tuple[Any, ...]:
    """The slow check: accepts whole numbers, and raises ContractError naming the entry at fault."""
    if not isinstance(value, (tuple, list)):
        raise ContractError("must be a list of matrices")
    matrices: list[Any] = []
    for index, matrix in enumerate(cast("tuple[Any, ...]", value)):
        rows = _items(matrix, size, f"[{index}]")
        cells = [_items(row, size, f"[{index}][{number}]") for number, row in enumerate(rows)]
        try:
            matrices.append(tuple(tuple(map(_NUMBER, row)) for row in cells))
        except ContractError as error:
            raise error.inside(f"[{index}]") from None
    return tuple(matrices)


def _items(value: Any, size: int, where: str) -> tuple[Any, ...]:
    if isinstance(value, (tuple, list)):
        items = tuple(cast("tuple[Any, ...]", value))
        if len(items) == size:
            return items
    raise ContractError(f"must be a {size} x {size} matrix", field=where)


Matrices4 = Annotated[tuple[Matrix4, ...], _matrices(4)]
Matrices3 = Annotated[tuple[Matrix3, ...], _matrices(3)]


@dataclass(frozen=True)
class CameraPath:
    """A camera over N output frames; static and moving views are the same type.

    frames: index into the clip's used frames (from 0), one per output frame.
    world_from_camera: N rigid 4 x 4 matrices, OpenCV axes, in the geometry's world.
    K: N intrinsics in pixels of width x height, pixel centres at +0.5.

    Lists are kept as tuples, so `array.tolist()` of N x 4 x 4 or N x 3 x 3 float64 fits. Raises ContractError naming
    the camera and the frame for mirrored, non-rigid or singular matrices, a focal length that is not above 0, skew,
    and lengths that disagree.
    """

    name: FileName
    fps: Annotated[float, Range(above=0, maximum=1000)]
    width: Annotated[int, Range(minimum=1, maximum=MAX_SIDE)]
    height: Annotated[int, Range(minimum=1, maximum=MAX_SIDE)]
    frames: Annotated[tuple[Annotated[int, Range(minimum=0)], ...], Length(1, MAX_FRAMES)]
    world_from_camera: Matrices4
    K: Matrices3

    def __post_init__(self) -> None:
        try:
            check_fields(self)
            _check_matrices(len(self.frames), self.world_from_camera, self.K)
        except ContractError as error:
            raise _about(f"camera {str(self.name)[:MAX_NAME_BYTES]!r}", error) from None


@dataclass(frozen=True)
class SourceCamera:
    """The camera that filmed a clip, as the artist solved it elsewhere.

    world_from_camera: N rigid 4 x 4 matrices, OpenCV axes, in any world; N is one for each used frame of the clip, in
    order, and more at the end are ignored; or one for a camera that stands still.
    K: N intrinsics in pixels of width x height, pixel centres at +0.5. width, height: of the whole picture, before the
    clip's working size crops it.

    Raises ContractError as CameraPath does.
    """

    width: Annotated[int, Range(minimum=1, maximum=MAX_SIDE)]
    height: Annotated[int, Range(minimum=1, maximum=MAX_SIDE)]
    world_from_camera: Annotated[Matrices4, Length(1, MAX_FRAMES)]
    K: Annotated[Matrices3, Length(1, MAX_FRAMES)]

    def __post_init__(self) -> None:
        try:
            check_fields(self)
            _check_matrices(len(self.world_from_camera), self.world_from_camera, self.K)
        except ContractError as error:
            raise _about("the given camera", error) from None


def _check_matrices(count: int, world_from_camera: tuple[Matrix4, ...], K: tuple[Matrix3, ...]) -> None:
    if len(world_from_camera) != count or len(K) != count:
        raise ContractError(
            f"it has {count} frames, {len(world_from_camera)} matrices and {len(K)} intrinsics; "
            "the numbers must be equal"
        )
    _check_rigid(world_from_camera)
    _check_intrinsics(K)


def _about(camera: str, error: ContractError) -> ContractError:
    """The error with the camera's name, and the frame that its field names."""
    frame = re.match(r"\w+\[(\d+)\]", error.field)
    return error.about(f"{camera}, frame {frame[1]}" if frame else camera)


def _check_rigid(matrices: Iterable[Matrix4]) -> None:
    limit = RIGID_TOLERANCE
    for index, ((a, b, c, _), (d, e, f, _), (g, h, i, _), (w, x, y, z)) in enumerate(matrices):
        problem = ""
        if abs(w) > limit or abs(x) > limit or abs(y) > limit or abs(z - 1) > limit:
            problem = "its last row must be 0 0 0 1"
        elif a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) < 0:
            problem = "it is mirrored; remove the negative scale"
        elif (
            abs(a * a + b * b + c * c - 1) > limit
            or abs(d * d + e * e + f * f - 1) > limit
            or abs(g * g + h * h + i * i - 1) > limit
            or abs(a * d + b * e + c * f) > limit
            or abs(a * g + b * h + c * i) > limit
            or abs(d * g + e * h + f * i) > limit
        ):
            problem = "it is not rigid; remove scale and shear"
        if problem:
            raise ContractError(problem, field=f"world_from_camera[{index}]")


def _check_intrinsics(intrinsics: Iterable[Matrix3]) -> None:
    for index, ((fx, skew, _), (zero, fy, _), last) in enumerate(intrinsics):
        problem = ""
        if fx <= 0 or fy <= 0:
            problem = "the focal length must be above 0"
        elif skew or zero or last != (0, 0, 1):
            problem = "it must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
        if problem:
            raise ContractError(problem, field=f"K[{index}]")
