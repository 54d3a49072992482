# SPDX-License-Identifier: Apache-2.0
"""Find the add-on's messages, and keep the files of translations complete.

    python3.11 scripts/translations.py de --missing    list messages that are not translated, and wrong placeholders
    python3.11 scripts/translations.py de --unused     list translations of messages that are gone
    python3.11 scripts/translations.py de --update     add new messages with empty translations, remove unused ones

--missing and --unused end with status 1 if they list anything. Messages are: names, descriptions and choices of the
registered classes; and in the source literal texts of labels and buttons, of `tr`, of reports, and of errors. In an
f-string each value becomes a placeholder: f"{job.title} has ended." is the message "{title} has ended.".
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
ADD_ON = REPO / "reangle_blender"
TRANSLATIONS = ADD_ON / "translations"

SHOWS_ARGUMENTS = {"tr", "paragraph", "problem", "section", "Status", "Progress"}
"""Functions whose text arguments are shown. Errors are found by their class."""
SHOWS_KEYWORDS = {"text", "heading", "title", "advice", "confirm_text"}
"""Keywords of any function whose texts are shown."""
SHOWS_CONSTANTS = {
    "STATE_WORDS",
    "LABELS",
    "WORDS",
    "_MOTIONS",
    "_LENS_SOURCES",
    "_UNITS",
    "_SUBJECTS",
    "_ASKED",
    "_KEYS",
    "HINT",
    "_STAGES",
}
"""Tables and texts that are shown, wherever they are."""
SENTENCE = re.compile(r"[A-Z{].* .*\.", re.DOTALL)
"""A literal that is a whole sentence is shown, wherever it is."""
NO_TEXT = re.compile(r"[A-Z0-9_]+|[a-z_0-9]*|[a-z]+(\.[a-z_]+)+|//.*")
"""Identifiers, icons, keys and numbers."""


class Messages:
    """The messages found so far: message -> file where it is first."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def add(self, message: object, file: str, *, is_word: bool = False) -> None:
        """is_word: also a single word in small letters is a message."""
        if isinstance(message, str) and has_words(message, is_word=is_word) and message not in self.files:
            self.files[message] = file


def has_words(message: str, *, is_word: bool) -> bool:
    """Whether there is anything to translate."""
    from reangle_blender.core.words import is_pattern

    text = re.sub(r"\{\w+\}", "", message)
    if text != message and not is_word and not is_pattern(message):
        return False  # a finished sentence of this kind could not be told from others
    return bool(re.search(r"[A-Za-z]{2}", text)) and (is_word or not NO_TEXT.fullmatch(text))


def in_classes(messages: Messages) -> None:
    """What Blender translates by itself: names and descriptions of classes, of properties and of their choices."""
    import reangle_blender

    bpy = importlib.import_module("bpy")  # not there where the types of scripts are checked

    kinds = (
        bpy.types.Operator,
        bpy.types.Panel,
        bpy.types.Menu,
        bpy.types.PropertyGroup,
        bpy.types.AddonPreferences,
    )
    for found in sorted(pkgutil.walk_packages(reangle_blender.__path__, "reangle_blender."), key=lambda one: one.name):
        if ".core." in found.name:
            continue
        module = importlib.import_module(found.name)
        file = str(Path(module.__file__ or "").relative_to(ADD_ON).as_posix())
        for cls in vars(module).values():
            if isinstance(cls, type) and issubclass(cls, kinds) and cls.__module__ == module.__name__:
                _in_class(messages, cls, file)
    offers = importlib.import_module("reangle_blender.offers")
    for group in (offers.OWN, offers.STAND_INS):
        for choices in group.values():
            for choice in choices:
                messages.add(choice.label, "offers.py")
                messages.add(choice.help, "offers.py")


def _in_class(messages: Messages, cls: Any, file: str) -> None:
    messages.add(vars(cls).get("bl_label"), file)
    messages.add(vars(cls).get("bl_description"), file)
    for base in cls.__mro__:
        for name, made in vars(base).get("__annotations__", {}).items():
            if isinstance(made, str):  # as Blender does when it registers the class
                made = eval(made, vars(sys.modules[base.__module__])) if "Property" in made or "(" in made else None
            words = getattr(made, "keywords", {})
            if "HIDDEN" in words.get("options", ()) or "name" not in words:
                continue
            for message in (words.get("name"), words.get("description")):
                if message != name:
                    messages.add(message, file)
            items = words.get("items", ())
            for item in items if isinstance(items, list | tuple) else ():
                messages.add(item[1], file)
                messages.add(item[2], file)


def in_source(messages: Messages) -> None:
    """Literal texts of the drawing code, of reports and of errors."""
    paths = [path for path in sorted(ADD_ON.rglob("*.py")) if "contract" not in path.parts]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    errors = _errors(trees.values())
    for path, tree in trees.items():
        file = path.relative_to(ADD_ON).as_posix()
        values = dict(_assigned(tree))
        for name in SHOWS_CONSTANTS & values.keys():
            for value in values[name]:
                for message in _texts(value, values):
                    messages.add(message, file, is_word=True)
        for message in _sentences(tree):
            messages.add(message, file)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                is_word = isinstance(node.func, ast.Name) and node.func.id == "tr"
                for shown in _shown(node, errors):
                    for message in _texts(shown, values):
                        messages.add(message, file, is_word=is_word)


