# SPDX-License-Identifier: GPL-3.0-or-later
"""Another computer's backend: paste its address, test the connection, trust its certificate, connect and disconnect."""

from __future__ import annotations

import bpy
from bpy.types import Context, Event, Operator

from ..core.address import shown_fingerprint
from ..core.errors import UserError
from ..exchange import connection, remote
from ..translations import CONTEXT, told, tr
from ._report import reports_errors

DIALOG_WIDTH = 640
_owner = object()


class REANGLE_OT_paste_backend(Operator):
    bl_idname = "reangle.paste_backend"
    bl_label = "Paste"
    bl_description = "Take address, token and fingerprint from the clipboard, as `reangle serve --tls` printed them"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        remote.paste(context.window_manager.clipboard)
        return {"FINISHED"}


class REANGLE_OT_test_backend(Operator):
    bl_idname = "reangle.test_backend"
    bl_label = "Test Connection"
    bl_description = "Check address, certificate, token and version without changing anything"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return _is_possible(cls, remote.now.state == "asking")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        remote.test()
        return {"FINISHED"}


class REANGLE_OT_trust_certificate(Operator):
    bl_idname = "reangle.trust_certificate"
    bl_label = "Trust This Certificate"
    bl_description = "Use this backend from now on, and refuse any that shows another certificate"

    @classmethod
    def poll(cls, context: Context) -> bool:
        if not remote.now.certificate:
            cls.poll_message_set(tr("Test the connection first"))
            return False
        return True

    def invoke(self, context: Context, _event: Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title="Trust This Certificate", confirm_text="It Is the Same"
        )

    def draw(self, context: Context) -> None:
        column = self.layout.column()
        column.label(text="Is this the fingerprint that the backend printed?", icon="QUESTION")
        for line in fingerprint_lines(remote.now.certificate):
            column.label(text=line, icon="BLANK1")
        if remote.now.is_changed:
            column.label(
                text="You trusted another one before. If nobody set the backend up anew, cancel.", icon="ERROR"
            )

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        remote.trust()
        return {"FINISHED"}


class REANGLE_OT_connect_backend(Operator):
    bl_idname = "reangle.connect_backend"
    bl_label = "Connect"
    bl_translation_context = CONTEXT
    bl_description = "Use this backend; jobs that run there are followed again"

    @classmethod
    def poll(cls, context: Context) -> bool:
        return _is_possible(cls, connection.now.state == "starting")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        connection.chosen_address()
        remote.forget()
        connection.start()
        return {"FINISHED"}


class REANGLE_OT_disconnect_backend(Operator):
    bl_idname = "reangle.disconnect_backend"
    bl_label = "Disconnect"
    bl_description = "Leave the backend; it goes on with its jobs"

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        connection.stop()
        return {"FINISHED"}


def fingerprint_lines(digits: str) -> tuple[str, str]:
    """A fingerprint in two lines that can be read."""
    shown = shown_fingerprint(digits)
    return shown[:48].rstrip(":"), shown[48:]


def _is_possible(cls: type[Operator], is_busy: bool) -> bool:
    if is_busy:
        cls.poll_message_set(tr("It is being asked"))
        return False
    try:
        connection.chosen_address()
    except UserError as error:
        cls.poll_message_set(told(error))
        return bpy.app.background  # a script gets the whole reason from `execute`
    return True


_CLASSES = (
    REANGLE_OT_paste_backend,
    REANGLE_OT_test_backend,
    REANGLE_OT_trust_certificate,
    REANGLE_OT_connect_backend,
    REANGLE_OT_disconnect_backend,
)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.msgbus.subscribe_rna(
        key=(bpy.types.PreferencesSystem, "use_online_access"),
        owner=_owner,
        args=(),
        notify=connection.online_changed,
        options={"PERSISTENT"},
    )


def unregister() -> None:
    bpy.msgbus.clear_by_owner(_owner)
    remote.forget()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
