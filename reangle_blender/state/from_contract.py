# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties made from the contract's fields, and the contract's values from the properties.

A field with a `Setting` becomes a property of the same name, with its label, help, unit, range and default. A field
that may be None gets a suggested value, and is sent only where the artist wants their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup

from ..core.contract.fields import Length, Range, Setting, hints_of, split_hint

T = TypeVar("T", bound=type)

OPEN_LIMIT = 1e-6
"""Distance from a limit that is itself not allowed."""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of the contract that people may set. default: None if it may be left open."""

    name: str
    kind: type
    setting: Setting
    range: Range
    max_length: int
    default: Any
    is_optional: bool

    @property
    def value(self) -> Any:
        """The value that is shown before the artist has set one."""
        return self.setting.suggested if self.default is None else self.default


@cache
def fields_of(cls: type) -> dict[str, Field]:
    """Every field of a contract's dataclass that has a `Setting`."""
    found = {}
    for field in dataclasses.fields(cls):
        kind, rules, optional = split_hint(hints_of(cls)[field.name])
        setting = next((rule for rule in rules if isinstance(rule, Setting)), None)
        if setting is not None:
            limits = next((rule for rule in rules if isinstance(rule, Range)), Range())
            length = next((rule.maximum for rule in rules if isinstance(rule, Length)), None)
            found[field.name] = Field(field.name, kind, setting, limits, length or 0, field.default, optional)
    return found


def setting_property(cls: type, name: str, **overrides: Any) -> Any:
    """The property for a field. overrides: arguments of the bpy property that differ from the contract."""
    field = fields_of(cls)[name]
    arguments = {"name": field.setting.label, "description": _description(field.setting)}
    if field.value is not None:
        arguments["default"] = field.value
    if field.kind is bool:
        return BoolProperty(**{**arguments, **overrides})
    if field.kind is str:
        return StringProperty(**{**arguments, "maxlen": field.max_length, **overrides})
    arguments |= _limits(field.range)
    if field.kind is int:
        whole = {key: int(value) if key in ("min", "max") else value for key, value in arguments.items()}
        return IntProperty(**{**whole, **overrides})
    if (field.range.minimum, field.range.maximum) == (0, 1):
        arguments["subtype"] = "FACTOR"
    if field.value and abs(field.value) < 0.01:
        arguments["precision"] = 6
    return FloatProperty(**{**arguments, **overrides})


def _description(setting: Setting) -> str:
    return f"{setting.help}, in {setting.unit}" if setting.unit else setting.help


def _limits(limits: Range) -> dict[str, float]:
    found = {}
    low = limits.minimum if limits.above is None else limits.above + OPEN_LIMIT
    high = limits.maximum if limits.below is None else limits.below - 100 * OPEN_LIMIT
    if low is not None:
        found["min"] = low
    if high is not None:
        found["max"] = high
    return found


def switch_of(name: str) -> str:
    """The property that says whether an optional number is the artist's own."""
    return f"use_{name}"


def with_settings(cls: type, *, leave_out: Iterable[str] = (), switches: bool = False) -> Callable[[T], T]:
    """Class decorator: adds a property for every setting of the contract's dataclass.

    switches: give each optional number a switch of its own, see `switch_of`.
    """

    def add(group: T) -> T:
        for field in fields_of(cls).values():
            if field.name in leave_out:
                continue
            group.__annotations__[field.name] = setting_property(cls, field.name)
            if switches and field.is_optional and field.kind is not str:
                label = f"Set {field.setting.label}"
                group.__annotations__[switch_of(field.name)] = BoolProperty(
                    name=label, description=_description(field.setting)
                )
        return group

    return add


def values_of(group: PropertyGroup, cls: type, names: Iterable[str]) -> dict[str, Any]:
    """The group's values for these fields of the contract, without optional ones that are switched off or empty."""
    found = {}
    for name in names:
        field = fields_of(cls)[name]
        value = getattr(group, name)
        is_off = field.is_optional and (not value if field.kind is str else not getattr(group, switch_of(name), True))
        if not is_off:
            found[name] = value
    return found
