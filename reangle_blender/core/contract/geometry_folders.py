# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Finds depth maps and camera files in a folder: one rule for the command line and the add-on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from .errors import UserError
from .file_kinds import COLMAP_FILES, DUST3R_FILES, says_depth, says_inverse
from .sequences import frame_order

_NOT_DEPTH_WORD = re.compile(r"denois|mist|normal|confidence")


def collect_geometry_files(folder: Path) -> list[Path]:
    """The depth and camera files in a folder and the folders below.

    Depth comes from EXR files if there are any, else npz and npy, else 16-bit PNG; those in a folder named as depth are
    preferred, then those in the folder itself; of several sequences in it, the one named as depth. Hidden files, such
    as those that a Mac writes beside others, are nobody's depth. Camera files are taken from the depth's folder, else
    from the nearest folder above that has some. Raises UserError if there is no depth, or if depth is in several
    folders.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", advice="Give the folder that holds the depth maps.")
    paths = _files_below(folder)
    for suffixes in ((".exr",), (".npz", ".npy"), (".png",)):
        depth = [path for path in paths if path.suffix.lower() in suffixes]
        depth = (
            [path for path in depth if path.parent.name.lower() == "depth"]
            or [path for path in depth if path.parent != folder and _is_named_depth(path.parent.name)]
            or depth
        )
        if suffixes == (".png",):
            depth = [path for path in depth if _is_deep_png(path)]
        depth = [path for path in depth if path.parent == folder] or depth
        if depth:
            break
    else:
        raise UserError(
            f"There are no depth maps in {folder}.", advice="Put EXR files with a Z pass, 16-bit PNG or npz there."
        )
    parents = sorted({path.parent for path in depth})
    if len(parents) > 1:
        raise UserError(
            f"There are depth maps in {parents[0]} and in {parents[1]}.", advice="Give the folder of one of them."
        )
    depth = _of_dust3r(depth) if _has_dust3r(parents[0]) else _named_depth(depth)
    cameras = _camera_files(paths)
    # Camera files in other folders may be of other cameras.
    above = [one for one in (parents[0], *parents[0].parents) if one == folder or folder in one.parents]
    for candidate in above:
        if beside := [path for path in cameras if path.parent == candidate]:
            cameras = beside
            break
    return [depth[at] for at in frame_order([path.name for path in depth])] + cameras


def collect_camera_files(folder: Path) -> list[Path]:
    """The camera files in a folder, for `--camera files:FOLDER`; a file stands for itself.

    Raises UserError if there is none.
    """
    paths = [folder] if folder.is_file() else _files_below(folder) if folder.is_dir() else []
    cameras = _camera_files(paths)
    if not cameras:
        raise UserError(
            f"There is no camera file in {folder}.", advice="Put a camera JSON there, or a scene of COLMAP or MonST3R."
        )
    return cameras


def _files_below(folder: Path) -> list[Path]:
    return sorted((path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder)), key=str)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)


def _named_depth(paths: Sequence[Path]) -> list[Path]:
    """Of several sequences, such as colour and depth of one render, the one named as depth; else all."""
    sequences: dict[str, list[Path]] = {}
    for path in paths:
        sequences.setdefault(re.sub(r"-?\d+", "#", path.stem.casefold()), []).append(path)
    named = [files for files in sequences.values() if _is_named_depth(files[0].stem)]
    return named[0] if len(named) == 1 else list(paths)


def _has_dust3r(folder: Path) -> bool:
    return all((folder / name).is_file() for name in DUST3R_FILES)


def _of_dust3r(paths: Sequence[Path]) -> list[Path]:
    """The depth maps of a scene of DUSt3R's family, which saves confidences in files of the same kind beside them."""
    return [path for path in paths if path.name.casefold().startswith("frame_")] or list(paths)


def _is_named_depth(name: str) -> bool:
    return says_depth(name) and not says_inverse(name) and not _NOT_DEPTH_WORD.search(name.casefold())


def _camera_files(paths: Iterable[Path]) -> list[Path]:
    paths = list(paths)
    scene = [path for path in paths if path.name.lower() in DUST3R_FILES and _has_dust3r(path.parent)]
    return [path for path in paths if _is_camera_json(path)] + _largest_model(paths) + scene


def _largest_model(paths: Iterable[Path]) -> list[Path]:
    """The files of one of COLMAP's models, which it writes to sparse/0, sparse/1, ...: that with most images."""
    models: dict[Path, list[Path]] = {}
    for path in paths:
        if path.name.lower() in COLMAP_FILES:
            models.setdefault(path.parent, []).append(path)

    def worth(folder: Path) -> tuple[int, int]:
        sizes = (path.stat().st_size for path in models[folder] if path.stem.lower() == "images")
        return max(sizes, default=0), -len(folder.parts)

    return models[max(models, key=worth)] if models else []


def _is_deep_png(path: Path) -> bool:
    """Whether the PNG has 16 bits, by its header."""
    with path.open("rb") as file:
        header = file.read(25)
    return header.startswith(b"\x89PNG\r\n\x1a\n") and len(header) == 25 and header[24] == 16


def _is_camera_json(path: Path) -> bool:
    if path.suffix.lower() != ".json" or path.stat().st_size > 64 * 2**20:
        return False
    try:
        content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        # Report an invalid file beside the depth maps rather than ignore it.
        return True
    if not isinstance(content, dict):
        return False
    source: Any = content.get("source", content)
    if not isinstance(source, dict):
        return False
    about = cast("dict[str, Any]", source)
    return "K" in about or (isinstance(about.get("frames"), list) and "width" in content)
