# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files as icons that a panel can show."""

from __future__ import annotations

import bpy.utils.previews

_loaded: bpy.utils.previews.ImagePreviewCollection | None = None


def icon_of(path: str, *, movie: bool = False) -> int:
    """The icon of an image file, or of a movie; 0 for "". A file is read once, when its icon is first used."""
    if not path:
        return 0
    global _loaded
    if _loaded is None:
        _loaded = bpy.utils.previews.new()
    preview = _loaded[path] if path in _loaded else _loaded.load(path, path, "MOVIE" if movie else "IMAGE")
    return preview.icon_id


def register() -> None:
    """Icons are loaded when they are first drawn."""


def unregister() -> None:
    global _loaded
    if _loaded is not None:
        bpy.utils.previews.remove(_loaded)
        _loaded = None
