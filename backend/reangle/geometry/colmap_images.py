# SPDX-License-Identifier: Apache-2.0
"""Names and poses of the images of COLMAP's models: images.txt and images.bin.

pycolmap reads names only up to the first space and only as UTF-8, wants the points and rigs that belong to the images,
and takes a quaternion as it is. Here names are as in the file, and the rest is not needed: each image has its own pose.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.errors import UserError

ADVICE = "Export the model from COLMAP again, all its files together."
_BEFORE_NAME = struct.Struct("<I7dI")
"""Of an image in images.bin: its number, rotation as w, x, y, z, translation, and the camera's number."""
_BYTES_PER_POINT = 3 * 8


@dataclass(frozen=True)
class ColmapImage:
    """An image of the model: its name, its camera's number and its pose, 4 x 4.

    name: bytes that are not UTF-8 stand as surrogates.
    """

    name: str
    camera: int
    world_from_camera: np.ndarray


def read_images(path: Path, end: str) -> list[ColmapImage]:
    """end: ".txt" or ".bin", the file's form. Raises UserError that says where the file is damaged."""
    images = list(_of_text(path) if end == ".txt" else _of_binary(path.read_bytes()))
    if not images:
        raise UserError(f"images{end} lists no images.", advice=ADVICE)
    names: set[str] = set()
    for image in images:
        if image.name in names:
            raise UserError(
                f"images{end} lists two images named {image.name}, so it is unclear where the camera is.",
                advice="Solve the clip in COLMAP again, with each image once.",
            )
        names.add(image.name)
    return images


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The number, from 1 on, and the text of each line that is neither empty nor a comment."""
    data = path.read_bytes()
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    # Names of images may be of any encoding.
    text = data.decode("utf-16", errors="replace") if is_wide else data.decode("utf-8-sig", errors="surrogateescape")
    for number, line in enumerate(text.splitlines(), start=1):
        if (bare := line.strip()) and not bare.startswith("#"):
            yield number, bare


def _of_text(path: Path) -> Iterator[ColmapImage]:
    for number, line in lines_of(path):
        # 2D points are not used, and some programs leave out their lines.
        if not _is_pose(line):
            continue
        fields = line.split(maxsplit=9)
        try:
            name = fields[9]
            yield _image(name, int(fields[8]), [float(one) for one in fields[1:8]])
        except (ValueError, IndexError) as error:
            raise UserError(
                f"Line {number} of images.txt is no image's pose: {start_of(line)}.",
                advice="It should read: number, rotation (w x y z), translation (x y z), camera, name. " + ADVICE,
            ) from error


def _of_binary(data: bytes) -> Iterator[ColmapImage]:
    count, at = int.from_bytes(data[:8], "little"), 8
    for index in range(count):
        try:
            _, *pose, camera = _BEFORE_NAME.unpack_from(data, at)
            name_at = at + _BEFORE_NAME.size
            end = data.index(b"\0", name_at)
            (points,) = struct.unpack_from("<Q", data, end + 1)
            at = end + 9 + points * _BYTES_PER_POINT
            if at > len(data):
                raise ValueError("its points are missing")
            yield _image(data[name_at:end].decode("utf-8", errors="surrogateescape"), camera, pose)
        except (ValueError, struct.error) as error:
            raise UserError(
                f"images.bin cannot be read: it is damaged or cut short at image {index + 1} of {count}.",
                advice=ADVICE,
            ) from error


def _image(name: str, camera: int, pose: list[float]) -> ColmapImage:
    """pose: camera_from_world, w x y z and x y z. Raises ValueError for numbers that are no pose."""
    if not np.isfinite(pose).all():
        raise ValueError("not finite")
    w, x, y, z, *translation = pose
    rotation = Rotation.from_quat([x, y, z, w]).inv()  # raises ValueError for zeros
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3] = rotation.as_matrix()
    world_from_camera[:3, 3] = -rotation.apply(translation)
    return ColmapImage(name, camera, world_from_camera)


def _is_pose(line: str) -> bool:
    """Whether the line is an image's pose; else it lists 2D points, three numbers each."""
    fields = line.split()
    return len(fields) % 3 != 0 or not all(re.fullmatch(r"[-+0-9.eE]+|[-+]?(nan|inf)", one) for one in fields)


def start_of(line: str) -> str:
    """The first characters of a line, for messages; those that cannot be printed are ?."""
    return "".join(one if one.isprintable() else "?" for one in line[:60]) + ("..." if len(line) > 60 else "")
