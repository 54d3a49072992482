# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers every part of the add-on, each after the parts that it uses."""

from __future__ import annotations

from . import lifecycle, preferences, state, translations
from . import operators as operators_package
from . import panels as panels_package
from .exchange import all_jobs, estimates, lookahead, lookahead_watch, main_thread, telling
from .scene import camera_picture, cloud_drawing, coverage_strip, depth_frames, path_drawing, point_cloud

_PARTS = (
    translations,
    preferences,
    state,
    operators_package,
    panels_package,
    point_cloud,
    depth_frames,
    cloud_drawing,
    camera_picture,
    coverage_strip,
    lookahead,
    lookahead_watch,
    path_drawing,
    main_thread,
    lifecycle,
    telling,
    estimates,
    all_jobs,
)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
