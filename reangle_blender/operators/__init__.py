# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's buttons, one module per step. Operators start work and return at once; `exchange` reports its end."""

from . import backend, cameras, cg, clip, interchange, preferences, render, results, starting, weights

_PARTS = (backend, preferences, clip, weights, cameras, interchange, render, starting, results, cg)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
