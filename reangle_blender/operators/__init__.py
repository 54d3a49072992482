# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's buttons, one module per step. Operators start work and return at once; `exchange` reports its end."""

from . import cameras, cg, clip, interchange, remote, render, results, starting, storage, weights

_PARTS = (clip, remote, storage, weights, cameras, interchange, render, starting, results, cg)


def register() -> None:
    for part in _PARTS:
        part.register()


def unregister() -> None:
    for part in reversed(_PARTS):
        part.unregister()
