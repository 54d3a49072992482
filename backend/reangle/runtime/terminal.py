# SPDX-License-Identifier: Apache-2.0
"""Terminals that cannot show every character, such as those of the C locale."""

from __future__ import annotations

import io
import sys


def show_every_name() -> None:
    """Write what standard output or error cannot encode as \\xNN instead of failing, for names of files above all."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
