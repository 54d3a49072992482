# SPDX-License-Identifier: GPL-3.0-or-later
"""COLMAP's sparse model: a folder with `cameras` and `images`, as text or binary; it is written as text.

Axes: those of OpenCV; the pose of an image is camera from world, its quaternion starts with the real part. Focal
lengths and centre are in pixels with centres at +0.5, as here. Images are the frames, by the numbers in their names;
frames that COLMAP did not register are placed between their neighbours. Distortion is left out here, since a Blender
camera has none; as the clip's camera ("Camera from: Files"), the backend takes it out of the frames.
Source: colmap.github.io/format.html; src/colmap/sensor/models.h for the order of the parameters.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contract.sequences import frame_numbers, frame_order
from ..errors import UserError
from .gaps import filled
from .lines import text_lines
from .rotations import from_quaternions, quaternions_of
from .track import Hints, Take, Track, pinholes

ADVICE = "Export the model from COLMAP again, all its files together."


@dataclass(frozen=True)
class _Model:
    """One of COLMAP's lens models: how many parameters it has, and the places of fx, fy, cx and cy among them."""

    name: str
    count: int
    places: tuple[int, int, int, int]

    @property
    def bends(self) -> bool:
        return self.count > 1 + max(self.places)


_ONE, _TWO = (0, 0, 1, 2), (0, 1, 2, 3)
MODELS = (
    _Model("SIMPLE_PINHOLE", 3, _ONE),
    _Model("PINHOLE", 4, _TWO),
    _Model("SIMPLE_RADIAL", 4, _ONE),
    _Model("RADIAL", 5, _ONE),
    _Model("OPENCV", 8, _TWO),
    _Model("OPENCV_FISHEYE", 8, _TWO),
    _Model("FULL_OPENCV", 12, _TWO),
    _Model("FOV", 5, _TWO),
    _Model("SIMPLE_RADIAL_FISHEYE", 4, _ONE),
    _Model("RADIAL_FISHEYE", 5, _ONE),
    _Model("THIN_PRISM_FISHEYE", 12, _TWO),
)
"""By COLMAP's numbers."""


@dataclass(frozen=True)
class _Lens:
    model: _Model
    width: int
    height: int
    params: tuple[float, ...]

    @property
    def bends(self) -> bool:
        return self.model.bends and any(self.params[1 + max(self.model.places) :])


@dataclass(frozen=True)
class _Image:
    """camera_from_world: w x y z, then the translation."""

    name: str
    camera: int
    camera_from_world: tuple[float, ...]


def folder_of(file: Path) -> Path | None:
    """The folder of the model that a chosen file or folder belongs to; of several below it, that with most images."""
    if not file.is_dir():
        file = file.parent
    found = [one for one in (file, *sorted(file.rglob("*"))) if one.is_dir() and _files(one) is not None]
    return max(found, key=lambda one: (_size(one), -len(one.parts))) if found else None


def _files(folder: Path) -> tuple[Path, Path] | None:
    """The files of cameras and images in a folder; the binary ones if it has both, as COLMAP does."""
    for end in (".bin", ".txt"):
        pair = folder / f"cameras{end}", folder / f"images{end}"
        if all(path.is_file() for path in pair):
            return pair
    return None


def _size(folder: Path) -> int:
    files = _files(folder)
    return files[1].stat().st_size if files else 0


def read(file: Path, _hints: Hints) -> Track:
    folder = folder_of(file)
    files = _files(folder) if folder is not None else None
    if files is None:
        raise UserError(f"There is no model of COLMAP in {file}.", advice="Choose the folder with cameras and images.")
    is_text = files[0].suffix == ".txt"
    lenses = dict(_text_lenses(files[0]) if is_text else _binary_lenses(files[0]))
    images = list(_text_images(files[1]) if is_text else _binary_images(files[1]))
    if not images:
        raise UserError(f"{files[1].name} lists no images.", advice=ADVICE)
    names = [image.name for image in images]
    images = [images[at] for at in frame_order(names)]
    if missing := [image for image in images if image.camera not in lenses]:
        raise UserError(
            f"{missing[0].name} has camera {missing[0].camera}, which {files[0].name} does not list.", advice=ADVICE
        )
    used = [lenses[image.camera] for image in images]
    sizes = {(lens.width, lens.height) for lens in used}
    if len(sizes) > 1:
        raise UserError(
            f"The images have different sizes: {sorted(sizes)}.", advice="Solve the images of one clip alone."
        )
    poses = np.array([image.camera_from_world for image in images])
    matrices = np.linalg.inv(from_quaternions(poses[:, :4], poses[:, 4:]))
    values = np.array([[lens.params[place] for place in lens.model.places] for lens in used])
    numbers = frame_numbers([image.name for image in images])
    # Names without numbers are in their own order.
    matrices, K, notes = filled(np.array(numbers or range(len(images))), matrices, pinholes(*values.T))
    if any(lens.bends for lens in used):
        notes += ("The lens bends the picture, which Blender's camera does not: its distortion is left out.",)
    return Track(matrices, K, *sizes.pop(), notes=notes)


