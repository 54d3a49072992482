# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of new cameras before they are rendered: how much of their pictures the clip shows. Main thread."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from bpy.types import Object, Scene

from .. import state
from ..core.coverage import Coverage
from . import cameras

_known: dict[int, Coverage] = {}
"""By the session's number of the camera."""
_problems: dict[int, str] = {}


@dataclass(frozen=True)
class Summary:
    """known: mean share of the picture that the clip shows. worst: the least, and its scene frame."""

    known: float
    worst: float
    worst_frame: int
    is_complete: bool


def remember(camera: Object, coverage: Coverage) -> None:
    _known[camera.session_uid] = coverage
    _problems.pop(camera.session_uid, None)


def fail(camera: Object, problem: str) -> None:
    """Remember why the camera cannot be measured."""
    _known.pop(camera.session_uid, None)
    _problems[camera.session_uid] = problem


def forget() -> None:
    _known.clear()
    _problems.clear()


def of(camera: Object) -> Coverage | None:
    return _known.get(camera.session_uid)


def problem_of(camera: Object) -> str:
    """Why the camera could not be measured; "" if it could, or was not."""
    return _problems.get(camera.session_uid, "")


def summary(scene: Scene, camera: Object) -> Summary | None:
    """None before anything of the camera is measured."""
    coverage = of(camera)
    worst = coverage.worst() if coverage is not None else None
    if coverage is None or worst is None:
        return None
    known = coverage.mean_known()
    return Summary(known, float(1 - coverage.unseen[worst]), state.of(scene).first_frame + worst, coverage.is_complete)


def shown_camera(scene: Scene) -> Object | None:
    """The new camera that the timeline tells of: the active one, else the scene's; None if neither is a new one."""
    new = cameras.artist_cameras(scene)
    active = bpy.context.view_layer.objects.active if bpy.context.view_layer is not None else None
    return next((camera for camera in (active, scene.camera) if camera is not None and camera in new), None)


def redraw() -> None:
    """Redraw where coverage is drawn."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            if area.type in {"VIEW_3D", "DOPESHEET_EDITOR"}:
                area.tag_redraw()
