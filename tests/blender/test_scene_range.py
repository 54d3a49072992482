# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a clip lies in the scene's time, and what an import says of the frames that it replaces."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
import tiny
from conftest import import_clip

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


@pytest.mark.parametrize(("told", "first"), [(None, 1001), ("by number", 1), ("by switch", 990)])
def test_a_clip_starts_where_the_scene_starts(desk: SimpleNamespace, clip: Path, told: str | None, first: int) -> None:
    scene = bpy.context.scene
    shot = desk.state.of(scene)
    scene.frame_start, scene.frame_end, scene.frame_current = 1001, 1100, 1050
    if told == "by number":
        shot.first_frame = 1
    elif told == "by switch":
        shot.at_scene_start = False
        assert shot.first_frame == 1001
        shot.first_frame = 990
    assert shot.at_scene_start == (told is None)
    import_clip(desk, clip)
    last = first + LAST - 1
    assert (shot.first_frame, scene.frame_start, scene.frame_end, scene.frame_current) == (first, first, last, last)
    assert f"The scene had frames 1001 to 1100, the clip has {first} to {last}." in shot.jobs[0].notes.splitlines()
    action = shot.source.animation_data.action
    assert tuple(action.frame_range) == (first, last)
    # What lies in the scene stays there, whatever the scene's range is.
    scene.frame_start = 5
    import_clip(desk, clip)
    assert shot.first_frame == first
