# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses <-> JSON, guided by their type hints."""

from __future__ import annotations

import dataclasses
import json
import math
import types
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import UserError

T = TypeVar("T")


class ContractError(UserError):
    """A message that does not follow the contract."""


def to_json(value: Any) -> str:
    """JSON text of a dataclass. Raises ContractError for NaN and infinity."""
    try:
        return json.dumps(to_data(value), allow_nan=False)
    except ValueError as error:
        raise ContractError("A number in the request is not finite.", advice="Check the cameras.") from error


def to_data(value: Any) -> Any:
    """A dataclass, and what is in it, as dicts and lists."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_data(item) for item in value]
    return value


def from_json(cls: type[T], text: str | bytes) -> T:
    """Parse and check JSON text. Raises ContractError."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ContractError(f"This is not JSON: {error}.") from error
    return from_data(cls, data)


def from_data(cls: Any, data: Any, where: str = "") -> Any:
    """Build `cls` (a dataclass, or any hint used in one) from parsed JSON. Raises ContractError naming the field.

    Fields that `cls` does not know are left out: the contract's number says whether two programs understand each
    other, and a newer backend may say more.
    """
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, data, where)
    origin, arguments = get_origin(cls), get_args(cls)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        return from_data(next(hint for hint in arguments if hint is not type(None)), data, where)
    if origin is Literal:
        if data not in arguments:
            raise ContractError(f"{where} must be one of {', '.join(map(repr, arguments))}, not {data!r}.")
        return data
    if origin is tuple:
        return _tuple(arguments, data, where)
    if cls is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        if not math.isfinite(data):
            raise ContractError(f"{where} must be finite.")
        return float(data)
    if type(data) is not cls:
        raise ContractError(f"{where} must be {cls.__name__}, not {type(data).__name__}.")
    return data


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ContractError(f"{where or cls.__name__} must be an object, not {type(data).__name__}.")
    values = {}
    for field in dataclasses.fields(cls):
        path = f"{where}.{field.name}" if where else field.name
        if field.name in data:
            values[field.name] = from_data(_hints(cls)[field.name], data[field.name], path)
        elif field.default is dataclasses.MISSING:
            raise ContractError(f"{path} is missing.")
    return cls(**values)


def _tuple(arguments: tuple[Any, ...], data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ContractError(f"{where} must be a list, not {type(data).__name__}.")
    if arguments[-1] is Ellipsis:
        return tuple(from_data(arguments[0], item, f"{where}[{n}]") for n, item in enumerate(data))
    if len(data) != len(arguments):
        raise ContractError(f"{where} must have {len(arguments)} items, not {len(data)}.")
    return tuple(
        from_data(hint, item, f"{where}[{n}]") for n, (hint, item) in enumerate(zip(arguments, data, strict=True))
    )
