# SPDX-License-Identifier: Apache-2.0
"""Import the class that opens a checkpoint. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from reangle.errors import UserError
from reangle.weights.kinds import Kind


def load_model_class(rows: Mapping[str, str], kind: Kind | None, role: str) -> Any:
    """rows: "module:Class" by the name of a kind. role: for the message. Raises UserError if no row has the kind."""
    if kind is None or kind.name not in rows:
        raise UserError(
            f"This checkpoint ({kind.name if kind else 'of unknown kind'}) is no {role} model that Reangle can use.",
            advice=f"Use one of these kinds: {', '.join(rows)}.",
        )
    module, _, name = rows[kind.name].partition(":")
    return getattr(import_module(module), name)
