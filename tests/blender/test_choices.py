# SPDX-License-Identifier: GPL-3.0-or-later
"""Choices that the backend reports: listed, explained, and refused if unavailable or not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import bpy
import pytest
from conftest import MODULE

Reangle = Callable[[str], ModuleType]
Offer = Callable[..., None]


@pytest.fixture
def offer(reangle: Reangle) -> Iterator[Offer]:
    """`offer(depths, camera=cameras)` sets the sources of depth and camera that the backend reports."""
    connection, contract = reangle("exchange.connection"), reangle("core.contract.capabilities")
    source = {"number": 9, "help": "", "licence": "", "commercial_ok": True, "available": True, "message": ""}
    source |= {"advice": "", "settings": ()}

    def infos(described: tuple[dict[str, Any], ...]) -> tuple[Any, ...]:
        return tuple(contract.ProviderInfo(**{"label": one["name"].title(), **source, **one}) for one in described)

    def set_sources(*depth: dict[str, Any], camera: tuple[dict[str, Any], ...] = ()) -> None:
        connection.now.capabilities = capabilities(
            contract, depth_providers=infos(depth), camera_providers=infos(({"name": "auto"}, *camera))
        )

    yield set_sources
    connection.now.capabilities = None


def capabilities(contract: ModuleType, **parts: Any) -> Any:
    empty = dict.fromkeys(("camera_providers", "depth_providers", "suites", "settings", "moves", "easings"), ())
    engines = contract.engine_infos()
    return contract.Capabilities(
        **{"contract": 3, "version": "9.9", "engines": engines, **empty, "limits": contract.Limits(), **parts}
    )


def item(reangle: Reangle, kind: str, name: str) -> tuple[str, str, str, str, int]:
    return next(item for item in reangle("choices").items(kind) if item[0] == name)


def test_a_source_that_only_the_backend_knows_can_be_chosen(reangle: Reangle, offer: Offer) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    for kind in ("camera", "depth"):
        with pytest.raises(TypeError):
            setattr(clip, kind, "stereo")
    known = {"name": "stereo", "settings": ("horizontal_fov_deg",), "licence": "MIT", "help": "Two lenses"}
    offer(known, camera=(known,))
    clip.camera, clip.depth, clip.path = "stereo", "stereo", "/clip.mp4"
    clip.use_horizontal_fov_deg, clip.horizontal_fov_deg, clip.checkpoint = True, 40, "not for this one"
    chosen = reangle("readiness").choice_of(bpy.context.scene)
    assert (chosen.geometry.camera, chosen.geometry.depth) == ("stereo", "stereo")
    assert (chosen.camera_files, chosen.depth_files) == (False, False)
    assert (chosen.geometry.horizontal_fov_deg, chosen.geometry.checkpoint) == (40, None)
    assert item(reangle, "depth", "stereo")[1:4] == ("Stereo", "Two lenses. Licence: MIT", "NONE")
    offer()
    assert (clip.camera, clip.depth) == ("stereo", "stereo"), "they stay chosen while no backend offers them"


def test_settings_are_those_of_both_sources(reangle: Reangle, offer: Offer) -> None:
    offer(
        {"name": "auto"},
        {"name": "files", "settings": ("files", "depth_files_scale")},
        {"name": "dust3r", "settings": ("checkpoint",)},
        camera=({"name": "files", "settings": ("files",)}, {"name": "still", "settings": ("horizontal_fov_deg",)}),
    )
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path, clip.checkpoint, clip.depth_files_scale = "/clip.mp4", "other", 2
    clip.use_horizontal_fov_deg, clip.horizontal_fov_deg = True, 40

    def sent(camera: str, depth: str) -> tuple[object, ...]:
        clip.camera, clip.depth = camera, depth
        chosen = reangle("readiness").choice_of(bpy.context.scene)
        geometry = chosen.geometry
        read = (geometry.checkpoint, geometry.depth_files_scale, geometry.horizontal_fov_deg)
        return (chosen.camera_files, chosen.depth_files, *read)

    assert sent("still", "files") == (False, True, None, 2, 40)
    assert sent("files", "dust3r") == (True, False, "other", 1, None)
    offer({"name": "auto", "settings": ("files", "checkpoint")}, camera=({"name": "still"},))
    assert sent("auto", "auto") == (False, False, None, 1, 40), "what auto may take is a choice of its own"
    clip.camera, clip.depth, clip.use_horizontal_fov_deg = "still", "auto", False
    chosen = reangle("readiness").choice_of(bpy.context.scene)
    assert chosen.geometry.horizontal_fov_deg is None, "its switch is off"


def test_missing_choices_are_marked_and_refused_with_advice(reangle: Reangle, offer: Offer) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path, clip.depth = "/clip.mp4", "mini"
    choice_of, error = reangle("readiness").choice_of, reangle("core.errors").UserError
    offer({"name": "files", "settings": ("files",)})
    assert item(reangle, "depth", "mini")[3] == "ERROR"
    with pytest.raises(error, match=r"'Mini'.*Install the backend"):
        choice_of(bpy.context.scene)
    missing = {"name": "mini", "available": False, "message": "A file is missing.", "advice": "Restore it."}
    offer(missing)
    assert "Restore it" in item(reangle, "depth", "mini")[2]
    assert item(reangle, "depth", "mini")[3] == "ERROR"
    with pytest.raises(error, match=r"A file is missing\. Restore it\."):
        choice_of(bpy.context.scene)
    offer({"name": "mini"})
    clip.camera = "solve"
    with pytest.raises(error, match=r"'Solve'.*Install the backend"):
        choice_of(bpy.context.scene)


def test_commercial_use_only_refuses_what_the_backend_marks(
    reangle: Reangle, offer: Offer, commercial_only: None
) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path = "/clip.mp4"
    choice_of, error = reangle("readiness").choice_of, reangle("core.errors").UserError
    dust3r = {"name": "dust3r", "commercial_ok": False, "licence": "CC BY-NC-SA 4.0"}
    offer({"name": "auto"}, dust3r, camera=(dust3r,))
    assert item(reangle, "camera", "dust3r")[1] == "DUSt3R (non-commercial)"
    for camera, depth in (("dust3r", "auto"), ("auto", "dust3r")):
        clip.camera, clip.depth = camera, depth
        with pytest.raises(error, match=r"commercial.*CC BY-NC-SA"):
            choice_of(bpy.context.scene)
    clip.camera, clip.depth = "auto", "auto"
    assert choice_of(bpy.context.scene).geometry.depth == "auto"
    part = {"role": "geometry", "label": "Large", "help": "", "licence": "CC BY-NC 4.0", "size": 1, "installed": True}
    part_info = reangle("core.contract.capabilities").PartInfo
    weights = (
        part_info(**part, name="Small-hf", commercial_ok=True),
        part_info(**part, name="Large-hf", commercial_ok=False),
    )
    offer({"name": "depth-anything", "settings": ("checkpoint",), "weights": weights})
    clip.depth, clip.checkpoint = "depth-anything", ""
    choice_of(bpy.context.scene)
    for named in ("large-hf", "owner/Large-hf", "/models/Large-hf/"):
        clip.checkpoint = named
        with pytest.raises(error, match=r"Commercial Use Only.*CC BY-NC"):
            choice_of(bpy.context.scene)


def test_the_time_of_an_import_is_estimated(reangle: Reangle, offer: Offer) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    estimate = reangle("panels.clip").estimate
    offer(
        {"name": "auto", "seconds": 10.0, "seconds_per_frame": 1.0},
        camera=({"name": "solve", "seconds_per_megapixel": 2.0},),
    )
    clip.camera = "solve"
    assert estimate(clip) == "", "no clip is chosen"
    clip.measured_frames, clip.measured_width, clip.measured_height = 100, 1000, 500
    assert estimate(clip) == "About 4 min for 100 frames of 1000 x 500"
    clip.start, clip.frames, clip.use_own_size, clip.width, clip.height = 95, 20, False, 100, 50
    assert estimate(clip) == "About 15 s for 5 frames of 100 x 50"


def test_a_suite_is_judged_by_the_weights_that_engines_run(reangle: Reangle) -> None:
    contract, now = reangle("core.contract.capabilities"), reangle("exchange.connection").now
    choices, error = reangle("choices"), reangle("core.errors").UserError

    def report(geometry_ok: bool = True, **video: Any) -> None:
        part = {"name": "x", "label": "X", "help": "", "licence": "MIT", "commercial_ok": True, "size": 1, "page": "p"}
        own = {**part, "role": "geometry", "installed": False, "commercial_ok": geometry_ok, "label": "Points"}
        geometry = contract.PartInfo(**own, problem="No geometry.")
        other = contract.PartInfo(**{**part, "role": "video", "installed": True, **video})
        suite = contract.SuiteInfo("huge", "Huge", "Large weights", "", False, 2, (geometry, other))
        now.capabilities = capabilities(contract, suites=(suite,))

    try:
        report()
        choices.check("suite", "huge")
        assert not reangle("weights").missing("suite", "huge"), "no engine runs what is missing"
        assert item(reangle, "suite", "huge")[1:4] == ("Huge", "Large weights. Licence: MIT", "NONE")
        report(installed=False, problem="The video model is missing.")
        with pytest.raises(error, match="video model is missing"):
            choices.check("suite", "huge")
        assert [part.role for part in reangle("weights").missing("suite", "huge")] == ["video"]
        report(geometry_ok=False)
        bpy.context.preferences.addons[MODULE].preferences.commercial_only = True
        with pytest.raises(error, match=r"commercial work: Points \(MIT\)"):
            choices.check("suite", "huge")
    finally:
        bpy.context.preferences.addons[MODULE].preferences.commercial_only = False
        now.capabilities = None
