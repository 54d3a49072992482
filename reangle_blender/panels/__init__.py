# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar tab; one module per step. Panels only draw."""

from . import (
    _preview_icons,
    add_menu,
    all_jobs,
    camera_data,
    cameras,
    cg,
    clip,
    lookahead,
    render,
    results,
    starting,
    statusbar,
)

_PARTS = (
    _preview_icons,
    clip,
    add_menu,
    cameras,
    lookahead,
    render,
    starting,
    results,
    cg,
    camera_data,
    all_jobs,
    statusbar,
)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
