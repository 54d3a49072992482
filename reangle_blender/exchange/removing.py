# SPDX-License-Identifier: GPL-3.0-or-later
"""Take ended jobs out of the lists. Main thread; files are deleted in threads.

Jobs are not part of Blender's undo, as the backend goes on with them: undo does not bring a removed one back either.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from bpy.types import Scene

from .. import state
from ..core.errors import UserError
from ..scene import places
from ..state import paths
from . import homes, ledger, main_thread
from .main_thread import Failure


def remove(scene: Scene, job: state.ReangleJob, *, delete_files: bool) -> None:
    """Take a job out of the scene's list. delete_files: first delete its folder, in a thread.

    Raises UserError if the job has not ended, is the scene's clip, or its files are needed or not Reangle's own.
    """
    state.check_editable(scene)
    state.separate_copies()  # so that the uid is the scene's own
    shot = state.of(scene)
    if not job.is_final or job.name in ledger.active:
        raise UserError(f"{job.title} has not ended yet.", advice="Cancel it first.")
    if job.loaded and job.name == shot.shot:
        raise UserError(f"{job.title} is the clip of this scene.", advice="Import another clip first.")
    if not delete_files:
        take_out(shot.uid, job.name)
        return
    folder = _own_folder(job)
    uid, name = shot.uid, job.name
    ledger.active.add(name)

    def failed(failure: Failure) -> None:
        ledger.active.discard(name)
        found = state.find_scene(uid)
        item = state.of(found).jobs.get(name) if found is not None else None
        if item is not None:
            item.message = f"Its files could not be deleted: {failure.message}"
            item.advice = f"Delete the folder by hand: {folder}"

    main_thread.in_thread(partial(_delete, folder), done=lambda _: take_out(uid, name), failed=failed)


def take_out_again() -> None:
    """After undo: take out what was removed."""
    for scene in state.scenes():
        for uid, name in ledger.removed:
            if state.of(scene).uid == uid and name in state.of(scene).jobs:
                take_out(uid, name)


def _own_folder(job: state.ReangleJob) -> Path:
    """The job's folder. Raises UserError if it cannot be told to be the job's alone."""
    folder = paths.absolute(job.folder) if job.folder else None
    # Reangle ends the names of its folders in the start of the job's id; the artist may have chosen another one.
    if folder is None or not folder.name.endswith(f"-{job.name[:6]}"):
        where = f"The folder {folder}" if folder is not None else "The folder"
        raise UserError(f"{where} of {job.title} is not one that Reangle made.", advice="Delete its files by hand.")
    for scene in state.scenes():
        shot = state.of(scene)
        if shot.shot_folder and paths.absolute(shot.shot_folder).is_relative_to(folder):
            raise UserError(f"The clip of scene {scene.name} uses the files of {job.title}.", advice="Keep them.")
    if user := places.started_from(folder):
        raise UserError(f"Camera {user} begins with an image of {job.title}.", advice="Revert that first, or keep it.")
    if shown := places.shown_in(folder):
        raise UserError(
            f"Strips or images of this file show the files of {job.title}: {', '.join(shown[:3])}.",
            advice="Delete those first, or keep its files.",
        )
    if homes.is_copying(folder):
        raise UserError(f"The files of {job.title} are being copied.", advice="Wait for that.")
    users = [scene.name for scene, item in places.job_folders().get(folder, ()) if item != job]
    if users:
        raise UserError(f"Scene {users[0]} lists {job.title}, too.", advice="Remove it there first, or keep its files.")
    return folder


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def take_out(uid: str, name: str) -> None:
    """Take a job out of the list of the scene with this uid."""
    ledger.active.discard(name)
    ledger.removed.add((uid, name))
    entry = ledger.entries.get(name)
    if entry is not None and entry.scene == uid:  # else it is that of the scene that this is a copy of
        entry.forgotten = True
        del ledger.entries[name]
    scene = state.find_scene(uid)
    if scene is None:
        return
    shot = state.of(scene)
    index = shot.jobs.find(name)
    if index < 0:
        return
    shot.jobs.remove(index)
    renders = [number for number, job in enumerate(shot.jobs) if job.kind == "RENDER"]
    if shot.job_index > index:
        shot.job_index -= 1
    elif shot.job_index == index and renders:  # select the one below, else the last
        shot.job_index = next((number for number in renders if number >= index), renders[-1])
