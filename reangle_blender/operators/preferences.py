# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways into the preferences, to the add-on's folders and to a bug report."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator

from .. import links
from ..core.errors import UserError
from ..translations import tr
from ._report import reports_errors

ADDON = (__package__ or "").rpartition(".")[0]


def _check_window() -> None:
    if bpy.app.background:
        raise UserError(
            "There is no window to show the preferences in.",
            advice="Set them on bpy.context.preferences.addons[...].preferences.",
        )


class REANGLE_OT_open_preferences(Operator):
    bl_idname = "reangle.open_preferences"
    bl_label = "Open Preferences"
    bl_description = "Show Reangle's preferences: install, update and start the backend, download weights"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        _check_window()
        bpy.ops.preferences.addon_show(module=ADDON)
        return {"FINISHED"}


class REANGLE_OT_open_system_preferences(Operator):
    bl_idname = "reangle.open_system_preferences"
    bl_label = "Open System Preferences"
    bl_description = "Show where Blender keeps Allow Online Access: in its preferences, System, Network"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        _check_window()
        if context.area is not None and context.area.type == "PREFERENCES":
            context.preferences.active_section = "SYSTEM"
        else:
            bpy.ops.screen.userpref_show(section="SYSTEM")
        return {"FINISHED"}


class REANGLE_OT_open_folder(Operator):
    bl_idname = "reangle.open_folder"
    bl_label = "Open Folder"
    bl_description = "Show this folder in the system's file browser"

    path: StringProperty(name="Path", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        if not self.path or not Path(self.path).is_dir():
            raise UserError(f"There is no folder {self.path or 'yet'}.", advice="It is made when it is needed.")
        bpy.ops.wm.path_open(filepath=self.path)
        return {"FINISHED"}


class REANGLE_OT_report_bug(Operator):
    bl_idname = "reangle.report_bug"
    bl_label = "Report a Bug"
    bl_description = "Copy the versions in use, and open the page for reports with them filled in; no path is sent"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        context.window_manager.clipboard = links.versions()
        page = links.website()
        if page:
            bpy.ops.wm.url_open(url=links.bug_page(page))
        else:
            self.report({"INFO"}, tr("The versions in use are copied: paste them into your report"))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        REANGLE_OT_open_preferences,
        REANGLE_OT_open_system_preferences,
        REANGLE_OT_open_folder,
        REANGLE_OT_report_bug,
    )
)
