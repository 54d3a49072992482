# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in the artist's language: one JSON file per language, named like its locale.

Blender itself translates names, descriptions and literal texts of buttons and labels. Sentences with values, and texts
in lines of the sidebar's width, go through `tr` where they are drawn.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import bpy

from ..core.errors import UserError
from ..core.words import Words, fill, read_table

CONTEXT = "Reangle"
"""Context of labels for which Blender has another word of its own, such as Fill or Revert."""
_CONTEXTS = (bpy.app.translations.contexts.default, bpy.app.translations.contexts.operator_default, CONTEXT)


@cache
def _tables() -> dict[str, dict[str, str]]:
    """By language. Read once, when the add-on is enabled."""
    return {file.stem: read_table(file) for file in sorted(Path(__file__).parent.glob("*.json"))}


@cache
def _words_of(language: str) -> Words | None:
    table = _tables().get(language)
    return Words(table) if table else None


def tr(text: str, /, **values: object) -> str:
    """The text in the language of Blender's interface; English where there is no translation, and for scripts.

    text: a message, or a finished sentence. values: of the message's placeholders.
    """
    if not bpy.app.background and bpy.context.preferences.view.use_translate_interface:
        words = _words_of(bpy.app.translations.locale.partition("_")[0])
        text = words.translate(text) if words is not None else text
    return fill(text, values) if values else text


def told(error: UserError) -> str:
    """Message and advice of an error in the language of Blender's interface."""
    return f"{tr(error.message)} {tr(error.advice)}".strip()


def register() -> None:
    # Blender takes the entry of a language for all its countries: "de" for the locale de_DE of 4.x, too.
    entries = {
        language: {(context, message): text for context in _CONTEXTS for message, text in table.items()}
        for language, table in _tables().items()
    }
    bpy.app.translations.register(__name__, entries)


def unregister() -> None:
    bpy.app.translations.unregister(__name__)
    _words_of.cache_clear()
    _tables.cache_clear()
