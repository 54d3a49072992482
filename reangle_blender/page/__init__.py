# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences as a page: the backend, its weights, folders, and where help is."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from . import about, backend, folders, remote, storage, weights


def draw(layout: UILayout, context: Context, preferences: AddonPreferences) -> None:
    remote.draw(layout, context, preferences)
    if preferences.backend_place == "HERE":
        backend.draw(layout, context, preferences)
    weights.draw(layout, context, preferences)
    folders.draw(layout, context, preferences)
    storage.draw(layout, context, preferences)
    about.draw(layout, context)
