# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the backend by itself, if the artist's preferences say so. Main thread only."""

from __future__ import annotations

import bpy

from .. import preferences, state
from . import connection, main_thread

_tried = False
"""Once for each opened file: a backend that the artist stops, or that does not start, is not started again."""


def opened() -> None:
    """After a file is opened: start the backend if it has jobs that are not finished or not fetched."""
    global _tried
    _tried = False
    if any(
        not (job.loaded or job.state in ("failed", "canceled"))
        for scene in state.scenes()
        for job in state.of(scene).jobs
    ):
        needed()


def needed() -> None:
    """Something that needs the backend is shown: start it soon, if it has not been tried for this file."""
    global _tried
    if _tried or bpy.app.background or connection.now.state != "off" or not preferences.get().auto_start:
        return
    _tried = True
    main_thread.post(connection.start)
