# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folder the // of a scene's paths means. Undo brings back paths from before the file was saved elsewhere, and
with them the scene's number of the folder that they start from.

The numbers hold for one session and one open file; another program or file makes nothing of them.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from bpy.types import Scene

from . import paths
from .identity import scenes

_folders: dict[int, Path | None] = {}
_now = 0


def opened() -> None:
    """A file was opened: all paths start from its folder."""
    _folders.clear()
    # Steps of undo from before this have no number, or one of another session.
    _folders[0] = paths.blend_folder()
    saved()


def saved() -> None:
    """The open file has its place, and all paths start there."""
    global _now
    folder = paths.blend_folder()
    if _now not in _folders or _folders[_now] != folder:
        _now = random.getrandbits(30) + 1
        _folders[_now] = folder
    mark_all()


def mark(scene: Scene) -> None:
    """All paths of this scene start from the folder of the open file."""
    shot: Any = scene.reangle
    if _number(scene) != _now and not shot.is_newer:
        shot.starts_from = _now


def mark_all() -> None:
    for scene in _used():
        mark(scene)


def newcomers() -> list[Scene]:
    """Scenes that have come from other files since the last `mark`: appended, or linked and then made local."""
    return [scene for scene in _used() if _number(scene) != _now and start_of(scene) is None]


def _used() -> list[Scene]:
    """The scenes in which Reangle is used and may change something."""
    found: list[Scene] = []
    for scene in scenes():
        shot: Any = scene.reangle
        if (shot.uid or shot.clip.path) and not shot.is_newer:
            found.append(scene)
    return found


def _number(scene: Scene) -> int:
    shot: Any = scene.reangle
    return shot.starts_from


def start_of(scene: Scene) -> Path | None:
    """The folder that the scene's paths start from if it is another than that of the open file."""
    folder = _folders.get(_number(scene))
    return folder if folder != paths.blend_folder() else None


def former() -> list[Path]:
    """The other folders that the open file had in this session, the latest first."""
    here = paths.blend_folder()
    return [folder for folder in reversed(list(_folders.values())) if folder not in (None, here)]
