# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of formats, and how a file's format is found. Each format's module tells its axes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile, is_zipfile

import numpy as np

from ..contract import CameraPath, ContractError
from ..errors import UserError
from ..files import disk_errors
from . import (
    chan,
    colmap,
    dust3r,
    nerfstudio,
    realestate10k,
    reangle_json,
    recammaster,
    reshoot,
    trajectorycrafter,
    tum,
    versecrafter,
    vista4d,
)
from .lines import text_lines
from .track import Hints, Take, Track, completed

MAX_JSON = 256 * 2**20


@dataclass(frozen=True)
class Format:
    """A file format for camera paths.

    number: identifies it in Blender's menus and never changes. suffix: of its files; "" for a folder. axes: of its
    files, in a few words. read, write: None if Reangle does not. write returns notes on what the file does not hold.
    """

    id: str
    number: int
    label: str
    suffix: str
    axes: str
    read: Callable[[Path, Hints], Track] | None
    write: Callable[[Take, Path], tuple[str, ...]] | None


_CV, _GL = "OpenCV: x right, y down, z forward", "OpenGL: x right, y up, z back"
FORMATS = {
    one.id: one
    for one in (
        Format("REANGLE", 1, "Reangle JSON", ".json", f"{_CV}; camera to world", reangle_json.read, reangle_json.write),
        Format(
            "NERFSTUDIO",
            2,
            "nerfstudio Camera Path",
            ".json",
            f"{_GL}; world z up; camera to world; no shift",
            nerfstudio.read_camera_path,
            nerfstudio.write_camera_path,
        ),
        Format(
            "TRANSFORMS",
            3,
            "nerfstudio transforms.json",
            ".json",
            f"{_GL}; world z up; camera to world",
            nerfstudio.read_transforms,
            nerfstudio.write_transforms,
        ),
        Format("VISTA4D", 4, "Vista4D, WanGP", ".npz", f"{_CV}; camera to world", vista4d.read, vista4d.write),
        Format("COLMAP", 5, "COLMAP Model", "", f"{_CV}; world to camera", colmap.read, colmap.write),
        Format("TUM", 6, "TUM", ".txt", f"{_CV}; camera to world; no lens", tum.read, tum.write),
        Format(
            "REALESTATE10K",
            7,
            "RealEstate10K",
            ".txt",
            f"{_CV}; world to camera; lens in parts of the picture",
            realestate10k.read,
            realestate10k.write,
        ),
        Format("CHAN", 8, "Nuke .chan", ".chan", f"{_GL}; world y up; angles; no shift", chan.read, chan.write),
        Format("DUST3R", 9, "DUSt3R, MonST3R Scene", "", f"{_CV}; camera to world", dust3r.read, None),
        Format("RESHOOT", 10, "Reshoot-Anything", ".json", f"{_CV}; world to camera; one lens", None, reshoot.write),
        Format(
            "RECAMMASTER",
            11,
            "ReCamMaster",
            ".json",
            "Unreal: x forward, y right, z up, centimetres; camera to world; no lens",
            None,
            recammaster.write,
        ),
        Format(
            "TRAJECTORYCRAFTER",
            12,
            "TrajectoryCrafter",
            ".txt",
            "angles around what the clip's camera looks at; no roll, no lens",
            None,
            trajectorycrafter.write,
        ),
        Format(
            "VERSECRAFTER",
            13,
            "VerseCrafter",
            ".npz",
            "Blender: cameras look along -z, world z up; camera to world; no lens",
            None,
            versecrafter.write,
        ),
    )
}
"""By id, in the order of the menus."""


def named(name: str) -> Format:
    """Raises UserError for a format that is not there."""
    found = FORMATS.get(name)
    if found is None:
        raise UserError(f"There is no format {name!r}.", advice=f"Choose one of {', '.join(FORMATS)}.")
    return found


def read(file: Path, format_id: str, hints: Hints) -> Track:
    """Read a camera path. format_id: "AUTO" finds it by the file's content.

    Raises UserError that names the file and what is wrong with it.
    """
    if not file.exists():
        raise UserError(f"There is no file {file}.", advice="Choose the file again.")
    chosen = detect(file) if format_id == "AUTO" else named(format_id)
    if chosen.read is None:
        raise UserError(f"{chosen.label} is written only.", advice="Give the path in another format.")
    try:
        with disk_errors(file):
            return chosen.read(file, hints)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, BadZipFile, EOFError) as error:
        raise UserError(
            f"{file.name} cannot be read as {chosen.label}: {_reason(error)}.",
            advice="Choose its format, or export it again.",
        ) from error


def read_path(
    file: Path, format_id: str, hints: Hints, like: CameraPath, name: str
) -> tuple[CameraPath, tuple[str, ...]]:
    """Read a camera path over the clip, and notes. See `read` and `completed`."""
    track = read(file, format_id, hints)
    try:
        return completed(track, like, name)
    except ContractError as error:
        raise UserError(
            f"{file.name} is no camera that can be used: {error.message}", advice="Export it again."
        ) from error


def write(take: Take, file: Path, format_id: str) -> tuple[str, ...]:
    """Write a camera path; folders above it are made. Returns notes on what the file does not hold.

    Raises UserError if the file cannot be written.
    """
    chosen = named(format_id)
    if chosen.write is None:
        raise UserError(f"{chosen.label} is read only.", advice="Choose another format.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {file.parent} cannot be made.", advice="Choose another place.") from error
    with disk_errors(file, writing=True):
        return chosen.write(take, file)


def detect(file: Path) -> Format:
    """The format of a file or folder by its content. Raises UserError if it is none that Reangle reads."""
    found = ""
    if colmap.folder_of(file) is not None and (file.is_dir() or file.stem.lower() in ("cameras", "images", "points3d")):
        found = "COLMAP"
    elif dust3r.folder_of(file) is not None and (file.is_dir() or file.name in (dust3r.POSES, dust3r.LENSES)):
        found = "DUST3R"
    elif file.is_file():
        with disk_errors(file):
            found = _of_content(file)
    if not found:
        known = ", ".join(one.label for one in FORMATS.values() if one.read is not None)
        raise UserError(f"{file.name} is no camera path that Reangle knows.", advice=f"It reads {known}.")
    return FORMATS[found]


def _of_content(file: Path) -> str:
    if file.suffix.lower() == ".chan":
        return "CHAN"
    if is_zipfile(file):
        with np.load(file, allow_pickle=False) as arrays:
            return "VISTA4D" if "cam_c2w" in arrays else ""
    if file.suffix.lower() == ".json":
        return _of_json(file)
    lines = text_lines(file)[:2]
    columns = [len(line.replace(",", " ").split()) for _, line in lines]
    if realestate10k.COLUMNS in columns:  # its first line is a title
        return "REALESTATE10K"
    return "TUM" if columns[:1] == [tum.COLUMNS] else ""


def _of_json(file: Path) -> str:
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8-sig")) if file.stat().st_size < MAX_JSON else None
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    known = cast("dict[str, Any]", content)
    if "camera_path" in known:
        return "NERFSTUDIO"
    frames: Any = known.get("frames")
    first: Any = cast("list[Any]", frames)[0] if isinstance(frames, list) and frames else None
    if isinstance(first, dict) and "transform_matrix" in first:
        return "TRANSFORMS"
    return "REANGLE" if "width" in known and ("K" in known or "source" in known or isinstance(first, dict)) else ""


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error).rstrip(".") or type(error).__name__
