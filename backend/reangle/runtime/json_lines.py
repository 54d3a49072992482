# SPDX-License-Identifier: Apache-2.0
"""JSON lines on standard output, by which a process tells the one that started it how it gets on."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from typing import TextIO

from reangle.errors import UserError
from reangle.runtime.terminal import text_stream, why_lost


def take_standard_output() -> TextIO:
    """Standard output as it was; from now on what libraries print goes to standard error, so that no line is spoilt."""
    sys.stdout.flush()
    lines = text_stream(os.dup(1), "utf-8")
    os.dup2(2, 1)
    return lines


def line_writer() -> Callable[..., None]:
    """Take standard output and give `write(**values)`, which any thread may call and which prints one JSON line.

    It raises OSError once nobody reads them, so that the process ends with the one that started it.
    """
    lines, writing = take_standard_output(), threading.Lock()

    def write(**values: object) -> None:
        with writing:
            print(json.dumps(values), file=lines, flush=True)
            if error := why_lost(lines):
                raise error

    return write


def error_values(error: UserError) -> dict[str, str]:
    """An error for a line, with the traceback of the exception that is being handled."""
    return {"message": error.message, "advice": error.advice, "traceback": traceback.format_exc()}
