# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose result a strip or a node shows, kept in custom properties: names, copies, undo and new files do not change it.

A name that the add-on gave follows the camera's; one that the artist gave stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bpy.types import Object

_CLIP, _CAMERA, _PATH, _PART = "reangle_clip", "reangle_camera", "reangle_path", "reangle_part"
_GIVEN, _WANTED = "reangle_given_name", "reangle_wanted_name"


@dataclass(frozen=True, eq=False)
class Result:
    """The result of one camera, whatever its version, or the clip itself.

    clip: digest of the clip's files, "" for a job of an older version. camera: None for the clip and for the scene's
    camera with its markers. path: name of the camera's path; "" for the clip.
    """

    clip: str
    camera: Object | None = None
    path: str = ""

    @property
    def is_clip(self) -> bool:
        return not self.path

    @property
    def name(self) -> str:
        """The camera's present name."""
        return self.camera.name if self.camera is not None else self.path or "Clip"


def mark(item: Any, result: Result, part: str) -> None:
    """Mark a strip or a node as showing this part of the result."""
    item[_CLIP], item[_PATH], item[_PART] = result.clip, result.path, part
    if result.camera is not None:
        item[_CAMERA] = result.camera


def shows(item: Any, result: Result, part: str) -> bool:
    """Whether it was marked so. A camera is known by itself, also under another name."""
    clips = {item.get(_CLIP), result.clip} - {""}  # jobs of older versions have none
    if item.get(_PART) != part or len(clips) > 1:
        return False
    camera = item.get(_CAMERA)
    if camera is not None or result.camera is not None:
        return camera == result.camera
    return item.get(_PATH) == result.path


def take_over(copy: Any, items: Iterable[Any], results: Sequence[Result]) -> None:
    """Let the items of a copied data-block, and its name, belong to a copied scene, which has cameras of its own."""
    copy[_GIVEN] = copy.name
    for item in items:
        for result in results:
            if _PART in item and (item[_CLIP], item[_PATH]) == (result.clip, result.path):
                mark(item, result, item[_PART])


def camera_of(item: Any) -> Object | None:
    """The camera of a marked strip or node."""
    return item.get(_CAMERA)


def camera_name(item: Any) -> str:
    """The name of the camera of a marked strip or node; "" for the clip and for the artist's own."""
    camera = camera_of(item)
    return camera.name if camera is not None else item.get(_PATH, "")


def part_of(item: Any) -> str:
    """The part that a strip or node was marked with; "" for the artist's own."""
    return item.get(_PART, "")


def has_given_name(item: Any) -> bool:
    return _GIVEN in item


def give_name(item: Any, name: str, *, attribute: str = "name", store: Any = None) -> None:
    """Give a name, unless the artist has changed the one that was given before.

    store: what keeps the given name, if the item has no custom properties.
    """
    store = item if store is None else store
    now = getattr(item, attribute)
    # Blender cuts long names, and numbers those that are taken.
    if _GIVEN in store and (store[_GIVEN] != now or store[_WANTED] == name):
        return
    setattr(item, attribute, name)
    store[_GIVEN], store[_WANTED] = getattr(item, attribute), name
