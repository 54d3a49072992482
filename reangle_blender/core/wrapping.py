# SPDX-License-Identifier: GPL-3.0-or-later
"""Break text into lines that can be read whole: at spaces, and paths and addresses after a separator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

# A word and the separators after it: `/home/`, `huggingface.co/`, `some-`. The last alternative is all that is left.
_PIECE = re.compile(r"[^/\\?&=_\-]*[/\\?&=_\-]+|[^/\\?&=_\-]+")


def wrap(text: str, width: Callable[[str], float], limit: float) -> list[str]:
    """The text in lines that `width` measures as at most `limit`; each line of the text begins a new one.

    A word that is too long for a line, such as a path, is broken after its separators. Only a piece without any that
    is still too long is broken between letters.
    """
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if width(longer) <= limit:
                line = longer
                continue
            if line:
                lines.append(line)
            line = ""
            for piece in _pieces(word, width, limit):
                if line and width(line + piece) > limit:
                    lines.append(line)
                    line = ""
                line += piece
        if line:
            lines.append(line)
    return lines


def _pieces(word: str, width: Callable[[str], float], limit: float) -> Iterator[str]:
    if width(word) <= limit:
        yield word
        return
    for piece in _PIECE.findall(word):
        while len(piece) > 1 and width(piece) > limit:
            fitting = next(
                count for count in range(len(piece) - 1, 0, -1) if count == 1 or width(piece[:count]) <= limit
            )
            yield piece[:fitting]
            piece = piece[fitting:]
        yield piece
