# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender shows at a mouse pointer that rests: every operator and every property tells what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import bpy
import pytest
from conftest import MODULE, REPOSITORY

Reangle = Callable[[str], ModuleType]
BLENDERS_OWN = {"rna_type", "name", "bl_idname"}
BLENDERS_DRAWN = (bpy.types.Object, bpy.types.RenderSettings)
DRAWN = re.compile(r"\bprop(?:_search|_menu_enum|_tabs_enum|s_enum)?\(\s*[^,()]+(?:\([^()]*\))?[^,()]*,\s*\"(\w+)\"")
ICON = re.compile(r"\"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{3,})\"")
SOURCES = sorted((REPOSITORY / "reangle_blender").glob("*/*.py"))


def operators() -> list[Any]:
    return [getattr(bpy.ops.reangle, name).get_rna_type() for name in dir(bpy.ops.reangle)]


def groups() -> Iterator[Any]:
    """Types of our property groups, and the preferences."""
    for base in (bpy.types.PropertyGroup, bpy.types.AddonPreferences):
        for cls in base.__subclasses__():
            if cls.__module__.startswith(MODULE) and base.bl_rna_get_subclass_py(cls.__name__) is cls:
                yield cls.bl_rna


def shown_properties() -> Iterator[tuple[str, Any]]:
    """Properties that a panel or a dialog may show: those with a label that are not hidden."""
    for rna in [*operators(), *groups()]:
        for item in rna.properties:
            is_own = item.identifier not in BLENDERS_OWN or item.name not in ("", "Name", "ID Name")
            if is_own and item.is_runtime and not item.is_hidden and item.name not in ("", item.identifier):
                yield f"{rna.identifier}.{item.identifier}", item


def complaint(label: str, text: str) -> str:
    """What is wrong with a description; "" for a good one. Blender itself puts the full stop after it."""
    if not text:
        return "there is none"
    if text.endswith((".", ":", " ")) or text.startswith(" ") or not text[0].isupper():
        return f"{text!r} does not begin with a capital letter, or ends with a full stop"
    if text.lower() == label.lower():
        return "it only repeats the label"
    return ""


def complaints(texts: Iterator[tuple[str, str, str]]) -> dict[str, str]:
    return {name: wrong for name, label, text in texts if (wrong := complaint(label, text))}


def test_every_operator_tells_what_it_does(reangle: Reangle) -> None:
    found = operators()
    assert len(found) > 25
    # One without a description of its own has to make it from its properties.
    made = {rna.identifier for rna in found if "description" in vars(getattr(bpy.types, rna.identifier))}
    texts = ((rna.identifier, rna.name, rna.description) for rna in found if rna.identifier not in made)
    assert complaints(texts) == {}


def test_every_property_tells_what_it_does(reangle: Reangle) -> None:
    found = list(shown_properties())
    assert len(found) > 80
    assert complaints((name, item.name, item.description) for name, item in found) == {}


def test_what_panels_draw_is_among_them(reangle: Reangle) -> None:
    known = {name.rpartition(".")[2] for name, _ in shown_properties()}
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES if path.parent.name == "panels")
    drawn = set(DRAWN.findall(text))
    blenders = {name for name in drawn for kind in BLENDERS_DRAWN if name in kind.bl_rna.properties}
    assert len(drawn) > 15
    assert drawn - known - blenders == set()


def test_every_choice_tells_what_it_is(reangle: Reangle) -> None:
    lists = [(name, item) for name, item in shown_properties() if item.type == "ENUM" and not item.is_enum_flag]
    items = [(f"{name} {one.identifier}", one.name, one.description) for name, item in lists for one in item.enum_items]
    assert items
    plain = ((name, label, text) for name, label, text in items if text)
    assert complaints(plain) == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_icons_exist(reangle: Reangle, path: Any) -> None:
    """An icon that this Blender does not have makes a panel fail where it is drawn."""
    icons = bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items
    text = path.read_text(encoding="utf-8")
    used = set(re.findall(r"icon(?:_name)?\s*[:=]\s*(?:str = )?\"(\w+)\"", text))
    for chosen in re.findall(r"icon(?:_name)?\s*=\s*([^\n)]*)", text):
        used |= set(ICON.findall(chosen))
    assert used - set(icons.keys()) == set()
