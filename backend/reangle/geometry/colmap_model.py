# SPDX-License-Identifier: Apache-2.0
"""Cameras from COLMAP's models: text or binary, any lens, some frames missing. pycolmap reads the lenses."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from reangle.contract.sequences import frame_order
from reangle.errors import UserError
from reangle.folders import ClipMetadata, Distortion
from reangle.geometry.camera_files import CameraTrack
from reangle.geometry.colmap import pycolmap
from reangle.geometry.colmap_images import ADVICE, lines_of, read_images, start_of
from reangle.geometry.colmap_match import match_images
from reangle.geometry.file_numbers import counting_numbers, few_in_words, numbers_between
from reangle.geometry.undistortion import K_without_distortion

NEEDED = ("cameras", "images")
_PINHOLES = {"SIMPLE_PINHOLE", "PINHOLE"}


@dataclass(frozen=True)
class _Seen:
    """One image of the model: its name, lens and world_from_camera."""

    name: str
    lens: pycolmap.Camera
    world_from_camera: np.ndarray


def read_colmap(files: Mapping[str, Path], clip: ClipMetadata | None = None) -> CameraTrack:
    """Read a model from its files by name: cameras and images, .txt or .bin; no others are needed.

    Images that have the names of the clip's used frames are these; others are left out. Without such names the images
    are the frames, in the order of their numbers. Frames that COLMAP did not register get a pose between their
    neighbours', and a note. Raises UserError for files that are missing or damaged, cameras of different sizes, and
    lenses that bend the frames differently.
    """
    named = {name.lower(): path for name, path in files.items()}
    end = next((end for end in (".txt", ".bin") if all(part + end in named for part in NEEDED)), None)
    if end is None:
        present = sorted(name for name in named if Path(name).stem in NEEDED)
        missing = "images" if any(name.startswith("cameras") for name in present) else "cameras"
        end = Path(present[0]).suffix if present else ".txt"
        raise UserError(
            f"{missing}{end} is missing beside {present[0] if present else 'the depth'}.",
            advice="COLMAP's files of cameras and of images go together.",
        )
    images = read_images(named["images" + end], end)
    path = named["cameras" + end]
    used = {str(image.camera) for image in images}
    lenses = dict(_lenses_of_text(path, used) if end == ".txt" else _lenses_of_binary(path))
    seen: list[_Seen] = []
    for image in images:
        lens = lenses.get(image.camera)
        if lens is None:
            raise UserError(
                f"{few_in_words([image.name])} has camera {image.camera}, which cameras{end} does not list.",
                advice=ADVICE,
            )
        seen.append(_Seen(image.name, lens, image.world_from_camera))
    seen = [seen[at] for at in frame_order([one.name for one in seen])]
    names = [one.name for one in seen]
    places = match_images(names, clip) if clip is not None else None
    if clip is None or places is None:
        return _track(seen, f"cameras{end}", *_counted(names))
    kept = {frame: place for frame, place in enumerate(places) if place is not None}
    notes = _notes_of_match(names, clip.image_names, kept)
    numbers, wanted = np.array(list(kept)), np.arange(len(places))
    return _track([seen[place] for place in kept.values()], f"cameras{end}", numbers, wanted, notes)


def _lenses_of_text(path: Path, used: Collection[str]) -> Iterator[tuple[int, pycolmap.Camera]]:
    """The cameras by number; those that no image uses are left out."""
    for number, line in lines_of(path):
        if line.split()[0] not in used:
            continue
        try:
            camera, model, width, height, *params = line.split()
            lens = pycolmap.Camera(
                model=model, width=int(width), height=int(height), params=[float(one) for one in params]
            )
            if not lens.verify_params():
                raise ValueError("other parameters than the model has")
            yield int(camera), lens
        except (ValueError, TypeError, RuntimeError, IndexError) as error:
            raise UserError(
                f"Line {number} of cameras.txt is no camera that can be read: {start_of(line)}.",
                advice="It should read: number, model, width, height, the model's parameters. " + ADVICE,
            ) from error


def _lenses_of_binary(path: Path) -> Iterator[tuple[int, pycolmap.Camera]]:
    """The cameras by number, which pycolmap reads as those of a model without images and points."""
    with tempfile.TemporaryDirectory() as name:
        model = pycolmap.Reconstruction()
        try:
            for part in ("images", "points3D"):
                (Path(name) / f"{part}.bin").write_bytes(bytes(8))
            shutil.copyfile(path, Path(name) / "cameras.bin")
            model.read(name)
        except (OSError, ValueError, RuntimeError, IndexError, KeyError, MemoryError) as error:
            raise UserError(f"cameras.bin of COLMAP's model cannot be read: {_short(error)}.", advice=ADVICE) from error
        yield from model.cameras.items()


def _track(
    seen: list[_Seen], cameras: str, numbers: np.ndarray, wanted: np.ndarray, notes: tuple[str, ...]
) -> CameraTrack:
    """numbers: of the images seen, rising. wanted: those of the track's frames."""
    sizes = {(one.lens.width, one.lens.height) for one in seen}
    if len(sizes) > 1:
        raise UserError(
            f"The cameras of {cameras} have different sizes: {sorted(sizes)}.",
            advice="Use the images of one clip only.",
        )
    (width, height) = sizes.pop()
    if not (width and height):
        raise UserError(f"A camera of {cameras} has no size.", advice=ADVICE)
    lenses = {(one.lens.model_name, tuple(one.lens.params)) for one in seen if _bends(one.lens)}
    if len(lenses) > 1 or (lenses and not all(_bends(one.lens) for one in seen)):
        raise UserError(
            f"The lenses of {cameras} bend the frames differently.",
            advice='Solve the clip in COLMAP with one camera for all images ("Shared for all images").',
        )
    distortion = None
    if lenses:
        model, params = lenses.pop()
        distortion = Distortion(model=model, params=params)
    K = np.stack([K_without_distortion(distortion, width, height) if distortion else _K(one.lens) for one in seen])
    if not (np.isfinite(K).all() and (K[:, 0, 0] > 0).all() and (K[:, 1, 1] > 0).all()):
        raise UserError(f"A camera of {cameras} has no focal length.", advice=ADVICE)
    path = np.stack([one.world_from_camera for one in seen])
    if not np.array_equal(numbers, wanted):
        K = K[np.maximum(np.searchsorted(numbers, wanted, side="right") - 1, 0)]
        path = _between(numbers, path, wanted)
    return CameraTrack(K, path, width, height, "relative", distortion=distortion, notes=notes)


