# SPDX-License-Identifier: GPL-3.0-or-later
"""The Reangle add-on. Importable without bpy, so that `core` can be used and tested as plain Python."""


def register() -> None:
    from . import registration

    registration.register()


def unregister() -> None:
    from . import registration

    registration.unregister()
