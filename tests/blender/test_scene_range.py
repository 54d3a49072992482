# SPDX-License-Identifier: GPL-3.0-or-later
"""What an import says of the scene's frames when it replaces them."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
import tiny

LAST = tiny.FRAMES


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (1, [f"The scene had frames 1001 to 1100, the clip has 1 to {LAST}."]),
        (
            -3,
            [
                f"The scene had frames 1001 to 1100, the clip has -3 to {LAST - 4}.",
                "A scene cannot begin before frame 0 in Blender, so the clip's frames -3 to -1 are not played or "
                "rendered.",
            ],
        ),
    ],
)
def test_replaced_range_is_named(shot: SimpleNamespace, first: int, words: list[str]) -> None:
    scene = bpy.context.scene
    path = shot.reangle("scene.moves").source_path(scene, follow=True)
    scene.frame_start, scene.frame_end = 1001, 1100
    shot.state.of(scene)["first_frame"] = first
    shots = shot.reangle("scene.shot")
    assert shots.match_scene(scene, path, LAST)[-len(words) :] == words
    scene.frame_start, scene.frame_end = 1, LAST
    shot.state.of(scene)["first_frame"] = 1
    assert shots.match_scene(scene, path, LAST) == []
