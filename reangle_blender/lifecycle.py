# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers for opened files and for undo."""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.types import Depsgraph, Scene

from . import compat, state
from .core import backend_process
from .exchange import (
    auto_start,
    clouds,
    connection,
    downloads,
    homes,
    installing,
    ledger,
    lookahead,
    main_thread,
    removing,
    watching,
    ways_in,
)
from .scene import (
    camera_list,
    camera_status,
    cloud_drawing,
    compositor,
    depth_frames,
    edit_scene,
    path_drawing,
    point_cloud,
    sequencer,
)
from .state import identity, starts, ticks

_is_restored = False


@bpy.app.handlers.persistent
def _opened(*_: object) -> None:
    global _is_restored
    _is_restored = True
    ledger.opened += 1
    ledger.removed.clear()  # the file says what its lists hold
    identity.forget()
    starts.opened()
    state.separate_copies()
    ticks.show()
    point_cloud.forget_all()
    cloud_drawing.forget()
    depth_frames.forget()
    lookahead.forget()
    _read_cameras_again()
    watching.resume()
    auto_start.opened()
    homes.find_all(clouds.read_all)


def _registered() -> None:
    """The add-on may be enabled, or updated, while a file is open."""
    if not _is_restored:
        _opened()


@bpy.app.handlers.persistent
def _imported(*_: object) -> None:
    for scene in starts.newcomers():
        starts.mark(scene)
    state.separate_copies()
    watching.resume()
    homes.find_all(clouds.read_all)


@bpy.app.handlers.persistent
def _changed(_scene: Scene, depsgraph: Depsgraph) -> None:
    state.separate_copies()
    state.migrate_all()
    if starts.newcomers():  # made local, or appended in a Blender that does not tell
        _imported()
    if depsgraph.id_type_updated("OBJECT"):  # a camera may have another name
        _follow_names()
    if camera_status.touch(depsgraph):
        _read_cameras_soon()


_is_reading_soon = False


def _read_cameras_soon() -> None:
    """Read what changed about the cameras in a moment: while the artist drags one, it changes at each redraw."""
    global _is_reading_soon
    if not _is_reading_soon:
        _is_reading_soon = True
        main_thread.post(_read_cameras)


def _read_cameras() -> None:
    global _is_reading_soon
    _is_reading_soon = False
    for scene, changed in camera_status.refresh().items():
        camera_list.give_colors(scene)
        path_drawing.remember(scene, changed)


def _read_cameras_again() -> None:
    """Another file was opened, or undo may have changed any camera."""
    camera_status.forget()
    path_drawing.forget()
    _read_cameras_soon()


def _follow_names() -> None:
    for scene in state.scenes():
        edit = edit_scene.find(scene)
        if edit is not None:
            sequencer.follow_names(edit)
        group = state.of(scene).result_nodes
        if group is not None and group.library is None:
            compositor.follow_names(group)


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    identity.restore()
    state.migrate_all()
    removing.take_out_again()
    homes.undone()
    ledger.write_all()
    _read_cameras_again()
    watching.resume_returned()


_CONNECTED: tuple[Callable[[], None], ...] = (watching.resume, downloads.resume, ways_in.resume)


def register() -> None:
    bpy.app.handlers.load_post.append(_opened)
    bpy.app.handlers.depsgraph_update_post.append(_changed)
    if compat.IMPORT_HANDLERS is not None:
        compat.IMPORT_HANDLERS.append(_imported)
    bpy.app.handlers.undo_post.append(_undone)
    bpy.app.handlers.redo_post.append(_undone)
    connection.on_connected += _CONNECTED
    homes.register()
    main_thread.post(_registered)


def unregister() -> None:
    global _is_restored, _is_reading_soon
    _is_restored = _is_reading_soon = False
    homes.unregister()
    for callback in _CONNECTED:
        connection.on_connected.remove(callback)
    bpy.app.handlers.load_post.remove(_opened)
    bpy.app.handlers.depsgraph_update_post.remove(_changed)
    if compat.IMPORT_HANDLERS is not None:
        compat.IMPORT_HANDLERS.remove(_imported)
    bpy.app.handlers.undo_post.remove(_undone)
    bpy.app.handlers.redo_post.remove(_undone)
    ledger.forget_all()
    ledger.active.clear()
    downloads.forget()
    ways_in.forget()
    installing.forget()
    connection.reset()
    backend_process.let_go()
