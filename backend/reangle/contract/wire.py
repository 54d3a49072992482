# SPDX-License-Identifier: Apache-2.0
"""The contract's dataclasses as JSON, and back."""

from __future__ import annotations

import dataclasses
import json
import types
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin

from .errors import ContractError
from .fields import check_fields, check_of, hints_of, split_hint

T = TypeVar("T")


def to_json(value: Any, *, skip_none: bool = False) -> str:
    """JSON text of a dataclass, or of lists of them. skip_none: leave out fields that are None."""

    def fields(one: Any) -> dict[str, Any]:
        return _fields(one, skip_none=skip_none)

    return json.dumps(value, default=fields, allow_nan=False, separators=(",", ":"))


def to_data(value: Any, *, without: tuple[str, ...] = ()) -> Any:
    """A dataclass as a dict of what `json.dumps` takes; plain tuples stay tuples. without: fields to leave out."""
    if dataclasses.is_dataclass(value):
        return {
            name: to_data(item) if _holds_dataclass(split_hint(hints_of(type(value))[name])[0]) else item
            for name, item in _fields(value).items()
            if name not in without
        }
    if isinstance(value, (tuple, list)):
        return [to_data(item) for item in cast("tuple[Any, ...]", value)]
    return value


def from_json(cls: type[T], text: str | bytes, *, ignore_unknown: bool = False) -> T:
    """Read and check JSON text. See `from_data`."""
    return from_data(cls, parse(text), ignore_unknown=ignore_unknown)


def parse(text: str | bytes) -> Any:
    """JSON text as dicts, lists and scalars. Raises ContractError for text that is no JSON."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ContractError("this JSON is nested too deeply") from None
    except ValueError as error:
        raise ContractError(f"this is not JSON: {error}") from None


def from_data(cls: type[T], data: Any, *, ignore_unknown: bool = False) -> T:
    """Build a dataclass, or a tuple of them, from dicts and lists.

    ignore_unknown: leave out fields that the class does not have, which a newer program's answers may hold.
    Raises ContractError naming the field for everything else that the class does not allow.
    """
    return check_of(cls)(_build(cls, data, ignore_unknown))


def _fields(value: Any, *, skip_none: bool = False) -> dict[str, Any]:
    if not dataclasses.is_dataclass(value):
        raise TypeError(f"{type(value).__name__} cannot be written as JSON")
    values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {name: item for name, item in values.items() if item is not None} if skip_none else values


def _build(hint: Any, data: Any, ignore_unknown: bool) -> Any:
    """The data with every dataclass in it made; what a hint does not describe is left for its check to refuse."""
    kind, _, _ = split_hint(hint)
    if data is None or not _holds_dataclass(kind):
        return data
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(cast("type[Any]", kind), data, ignore_unknown)
    if not isinstance(data, (tuple, list)):
        return data
    built: list[Any] = []
    for index, item in enumerate(cast("tuple[Any, ...]", data)):
        try:
            built.append(_build(get_args(kind)[0], item, ignore_unknown))
        except ContractError as error:
            raise error.inside(f"[{index}]") from None
    return tuple(built)


def _build_dataclass(cls: type[Any], data: Any, ignore_unknown: bool) -> Any:
    if isinstance(data, cls):
        return data
    if not isinstance(data, dict):
        raise ContractError(f"must be an object, not a {type(data).__name__}")
    given = cast("dict[str, Any]", data)
    hints = hints_of(cls)
    unknown = [name for name in given if name not in hints]
    if unknown and not ignore_unknown:
        raise ContractError("there is no such field", field=str(unknown[0])[:100])
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in given:
            raise ContractError("this field is missing", field=field.name)
    values: dict[str, Any] = {}
    for name, hint in hints.items():
        if name in given:
            try:
                values[name] = _build(hint, given[name], ignore_unknown)
            except ContractError as error:
                raise error.inside(name) from None
    built = cls(**values)
    if not hasattr(cls, "__post_init__"):
        check_fields(built)
    return built


@cache
def _holds_dataclass(kind: Any) -> bool:
    if dataclasses.is_dataclass(kind):
        return True
    if get_origin(kind) in (tuple, Union, types.UnionType):
        return any(_holds_dataclass(split_hint(argument)[0]) for argument in get_args(kind))
    return False
