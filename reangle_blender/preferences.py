# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's settings for all files."""

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
        description="Folder of the backend's jobs and of its start command; empty uses the system's default",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    results_folder: StringProperty(
        name="Results",
        description="Folder for results; // is the folder of the .blend",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
        default="//reangle",
    )
    commercial_only: BoolProperty(
        name="Commercial Use Only",
        description="Refuse models whose weights or code are not licensed for commercial work",
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
    """The chosen data folder of the backend; None is the system's default."""
    chosen = get().data_folder
    return Path(bpy.path.abspath(chosen)) if chosen else None


def results_folder(title: str, job: str) -> Path:
    """Folder for a job's files: by default beside the .blend, in the extension's folder while that is unsaved."""
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
