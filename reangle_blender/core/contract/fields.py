# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""What the contract's fields may hold, written beside their types, and the check of a dataclass against it.

    rank: Annotated[int | None, Setting("Rank", "Rank of the LoRA"), Range(minimum=1, maximum=1024)] = None

`check_fields` in `__post_init__` refuses everything else. The command line's options, the add-on's properties, the
API's schema and `GET /v1/capabilities` are made from the same annotations.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from .errors import ContractError

Check = Callable[[Any], Any]
"""Takes a value, returns it as the dataclass keeps it (lists as tuples, whole numbers as floats), or raises."""


@dataclass(frozen=True)
class Range:
    """The numbers that a field allows. minimum and maximum are allowed themselves, above and below are not."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        low = f"at least {self.minimum:g}" if self.minimum is not None else ""
        low = f"above {self.above:g}" if self.above is not None else low
        high = f"at most {self.maximum:g}" if self.maximum is not None else ""
        high = f"below {self.below:g}" if self.below is not None else high
        return " and ".join(part for part in (low, high) if part)

    def check(self, number: float) -> None:
        fits = (
            (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )
        if not fits:
            raise ContractError(f"must be {self}, not {_short(number)}")


@dataclass(frozen=True)
class Length:
    """How many characters or items a field allows."""

    minimum: int = 0
    maximum: int | None = None

    def check(self, items: str | tuple[Any, ...]) -> None:
        what = "characters" if isinstance(items, str) else "items"
        if len(items) < self.minimum:
            raise ContractError(f"must have at least {self.minimum} {what}, not {len(items)}")
        if self.maximum is not None and len(items) > self.maximum:
            raise ContractError(f"must have at most {self.maximum} {what}, not {len(items)}")


@dataclass(frozen=True)
class Pattern:
    """A regular expression that the whole text matches. meaning: the same in words."""

    expression: str
    meaning: str

    def check(self, text: str) -> None:
        if not re.fullmatch(self.expression, text):
            raise ContractError(f"must be {self.meaning}, not {_short(text)}")


@dataclass(frozen=True)
class Convert:
    """function: returns the value as it is kept, or raises ContractError."""

    function: Check


@dataclass(frozen=True)
class Whole:
    """Checks a large value at once, in place of the check that its type hint describes item by item."""

    function: Check


@dataclass(frozen=True)
class Setting:
    """What people read about a field that they may set.

    label: one to three words. help: one phrase without a final dot. unit: such as "degrees", or "".
    option: the command line's name for it without the dashes; None derives it from the field's name, "" is no option.
    option_help: help of that option, where it switches the field off. suggested: a value to start from where the
    default is None.
    """

    label: str
    help: str
    unit: str = ""
    option: str | None = None
    option_help: str = ""
    suggested: bool | int | float | str | None = None


def check_fields(value: Any) -> None:
    """Check every field of a frozen dataclass against its annotation. Raises ContractError naming the field."""
    for name, check in _checks_of(cast("type[Any]", type(value))):
        given = getattr(value, name)
        try:
            kept = check(given)
        except ContractError as error:
            raise error.inside(name) from None
        if kept is not given:
            object.__setattr__(value, name, kept)


@cache
def hints_of(cls: type) -> dict[str, Any]:
    """Field name -> type hint with its annotations."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def split_hint(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """A hint's bare type, its annotations, and whether None is allowed beside it."""
    rules: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        rules = tuple(more)
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        kinds = tuple(kind for kind in get_args(hint) if kind is not type(None))
        inner, inner_rules, _ = split_hint(reduce(lambda one, other: one | other, kinds))
        return inner, (*rules, *inner_rules), True
    return hint, rules, False


@cache
def check_of(hint: Any) -> Check:
    """The check of one type hint."""
    kind, rules, optional = split_hint(hint)
    whole = next((rule.function for rule in rules if isinstance(rule, Whole)), None)
    check = whole or _check_of_kind(kind)
    steps = [rule.function if isinstance(rule, Convert) else rule.check for rule in rules if _is_step(rule)]

    def run(value: Any) -> Any:
        if value is None and optional:
            return None
        value = check(value)
        for step in steps:
            changed = step(value)
            value = value if changed is None else changed
        return value

    return run if steps or optional else check


def _is_step(rule: Any) -> bool:
    return isinstance(rule, (Range, Length, Pattern, Convert))


@cache
def _checks_of(cls: type) -> tuple[tuple[str, Check], ...]:
    return tuple((name, check_of(hint)) for name, hint in hints_of(cls).items())


def _check_of_kind(kind: Any) -> Check:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return _tuple_of(arguments)
    if origin in (Union, types.UnionType):
        return _any_of([check_of(argument) for argument in arguments])
    if dataclasses.is_dataclass(kind):
        return _instance_of(cast(type, kind))
    raise TypeError(f"the contract has no check for {kind}")


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise ContractError(f"must be true or false, not {_short(value)}")
    return value


def _int(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ContractError(f"must be a whole number, not {_short(value)}")
    return value


def _float(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ContractError(f"must be a number, not {_short(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ContractError(f"must be a finite number, not {_short(value)}")
    return number


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise ContractError(f"must be text, not {_short(value)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ContractError("must be valid Unicode") from None
    return value


_SCALARS: dict[Any, Check] = {bool: _bool, int: _int, float: _float, str: _str}


def _one_of(choices: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if not any(value == choice and type(value) is type(choice) for choice in choices):
            raise ContractError(f"must be {' or '.join(map(repr, choices))}, not {_short(value)}")
        return value

    return check


def _any_of(checks: list[Check]) -> Check:
    def check(value: Any) -> Any:
        for one in checks[:-1]:
            try:
                return one(value)
            except ContractError:
                continue
        return checks[-1](value)

    return check


def _tuple_of(arguments: tuple[Any, ...]) -> Check:
    is_open = arguments[-1] is Ellipsis
    checks = [check_of(argument) for argument in arguments if argument is not Ellipsis]

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)):
            raise ContractError(f"must be a list, not {_short(value)}")
        items = tuple(cast("tuple[Any, ...]", value))
        if not is_open and len(items) != len(checks):
            raise ContractError(f"must have {len(checks)} items, not {len(items)}")
        kept: list[Any] = []
        for index, item in enumerate(items):
            try:
                kept.append(checks[0 if is_open else index](item))
            except ContractError as error:
                raise error.inside(f"[{index}]") from None
        return tuple(kept)

    return check


def _instance_of(cls: type) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, cls):
            raise ContractError(f"must be a {cls.__name__}, not {_short(value)}")
        return value

    return check


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
