# SPDX-License-Identifier: GPL-3.0-or-later
"""Point clouds of the open file, read again from their folders. Main thread; reading is in threads."""

from __future__ import annotations

from functools import partial

from .. import state
from ..scene import depth_frames, point_cloud
from ..state import paths
from . import fetched_shot, homes, main_thread


def read_all() -> None:
    """Read the point clouds of all scenes that are not in memory, in threads."""
    for scene in state.scenes():
        shot = state.of(scene)
        if shot.shot and shot.shot_folder and point_cloud.cloud_of(scene) is None:
            main_thread.in_thread(
                partial(
                    fetched_shot.read_shot,
                    shot.shot,
                    "",
                    paths.absolute(shot.shot_folder),
                    is_glance=shot.shot_is_glance,
                ),
                done=partial(_cloud_read, shot.uid),
                failed=partial(_cloud_missing, shot.shot),
            )


def _cloud_read(uid: str, shot: fetched_shot.Shot) -> None:
    point_cloud.remember(shot.job, shot.cloud)
    scene = state.find_scene(uid)
    if scene is not None:
        point_cloud.refresh(scene)
        depth_frames.refresh(scene)


def _cloud_missing(job: str, failure: main_thread.Failure) -> None:
    for scene in state.scenes():
        item = state.of(scene).jobs.get(job)
        if item is not None:
            item.message, item.advice = failure.message, failure.advice
            homes.set_missing(scene, item, True)
