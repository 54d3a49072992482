# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's settings for all files."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import AddonPreferences, Context

from . import compat
from .core import backend_process
from .core.contract import file_name_from
from .state import paths

DEFAULT_RESULTS = "//reangle"


def _moved(_preferences: AddonPreferences, _context: Context) -> None:
    from .exchange import connection, remote  # they read these preferences

    connection.moved()
    remote.forget()


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
        default=DEFAULT_RESULTS,
    )
    commercial_only: BoolProperty(
        name="Commercial Use Only",
        description="Refuse models whose weights or code are not licensed for commercial work",
    )

    auto_start: BoolProperty(
        name="Start Backend Automatically",
        description="Start the backend when a file with unfinished jobs is opened, or the sidebar's tab is shown",
    )

    backend_place: EnumProperty(
        name="Backend",
        description="The computer whose backend this Blender uses",
        items=(
            ("HERE", "This Computer", "The add-on starts and stops it", 0),
            ("REMOTE", "Another Computer", "It runs elsewhere, such as on a machine with a large graphics card", 1),
        ),
        update=_moved,
    )
    backend_url: StringProperty(
        name="Address",
        description="As the backend prints it: https://NAME:8443; where a tunnel by ssh begins, http://127.0.0.1:PORT",
        update=_moved,
    )
    backend_token: StringProperty(
        name="Token",
        description="As the backend prints it. Whoever has it can use the backend. Kept in Blender's preferences",
        subtype="PASSWORD",
        update=_moved,
    )
    backend_fingerprint: StringProperty(
        name="Fingerprint",
        description="SHA-256 of the backend's certificate, as it prints it; empty accepts what the system trusts",
        update=_moved,
    )

    def draw(self, context: Context) -> None:
        from . import page  # it reads these preferences

        page.draw(self.layout, context, self)


def get() -> ReanglePreferences:
    return bpy.context.preferences.addons[__package__].preferences


def data_folder() -> Path | None:
    """The chosen data folder of the backend; None is the system's default."""
    chosen = get().data_folder
    return Path(bpy.path.abspath(chosen)) if chosen else None


def results_folder(title: str, job: str) -> Path:
    """Folder for a job's files: by default beside the .blend, in the artist's own data while that is unsaved."""
    base = results_base(paths.blend_folder()) or unsaved_results()
    return base / f"{file_name_from(title)[:60].strip()}-{job[:6]}"


def results_base(blend_folder: Path | None) -> Path | None:
    """Folder of all results of a .blend in this folder; None if it has no place yet."""
    chosen = get().results_folder or DEFAULT_RESULTS
    if not chosen.startswith("//"):
        return Path(chosen)
    return paths.absolute(chosen, blend_folder) if blend_folder is not None else None


def unsaved_results() -> Path:
    """Folder of results of files that were never saved. It outlives the add-on."""
    return (data_folder() or backend_process.data_folder()) / "unsaved results"


def former_unsaved_results() -> Path | None:
    """Where they lay until 0.1.0: in the extension's folder, which is deleted with it."""
    try:
        return Path(bpy.utils.extension_path_user(__package__ or "", path="results"))
    except ValueError:  # not installed as an extension
        return None


def register() -> None:
    bpy.utils.register_class(ReanglePreferences)


def unregister() -> None:
    bpy.utils.unregister_class(ReanglePreferences)
