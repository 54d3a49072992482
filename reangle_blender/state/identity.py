# SPDX-License-Identifier: GPL-3.0-or-later
"""Which scene is which, also after copies, undo and appended libraries: a scene's uid is its own."""

from __future__ import annotations

import uuid
from typing import Any

import bpy
from bpy.types import Object, Scene

_holders: dict[str, int] = {}
"""The session's number of the scene that has each uid; undo keeps these numbers, and copies get new ones."""


def scenes() -> list[Scene]:
    """The file's own scenes: those of libraries cannot be changed."""
    return [scene for scene in bpy.data.scenes if scene.library is None]


def find_scene(uid: str) -> Scene | None:
    separate_copies()
    return next((scene for scene in scenes() if _of(scene).uid == uid), None)


def new_uid(scene: Scene) -> str:
    uid = uuid.uuid4().hex
    _holders[uid] = scene.session_uid
    return uid


def alive(scene: Scene, item: Object | None) -> Object | None:
    """The object if it is still in the scene; pointers keep deleted objects."""
    if item is None:
        return None
    named = scene.objects.get(item.name)
    # Objects of libraries may have the same name.
    return item if named == item or (named is not None and any(other == item for other in scene.objects)) else None


def find_object(session_uid: int) -> Object | None:
    """The object of this session's number, which names and undo do not change."""
    return next((item for item in bpy.data.objects if item.session_uid == session_uid), None) if session_uid else None


def separate_copies() -> None:
    """Give a copied or appended scene a uid of its own, so that nothing meant for one is written into the other."""
    same: dict[str, list[Scene]] = {}
    for scene in scenes():
        if _of(scene).uid and not _of(scene).is_newer:
            same.setdefault(_of(scene).uid, []).append(scene)
    for uid, group in same.items():
        holder = next((scene for scene in group if scene.session_uid == _holders.get(uid)), None)
        # In a file saved by an older version, the one that has the clip.
        original = holder or min(group, key=lambda scene: (alive(scene, _of(scene).origin) is None, scene.session_uid))
        _holders[uid] = original.session_uid
        for scene in group:
            if scene != original:
                _make_own(scene, original)
    _inherit()


def _inherit() -> None:
    """What was borrowed belongs to the borrower once the scene that it was borrowed from is gone."""
    borrowers = [scene for scene in scenes() if _of(scene).is_borrowed and not _of(scene).is_newer]
    for scene in borrowers:
        origin = _of(scene).origin
        if not any(_of(other).origin == origin and not _of(other).is_borrowed for other in scenes() if other != scene):
            _of(scene).is_borrowed = False


def restore() -> None:
    """Undo may take away a uid that running jobs know their scene by."""
    known = {number: uid for uid, number in _holders.items()}
    for scene in scenes():
        if not _of(scene).uid and scene.session_uid in known:
            _of(scene).uid = known[scene.session_uid]
            _of(scene).schema = _of(scene).SCHEMA
    separate_copies()


def forget() -> None:
    _holders.clear()


def _make_own(scene: Scene, original: Scene) -> None:
    shot, other = _of(scene), _of(original)
    before = next((uid for uid, number in _holders.items() if number == scene.session_uid), None)
    shot.uid = before or new_uid(scene)
    if shot.edit == other.edit:
        shot.edit = None
    if shot.result_nodes == other.result_nodes:
        shot.result_nodes = None
    for index in reversed(range(len(shot.jobs))):
        if not shot.jobs[index].is_final:  # it runs for the original
            shot.jobs.remove(index)
    if alive(scene, shot.origin) is None:  # only the settings were copied
        shot.jobs.clear()
        shot.origin = shot.cloud = shot.source = shot.plane = shot.cg.mesh = None
        for name in ("shot", "shot_request", "shot_folder", "about", "shot_title", "shot_frames", "shot_is_glance"):
            shot.property_unset(name)
    else:
        shot.is_borrowed = shot.origin == other.origin
    shot.job_index = max(0, min(shot.job_index, len(shot.jobs) - 1))


def _of(scene: Scene) -> Any:
    return scene.reangle
