# SPDX-License-Identifier: GPL-3.0-or-later
"""Choices in a .blend survive newer versions of the add-on, and unknown names are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import pytest

Reangle = Callable[[str], ModuleType]
SAVED = Path(__file__).parent / "files" / "saved_by_0.1.0.blend"
SAVED_BY_SCHEMA_3 = SAVED.with_name("saved_by_schema_3.blend")
SAVED_BY_SCHEMA_4 = SAVED.with_name("saved_by_schema_4.blend")


@pytest.fixture
def opened(reangle: Reangle) -> Reangle:
    bpy.ops.wm.open_mainfile(filepath=str(SAVED))
    return reangle


def shown(group: bpy.types.PropertyGroup, *names: str) -> dict[str, object]:
    values = {name: getattr(group, name) for name in names}
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}


def test_a_file_of_0_1_0_keeps_its_choices(opened: Reangle) -> None:
    state = opened("state")
    shot = state.of(bpy.data.scenes["Chosen"])
    assert shot.schema == state.SCHEMA
    expected = {"engine": "reangle", "move": "crane-up", "easing": "ease-out", "move_fraction": 0.35, "focus": 2.5}
    assert shown(shot, *expected) == expected
    assert shown(shot, "hold", "follow", "use_markers") == {"hold": True, "follow": False, "use_markers": True}
    assert shot.preview.memory is False
    assert shot.keyed_from == shot.first_frame
    clip = {
        "camera": "auto",
        "depth": "depth-anything",
        "depth_files_scale": 0.5,
        "checkpoint": "depth-anything/other",
        "use_horizontal_fov_deg": True,
        "horizontal_fov_deg": 40.0,
        "width": 640,
        "frames": 12,
        "sequence_fps": 25.0,
    }
    assert shown(shot.clip, *clip) == clip
    learning = {
        "suite": "cogvideox-5b",
        "caption": "a dog runs",
        "exact_where_seen": False,
        "use_own": True,
        "shared_steps": 300,
        "path_steps": 70,
        "rank": 64,
        "alpha": 32.0,
        "rate": 0.0005,
        "sampling_steps": 20,
        "guidance": 4.0,
        "dynamic_guidance": False,
        "warp_guidance": 0.25,
        "fill_share": 0.75,
    }
    assert shown(shot.learning, *learning) == learning
    request = opened("state.engines").reangle_settings(shot.learning, shot.engine)
    assert (request.suite, request.rank, request.exact_where_seen) == ("cogvideox-5b", 64, False)
    geometry = opened("exchange.transfer").read_material(shot.shot_request).geometry
    assert (geometry.camera, geometry.depth) == ("auto", "depth-anything")
    assert geometry.checkpoint == "depth-anything/other"


def test_a_file_of_0_1_0_keeps_its_jobs(opened: Reangle) -> None:
    scene = bpy.data.scenes["Chosen"]
    imported, rendered = opened("state").of(scene).jobs
    assert (imported.kind, rendered.kind, rendered.state, rendered.loaded) == ("IMPORT", "RENDER", "done", True)
    camera = rendered.cameras["View"]
    assert camera.camera == scene.objects["View"]
    assert (camera.folder, camera.width, camera.first_frame) == ("//reangle/Clip 1-222222/View", 640, 11)
    entry = opened("exchange.ledger").read(scene, rendered)
    assert entry.notes == ["One note.", "Two."]
    assert opened("state").find_object(entry.cameras[0].camera) == camera.camera


def test_an_untouched_file_of_0_1_0_keeps_the_defaults(opened: Reangle) -> None:
    shot = opened("state").of(bpy.data.scenes["Defaults"])
    assert (shot.engine, shot.clip.camera, shot.clip.depth) == ("preview", "auto", "auto")
    assert shot.learning.suite == "mini"
    assert (shot.move, shot.easing, shot.preview.memory) == ("orbit-left", "smooth", True)


def test_migrated_choices_are_saved(opened: Reangle, tmp_path: Path) -> None:
    path = str(tmp_path / "again.blend")
    opened("state").of(bpy.data.scenes["Chosen"]).clip.camera = "dust3r"
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    shot = opened("state").of(bpy.data.scenes["Chosen"])
    assert (shot.clip.camera, shot.clip.depth) == ("dust3r", "depth-anything")
    assert (shot.learning.suite, shot.move) == ("cogvideox-5b", "crane-up")


@pytest.mark.parametrize("how", ["appended", "made local"])
def test_a_scene_of_another_file_is_migrated_at_once(reangle: Reangle, how: str) -> None:
    state = reangle("state")
    with bpy.data.libraries.load(str(SAVED), link=how == "made local") as (_, target):
        target.scenes = ["Chosen"]
    scene = target.scenes[0]
    if how == "made local":
        bpy.context.window.scene = scene.make_local()
        scene.collection.objects.link(bpy.data.objects.new("Anything", None))
        bpy.context.view_layer.update()
    elif bpy.app.version < (4, 3):  # Blender tells of appended scenes since 4.3
        state.prepare(scene)
    shot = state.of(scene)
    assert (shot.schema, shot.move, shot.clip.depth) == (state.SCHEMA, "crane-up", "depth-anything")
    assert [job.state for job in shot.jobs] == ["done", "done"]


@pytest.mark.parametrize(
    ("provider", "camera", "depth"),
    [
        ("files", "files", "files"),
        ("dust3r", "dust3r", "dust3r"),
        ("depth-anything", "auto", "depth-anything"),
        ("no-dust3r", "still", "depth-anything"),
        ("mini", "auto", "mini"),
        ("from-2030", "auto", "from-2030"),
        ("defaults", "auto", "auto"),
    ],
)
def test_a_provider_of_schema_3_becomes_camera_and_depth(
    reangle: Reangle, provider: str, camera: str, depth: str
) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(SAVED_BY_SCHEMA_3))
    shot = reangle("state").of(bpy.data.scenes[provider])
    assert (shot.schema, shot.clip.camera, shot.clip.depth) == (5, camera, depth)
    if provider != "defaults":
        expected = {"path": "//clip/shot_0001.png", "depth_files_scale": 0.5, "horizontal_fov_deg": 40.0}
        assert shown(shot.clip, *expected) == expected
        geometry = reangle("exchange.transfer").read_material(shot.shot_request).geometry
        # The files of that request hold no camera, which schema 3 took for one that stands still.
        requested = "still" if provider == "files" else camera
        assert (geometry.camera, geometry.depth, geometry.horizontal_fov_deg) == (requested, depth, 40.0)


def test_a_file_of_schema_4_keeps_the_weights_that_were_its_default(reangle: Reangle, tmp_path: Path) -> None:
    """The default is `auto` since schema 5, which on another machine may stand for weights that need hours."""
    bpy.ops.wm.open_mainfile(filepath=str(SAVED_BY_SCHEMA_4))
    path = str(tmp_path / "again.blend")
    for _ in range(2):
        suites = {
            name: (shot.schema, shot.engine, shot.learning.suite)
            for name in ("untouched", "chosen")
            if (shot := reangle("state").of(bpy.data.scenes[name]))
        }
        assert suites == {"untouched": (5, "reangle", "mini"), "chosen": (5, "reangle", "cogvideox-5b")}
        bpy.ops.wm.save_as_mainfile(filepath=path)
        bpy.ops.wm.open_mainfile(filepath=path)
    new = reangle("state").prepare(bpy.data.scenes.new("new"))
    assert new.learning.suite == "auto"
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert reangle("state").of(bpy.data.scenes["new"]).learning.suite == "auto"


def test_an_unknown_name_stays_chosen(reangle: Reangle, tmp_path: Path) -> None:
    shot = reangle("state").prepare(bpy.context.scene)
    shot.clip.depth_name, shot.move_name, shot.learning.suite_name = "from-2030", "loop", "huge"
    path = str(tmp_path / "future.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    shot = reangle("state").of(bpy.context.scene)
    assert (shot.clip.depth, shot.move, shot.learning.suite) == ("from-2030", "loop", "huge")
    assert shot.amount_property == "move_degrees"
    shot.clip.depth = "files"
    assert shot.clip.depth == "files"


def test_numbers_of_enums_never_change(reangle: Reangle) -> None:
    choices = reangle("choices")
    numbers = {kind: {item[0]: item[4] for item in choices.items(kind)} for kind in choices.DEFAULTS}
    assert numbers["camera"] == {"auto": 0, "solve": 1, "still": 2, "dust3r": 3, "files": 4, "given": 5}
    depths = ("files", "dust3r", "depth-anything", "mini", "depth-anything-3", "auto")
    assert numbers["depth"] == {name: number for number, name in enumerate(depths)}
    assert numbers["engine"] == {"preview": 0, "reangle": 1, "inpaint": 2}
    suites = ("mini", "cogvideox-5b", "wan2.2-5b", "wan-vace-1.3b", "wan-vace-14b", "auto")
    assert numbers["suite"] == {name: number for number, name in enumerate(suites)}
    painters = ("auto", "fill", "mini", "flux-fill", "flux-controlnet", "flux2-klein")
    assert numbers["painter"] == {name: number for number, name in enumerate(painters)}
    assert numbers["judge"] == {"geometry": 0, "dust3r": 1, "none": 2}
    assert numbers["easing"] == {"linear": 0, "smooth": 1, "ease-in": 2, "ease-out": 3}
    assert numbers["move"]["handheld"] == 16
    assert choices.number_of("move", "loop") == 1633623534
    for group in numbers.values():
        assert len(set(group.values())) == len(group)


def test_files_of_newer_versions_are_left_alone(reangle: Reangle) -> None:
    state, scene = reangle("state"), bpy.context.scene
    shot = state.prepare(scene)
    shot.schema = state.SCHEMA + 1
    shot.move_name = "loop"
    state.migrate(scene)
    assert (shot.is_newer, shot.move) == (True, "loop")
    assert not bpy.ops.reangle.import_clip.poll()


def test_depth_files_stay_the_choice_of_the_oldest_files(reangle: Reangle) -> None:
    migrations, scene = reangle("state.migrations"), bpy.context.scene
    shot = reangle("state").prepare(scene)

    def migrated(saved: str) -> tuple[str, str]:
        values = json.loads(saved)
        for migrate in migrations.MIGRATIONS.values():
            migrate(shot, values)
        return shot.clip.camera, shot.clip.depth

    assert migrated('{"clip": {"start": 3}}') == ("files", "files")
    assert migrated('{"clip": {"provider": 1}}') == ("dust3r", "dust3r")
