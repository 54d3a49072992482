# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a scene, as they are drawn and saved; `exchange.ledger` has their latest state."""

from __future__ import annotations

from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Object, PropertyGroup

from ..core.contract import FINAL_STATES


class ReangleCamera(PropertyGroup):
    """One camera of a job: its path as it was sent, and the folder of its result. `name` is the path's name."""

    camera: PointerProperty(type=Object)
    folder: StringProperty()
    width: IntProperty()
    height: IntProperty()
    fps: FloatProperty()
    frames: IntProperty()
    signature: StringProperty(description="What it was sent with, as `scene.camera_status.signature` writes it")
    coverage: FloatProperty(description="Share of its pictures that the clip shows; below 0 if unknown", default=-1)
    first_frame: IntProperty()
    start: StringProperty(description="Folder of its starting image; empty where it has none")
    about_start: StringProperty(description="What is known of the starting image, one line each")
    wish: StringProperty(description="What was asked of the starting image, as `start_files.Wish` writes it")
    accepted: BoolProperty(description="The artist accepted its starting image")
    fallen: StringProperty(description="Why it is no longer accepted")
    moved: BoolProperty(description="Its path changed since its starting image was made")


class ReangleWarning(PropertyGroup):
    """Frames of a camera that are likely to come out wrong. `name` is that of the camera's path."""

    message: StringProperty(description="Names camera and frames, and says what is wrong and what to do")
    first: IntProperty(description="First of its frames, counted from 1")
    last: IntProperty(description="Last of its frames")
    worst: IntProperty(description="The frame where it matters most")


class ReangleJob(PropertyGroup):
    """The last known state of a job. `name` is its id in the backend."""

    title: StringProperty()
    kind: EnumProperty(items=(("IMPORT", "Import", "", "NONE", 0), ("RENDER", "Render", "", "NONE", 1)))
    state: StringProperty()
    stage: StringProperty()
    progress: FloatProperty(min=0, max=1)
    eta_s: FloatProperty(description="Seconds to go; below zero while unknown", default=-1)
    position: IntProperty(description="Place in the backend's queue from 1; 0 unless it waits there")
    behind: StringProperty(description="Title of the job directly before it in the queue")
    wait_s: FloatProperty(description="Seconds until its turn; below zero while unknown", default=-1)
    learning: StringProperty(description="Step, loss, speed and time left of the training")
    picture: StringProperty(description="File of the latest preview image of the training")
    message: StringProperty()
    advice: StringProperty()
    traceback: StringProperty()
    folder: StringProperty(description="Folder of its fetched files")
    notes: StringProperty(description="One note per line")
    notes_open: BoolProperty(name="Show Notes", description="Show what the backend says of this job", options=set())
    notes_dismissed: BoolProperty(name="Dismiss Notes", description="Show the notes of this job no more", options=set())
    loaded: BoolProperty(description="Its results have been fetched")
    missing: BoolProperty(description="Its folder was looked for and not found")
    request: StringProperty(description="The clip and geometry that were sent, as JSON")
    clip: StringProperty(description="Digest of the clip's files; empty if an older version sent it")
    cameras: CollectionProperty(type=ReangleCamera)
    warnings: CollectionProperty(type=ReangleWarning)
    backend: StringProperty(description="The backend that has it, if that is another computer's; see `connection.key`")
    until: StringProperty(default="results", description='"starts" for a job that ends with the starting images')

    @property
    def has_results(self) -> bool:
        """Whether the clip from its cameras has been fetched."""
        return self.loaded and self.until == "results"

    @property
    def waits(self) -> bool:
        """Whether it waits for the artist to accept its starting images."""
        is_whole = self.until == "results" and self.state == "done"
        return self.is_final and not is_whole and any(camera.start for camera in self.cameras)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    def scene_frame(self, warning: ReangleWarning) -> int | None:
        """Scene frame of the warning's worst frame; None if the job has no such camera."""
        camera = self.cameras.get(warning.name)
        return camera.first_frame + warning.worst - 1 if camera is not None else None
