# SPDX-License-Identifier: Apache-2.0
"""JSON files as typed records. A record is a frozen pydantic dataclass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

Record = TypeVar("Record")
Matrix = tuple[tuple[float, ...], ...]
Matrices = tuple[Matrix, ...]


def record_values(record: object, kind: Any = None) -> Any:
    """The record as plain JSON values. kind: its type, where that is not a record's own but a tuple of records."""
    return TypeAdapter(kind or type(record)).dump_python(record, mode="json")


def write_record(path: Path, record: object, kind: Any = None) -> None:
    path.write_text(json.dumps(record_values(record, kind), indent=1), encoding="utf-8")


def read_record(path: Path, kind: type[Record]) -> Record:
    """What `write_record` wrote. Raises OSError if there is no such file, ValueError if it is not such a record."""
    return TypeAdapter(kind).validate_json(path.read_bytes())
