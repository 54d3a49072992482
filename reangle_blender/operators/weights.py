# SPDX-License-Identifier: GPL-3.0-or-later
"""Download weights with their licence shown before, and cancel it."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Operator

from .. import readiness, weights
from ..core.contract.capabilities import PartInfo
from ..core.errors import UserError
from ..core.files import size_in_words
from ..exchange import downloads
from ..translations import tr
from ._report import is_ready, report_error, reports_errors

DIALOG_WIDTH = 440


class REANGLE_OT_download_weights(Operator):
    bl_idname = "reangle.download_weights"
    bl_label = "Download Weights"
    bl_description = "Show the licence of these weights, and download them in the backend if you agree"

    weights: StringProperty(name="Weights", options={"HIDDEN", "SKIP_SAVE"})
    accept_licence: BoolProperty(
        name="I accept this licence",
        description="You have read the licence of these weights and accept it",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_backend, context.scene)

    def invoke(self, context: Context, _event: bpy.types.Event) -> set[str]:
        try:
            weights.check_download(self._part())
        except UserError as error:
            return report_error(self, error)
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title="Download Weights", confirm_text="Download"
        )

    def draw(self, context: Context) -> None:
        part = self._part()
        column = self.layout.column()
        column.label(
            text=tr("{label}: {size} from huggingface.co", label=part.label, size=size_in_words(part.size)),
            icon="IMPORT",
        )
        column.label(text=tr("Licence: {licence}", licence=part.licence), icon="COPY_ID")
        if part.commercial_ok:
            column.label(text="It allows commercial work.", icon="CHECKMARK")
        else:
            column.label(text="It restricts commercial work.", icon="ERROR")
        column.operator("wm.url_open", text="Read It on the Page of These Weights", icon="URL").url = part.page
        if not part.commercial_ok:
            column.prop(self, "accept_licence")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        readiness.check_backend(context.scene)
        downloads.request(self._part(), licence_accepted=self.accept_licence)
        return {"FINISHED"}

    def _part(self) -> PartInfo:
        part = weights.named(self.weights)
        if not self.weights:
            raise UserError("No weights are named.", advice="Choose some in the sidebar.")
        if part is None:
            raise UserError(f"The backend knows no weights {self.weights!r}.", advice="Start the backend again.")
        return part


class REANGLE_OT_cancel_download(Operator):
    bl_idname = "reangle.cancel_download"
    bl_label = "Cancel"
    bl_description = "Cancel this download; what has come is kept for the next one"

    weights: StringProperty(name="Weights", options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        downloads.cancel(self.weights)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((REANGLE_OT_download_weights, REANGLE_OT_cancel_download))
