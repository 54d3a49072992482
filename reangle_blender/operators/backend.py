# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, update and restart the backend on this computer, read its logs, and look again for its weights."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty
from bpy.types import Context, Operator, Scene

from .. import readiness
from ..core import backend_process, installer
from ..core.errors import UserError
from ..exchange import connection, installing
from ._report import is_ready, reports_errors

LOGS = {"BACKEND": backend_process.log_file, "INSTALLATION": installer.log_file}


class REANGLE_OT_install_backend(Operator):
    bl_idname = "reangle.install_backend"
    bl_label = "Install Backend"
    bl_description = (
        "Download what the backend needs, install it beside Blender, and start it. A backend that runs is stopped for"
        " the last step; its jobs resume"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, _check_install, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        installing.install()
        return {"FINISHED"}


class REANGLE_OT_cancel_installation(Operator):
    bl_idname = "reangle.cancel_installation"
    bl_label = "Cancel"
    bl_description = "End the installation and remove what it has not completed; an older installation stays"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        installing.cancel()
        return {"FINISHED"}


class REANGLE_OT_restart_backend(Operator):
    bl_idname = "reangle.restart_backend"
    bl_label = "Restart Backend"
    bl_description = "Stop the backend and start it again; running jobs resume"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_backend, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        connection.restart()
        return {"FINISHED"}


class REANGLE_OT_open_log(Operator):
    bl_idname = "reangle.open_log"
    bl_label = "Open Log"
    bl_description = "Open the log file in the system's viewer for text"

    log: EnumProperty(
        name="Log",
        items=[
            ("BACKEND", "Backend", "What the backend wrote while it ran"),
            ("INSTALLATION", "Installation", "What was installed, and what failed"),
        ],
        options={"HIDDEN"},
    )

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        path = LOGS[self.log](installing.data_folder())
        if not path.is_file():
            raise UserError(f"There is no log {path}.", advice="It is written when the backend starts or is installed.")
        bpy.ops.wm.path_open(filepath=str(path))
        return {"FINISHED"}


class REANGLE_OT_check_weights(Operator):
    bl_idname = "reangle.check_weights"
    bl_label = "Check Again"
    bl_description = "Look again which weights are on the backend's machine, as after copying some by hand"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_backend, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        connection.client()
        connection.refresh()
        return {"FINISHED"}


def _check_install(_scene: Scene) -> None:
    installing.check_install()


register, unregister = bpy.utils.register_classes_factory(
    (
        REANGLE_OT_install_backend,
        REANGLE_OT_cancel_installation,
        REANGLE_OT_restart_backend,
        REANGLE_OT_open_log,
        REANGLE_OT_check_weights,
    )
)
