# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo and redo of every action: undo brings back the file as it was, redo what the action made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from conftest import choose_clip, wait_for_jobs
from file_contents import contents, differences
from test_left_behind import in_blender

# Jobs are not part of undo: the backend goes on with them.
JOBS = "/reangle/jobs"

Action = Callable[[SimpleNamespace], Any]


def operator(name: str, /, **values: Any) -> Action:
    """Calls an operator as a button does: with a step of undo."""
    return lambda desk: getattr(bpy.ops.reangle, name)("EXEC_DEFAULT", True, **values)


def active_camera() -> None:
    bpy.context.view_layer.objects.active = bpy.context.scene.objects["Left"]


def with_mesh() -> None:
    bpy.ops.reangle.add_depth_mesh()


def own_start() -> None:
    start = bpy.context.scene.objects["Left"].reangle.start
    start.edit_source = start.edit_target = "a red box"


EXPORTED = "path.json"


def one_active() -> None:
    active_camera()
    bpy.context.scene.cursor.location = (0.1, 1.5, 0.2)


def exported() -> None:
    active_camera()
    bpy.ops.reangle.export_path(filepath=str(Path(bpy.app.tempdir) / EXPORTED))


def import_path(desk: SimpleNamespace) -> Any:
    return operator("import_path", filepath=str(Path(bpy.app.tempdir) / EXPORTED))(desk)


def nothing() -> None:
    """No preparation."""


ACTIONS: dict[str, tuple[Callable[[], None], Action]] = {
    "add_camera": (nothing, operator("add_camera")),
    "add_camera, following": (nothing, operator("add_camera", follow=True)),
    "apply_move": (nothing, operator("apply_move", move="orbit-left", amount=5)),
    "apply_move, frozen": (nothing, operator("apply_move", move="dolly-in", freeze=True)),
    "apply_move, active": (active_camera, operator("apply_move", move="dolly-in", amount=5, new=False)),
    "look_through": (nothing, operator("look_through", camera="Left")),
    "tick_camera": (nothing, operator("tick_camera", camera="Left")),
    "clear_start": (own_start, operator("clear_start", camera="Left")),
    "import_path": (exported, import_path),
    "results_to_sequencer": (nothing, operator("results_to_sequencer", with_clip=True)),
    "results_to_backgrounds": (nothing, operator("results_to_backgrounds")),
    "results_to_compositor": (nothing, operator("results_to_compositor")),
    "add_depth_mesh": (nothing, operator("add_depth_mesh")),
    "remove_depth_mesh": (with_mesh, operator("remove_depth_mesh")),
    "add_angles": (nothing, operator("add_angles", angles="THREE")),
    "follow_clip_camera": (active_camera, operator("follow_clip_camera")),
    "set_focus": (one_active, operator("set_focus", at="CURSOR")),
    "track_focus": (active_camera, operator("track_focus")),
    "delete_camera": (active_camera, operator("delete_camera", camera="Left")),
    "tick_cameras": (nothing, operator("tick_cameras", which="NONE")),
    "new_clip": (nothing, operator("new_clip")),  # last, since it goes to another scene
}
UNDONE_ELSEWHERE = {
    # Starting images, which need a render of minutes: test_starts.py.
    *("redo_start", "paint_start", "take_start", "replace_start", "edit_start", "anchor_start", "revert_start"),
    # It goes to a frame.
    "show_warning",
    # It goes to a frame, or to a scene.
    *("least_seen", "show_clip"),
    # Its result comes from a job: below, by the code that all of these share.
    *("import_clip", "import_footage", "import_strip", "import_movie_clip"),
    # It shows images, whose format Blender forgets in undo until it reads them again.
    "use_in_compositing",
    # They are modal, or of the view layer: test_floor.py, test_camera_list.py.
    *("set_floor", "pick_focus", "hide_camera"),
}


@pytest.fixture
def one_rendered(shot: SimpleNamespace) -> SimpleNamespace:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.ops.reangle.render()
    wait_for_jobs(shot)
    return shot


def file_now() -> dict[str, Any]:
    bpy.context.view_layer.update()
    return {name: value for name, value in contents().items() if JOBS not in name}


def check_undo_and_redo(desk: SimpleNamespace, prepare: Callable[[], None], action: Action) -> None:
    prepare()
    bpy.ops.ed.undo_push(message="before")
    before, held = file_now(), in_blender()
    assert action(desk) == {"FINISHED"}
    after = file_now()
    assert differences(before, after), "the action changes the file"
    for _ in range(2):
        bpy.ops.ed.undo()
        assert differences(before, file_now()) == {}
        bpy.ops.ed.redo()
        assert differences(after, file_now()) == {}
    assert in_blender() == held


def test_undo_and_redo_of_every_action(one_rendered: SimpleNamespace) -> None:
    """One render serves all actions; each begins where undo has left the file of the one before."""
    failed: dict[str, Any] = {}
    for name, (prepare, action) in ACTIONS.items():
        try:
            check_undo_and_redo(one_rendered, prepare, action)
        except AssertionError as error:
            failed[name] = str(error)
    assert not failed, "\n".join(f"{name}: {why}" for name, why in failed.items())


def test_undo_and_redo_of_an_import(desk: SimpleNamespace, clip: Path) -> None:
    """Its objects come after the button. Undo does not take them out by halves, and redo does not make them twice."""
    bpy.context.preferences.edit.use_global_undo = True
    choose_clip(desk, clip)
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.reangle.import_clip("EXEC_DEFAULT", True) == {"FINISHED"}
    wait_for_jobs(desk)
    bpy.ops.ed.undo_push(message="the add-on does this in a window")
    imported = file_now()
    bpy.ops.reangle.add_camera("EXEC_DEFAULT", True)
    added = file_now()
    for _ in range(2):
        bpy.ops.ed.undo()
        assert differences(imported, file_now()) == {}
        bpy.ops.ed.undo()
        assert len(bpy.context.scene.reangle.jobs) == 1, "undo loses no job"
        bpy.ops.ed.redo()
        bpy.ops.ed.redo()
        assert differences(added, file_now()) == {}


def test_every_operator_with_undo_is_tried(one_rendered: SimpleNamespace) -> None:
    tried = {name.split(",")[0] for name in ACTIONS} | UNDONE_ELSEWHERE
    with_undo = {
        name
        for name in dir(bpy.ops.reangle)
        if "UNDO" in getattr(getattr(bpy.types, f"REANGLE_OT_{name}"), "bl_options", ())
    }
    assert with_undo <= tried
