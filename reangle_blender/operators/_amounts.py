# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a move goes: one property for each kind of move, so that the redo panel shows its own default and range."""

from __future__ import annotations

from math import degrees, radians
from typing import Any, TypeVar

from bpy.props import FloatProperty
from bpy.types import Operator

from ..core.contract.moves import KINDS, Move, MoveKind

T = TypeVar("T", bound=type[Operator])

DECIMALS = 4
"""Of degrees: Blender keeps radians in 32 bits."""


def property_of(move: str) -> str:
    """Name of the property that holds the amount of this move: radians, or percent of the distance to the focus."""
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
        amount = Move(operator.move, operator.amount).amount
        setattr(operator, name, radians(amount) if _is_angle(KINDS[operator.move]) else amount)
        operator.properties.property_unset("amount")
    amount = getattr(operator, name)
    return round(degrees(amount), DECIMALS) if _is_angle(KINDS[operator.move]) else amount


def _is_angle(kind: MoveKind) -> bool:
    """Whether Blender shows the amount in its unit for angles, and so holds it in radians."""
    return kind.unit == "degrees"


def _amount(kind: MoveKind) -> Any:
    if _is_angle(kind):
        return FloatProperty(
            name="Angle",
            description="How far, over the clip",
            subtype="ANGLE",
            default=radians(kind.default),
            min=0,
            max=radians(kind.maximum),
            options={"SKIP_SAVE"},
        )
    return FloatProperty(
        name="Distance",
        description="How far, in percent of the distance to the focus",
        subtype="PERCENTAGE",
        default=kind.default,
        min=0,
        max=kind.maximum,
        options={"SKIP_SAVE"},  # a later call starts at the default again
    )
