# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences as a page: the backend, its weights, folders, and where help is."""

from __future__ import annotations

from bpy.types import AddonPreferences, Context, UILayout

from . import about, backend, folders, weights


def draw(layout: UILayout, context: Context, preferences: AddonPreferences) -> None:
    backend.draw(layout, context, preferences)
    # A backend on another machine: remote.draw(layout, context, preferences)
    weights.draw(layout, context, preferences)
    folders.draw(layout, context, preferences)
    # Disk use and the machine: storage.draw(layout, context, preferences)
    about.draw(layout, context)
