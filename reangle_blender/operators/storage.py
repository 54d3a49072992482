# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure and clean up the backend's data folder."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, IntProperty
from bpy.types import Context, Event, Operator

from .. import readiness
from ..core.contract import CleanKind, Storage
from ..core.errors import UserError
from ..core.files import size_in_words
from ..exchange import connection, storage
from ..translations import tr
from ._report import is_ready, report_error, reports_errors

DIALOG_WIDTH = 460
WORDS: dict[CleanKind, str] = {
    "artifacts": "The next job for a clip computes its depth again",
    "blobs": "The next job for a clip sends it again",
    "unfinished": "A job that failed or was canceled begins that stage again",
    "logs": "Logs of older jobs are gone",
}
"""What it costs to remove each."""


class REANGLE_OT_measure_storage(Operator):
    bl_idname = "reangle.measure_storage"
    bl_label = "Measure Again"
    bl_description = "Ask the backend again what its data folder takes"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_backend, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        storage.refresh()
        return {"FINISHED"}


class REANGLE_OT_clean_storage(Operator):
    bl_idname = "reangle.clean_storage"
    bl_label = "Clean Up"
    bl_description = "Choose what to remove from the backend's data folder; what a queued or running job needs stays"

    artifacts: BoolProperty(
        name="Finished Stages",
        description="Remove the output of stages that no unfinished job and no unfetched result needs; it is made "
        "again when it is needed",
        default=True,
        options={"SKIP_SAVE"},
    )
    blobs: BoolProperty(
        name="Uploaded Clips",
        description="Remove clips and depth that were sent for jobs which have ended; they are sent again when needed",
        options={"SKIP_SAVE"},
    )
    unfinished: BoolProperty(
        name="Unfinished Stages",
        description="Remove what interrupted stages would continue from",
        options={"SKIP_SAVE"},
    )
    logs: BoolProperty(
        name="Old Logs",
        description="Remove logs that were last written to before these days",
        default=True,
        options={"SKIP_SAVE"},
    )
    days: IntProperty(
        name="Days of Logs to Keep",
        description="Logs that were written to since stay",
        default=14,
        min=0,
        max=3650,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_backend, context.scene)

    def invoke(self, context: Context, _event: Event) -> set[str]:
        try:
            connection.client()
        except UserError as error:
            return report_error(self, error)
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title="Clean Up the Backend's Data Folder", confirm_text="Remove"
        )

    def draw(self, context: Context) -> None:
        known = storage.now.storage
        column = self.layout.column()
        for kind, words in WORDS.items():
            row = column.row()
            row.prop(self, kind)
            size = row.row()
            size.alignment = "RIGHT"
            size.label(text=_removable(known, kind))
            below = column.row()
            below.active = False
            below.label(text=tr(words), icon="BLANK1")
        column.prop(self, "days")
        column.separator()
        column.label(text="Queued and running jobs, and results not fetched yet, keep their files.", icon="INFO")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        kinds = [kind for kind in WORDS if getattr(self, kind)]
        if not kinds:
            raise UserError("Nothing is chosen.", advice="Tick what to remove.")
        storage.clean(kinds, self.days)
        return {"FINISHED"}


def _removable(known: Storage | None, kind: CleanKind) -> str:
    if known is None:
        return ""
    size = known.part(kind).removable
    return size_in_words(size) if size else tr("nothing")


_register, _unregister = bpy.utils.register_classes_factory((REANGLE_OT_measure_storage, REANGLE_OT_clean_storage))


def register() -> None:
    _register()
    connection.on_connected.append(storage.connected)


def unregister() -> None:
    connection.on_connected.remove(storage.connected)
    storage.forget()
    _unregister()