def _notes_of_match(names: Sequence[str], frames: Sequence[str], kept: Mapping[int, int]) -> tuple[str, ...]:
    """Which frames have no image, and which images no frame. kept: used frame -> the place of its image in `names`.

    Images that are named like those of the frames, but for their numbers, are of other frames of the clip.
    """
    notes: list[str] = []
    if missing := [name for frame, name in enumerate(frames) if frame not in kept]:
        notes.append(
            f"COLMAP did not register {len(missing)} of {len(frames)} used frames ({few_in_words(missing)}): "
            "the camera is placed between its neighbours there."
        )
    texts = [re.sub(r"\d+", "", name) for name in names]
    of_clip = {texts[place] for place in kept.values()}
    if others := [name for name, text in zip(names, texts, strict=True) if text not in of_clip]:
        notes.append(f"Images of COLMAP's model that are no frames of the clip are left out: {few_in_words(others)}.")
    return tuple(notes)


def _counted(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Of images that are counted: their numbers, those of all frames between them, and notes."""
    numbers = counting_numbers(names)
    if numbers is None:
        return np.arange(len(names)), np.arange(len(names)), ()
    wanted, missing = numbers_between(numbers)
    if not len(missing):
        return numbers, wanted, ()
    note = (
        f"COLMAP did not register {len(missing)} of {len(wanted)} frames "
        f"(number {few_in_words(missing)} of the images' names): the camera is placed between its neighbours there."
    )
    return numbers, wanted, (note,)


def _K(lens: pycolmap.Camera) -> np.ndarray:
    return np.asarray(lens.calibration_matrix(), np.float64)


def _bends(lens: pycolmap.Camera) -> bool:
    """Whether the lens is more than a pinhole."""
    if lens.model_name in _PINHOLES:
        return False
    extra = lens.extra_params_idxs()
    fisheye = not extra or "FISHEYE" in lens.model_name or lens.model_name in {"FOV", "EUCM"}
    return fisheye or any(lens.params[index] for index in extra)


def _between(numbers: np.ndarray, path: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Poses at other numbers: rotations and centres interpolated; before the first and after the last they stay."""
    if len(numbers) == 1:
        return np.repeat(path, len(wanted), axis=0)
    result = np.tile(np.eye(4), (len(wanted), 1, 1))
    inside = wanted.clip(numbers[0], numbers[-1])
    result[:, :3, :3] = Slerp(numbers, Rotation.from_matrix(path[:, :3, :3]))(inside).as_matrix()
    for axis in range(3):
        result[:, axis, 3] = np.interp(wanted, numbers, path[:, axis, 3])
    return result


def _short(error: Exception) -> str:
    """The error in one line, without pycolmap's place in its source."""
    return re.sub(r"^\[[^\]]*\]\s*", "", str(error)).splitlines()[0][:160].rstrip(". ")
