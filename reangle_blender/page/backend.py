# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend on this computer: whether it is installed and runs, and the buttons for both."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from ..core import backend_process, installer
from ..core.errors import UserError
from ..exchange import connection, installing
from ..translations import tr
from ._text import paragraph, problem, section

WHAT_IT_TAKES = (
    "The backend is a program of its own beside Blender. Installing it downloads {packages} from the Python Package"
    " Index and takes a few minutes and up to {gigabytes} GB of disk; Blender's own Python stays as it is."
)


def draw(layout: UILayout, context: Context, preferences: AddonPreferences) -> None:
    body = section(layout, "backend", "Backend on This Computer", "SYSTEM")
    if body is None:
        return
    box = body.box().column()
    if installing.now.progress is not None:
        _draw_installing(box, context, installing.now.progress)
    elif installing.installed().command or connection.now.state == "on":
        _draw_installed(box, context)
    else:
        _draw_not_installed(box, context)
    if installing.now.failure is not None and installing.now.progress is None:
        problem(box, context, installing.now.failure.message, installing.now.failure.advice)
    box.separator()
    box.prop(preferences, "auto_start")
    _draw_tools(box)


def _draw_installing(box: UILayout, context: Context, progress: installer.Progress) -> None:
    row = box.row(align=True)
    row.progress(factor=progress.fraction, text=f"{progress.fraction:.0%}")
    row.operator("reangle.cancel_installation", text="", icon="CANCEL")
    paragraph(box, context, progress.words, "IMPORT")
    lines = [*installing.now.lines]
    if lines:
        log = box.box().column(align=True)
        log.active = False
        for line in lines:
            paragraph(log, context, line, taken=20)


def _draw_not_installed(box: UILayout, context: Context) -> None:
    box.label(text="The backend is not installed", icon="UNLINKED")
    about = installing.carried()
    if about is None:
        _draw_reason(box, context)
        return
    paragraph(
        box,
        context,
        tr(WHAT_IT_TAKES, packages=tr("PyTorch and other packages"), gigabytes=f"{about.gigabytes:.0f}"),
    )
    row = box.row()
    row.scale_y = 1.4
    row.operator("reangle.install_backend", text=tr("Install Backend {version}", version=about.version), icon="IMPORT")
    _draw_reason(box, context)


def _draw_reason(box: UILayout, context: Context) -> None:
    """Why the backend cannot be installed now."""
    try:
        installing.check_install()
    except UserError as error:
        problem(box, context, error.message, error.advice, "INFO")
        draw_online(box)


def draw_online(layout: UILayout) -> None:
    """A button to where online access is allowed, while it is not."""
    try:
        installing.check_online()
    except UserError:
        layout.operator("reangle.open_system_preferences", icon="PREFERENCES")


def _draw_installed(box: UILayout, context: Context) -> None:
    now, there = connection.now, installing.installed()
    version = now.version or there.version
    name = tr("Backend {version}", version=version) if version else tr("The backend")
    row = box.row()
    if now.state == "on":
        row.label(text=tr("{name} is running", name=name), icon="LINKED")
        buttons = row.row(align=True)
        buttons.alignment = "RIGHT"
        buttons.operator("reangle.restart_backend", text="Restart", icon="FILE_REFRESH")
        buttons.operator("reangle.stop_backend", text="Stop", icon="QUIT")
    elif now.state == "starting":
        row.label(text=tr("{name} is starting", name=name), icon="TIME")
    else:
        row.label(text=tr("{name} is installed and does not run", name=name), icon="UNLINKED")
        row.operator("reangle.start_backend", text="Start", icon="PLAY")
        if now.failure is not None:
            problem(box, context, now.failure.message, now.failure.advice)
    newer = installing.update()
    if newer:
        row = box.row()
        row.label(text=tr("The add-on carries version {newer}", newer=newer), icon="INFO")
        row.operator("reangle.install_backend", text=tr("Update to {newer}", newer=newer), icon="IMPORT")
        _draw_reason(box, context)


def _draw_tools(box: UILayout) -> None:
    """What helps when something does not work: the logs, and the same backend afresh."""
    data = installing.data_folder()
    row = box.row(align=True)
    row.alignment = "LEFT"
    if installing.now.progress is None and installing.installed().command and not installing.update():
        row.operator("reangle.install_backend", text="Install Again", icon="FILE_REFRESH")
    if installing.has_log(backend_process.log_file(data)):
        row.operator("reangle.open_log", text="Open Log", icon="TEXT").log = "BACKEND"
    if installing.has_log(installer.log_file(data)):
        row.operator("reangle.open_log", text="Open Installation Log", icon="TEXT").log = "INSTALLATION"
