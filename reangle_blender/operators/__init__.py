# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's buttons, one module per step. Operators start work and return at once; `exchange` reports its end."""

from . import (
    angles,
    backend,
    camera_list,
    cameras,
    cg,
    clip,
    clip_list,
    compare,
    floor,
    focus,
    importing,
    interchange,
    jobs,
    lookahead,
    move_presets,
    preferences,
    remote,
    render,
    result_files,
    results,
    starting,
    storage,
    weights,
)

_PARTS = (
    backend,
    preferences,
    remote,
    storage,
    clip,
    clip_list,
    importing,
    floor,
    weights,
    cameras,
    angles,
    focus,
    camera_list,
    move_presets,
    lookahead,
    interchange,
    render,
    starting,
    results,
    result_files,
    compare,
    cg,
    jobs,
)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
