# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers for opened files and for undo."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import bpy

from . import state
from .exchange import connection, downloads, fetched_shot, ledger, main_thread, watching
from .scene import cloud_drawing, point_cloud


@bpy.app.handlers.persistent
def _opened(*_: object) -> None:
    point_cloud.forget_all()
    cloud_drawing.forget()
    watching.resume()
    for scene in bpy.data.scenes:
        shot = state.of(scene)
        if shot.shot and shot.shot_folder:
            folder = Path(bpy.path.abspath(shot.shot_folder))
            main_thread.in_thread(
                partial(fetched_shot.read_shot, shot.shot, "", folder, is_glance=shot.shot_is_glance),
                done=partial(_cloud_read, shot.uid),
                failed=partial(_cloud_missing, shot.shot),
            )


def _cloud_read(uid: str, shot: fetched_shot.Shot) -> None:
    point_cloud.remember(shot.job, shot.cloud)
    scene = state.find_scene(uid)
    if scene is not None:
        point_cloud.refresh(scene)


def _cloud_missing(job: str, failure: main_thread.Failure) -> None:
    for scene in bpy.data.scenes:
        item = state.of(scene).jobs.get(job)
        if item is not None:
            item.message, item.advice = failure.message, failure.advice


@bpy.app.handlers.persistent
def _undone(*_: object) -> None:
    ledger.write_all()


def register() -> None:
    bpy.app.handlers.load_post.append(_opened)
    bpy.app.handlers.undo_post.append(_undone)
    bpy.app.handlers.redo_post.append(_undone)
    connection.on_connected += [watching.resume, downloads.resume]


def unregister() -> None:
    for callback in (watching.resume, downloads.resume):
        connection.on_connected.remove(callback)
    bpy.app.handlers.load_post.remove(_opened)
    bpy.app.handlers.undo_post.remove(_undone)
    bpy.app.handlers.redo_post.remove(_undone)
    ledger.forget_all()
    downloads.forget()
    connection.reset()
