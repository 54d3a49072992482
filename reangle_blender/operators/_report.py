# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators say what went wrong."""

from __future__ import annotations

from bpy.types import Operator

from ..core.errors import UserError


def report_error(operator: Operator, error: UserError) -> set[str]:
    """Show the error as a popup, and end the operator. In background mode this raises RuntimeError, as Blender does."""
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}
