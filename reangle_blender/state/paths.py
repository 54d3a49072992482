# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as the .blend stores them: from the .blend on, so that a project can be moved as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

is_rewriting = False
"""While the same files get another path: nothing needs to be read anew."""


@contextmanager
def rewriting() -> Iterator[None]:
    global is_rewriting
    before, is_rewriting = is_rewriting, True
    try:
        yield
    finally:
        is_rewriting = before


def blend_folder() -> Path | None:
    """Folder of the open .blend; None while it is unsaved."""
    return Path(bpy.data.filepath).parent if bpy.data.filepath else None


def absolute(stored: str, base: Path | None = None) -> Path:
    """The place of a stored path. base: the .blend's folder, by default that of the open one."""
    start = str(base) if base is not None else None
    return Path(os.path.normpath(bpy.path.abspath(stored, start=start)))


def stored(path: Path | str, base: Path | None = None) -> str:
    """The path from the .blend's folder on, starting with //; as it is for an unsaved file, or where the two share no
    folder but the disk's root. base: the .blend's folder, by default that of the open one."""
    text, base = str(path), base or blend_folder()
    if not text or text.startswith("//") or base is None or not os.path.isabs(text):
        return text
    try:
        common = Path(os.path.commonpath([text, base]))
    except ValueError:  # another drive
        return text
    if common == Path(common.anchor):
        return text
    return "//" + Path(os.path.relpath(text, base)).as_posix()
