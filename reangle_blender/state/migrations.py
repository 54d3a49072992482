# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates the state of files from older versions; does not change files from newer ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import choices, compat
from ..core.contract.migration import camera_and_depth
from .identity import scenes
from .scene import SCHEMA, ReangleScene

Saved = dict[str, Any]
"""All values that the file holds for a scene, also of removed properties; values that were never set are absent.
A migration adds what it leaves to a later one."""

_PROVIDERS = ("files", "dust3r", "depth-anything", "mini")
"""Geometry providers by the number that schema 2 saved."""

_NAMES: dict[choices.Kind, tuple[str, ...]] = {
    "engine": ("preview", "reangle"),
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


def _keep_depth_files(_shot: ReangleScene, saved: Saved) -> None:
    # The default was depth files until schema 2, and defaults are not in the file.
    saved.setdefault("clip", {}).setdefault("provider", 0)


def _choices_by_name(shot: ReangleScene, saved: Saved) -> None:
    for group, name, kind in _CHOICES:
        number = _value(saved, f"{group}.{name}" if group else name)
        if number is not None and 0 <= number < len(_NAMES[kind]):
            setattr(getattr(shot, group) if group else shot, f"{name}_name", _NAMES[kind][number])
    provider = _value(saved, "clip.provider")
    if provider is not None and 0 <= provider < len(_PROVIDERS):
        saved["clip"]["provider_name"] = _PROVIDERS[provider]
    for old, group, name in _RENAMED:
        value = _value(saved, old)
        if value is not None:
            setattr(getattr(shot, group), name, value)


def _camera_and_depth(shot: ReangleScene, saved: Saved) -> None:
    provider = _value(saved, "clip.provider_name")
    if provider is None and shot.shot_request:
        provider = "mini"  # the default until schema 3
    if provider is not None:
        use_dust3r = _value(saved, "clip.use_dust3r") in (None, True)  # Blender saves 0 or 1
        shot.clip.camera_name, shot.clip.depth_name = camera_and_depth(provider, use_dust3r=use_dust3r)


def _keep_mini(shot: ReangleScene, _saved: Saved) -> None:
    # The default was mini until schema 4, and defaults are not in the file.
    if not shot.learning.is_property_set("suite_name"):
        shot.learning.suite_name = "mini"


def _value(saved: Saved, path: str) -> Any:
    value: Any = saved
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


MIGRATIONS: dict[int, Callable[[ReangleScene, Saved], None]] = {
    1: _keep_depth_files,
    2: _choices_by_name,
    3: _camera_and_depth,
    4: _keep_mini,
}
"""From each schema to the next."""


def migrate_all() -> None:
    """Update the state of every scene of the file, such as those that were appended from an older one."""
    for scene in scenes():
        migrate(scene)


def migrate(scene: Any) -> None:
    """Update the state of an older file. A file of a newer Reangle does not change."""
    shot = scene.reangle
    saved = compat.saved_properties(scene, "reangle") if shot.uid and shot.schema < SCHEMA else {}
    while shot.uid and shot.schema < SCHEMA:
        MIGRATIONS[shot.schema](shot, saved)
        shot.schema += 1
    if shot.uid and not shot.keyed_from and not shot.is_newer:
        shot.keyed_from = shot.first_frame  # the first files of schema 4 do not have it
