# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in ends here: a choice becomes that of the Clip panel, and is imported. Main thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpy.types import Scene

from .. import readiness, state
from ..core.errors import UserError
from ..scene.framing import Framing
from . import connection, fetching, sending


def import_choice(scene: Scene, values: Mapping[str, Any], scene_frame: int | None, framing: Framing) -> bool:
    """Import a clip with these values of `ReangleClip`; others stay. Returns whether it was sent already.

    While the backend is not running it is started, and the clip is imported when it runs. scene_frame: of the clip's
    first used frame, None leaves it to the Clip panel. Raises UserError if the clip cannot be imported; that panel is
    then as before.
    """
    state.check_editable(scene)
    shot = state.prepare(scene)
    before, placed = _stored(shot.clip, values), (shot.is_property_set("first_frame"), shot.first_frame)
    for name, value in values.items():
        setattr(shot.clip, name, value)
    if scene_frame is not None:
        shot.first_frame = scene_frame
    try:
        if connection.now.state == "on":
            _import(scene, framing)
            return True
        readiness.check_clip(scene)
    except UserError:
        _restore(shot.clip, before)
        if scene_frame is not None:
            shot.first_frame = placed[1]
            if not placed[0]:
                shot.property_unset("first_frame")
        raise
    _waiting.append((shot.uid, shot.clip.path, framing))
    connection.start()
    return False


_waiting: list[tuple[str, str, Framing]] = []
"""Scene, clip and views of imports that wait for the backend."""


def resume() -> None:
    """Import what waited, now that the backend runs. What is chosen in the Clip panel by now counts."""
    waiting = _waiting[:]
    _waiting.clear()
    for uid, path, framing in waiting:
        scene = state.find_scene(uid)
        if scene is None or state.of(scene).clip.path != path:
            continue
        try:
            _import(scene, framing)
        except UserError:
            continue  # the Clip panel says below its button why the choice cannot be imported
        fetching.push_undo(f"Show {state.of(scene).shot_title}")


def forget() -> None:
    _waiting.clear()


def _import(scene: Scene, framing: Framing) -> None:
    readiness.check_import(scene)
    sending.import_clip(scene, readiness.choice_of(scene), framing)


def _stored(clip: state.ReangleClip, names: Mapping[str, Any]) -> dict[str, tuple[bool, Any]]:
    stored = [{"camera": "camera_name", "depth": "depth_name"}.get(name, name) for name in names]
    return {name: (clip.is_property_set(name), getattr(clip, name)) for name in stored}


def _restore(clip: state.ReangleClip, before: Mapping[str, tuple[bool, Any]]) -> None:
    for name, (was_set, value) in before.items():
        setattr(clip, name, value)
        if not was_set:
            clip.property_unset(name)
