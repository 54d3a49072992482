# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that hold for every file of this artist."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import AddonPreferences, Context

from . import compat
from .core.contract import file_name_from


class ReanglePreferences(AddonPreferences):
    bl_idname = __package__ or "reangle_blender"

    data_folder: StringProperty(
        name="Backend Data",
        description="Where the backend keeps its jobs and how it is started; empty is this system's usual place",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    results_folder: StringProperty(
        name="Results",
        description="Where results are put; // is the folder of the .blend",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
        default="//reangle",
    )
    commercial_only: BoolProperty(
        name="Commercial Use Only",
        description="Refuse geometry whose weights or code are not for commercial work",
    )

    def draw(self, _context: Context) -> None:
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "data_folder")
        column.prop(self, "results_folder")
        column.prop(self, "commercial_only")


def get() -> ReanglePreferences:
    return bpy.context.preferences.addons[__package__].preferences


def data_folder() -> Path | None:
    """The artist's choice of the backend's data folder; None is this system's usual place."""
    chosen = get().data_folder
    return Path(bpy.path.abspath(chosen)) if chosen else None


def results_folder(title: str, job: str) -> Path:
    """Where a job's files go. Beside the .blend by default; in the extension's own folder while it is not saved."""
    chosen = get().results_folder or "//reangle"
    if chosen.startswith("//") and not bpy.data.filepath:
        base = Path(bpy.utils.extension_path_user(__package__ or "", path="results", create=True))
    else:
        base = Path(bpy.path.abspath(chosen))
    return base / f"{file_name_from(title)[:60].strip()}-{job[:6]}"


def register() -> None:
    bpy.utils.register_class(ReanglePreferences)


def unregister() -> None:
    bpy.utils.unregister_class(ReanglePreferences)
