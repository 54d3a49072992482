# SPDX-License-Identifier: GPL-3.0-or-later
"""How operators report errors, and why they are grey."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import bpy
from bpy.types import Context, Operator, Scene

from .. import readiness
from ..core.errors import UserError
from ..translations import told

AnyOperator = TypeVar("AnyOperator", bound=Operator)
TOLD_BYTES = 200
"""How many bytes of the reason why a button is grey Blender tells a script."""


def report_error(operator: Operator, error: UserError) -> set[str]:
    """Show the error in a popup and cancel the operator. Blender raises RuntimeError for it in background mode."""
    operator.report({"ERROR"}, told(error))
    return {"CANCELLED"}


def reports_errors(execute: Callable[[AnyOperator, Context], set[str]]) -> Callable[[AnyOperator, Context], set[str]]:
    """Decorates an operator's `execute` that may raise UserError: `report_error` is the answer to it."""

    @wraps(execute)
    def reporting(self: AnyOperator, context: Context) -> set[str]:
        try:
            return execute(self, context)
        except UserError as error:
            return report_error(self, error)

    return reporting


def is_ready(cls: type[Operator], check: readiness.Check, scene: Scene) -> bool:
    """For `poll`: whether a check finds nothing missing; if it does, the button says what.

    `execute` makes the same check. Blender cuts a long reason short for scripts, so without a window the button stays
    usable, and `execute` gives the whole reason.
    """
    error = readiness.missing(check, scene)
    if error is None or (bpy.app.background and len(str(error).encode()) > TOLD_BYTES):
        return True
    cls.poll_message_set(told(error))
    return False
