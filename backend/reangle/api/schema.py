# SPDX-License-Identifier: Apache-2.0
"""The contract's dataclasses in the OpenAPI document, and as answers."""

from __future__ import annotations

import dataclasses
import inspect
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from fastapi import Path, Request
from starlette.responses import Response

from reangle.api.error_responses import RefusedError
from reangle.contract import to_json
from reangle.contract.fields import Length, Pattern, Range, Setting, hints_of, split_hint

PathJobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="A job's id, made by the client")]
PathSha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of a file")]

_KINDS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
_RANGE = {"minimum": "minimum", "maximum": "maximum", "above": "exclusiveMinimum", "below": "exclusiveMaximum"}


def answer(value: Any, status: int = 200) -> Response:
    """A dataclass, or a list of them, as a JSON answer."""
    return Response(to_json(value), status, media_type="application/json")


def answers_with(hint: Any, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """A route's `responses`: this type under these statuses (200 if none is given)."""
    content = {"application/json": {"schema": schema_of(hint)}}
    return {status: {"description": "Success", "content": content} for status in statuses or (200,)}


def body_of(cls: type) -> dict[str, Any]:
    """A route's `openapi_extra`: a JSON body of this class."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(cls)}}}}


async def json_body(request: Request) -> bytes:
    """A request's body. Raises RefusedError unless it is declared as JSON.

    A web form cannot send this type, so no page in the user's browser can post one.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise RefusedError(422, "The request is not JSON.", advice="Send it as Content-Type: application/json.")
    return await request.body()


def schema_of(hint: Any) -> dict[str, Any]:
    """JSON schema of a type hint; a dataclass is a reference into `component_schemas`."""
    kind, rules, optional = split_hint(hint)
    schema = _schema_of_kind(kind)
    for rule in rules:
        schema |= _schema_of_rule(rule, schema.get("type"))
    return {"anyOf": [schema, {"type": "null"}]} if optional else schema


def component_schemas(*classes: type) -> dict[str, Any]:
    """Name -> JSON schema of these dataclasses and of all that they hold."""
    schemas: dict[str, Any] = {}
    waiting = list(classes)
    while waiting:
        cls = waiting.pop()
        if cls.__name__ not in schemas:
            schemas[cls.__name__] = _schema_of_dataclass(cls)
            waiting += [held for hint in hints_of(cls).values() for held in _dataclasses_in(hint)]
    return dict(sorted(schemas.items()))


def _schema_of_dataclass(cls: type) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for field in dataclasses.fields(cls):
        schema = schema_of(hints_of(cls)[field.name])
        if field.default is not dataclasses.MISSING:
            schema["default"] = field.default
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = schema
    return {
        "title": cls.__name__,
        "description": inspect.getdoc(cls) or "",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema_of_kind(kind: Any) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _KINDS:
        return {"type": _KINDS[kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is tuple:
        items = [schema_of(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (Union, UnionType):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    raise TypeError(f"no JSON schema for {kind}")


def _schema_of_rule(rule: Any, kind: str | None) -> dict[str, Any]:
    match rule:
        case Range():
            return {name: getattr(rule, end) for end, name in _RANGE.items() if getattr(rule, end) is not None}
        case Length(minimum=least, maximum=most):
            what = "Length" if kind == "string" else "Items"
            return {f"min{what}": least} | ({f"max{what}": most} if most is not None else {})
        case Pattern(expression=expression):
            return {"pattern": f"^{expression}$"}
        case Setting():
            unit = f" ({rule.unit})" if rule.unit else ""
            return {"title": rule.label, "description": f"{rule.help}{unit}"}
        case _:
            return {}


def _dataclasses_in(hint: Any) -> list[type]:
    kind, _, _ = split_hint(hint)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return [kind]
    return [held for argument in get_args(kind) if argument is not Ellipsis for held in _dataclasses_in(argument)]
