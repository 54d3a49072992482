# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties made from the contract's settings, and the settings' values from the properties.

Every setting becomes a property of the same name, with its label, help, unit, range and default. One that may be None
shows the suggested value, and is sent only if its switch is on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import PropertyGroup

from .. import offers
from ..core.contract.capabilities import SettingInfo, describe_settings
from ..translations import CONTEXT

T = TypeVar("T", bound=type)

OPEN_LIMIT = 1e-6
"""Distance from a limit that is itself not allowed; relative to it above 1, where float32 is coarser."""


@cache
def settings_of(cls: type) -> dict[str, SettingInfo]:
    """Every setting of a contract's dataclass by name."""
    return {setting.name: setting for setting in describe_settings(cls)}


def shown_value(setting: SettingInfo) -> Any:
    """The value before anybody has set one."""
    return setting.suggested if setting.default is None else setting.default


def setting_property(cls: type, name: str, **overrides: Any) -> Any:
    """The property for a setting. overrides: arguments of the bpy property that differ from the contract."""
    setting = settings_of(cls)[name]
    value = shown_value(setting)
    arguments = {"name": setting.label, "description": _description(setting), "translation_context": CONTEXT}
    if value is not None:
        arguments["default"] = value
    match setting.type:
        case "bool":
            return BoolProperty(**{**arguments, **overrides})
        case "text":
            return StringProperty(**{**arguments, **overrides})
        case "choice":
            named = [(choice, _label_of(choice), "", "NONE", offers.number_from(choice)) for choice in setting.choices]
            return EnumProperty(**{**arguments, "items": named, **overrides})
        case "int":
            limits = {name: int(limit) for name, limit in _limits(setting).items()}
            return IntProperty(**{**arguments, **limits, **overrides})
        case "float":
            if (setting.minimum, setting.maximum) == (0, 1):
                arguments["subtype"] = "FACTOR"
            if value and abs(value) < 0.01:
                arguments["precision"] = 6
            return FloatProperty(**{**arguments, **_limits(setting), **overrides})


def _label_of(choice: str) -> str:
    """Words with capitals; kinds of files are written in capitals."""
    words = choice.split("-")
    return " ".join(word.upper() if word in ("png", "exr") else word.title() for word in words)


def _description(setting: SettingInfo) -> str:
    return f"{setting.help}, in {setting.unit}" if setting.unit else setting.help


def _limits(setting: SettingInfo) -> dict[str, float]:
    low, high = setting.minimum, setting.maximum
    if setting.above is not None:
        low = setting.above + OPEN_LIMIT * max(1, abs(setting.above))
    if setting.below is not None:
        high = setting.below - OPEN_LIMIT * max(1, abs(setting.below))
    return {name: limit for name, limit in (("min", low), ("max", high)) if limit is not None}


def switch_of(name: str) -> str:
    """The property that switches an optional setting on."""
    return f"use_{name}"


def with_settings(
    cls: type, *, leave_out: Iterable[str] = (), switches: bool = False, **overrides: Any
) -> Callable[[T], T]:
    """Class decorator: adds a property for every setting of the contract's dataclass.

    overrides: as in `setting_property`. switches: give each optional number a switch of its own, see `switch_of`.
    """

    def add(group: T) -> T:
        for setting in settings_of(cls).values():
            if setting.name in leave_out:
                continue
            group.__annotations__[setting.name] = setting_property(cls, setting.name, **overrides)
            if switches and setting.optional and setting.type != "text":
                group.__annotations__[switch_of(setting.name)] = BoolProperty(
                    name=f"Set {setting.label}", description=_description(setting), translation_context=CONTEXT
                )
        return group

    return add


def values_of(group: PropertyGroup, cls: type, names: Iterable[str]) -> dict[str, Any]:
    """The group's values for these settings, without optional ones that are switched off or empty text."""
    values = {}
    for name in names:
        setting, value = settings_of(cls)[name], getattr(group, name)
        is_on = bool(value) if setting.type == "text" else getattr(group, switch_of(name), True)
        if is_on or not setting.optional:
            values[name] = value
    return values
