# SPDX-License-Identifier: Apache-2.0
"""Command-line options of the contract's settings, and the settings of parsed options.

An option is made from a field's annotations. A field that is true by default gets an option that switches it off.
"""

from __future__ import annotations

import argparse
import dataclasses
from argparse import Namespace
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

from reangle.contract import ContractError
from reangle.contract.fields import Setting, check_of, hints_of, split_hint

_METAVARS: dict[Any, str] = {int: "N", float: "X", str: "TEXT"}


def add_settings(parser: argparse._ActionsContainer, cls: type, *, leave_out: tuple[str, ...] = ()) -> None:
    """Add an option for each setting of a contract dataclass. leave_out: fields without an option here."""
    for field in dataclasses.fields(cls):
        setting = _setting_of(cls, field.name)
        if setting is None or setting.option == "" or field.name in leave_out:
            continue
        kind, _, optional = split_hint(hints_of(cls)[field.name])
        option = f"--{setting.option or field.name.replace('_', '-')}"
        text = setting.help[:1].lower() + setting.help[1:] + (f", in {setting.unit}" if setting.unit else "")
        target = f"{cls.__name__}.{field.name}"
        if kind is bool and optional:
            parser.add_argument(option, dest=target, action=argparse.BooleanOptionalAction, help=text)
        elif kind is bool:
            text = setting.option_help or text
            parser.add_argument(option, dest=target, action="store_const", const=not field.default, help=text)
        elif get_origin(kind) is Literal:
            parser.add_argument(option, dest=target, choices=get_args(kind), help=text)
        else:
            shown = "" if field.default in (None, "") else f" (default: {field.default})"
            parser.add_argument(
                option, dest=target, type=_parser_of(cls, field.name), metavar=_METAVARS[kind], help=f"{text}{shown}"
            )


def settings_of(options: Namespace, cls: type) -> dict[str, Any]:
    """Field name -> value of the options of `cls` that were given."""
    values = {field.name: getattr(options, f"{cls.__name__}.{field.name}", None) for field in dataclasses.fields(cls)}
    return {name: value for name, value in values.items() if value is not None}


def _setting_of(cls: type, name: str) -> Setting | None:
    _, rules, _ = split_hint(hints_of(cls)[name])
    return next((rule for rule in rules if isinstance(rule, Setting)), None)


def _parser_of(cls: type, name: str) -> Callable[[str], Any]:
    hint = hints_of(cls)[name]
    kind, _, _ = split_hint(hint)
    check = check_of(hint)

    def parse(text: str) -> Any:
        try:
            return check(kind(text))
        except ContractError as error:
            raise argparse.ArgumentTypeError(error.message.rstrip(".")) from None

    parse.__name__ = "whole number" if kind is int else "number"
    return parse
