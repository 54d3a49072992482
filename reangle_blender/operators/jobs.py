# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with jobs in the list of all jobs and in the status bar."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Event, Operator

from ..exchange import again, all_jobs, telling, watching
from ..translations import tr
from ._report import reports_errors


class _JobOperator(Operator):
    """Base of the operators for one job of the backend. job: its id."""

    bl_options = {"INTERNAL"}

    job: StringProperty(name="Job", options={"HIDDEN", "SKIP_SAVE"})


class REANGLE_OT_cancel_listed_job(_JobOperator):
    bl_idname = "reangle.cancel_listed_job"
    bl_label = "Cancel"

    @classmethod
    def description(cls, _context: Context, properties: bpy.types.OperatorProperties) -> str:
        title = next((job.title for job in all_jobs.jobs if job.id == properties.job), "this job")
        return tr("Cancel {title} in the backend; what its stages have finished is kept", title=title)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        watching.cancel(self.job)
        return {"FINISHED"}


class REANGLE_OT_retry_job(_JobOperator):
    bl_idname = "reangle.retry_job"
    bl_label = "Retry"
    bl_description = "Run this job once more, as a new one. Stages that are finished are not made again"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        again.retry(self.job)
        return {"FINISHED"}


class REANGLE_OT_reseed_job(_JobOperator):
    bl_idname = "reangle.reseed_job"
    bl_label = "Other Seed"
    bl_description = "Run this job once more with other random numbers, for another result of the same cameras"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        again.retry(self.job, new_seed=True)
        return {"FINISHED"}


class REANGLE_OT_delete_job(_JobOperator):
    bl_idname = "reangle.delete_job"
    bl_label = "Delete"
    bl_description = (
        "Delete this job in the backend, with what no other job needs. One that runs is canceled first. Results that "
        "were fetched beside a .blend stay"
    )

    def invoke(self, context: Context, event: Event) -> set[str]:
        job = next((one for one in all_jobs.jobs if one.id == self.job), None)
        is_running = job is not None and not job.is_final
        message = tr("It has not ended, and is canceled first.") + " " if is_running else ""
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=tr("Delete {job}?", job=job.title) if job is not None else tr("Delete this job?"),
            message=message
            + tr("Its files in the backend go, except those that other jobs need. This cannot be undone."),
            confirm_text="Delete",
        )

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        again.delete(self.job)
        return {"FINISHED"}


class REANGLE_OT_show_log(_JobOperator):
    bl_idname = "reangle.show_log"
    bl_label = "Open Log"
    bl_description = "Show what the stages of this job have written, in the system's text editor"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        again.fetch_log(self.job, _open)
        return {"FINISHED"}


def _open(place: Path) -> None:
    if bpy.app.background:
        print(place)
    else:
        bpy.ops.wm.path_open(filepath=str(place))


class REANGLE_OT_tell(Operator):
    # Blender shows the reports of an operator that ends in an event, and drops those of one that a script calls. So
    # this one waits for the next event, whichever it is, and lets that pass.
    bl_idname = "reangle.tell"
    bl_label = "Report of Reangle"
    bl_description = "Report the end of a job"
    bl_options = {"INTERNAL"}

    text: StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    is_problem: BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Context, _event: Event) -> set[str]:
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, _event: Event) -> set[str]:
        return self.execute(context) | {"PASS_THROUGH"}

    def execute(self, _context: Context) -> set[str]:
        # An ERROR would open a popup where the mouse is.
        self.report({"WARNING" if self.is_problem else "INFO"}, tr(self.text))
        return {"FINISHED"}


class REANGLE_OT_dismiss_message(Operator):
    bl_idname = "reangle.dismiss_message"
    bl_label = "Dismiss"
    bl_description = "Take this message out of the status bar; the Info editor keeps it"
    bl_options = {"INTERNAL"}

    def execute(self, _context: Context) -> set[str]:
        telling.dismiss()
        all_jobs.redraw()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        REANGLE_OT_cancel_listed_job,
        REANGLE_OT_retry_job,
        REANGLE_OT_reseed_job,
        REANGLE_OT_delete_job,
        REANGLE_OT_show_log,
        REANGLE_OT_tell,
        REANGLE_OT_dismiss_message,
    )
)
