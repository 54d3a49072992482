# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files, as icons that a panel can show."""

from __future__ import annotations

import bpy.utils.previews

_loaded: bpy.utils.previews.ImagePreviewCollection | None = None


def icon_of(path: str) -> int:
    """The icon of a picture; 0 for "". A file keeps the icon that it was first seen with."""
    if not path:
        return 0
    global _loaded
    if _loaded is None:
        _loaded = bpy.utils.previews.new()
    preview = _loaded[path] if path in _loaded else _loaded.load(path, path, "IMAGE")
    return preview.icon_id


def register() -> None:
    """Nothing is loaded before it is shown."""


def unregister() -> None:
    global _loaded
    if _loaded is not None:
        bpy.utils.previews.remove(_loaded)
        _loaded = None
