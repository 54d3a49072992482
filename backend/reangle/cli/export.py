# SPDX-License-Identifier: Apache-2.0
"""Results from the store to the user's folder."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import uuid
from pathlib import Path

from reangle.errors import UserError
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder, ResultFolder, StartFolder, WarpFolder
from reangle.runtime.data_folder import disk_errors
from reangle.runtime.store import Artifact

_CHOOSE = "choose another --out"
_LEAST_ROOM = 1 << 20


def check_target(target: Path) -> None:
    """Raise UserError if the folder exists and is not the result of an earlier run, or cannot be written.

    For use before the work, which may take hours.
    """
    _check_place(target)
    if _is_there(target) and not (target.is_dir() and (_is_result(target) or not any(target.iterdir()))):
        raise UserError(
            f"{target} exists and is not a result of Reangle.", advice="Choose another --out, or move it away."
        )


def _check_place(target: Path) -> None:
    """Raise UserError unless a folder can be made there; leaves nothing."""
    folder = target.absolute().parent
    while not _is_there(folder) and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{target} cannot be written: {folder} is no folder.", advice="Choose another --out.")
    with disk_errors(target, _CHOOSE):
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(4096))
        if shutil.disk_usage(folder).free < _LEAST_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def export(artifact: Artifact, target: Path) -> None:
    """Copy an artifact's files to a folder, which appears whole or not at all; an earlier result there is replaced."""
    check_target(target)
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with disk_errors(target, _CHOOSE):
        try:
            for file in artifact.files:
                place = fresh / file.path
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(artifact.folder / file.path, place)
            if _is_there(target):
                aside = fresh.with_name(f"{fresh.name}.old")
                target.rename(aside)
                fresh.rename(target)
                shutil.rmtree(aside, ignore_errors=True)
            else:
                fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _is_there(path: Path) -> bool:
    """Whether something has this name, be it a link to nowhere. Raises OSError for a name that nothing can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_result(folder: Path) -> bool:
    """Whether the folder is the result of an earlier run."""
    marks = (
        ResultFolder(folder).manifest_file,
        CameraFolder(folder).metadata_file,
        GeometryFolder(folder).metadata_file,
        WarpFolder(folder).metadata_file,
        StartFolder(folder).record_file,
        DecodedClip(folder).metadata_file,
    )
    return any(mark.is_file() for mark in marks)
