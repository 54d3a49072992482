# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels draw, on a layout that records it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest

from reangle_blender.core.contract.engines import ENGINES

Reangle = Callable[[str], ModuleType]


class RecordingLayout:
    """Keeps properties, texts and operators in the order in which they are drawn; a property must exist."""

    def __init__(self, drawn: list[str]) -> None:
        self.drawn = drawn

    def prop(self, data: Any, name: str, **_: object) -> None:
        assert name in data.bl_rna.properties, name
        self.drawn.append(name)

    def label(self, text: str = "", icon: str = "NONE") -> None:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items, icon
        self.drawn.append(text)

    def operator(self, name: str, **_: object) -> SimpleNamespace:
        self.drawn.append(name)
        return SimpleNamespace()

    def progress(self, **values: object) -> None:
        self.drawn.append(str(values["text"]))

    def template_list(self, *_: object, **__: object) -> None:
        self.drawn.append("list")

    def context_pointer_set(self, _name: str, data: Any) -> None:
        assert data is not None

    def _part(self, **_: object) -> RecordingLayout:
        return type(self)(self.drawn)

    row = column = box = split = _part

    def menu(self, name: str, **_: object) -> None:
        self.drawn.append(name)

    def separator(self) -> None:
        pass


def drawn_by(panel: Any) -> list[str]:
    layout = RecordingLayout([])
    # Without a window there is no region, and no scale of the interface.
    window = SimpleNamespace(
        region=SimpleNamespace(width=280),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1)),
        window_manager=bpy.context.window_manager,
    )
    panel.draw(SimpleNamespace(layout=layout), SimpleNamespace(scene=bpy.context.scene, **vars(window)))
    return layout.drawn


@pytest.mark.parametrize(
    ("camera", "depth", "expected"),
    [
        ("auto", "auto", ["camera", "use_horizontal_fov_deg", "horizontal_fov_deg", "depth"]),
        ("given", "depth-anything", ["camera", "given_camera", "depth", "checkpoint"]),
        ("files", "files", ["camera", "geometry_folder", "depth", "depth_files_scale"]),
        ("still", "files", ["horizontal_fov_deg", "depth", "geometry_folder", "depth_files_scale"]),
    ],
)
def test_settings_are_drawn_below_the_source_that_reads_them(
    reangle: Reangle, camera: str, depth: str, expected: list[str]
) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.camera, clip.depth = camera, depth
    drawn = drawn_by(reangle("panels.clip").REANGLE_PT_clip)
    settings = {"given_camera", "geometry_folder", "checkpoint", "depth_files_scale", "horizontal_fov_deg"}
    settings |= {"camera", "depth", "use_horizontal_fov_deg"}
    assert [name for name in drawn if name in settings][-len(expected) :] == expected
    assert drawn.index("depth") < drawn.index("reangle.import_clip")


def test_notes_on_the_geometry_wrap_below_the_clip(reangle: Reangle) -> None:
    scene, panel = bpy.context.scene, reangle("panels.clip").REANGLE_PT_geometry
    assert not panel.poll(bpy.context)
    shot = reangle("state").prepare(scene)
    note = "Depth: a network saw each frame alone, so that far walls may bend where they are plain."
    facts = ["Camera: Solve, moves", "Lens: 50.0 degrees wide", "Depth: Mini", "Unit: metre"]
    shot.about, shot.shot = "\n".join([*facts, note]), "1" * 32
    job = shot.jobs.add()
    reason = "Camera: solved from the clip."
    job.name, job.loaded, job.notes = shot.shot, True, f"{note}\nThe scene had 24 frames per second.\n{reason}"
    assert panel.poll(bpy.context)
    lines = drawn_by(panel)
    assert lines[:4] == [facts[0], reason, *facts[1:3]]
    assert " ".join(lines[4:]) == f"{note} {facts[3]} The scene had 24 frames per second."
    assert max(map(len, lines)) < 45


def test_a_reason_that_stands_in_the_notes_is_drawn_once(reangle: Reangle, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "Camera: solved from the clip, since none was given"
    choices = reangle("choices")
    auto = choices.Choice("auto", "Auto", 0, message=f"{reason}.")
    monkeypatch.setattr(choices, "find", lambda kind, name, engine="": auto if kind == "camera" else None)
    panel = reangle("panels.clip").REANGLE_PT_clip
    assert reason in " ".join(drawn_by(panel))
    shot = reangle("state").prepare(bpy.context.scene)
    shot.about = f"{reason}."
    assert reason not in " ".join(drawn_by(panel))


def test_filters_of_depth_are_drawn_for_every_engine(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    for engine in ENGINES:
        shot.engine = engine
        drawn = drawn_by(reangle("panels.render").REANGLE_PT_warp)
        assert drawn[: drawn.index("confidence_filter") + 1][-3:] == ["memory", "edge_filter", "confidence_filter"]
    assert shot.preview.bl_rna.properties["edge_filter"].subtype == "FACTOR"


def test_cg_is_offered_for_a_clip(shot: SimpleNamespace) -> None:
    panel = shot.reangle("panels.cg").REANGLE_PT_cg
    drawn = drawn_by(panel)
    assert drawn == ["points", "reangle.add_depth_mesh"]
    bpy.ops.reangle.add_depth_mesh()
    shot.state.of(bpy.context.scene).cg.points = True
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.context.scene.camera = bpy.context.scene.objects["Left"]
    drawn = drawn_by(panel)
    assert {"point_scale", "in_viewport", "hide_render", "use", "depth_of", "every", "fill_holes"} < set(drawn)
    assert any("no result yet" in text for text in drawn)
