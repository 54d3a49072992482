# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates the state of files from older versions; does not change files from newer ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import choices, compat
from .scene import SCHEMA, ReangleScene

Saved = Mapping[str, Any]
"""All values that the file holds for a scene, also of removed properties; values that were never set are absent."""

_NAMES: dict[choices.Kind, tuple[str, ...]] = {
    "engine": ("preview", "reangle"),
    "provider": ("files", "dust3r", "depth-anything", "mini"),
    "suite": ("mini", "cogvideox-5b"),
    "move": (
        *("orbit-left", "orbit-right", "orbit-up", "orbit-down", "arc-left", "arc-right"),
        *("dolly-in", "dolly-out", "dolly-zoom-in", "dolly-zoom-out"),
        *("crane-up", "crane-down", "truck-left", "truck-right", "roll-left", "roll-right", "handheld"),
    ),
    "easing": ("linear", "smooth", "ease-in", "ease-out"),
}
"""Names by the number that schema 2 saved."""

_CHOICES: tuple[tuple[str, str, choices.Kind], ...] = (
    ("", "engine", "engine"),
    ("", "move", "move"),
    ("", "easing", "easing"),
    ("clip", "provider", "provider"),
    ("learning", "suite", "suite"),
)
"""Group, property and kind of the choices that schema 2 saved as numbers."""

_RENAMED = (
    ("use_memory", "preview", "memory"),
    ("clip.depth_scale", "clip", "depth_files_scale"),
    ("clip.use_fov", "clip", "use_horizontal_fov_deg"),
    ("clip.fov_deg", "clip", "horizontal_fov_deg"),
    ("learning.exact", "learning", "exact_where_seen"),
)
"""Property of schema 2, and the group and name that it has since schema 3."""


def _keep_depth_files(shot: ReangleScene, saved: Saved) -> None:
    # The default was depth files until schema 2, and defaults are not in the file.
    if _value(saved, "clip.provider") is None:
        shot.clip.provider_name = "files"


def _choices_by_name(shot: ReangleScene, saved: Saved) -> None:
    for group, name, kind in _CHOICES:
        number = _value(saved, f"{group}.{name}" if group else name)
        if number is not None and 0 <= number < len(_NAMES[kind]):
            setattr(getattr(shot, group) if group else shot, f"{name}_name", _NAMES[kind][number])
    for old, group, name in _RENAMED:
        value = _value(saved, old)
        if value is not None:
            setattr(getattr(shot, group), name, value)


def _value(saved: Saved, path: str) -> Any:
    value: Any = saved
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


MIGRATIONS: dict[int, Callable[[ReangleScene, Saved], None]] = {1: _keep_depth_files, 2: _choices_by_name}
"""From each schema to the next."""


def migrate(scene: Any) -> None:
    """Update the state of an older file. A file of a newer Reangle does not change."""
    shot = scene.reangle
    saved = compat.saved_properties(scene, "reangle") if shot.uid and shot.schema < SCHEMA else {}
    while shot.uid and shot.schema < SCHEMA:
        MIGRATIONS[shot.schema](shot, saved)
        shot.schema += 1
