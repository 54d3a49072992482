# SPDX-License-Identifier: Apache-2.0
"""Standard streams that never end the work: closed ones, full ones, and terminals that lack characters."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO


class LostStream(io.FileIO):
    """A file to write to. After the first error, as of a pipe without a reader or a full disk, the rest is dropped."""

    lost: OSError | None = None
    """Why the rest was dropped; None while all could be written."""

    def write(self, data: Any, /) -> int:
        if self.lost is None:
            try:
                while (count := super().write(data)) is None:
                    select.select([], [self], [])  # another program has set it not to wait
                return count
            except OSError as error:
                self.lost = error
        return memoryview(data).nbytes


def prepare_streams() -> None:
    """Make standard input, output and error such that nothing that is printed can fail.

    One that is closed becomes the null device. Otherwise the next file that is opened, such as the job list, would get
    its number, and C libraries would write their messages into that file. What a terminal cannot show, as in names of
    files, is written as \\xNN.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _null_device(number))
        elif number and type(_raw(stream)) is io.FileIO:
            stream.flush()
            lines = stream.line_buffering or stream.write_through
            setattr(sys, name, text_stream(number, stream.encoding, closefd=False, lines=lines))
        elif isinstance(stream, io.TextIOWrapper):
            # The console of Windows has its own way to write.
            stream.reconfigure(errors="backslashreplace")


def text_stream(number: int, encoding: str, *, closefd: bool = True, lines: bool = True) -> TextIO:
    """Text to a file descriptor, as LostStream. lines: write each at once."""
    raw = LostStream(number, "w", closefd=closefd)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=lines)


def why_lost(stream: TextIO) -> OSError | None:
    """Why the rest of what was written to this stream was dropped; None if all of it could be written."""
    raw = _raw(stream)
    return raw.lost if isinstance(raw, LostStream) else None


def _raw(stream: TextIO) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)  # PYTHONUNBUFFERED leaves out the buffer


def _null_device(number: int) -> TextIO:
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
    return open(os.devnull, "w" if number else "r", encoding="utf-8")
