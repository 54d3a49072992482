# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a button is grey: the reason that Blender shows is the true one."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest


def test_moves_and_import_say_why_they_are_grey(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    known.schema += 1
    for operator in (bpy.ops.reangle.add_camera, bpy.ops.reangle.apply_move, bpy.ops.reangle.import_clip):
        with pytest.raises(RuntimeError, match="newer Reangle"):
            operator()
    known.schema -= 1
    bpy.data.objects.remove(known.origin)
    with pytest.raises(RuntimeError, match="was deleted"):
        bpy.ops.reangle.add_camera()
    bpy.context.window.scene = bpy.data.scenes.new("empty")
    with pytest.raises(RuntimeError, match="Import a clip first"):
        bpy.ops.reangle.add_camera()
