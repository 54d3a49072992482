# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as Blender renders them, also where the viewport does not evaluate them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import bpy
from bpy.types import Depsgraph, Object, Scene

HELPER = "Reangle Evaluation"

_LENS = ("lens", "shift_x", "shift_y", "sensor_width", "sensor_height")


def depsgraph_of(scene: Scene) -> Depsgraph:
    """The scene's evaluated dependency graph at its current frame."""
    with bpy.context.temp_override(scene=scene, view_layer=scene.view_layers[0]):
        return bpy.context.evaluated_depsgraph_get()


@contextmanager
def evaluated(scene: Scene, objects: Iterable[Object]) -> Iterator[None]:
    """Inside, each new frame also evaluates those of the objects that the first view layer hides or lacks.

    Blender leaves out what is in an excluded collection, disabled in viewports, if only at some frames, or in another
    view layer alone: its place and lens would stand still. What a visible object depends on is always evaluated, so an
    empty depends on them.
    """
    helper = bpy.data.objects.new(HELPER, None)
    try:
        scene.collection.objects.link(helper)
        # A sum needs no Python, which artists may have switched off for drivers.
        driver = helper.driver_add("location", 0).driver
        driver.type = "SUM"
        for item in dict.fromkeys(objects):
            place = driver.variables.new()
            place.type, place.targets[0].id = "TRANSFORMS", item
            for name in _LENS if item.type == "CAMERA" else ():
                lens = driver.variables.new()
                lens.targets[0].id_type, lens.targets[0].id, lens.targets[0].data_path = "CAMERA", item.data, name
        yield
    finally:
        bpy.data.objects.remove(helper)
