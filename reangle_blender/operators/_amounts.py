# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a move goes: one property for each kind of move, so that the redo panel shows its own default and range."""

from __future__ import annotations

from typing import Any, TypeVar

from bpy.props import FloatProperty
from bpy.types import Operator

from ..core.contract.moves import KINDS, Move, MoveKind

T = TypeVar("T", bound=type[Operator])


def property_of(move: str) -> str:
    """Name of the property that holds the amount of this move, in its own unit."""
    return f"{move.replace('-', '_')}_amount"


def with_amounts(operator: T) -> T:
    """Class decorator: adds the amount of every move. `amount_of` reads it."""
    for move, kind in KINDS.items():
        operator.__annotations__[property_of(move)] = _amount(kind)
    return operator


def amount_of(operator: Any) -> float:
    """The amount of the operator's move.

    An amount that the caller gave in `amount` becomes that of this move alone, and leaves `amount` unset: another move
    that is chosen in the redo panel starts at its own default. Raises UserError if the given amount is out of range.
    """
    name = property_of(operator.move)
    if operator.properties.is_property_set("amount"):
        setattr(operator, name, Move(operator.move, operator.amount).amount)
        operator.properties.property_unset("amount")
    return getattr(operator, name)


def _amount(kind: MoveKind) -> Any:
    in_degrees = kind.unit == "degrees"
    return FloatProperty(
        name="Degrees" if in_degrees else "Distance",
        description="How far, over the clip" if in_degrees else "How far, in percent of the distance to the focus",
        subtype="NONE" if in_degrees else "PERCENTAGE",
        default=kind.default,
        min=0,
        max=kind.maximum,
        options={"SKIP_SAVE"},  # a later call starts at the default again
    )
