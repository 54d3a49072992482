# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the open file holds, as plain values that can be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import bpy
import numpy as np

# What Blender itself counts and computes. A tool's settings and the cursor of a scene that redo brings back have no
# defaults, in Blender's own scenes, too.
LEFT_OUT = {
    "rna_type", "users", "session_uid", "is_updated", "is_updated_data", "original", "is_evaluated", "depsgraph",
    "tag", "bl_rna", "id_data", "is_missing", "is_dirty", "has_data", "bindcode", "frame_current_final", "id_root",
    "preview", "bl_system_properties", "is_runtime_data", "use_extra_user", "is_evaluated_data", "override_library",
    "node_preview", "tool_settings", "cursor", "starts_from", "frame_duration", "keying_sets_all",
    "cycles_visibility", "active_operator", "is_user_data", "filepath_raw", "frame_float", "frame_subframe",
    "pixels", "is_loaded", "peers", "internal_links", "links", "storage_type", "is_visible",
}  # fmt: skip
IN_DATA = (
    "scenes", "objects", "cameras", "meshes", "collections", "actions", "images", "movieclips", "materials", "worlds",
    "lights", "node_groups", "texts", "curves", "sounds", "masks", "brushes",
)  # fmt: skip
ARRAYS = {"vertices": "co", "edges": "vertices", "loops": "vertex_index", "polygons": "vertices"}
DEEPEST = 7

Contents = dict[str, Any]


def contents() -> Contents:
    """Every value of every data-block, by `collection/name/property`."""
    found: Contents = {}
    for kind in IN_DATA:
        for block in getattr(bpy.data, kind):
            name = f"{kind}/{block.name_full}"
            found[name] = type(block).__name__
            _add(found, name, block, 0, set())
    return found


def differences(before: Contents, after: Contents) -> dict[str, tuple[Any, Any]]:
    """Values that differ, as they were and as they are; None for what is not there."""
    names = before.keys() | after.keys()
    return {name: (before.get(name), after.get(name)) for name in sorted(names) if before.get(name) != after.get(name)}


def _add(found: Contents, name: str, item: Any, depth: int, above: set[tuple[int, str]]) -> None:
    here = (item.as_pointer(), item.bl_rna.identifier)
    if here in above or depth > DEEPEST:
        return
    for about in item.bl_rna.properties:
        if about.identifier in LEFT_OUT:
            continue
        try:
            value = getattr(item, about.identifier)
        except Exception:  # not of this kind of data-block
            continue
        _add_value(found, f"{name}/{about.identifier}", about, value, depth, above | {here})
    if isinstance(item, bpy.types.ID):
        for key in item.keys():  # noqa: SIM118 - the custom properties
            if isinstance(item[key], bool | int | float | str):
                found[f"{name}/[{key}]"] = item[key]


def _add_value(found: Contents, name: str, about: Any, value: Any, depth: int, above: set[tuple[int, str]]) -> None:
    if about.type == "POINTER":
        if value is None or (isinstance(value, bpy.types.ID) and not value.is_embedded_data):
            found[name] = value and f"{type(value).__name__} {value.name_full}"
        else:
            _add(found, name, value, depth + 1, above)
    elif about.type == "COLLECTION":
        found[name] = len(value)
        if about.identifier in ARRAYS:
            found[f"{name}/hash"] = _hash(value, ARRAYS[about.identifier])
        elif len(value) < 500:
            _add_items(found, name, value, depth, above)
    elif getattr(about, "is_array", False):
        found[name] = _rounded(value)
    else:
        found[name] = round(value, 5) if isinstance(value, float) else str(value)


def _add_items(found: Contents, name: str, items: Iterable[Any], depth: int, above: set[tuple[int, str]]) -> None:
    for number, item in enumerate(items):
        if isinstance(item, bpy.types.ID) and not item.is_embedded_data:
            found[f"{name}/{number}"] = item.name_full
        elif item is not None and hasattr(item, "bl_rna"):
            _add(found, f"{name}/{number}", item, depth + 1, above)


def _rounded(values: Any) -> tuple[Any, ...]:
    return tuple(
        round(value, 5) if isinstance(value, float) else str(value) for value in np.array(values).ravel().tolist()
    )


def _hash(items: Any, what: str) -> str:
    if not len(items):
        return ""
    size = len(getattr(items[0], what)) if what != "vertex_index" else 1
    if what == "vertices" and hasattr(items[0], "loop_total"):
        return str(len(items))
    values = np.empty(len(items) * size, np.float32 if what == "co" else np.int32)
    items.foreach_get(what, values)
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]
