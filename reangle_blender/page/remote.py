# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: which computer's backend is used, and the connection to another one's."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from .. import preferences
from ..core.address import Address, AddressError, read_address
from ..core.backend_process import Backend
from ..core.errors import UserError
from ..exchange import connection, remote
from ..operators.remote import fingerprint_lines
from ..translations import tr
from ._text import paragraph, problem
from .storage import device_words


def draw(layout: UILayout, context: Context, chosen: AddonPreferences | None = None) -> None:
    chosen = chosen or preferences.get()
    header, body = layout.panel("REANGLE_PAGE_remote")
    header.label(text="Where the Backend Runs", icon="NETWORK_DRIVE")
    if body is None:
        return
    body.row().prop(chosen, "backend_place", expand=True)
    if chosen.backend_place != "REMOTE":
        return
    column = body.column()
    column.use_property_split = True
    column.use_property_decorate = False
    for name in ("backend_url", "backend_token", "backend_fingerprint"):
        column.prop(chosen, name)
    address = _draw_address(body, context, chosen)
    row = body.row()
    row.operator("reangle.paste_backend", icon="PASTEDOWN")
    row.operator("reangle.test_backend", icon="VIEWZOOM")
    if connection.now.state == "on":
        row.operator("reangle.disconnect_backend", icon="UNLINKED")
    else:
        row.operator("reangle.connect_backend", icon="LINKED")
    _draw_state(body, context, address)
    _draw_test(body, context)


def _draw_address(body: UILayout, context: Context, chosen: AddonPreferences) -> Address | None:
    """What is wrong with the address, once there is one, and the button that helps."""
    if not chosen.backend_url:
        text = "Start the backend there with `reangle serve --tls --host 0.0.0.0`, and paste what it prints."
        paragraph(body, context, text, "INFO")
        return None
    try:
        address = read_address(chosen.backend_url, chosen.backend_fingerprint)
    except AddressError as error:
        problem(body, context, error.message, error.advice)
        return None
    try:
        connection.check_online(address)
    except UserError as error:
        problem(body, context, error.message, error.advice)
        body.operator("screen.userpref_show", text="Open System Preferences", icon="PREFERENCES").section = "SYSTEM"
    return address


def _draw_state(body: UILayout, context: Context, address: Address | None) -> None:
    now = connection.now
    if now.state == "on" and now.backend is not None:
        at = (now.address or address).url if (now.address or address) else ""
        body.label(text=tr("Connected to {at}: Reangle {version}", at=at, version=now.backend.version), icon="LINKED")
    elif now.state == "starting":
        body.label(text="Connecting", icon="TIME")
    elif now.failure is not None:
        problem(body, context, now.failure.message, now.failure.advice)


def _draw_test(body: UILayout, context: Context) -> None:
    now = remote.now
    if now.state == "asking":
        body.label(text="Testing the connection", icon="TIME")
    elif now.state == "good" and now.found is not None:
        _draw_found(body, context, now.found)
    elif now.failure is not None:
        box = body.box()
        compare = "Compare the SHA-256 of its certificate with what the backend printed:"
        problem(box, context, now.failure.message, compare if now.certificate else now.failure.advice)
        if now.certificate:
            lines = box.column(align=True)
            for line in fingerprint_lines(now.certificate):
                lines.label(text=line, icon="BLANK1")
            box.operator("reangle.trust_certificate", icon="CHECKMARK")


def _draw_found(body: UILayout, context: Context, backend: Backend) -> None:
    box = body.box().column(align=True)
    box.label(text=tr("The test succeeded: Reangle {version}", version=backend.version), icon="CHECKMARK")
    if backend.device is not None:
        box.label(text=device_words(backend.device), icon="MEMORY")
    paragraph(box, context, str(backend.data), "FILE_FOLDER")
