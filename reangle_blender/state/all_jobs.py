# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the list of all jobs. They are in the window manager, which undo leaves alone, and are never saved."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup, WindowManager


class ReangleListedJob(PropertyGroup):
    """A job of the backend, of any file. `name` is its id."""

    title: StringProperty()
    clip: StringProperty(description="Name of the clip's first file")
    engine: StringProperty()
    cameras: IntProperty(description="How many cameras it renders; 0 for an import")
    state: StringProperty()
    stage: StringProperty()
    progress: FloatProperty(min=0, max=1)
    eta_s: FloatProperty(description="Seconds to go; below zero while unknown", default=-1)
    position: IntProperty(description="Place in the backend's queue from 1; 0 unless it waits there")
    behind: StringProperty(description="Title of the job directly before it in the queue")
    wait_s: FloatProperty(description="Seconds until its turn; below zero while unknown", default=-1)
    message: StringProperty(description="What went wrong")
    advice: StringProperty()
    age: StringProperty(description="How long ago it was sent, in words")
    takes_seed: BoolProperty(description="Another seed makes another result")
    is_here: BoolProperty(description="A scene of this file lists it")

    @property
    def is_final(self) -> bool:
        return self.state in ("done", "failed", "canceled")


def register() -> None:
    bpy.utils.register_class(ReangleListedJob)
    WindowManager.reangle_jobs = CollectionProperty(type=ReangleListedJob)
    WindowManager.reangle_job_index = IntProperty(name="Job")


def unregister() -> None:
    del WindowManager.reangle_job_index
    del WindowManager.reangle_jobs
    bpy.utils.unregister_class(ReangleListedJob)
