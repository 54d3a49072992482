# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in other languages: complete, and with the same placeholders. bpy has no languages itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import bpy
import pytest
from conftest import REPOSITORY

COMPLETE = ("de",)
Reangle = Callable[[str], ModuleType]


@pytest.mark.parametrize("language", COMPLETE)
@pytest.mark.parametrize("action", ["--missing", "--unused"])
def test_every_message_is_translated(language: str, action: str) -> None:
    script = REPOSITORY / "scripts" / "translations.py"
    done = subprocess.run([sys.executable, script, language, action], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("language", COMPLETE)
def test_sentences_of_errors_are_found_again(reangle: Reangle, language: str) -> None:
    translations, words = reangle("translations"), reangle("core.words")
    table = translations._tables()[language]
    known = words.Words(table)
    for message, translation in table.items():
        if words.is_pattern(message):
            values = {name: f"{number}.5" for number, name in enumerate(words.placeholders(message), start=1)}
            assert known.translate(words.fill(message, values)) == words.fill(translation, values)
    assert known.translate("The painter has no colours left.") == "The painter has no colours left."


def test_scripts_read_english(reangle: Reangle) -> None:
    with pytest.raises(RuntimeError, match=r"No clip is chosen|The backend"):
        bpy.ops.reangle.import_clip()
