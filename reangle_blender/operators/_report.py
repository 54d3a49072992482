# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators report errors."""

from __future__ import annotations

from bpy.types import Operator

from ..core.errors import UserError

NEWER = "This file was saved by a newer Reangle; update the add-on"
"""Why an operator is grey in a file that is shown, never changed."""


def report_error(operator: Operator, error: UserError) -> set[str]:
    """Show the error in a popup and cancel the operator. Blender raises RuntimeError for it in background mode."""
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}