def _sentences(tree: ast.AST) -> Iterator[str]:
    """Literals that are whole sentences, but for docstrings and what an f-string is made of."""
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    left_out |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in left_out:
            for message in _texts(node, {}):
                if SENTENCE.fullmatch(message):
                    yield message


def _errors(trees: Any) -> set[str]:
    """The names of UserError and of what derives from it."""
    known = {"UserError"}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    while True:
        more = {
            one.name for one in classes if any(isinstance(base, ast.Name) and base.id in known for base in one.bases)
        }
        if more <= known:
            return known
        known |= more


def _assigned(tree: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """What is assigned to each name anywhere in the file, by a loop over literal tuples, too."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            if isinstance(node.target, ast.Name) and node.value is not None:
                found.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and isinstance(node.iter, ast.Tuple):
            for row in node.iter.elts:
                for target, value in zip(node.target.elts, getattr(row, "elts", ()), strict=False):
                    if isinstance(target, ast.Name):
                        found.setdefault(target.id, []).append(value)
    yield from found.items()


def _shown(call: ast.Call, errors: set[str]) -> Iterator[ast.expr]:
    """The arguments of a call that are shown."""
    function = call.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    if name in SHOWS_ARGUMENTS or name in errors:
        yield from call.args
    for keyword in call.keywords:
        if keyword.arg in SHOWS_KEYWORDS:
            yield keyword.value


def _texts(node: ast.expr, values: dict[str, list[ast.expr]], depth: int = 0) -> Iterator[str]:
    """The texts that an expression may be."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield _message_of(node)
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, values, depth)
        yield from _texts(node.orelse, values, depth)
    elif isinstance(node, ast.BoolOp | ast.Dict):
        for one in node.values:
            yield from _texts(one, values, depth)
    elif isinstance(node, ast.Tuple):
        for one in node.elts:
            yield from _texts(one, values, depth)
    elif isinstance(node, ast.Subscript):
        yield from _texts(node.value, values, depth)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "get"):
        yield from _texts(node.func.value, values, depth)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "zip"):
        for one in node.args:
            yield from _texts(one, values, depth)
    elif isinstance(node, ast.Name) and depth < 2:
        for one in values.get(node.id, ()):
            yield from _texts(one, values, depth + 1)


def _message_of(node: ast.JoinedStr) -> str:
    """The text of an f-string with a placeholder for each value."""
    parts: list[str] = []
    names: list[str] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            name = _name_of(part.value)
            names.append(name)
            count = names.count(name)
            parts.append(f"{{{name}{count if count > 1 else ''}}}")
        else:
            parts.append(str(getattr(part, "value", "")))
    return "".join(parts)


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _name_of(node.args[0] if node.args else node.func)
    if isinstance(node, ast.Subscript):
        return _name_of(node.value)
    return "value"


def found() -> dict[str, dict[str, str]]:
    """Every message by the file where it is, each once."""
    messages = Messages()
    in_classes(messages)
    in_source(messages)
    groups: dict[str, dict[str, str]] = {}
    for message, file in sorted(messages.files.items(), key=lambda one: one[1]):
        groups.setdefault(file, {})[message] = ""
    return groups


def missing(wanted: dict[str, dict[str, str]], table: dict[str, str]) -> list[str]:
    """One line per message that is not translated or whose translation has other placeholders."""
    from reangle_blender.core.words import placeholders

    lines: list[str] = []
    for file, group in wanted.items():
        for message in group:
            if message not in table:
                lines.append(f"{file}: not translated: {message}")
            elif placeholders(table[message]) != placeholders(message):
                lines.append(f"{file}: {message}: the translation has other placeholders: {table[message]}")
    return lines


def update(file: Path, wanted: dict[str, dict[str, str]], table: dict[str, str]) -> None:
    """Write the file anew with every message, those that are not translated with an empty translation."""
    groups = {name: {message: table.get(message, "") for message in group} for name, group in wanted.items()}
    file.write_text(json.dumps(groups, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    from reangle_blender.core.words import read_table

    parser = argparse.ArgumentParser(description="Keep the translations of the add-on complete.")
    parser.add_argument("language", help="as in the file's name, such as de")
    action = parser.add_mutually_exclusive_group(required=True)
    for name in ("missing", "unused", "update"):
        action.add_argument(f"--{name}", action="store_true")
    chosen = parser.parse_args()
    file = TRANSLATIONS / f"{chosen.language}.json"
    table = read_table(file) if file.exists() else {}
    wanted = found()
    if chosen.update:
        update(file, wanted, table)
        return 0
    known = {message for group in wanted.values() for message in group}
    lines = missing(wanted, table) if chosen.missing else [message for message in table if message not in known]
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    from environments import enter

    if importlib.util.find_spec("bpy") is None:
        enter("bpy")
    sys.path.insert(0, str(REPO))
    sys.exit(main())
