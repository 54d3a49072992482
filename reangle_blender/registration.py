# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is told about, in an order in which nothing is used before it is there."""

from __future__ import annotations

from . import jobs, lifecycle, preferences, state
from . import operators as operators_package
from . import panels as panels_package
from .scene import cloud_drawing, point_cloud

_PARTS = (preferences, state, operators_package, panels_package, point_cloud, cloud_drawing, jobs, lifecycle)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
