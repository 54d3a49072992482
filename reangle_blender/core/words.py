# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in another language. A translation is a JSON file: per source file, English message -> translation.

A message may have placeholders, `There is no file {path}.`. Drawing code gives their values. Errors come as finished
English sentences, for logs and scripts, too: where one is shown, its pattern is found again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

PLACEHOLDER = re.compile(r"\{(\w+)\}")
_TELLING = re.compile(r"[^\W\d_]{4}")
"""What a pattern must hold of its own, so that it does not fit any sentence: a word of some length."""
_KEPT = 2048
"""Sentences whose translation is remembered: panels ask for the same ones at every redraw."""


def read_table(file: Path) -> dict[str, str]:
    """Message -> translation of one language, without messages that are not translated. Raises OSError, ValueError."""
    groups: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return {message: text for group in groups.values() for message, text in group.items() if text}


def placeholders(message: str) -> list[str]:
    """The names of a message's placeholders, sorted."""
    return sorted(PLACEHOLDER.findall(message))


def is_pattern(message: str) -> bool:
    """Whether the message has placeholders, and enough other text to be found again in a finished sentence."""
    text = PLACEHOLDER.sub("", message)
    return text != message and bool(_TELLING.search(text))


def fill(message: str, values: Mapping[str, object]) -> str:
    """The message with values for its placeholders. A placeholder without a value stays."""
    return PLACEHOLDER.sub(lambda one: str(values.get(one[1], one[0])), message)


class Words:
    """Finds translations of finished sentences. table: message -> translation, as of `read_table`."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table
        patterned = [message for message in table if is_pattern(message)]
        # The pattern with the most text of its own is the most precise one.
        patterned.sort(key=lambda message: -len(PLACEHOLDER.sub("", message)))
        self._patterns = [(_own_text(message), _pattern_of(message), table[message]) for message in patterned]
        self.translate = lru_cache(_KEPT)(self._translate)

    def _translate(self, text: str) -> str:
        if text in self._table:
            return self._table[text]
        for own_text, pattern, translation in self._patterns:
            if own_text in text and (found := pattern.fullmatch(text)):
                return fill(translation, found.groupdict())
        return text


def _own_text(message: str) -> str:
    """The longest text between placeholders: most sentences lack it, which is quickly seen."""
    return max(PLACEHOLDER.split(message)[::2], key=len)


def _pattern_of(message: str) -> re.Pattern[str]:
    """A regular expression for the sentences that a message with placeholders becomes."""
    parts = PLACEHOLDER.split(message)  # text and names by turns
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)),
        re.DOTALL,
    )