def _text_lenses(file: Path) -> Iterator[tuple[int, _Lens]]:
    by_name = {model.name: model for model in MODELS}
    for number, line in text_lines(file):
        try:
            camera, name, width, height, *params = line.split()
            yield int(camera), _lens(by_name[name], int(width), int(height), tuple(map(float, params)))
        except (ValueError, KeyError) as error:
            raise UserError(
                f"Line {number} of {file.name} is no camera that can be read: {line[:60]}.",
                advice="It reads: number, model, width, height, the model's parameters. " + ADVICE,
            ) from error


def _lens(model: _Model, width: int, height: int, params: tuple[float, ...]) -> _Lens:
    if len(params) != model.count or min(width, height) < 1 or not np.isfinite(params).all():
        raise ValueError("not as many numbers as the model has")
    return _Lens(model, width, height, params)


def _text_images(file: Path) -> Iterator[_Image]:
    """Lines of 2D points are not read, and some programs leave them out: only poses end with a name."""
    for number, line in text_lines(file):
        fields = line.split(maxsplit=9)
        if len(fields) < 10 or _is_number(fields[9].split()[0]):
            continue
        try:
            yield _Image(fields[9], int(fields[8]), tuple(float(one) for one in fields[1:8]))
        except ValueError as error:
            raise UserError(
                f"Line {number} of {file.name} is no image's pose: {line[:60]}.",
                advice="It reads: number, rotation (w x y z), translation (x y z), camera, name. " + ADVICE,
            ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _binary_lenses(file: Path) -> Iterator[tuple[int, _Lens]]:
    data, at = file.read_bytes(), 8
    for index in range(int.from_bytes(data[:8], "little")):
        try:
            camera, model, width, height = struct.unpack_from("<IiQQ", data, at)
            count = MODELS[model].count
            params = struct.unpack_from(f"<{count}d", data, at + 24)
            at += 24 + 8 * count
            yield camera, _lens(MODELS[model], width, height, params)
        except (ValueError, IndexError, struct.error) as error:
            raise UserError(f"{file.name} is damaged or cut short at camera {index + 1}.", advice=ADVICE) from error


def _binary_images(file: Path) -> Iterator[_Image]:
    data, at = file.read_bytes(), 8
    for index in range(int.from_bytes(data[:8], "little")):
        try:
            _, *pose, camera = struct.unpack_from("<I7dI", data, at)
            end = data.index(b"\0", at + 64)
            name = data[at + 64 : end].decode("utf-8", errors="replace")
            (points,) = struct.unpack_from("<Q", data, end + 1)
            at = end + 9 + 24 * points
            if at > len(data):
                raise ValueError("its points are missing")
            yield _Image(name, camera, tuple(pose))
        except (ValueError, struct.error) as error:
            raise UserError(f"{file.name} is damaged or cut short at image {index + 1}.", advice=ADVICE) from error


def write(take: Take, folder: Path) -> tuple[str, ...]:
    """Frames are named as in a result's folder; a lens that changes gives a camera for each frame."""
    folder.mkdir(parents=True, exist_ok=True)
    path, matrices = take.path, np.linalg.inv(take.world_from_camera)
    lenses = take.K[:, (0, 1, 0, 1), (0, 1, 2, 2)].tolist()
    if all(lens == lenses[0] for lens in lenses):
        lenses = lenses[:1]
    cameras = [
        f"{number} PINHOLE {path.width} {path.height} {' '.join(map(repr, lens))}"
        for number, lens in enumerate(lenses, start=1)
    ]
    images: list[str] = []
    for index, (matrix, turn) in enumerate(zip(matrices, quaternions_of(matrices[:, :3, :3]), strict=True)):
        pose = " ".join(repr(float(value)) for value in (*turn, *matrix[:3, 3]))
        images += [f"{index + 1} {pose} {min(index, len(lenses) - 1) + 1} {index + 1:06d}.png", ""]
    for name, form, rows in (
        ("cameras", "CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]", cameras),
        ("images", "IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME, then a line of POINTS2D[]", images),
        ("points3D", "POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]", []),
    ):
        (folder / f"{name}.txt").write_text("\n".join([f"# {form}", *rows]) + "\n", encoding="utf-8")
    return ()
