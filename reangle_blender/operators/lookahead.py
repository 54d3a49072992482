# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what new cameras see of the clip, and go to the frame where it is least."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from .. import readiness
from ..core.errors import UserError
from ..exchange import lookahead
from ..scene import cameras, coverage
from ..translations import tr
from ._report import is_ready, reports_errors


class REANGLE_OT_measure_coverage(Operator):
    bl_idname = "reangle.measure_coverage"
    bl_label = "Measure Coverage"
    bl_description = "Measure how much of each new camera's picture the clip shows, frame by frame, in the backend"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_coverage, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        readiness.check_coverage(context.scene)
        new = cameras.artist_cameras(context.scene)
        count = lookahead.measure(context.scene, new)
        self.report(
            {"INFO"}, tr("{count} of {new} cameras have changed and are being measured.", count=count, new=len(new))
        )
        return {"FINISHED"}


class REANGLE_OT_least_seen(Operator):
    bl_idname = "reangle.least_seen"
    bl_label = "Go to Least Seen Frame"
    bl_description = "Show the frame in which the clip shows least of this camera's picture"
    bl_options = {"UNDO"}

    camera: StringProperty(description="Name of the camera; empty is the one that the timeline tells of")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        camera = scene.objects.get(self.camera) if self.camera else coverage.shown_camera(scene)
        if camera is None:
            raise UserError("No new camera is active.", advice="Select one.")
        found = coverage.summary(scene, camera)
        if found is None:
            raise UserError(f"The coverage of {camera.name} is not measured.", advice="Measure it first.")
        scene.frame_set(found.worst_frame)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_measure_coverage, REANGLE_OT_least_seen))
