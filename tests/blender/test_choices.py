# SPDX-License-Identifier: GPL-3.0-or-later
"""Choices that the backend reports: listed, explained, and refused if unavailable or not allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import bpy
import pytest
from conftest import MODULE
from test_panels import drawn_by

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


CARD = "It needs a graphics card of 13 GB, but there is none here."


@pytest.fixture
def report(reangle: Reangle) -> Callable[..., None]:
    """`report(NAME=(problem, {role: part}), ...)` sets the suites that the backend reports. A part is its values."""
    contract = reangle("core.contract.capabilities")

    def part(role: str, **values: Any) -> Any:
        own = {"name": "x", "label": f"X {role}", "help": "", "licence": "MIT", "commercial_ok": True}
        return contract.PartInfo(role=role, **{**own, "installed": True, "size": 1, "page": "p", **values})

    def set_suites(**suites: tuple[str, dict[str, dict[str, Any]]]) -> None:
        infos: list[Any] = []
        for name, (problem, roles) in suites.items():
            parts = tuple(part(role, **values) for role, values in roles.items())
            infos.append(contract.SuiteInfo(name, name.title(), "Large weights", "", True, 2, parts, problem))
        reangle("exchange.connection").now.capabilities = capabilities(contract, suites=tuple(infos))

    return set_suites


def refused(reangle: Reangle, name: str, engine: str) -> str:
    """Why a suite is refused, and what to do."""
    with pytest.raises(reangle("core.errors").UserError) as raised:
        reangle("choices").check("suite", name, engine)
    return str(raised.value)


def missing(reangle: Reangle, name: str, engine: str) -> list[str]:
    return [part.role for part in reangle("weights").missing("suite", name, engine=engine)]


def test_a_suite_is_judged_by_the_weights_that_its_engine_runs(
    reangle: Reangle, report: Callable[..., None], commercial_only: None
) -> None:
    choices = reangle("choices")
    bpy.context.preferences.addons[MODULE].preferences.commercial_only = False
    absent = {"installed": False, "problem": "It is nowhere."}
    report(huge=("", {"geometry": absent, "video": {}, "inpainting": {**absent, "size": 19 * 10**9}}))
    choices.check("suite", "huge", "reangle")
    assert not missing(reangle, "huge", "reangle"), "this engine runs nothing of what is missing"
    shown = next(item for item in choices.items("suite", engine="reangle") if item[0] == "huge")
    assert shown[1:4] == ("Huge", "Large weights. Licence: MIT", "NONE")
    said = refused(reangle, "huge", "inpaint")
    assert said.startswith("X inpainting is not on this machine: 19.0 GB, MIT. Press Download")
    assert missing(reangle, "huge", "inpaint") == ["inpainting"]
    report(huge=("", {"video": {**absent, "page": ""}}))
    assert refused(reangle, "huge", "reangle") == "It is nowhere."
    assert not missing(reangle, "huge", "reangle"), "nothing is published"
    report(huge=("", {"geometry": {"commercial_ok": False, "label": "Points"}, "video": {}}))
    bpy.context.preferences.addons[MODULE].preferences.commercial_only = True
    assert "commercial work: Points (MIT)" in refused(reangle, "huge", "reangle")
    # What "auto" takes is for any work, whatever it would take for another engine.
    report(
        auto=("", {"video": {"name": "free"}, "inpainting": {"name": "bound", "commercial_ok": False}}),
        free=("", {"video": {"name": "free"}}),
        bound=("", {"inpainting": {"name": "bound", "commercial_ok": False}}),
    )
    choices.check("suite", "auto", "reangle")
    assert "not for commercial work" in refused(reangle, "auto", "inpaint")


def test_each_engine_lists_its_own_suites_and_keeps_a_chosen_one(reangle: Reangle, report: Callable[..., None]) -> None:
    shot = reangle("state").of(bpy.context.scene)

    def listed() -> list[str]:
        return [item[0] for item in reangle("choices").items("suite", shot.learning.suite_name, shot.engine)]

    def check_lists() -> None:
        shot.engine, shot.learning.suite = "reangle", "auto"
        assert listed() == ["auto", "mini", "wan2.2-5b", "cogvideox-5b"]
        with pytest.raises(TypeError):
            shot.learning.suite = "wan-vace-1.3b"
        shot.engine = "inpaint"
        assert listed() == ["auto", "wan-vace-1.3b", "wan-vace-14b"]
        shot.learning.suite = "wan-vace-14b"
        shot.engine = "reangle"
        assert (shot.learning.suite, listed()[-1]) == ("wan-vace-14b", "wan-vace-14b")
        shot.engine = "preview"
        assert len(listed()) == 6

    check_lists()
    video = {"video": {}}
    suites = {"mini": video, "wan2.2-5b": video, "cogvideox-5b": video}
    suites |= {name: {"inpainting": {}} for name in ("wan-vace-1.3b", "wan-vace-14b")}
    report(**{name: ("", parts) for name, parts in {"auto": {**video, "inpainting": {}}, **suites}.items()})
    check_lists()
    shot.engine, shot.learning.suite = "reangle", "mini"
    shot.engine = "inpaint"
    said = refused(reangle, "mini", "inpaint")
    assert said == "Mini is for the engine Reangle. Choose Auto, or the engine Reangle."
    kept = next(
        item for item in reangle("choices").items("suite", shot.learning.suite_name, shot.engine) if item[0] == "mini"
    )
    assert (kept[3], "is for the engine Reangle" in kept[2]) == ("ERROR", True)
    assert not missing(reangle, "mini", "inpaint")
    said = " ".join(drawn_by(reangle("panels.render").REANGLE_PT_render))
    assert "Mini is for the engine Reangle." in said
    assert "reangle.download_weights" not in said


def test_weights_that_this_machine_cannot_run_are_not_offered(reangle: Reangle, report: Callable[..., None]) -> None:
    shot, panel = reangle("state").of(bpy.context.scene), reangle("panels.render").REANGLE_PT_render
    small, large = {"name": "small", "size": 1}, {"name": "large", "size": 34 * 10**9, "installed": False}
    filling = {"name": "fill", "size": 19 * 10**9, "installed": False}
    auto = {"video": small, "inpainting": filling}
    bpy.context.preferences.system.use_online_access = True
    report(
        auto=("", auto),
        mini=("", {"video": small}),
        large=(CARD, {"video": large}),
        vace=(CARD, {"inpainting": filling}),
    )
    shot.engine = "inpaint"
    said = refused(reangle, "auto", "inpaint")
    assert said == (
        f"Vace, the smallest weights of the engine Inpaint, cannot run on this machine. {CARD} Choose another engine."
    )
    drawn = drawn_by(panel)
    assert "reangle.download_weights" not in drawn
    assert "".join(drawn).count("smallest weights") == 1
    assert refused(reangle, "vace", "inpaint") == f"Vace cannot run on this machine. {CARD} Choose another engine."
    assert refused(reangle, "large", "reangle") == f"Large cannot run on this machine. {CARD} Choose Auto."
    shot.engine = "reangle"
    assert "Weights: Mini." in drawn_by(panel)
    # The backend may be wrong about weights that are there already, and refuses a job that it knows to fail.
    report(auto=("", auto), large=(CARD, {"video": {**large, "installed": True}}), mini=("", {"video": small}))
    shot.learning.suite = "large"
    reangle("choices").check("suite", "large", "reangle")
    assert f"Large is not expected to run on this machine. {CARD}" in " ".join(drawn_by(panel))
    shot.learning.suite = "auto"
    # On a machine with such a card, the same weights are offered.
    report(
        auto=("", auto),
        mini=("", {"video": small}),
        large=("", {"video": large}),
        vace=("", {"inpainting": filling}),
    )
    assert "Weights: Mini; Large would run here, too: choose it to download it." in " ".join(drawn_by(panel))
    assert "reangle.download_weights" not in drawn_by(panel), "Auto runs without"
    shot.engine = "inpaint"
    drawn = drawn_by(panel)
    assert "reangle.download_weights" in drawn
    assert "X inpainting is not on this machine: 19.0 GB, MIT" in " ".join(drawn)


def test_auto_is_sent_as_the_suite_that_the_sidebar_names(reangle: Reangle, report: Callable[..., None]) -> None:
    """So a job that waits for approval goes on with the same weights when others were installed meanwhile."""
    shot = reangle("state").of(bpy.context.scene)
    sent = reangle("exchange.sending").engine_settings
    shot.engine = "reangle"
    assert sent(bpy.context.scene)["reangle"].suite == "auto", "no backend said yet what it has"
    small = {"name": "small"}
    report(auto=("", {"video": small, "inpainting": {}}), mini=("", {"video": small}))
    assert sent(bpy.context.scene)["reangle"].suite == "mini"
    shot.learning.suite_name = "of-2030"
    assert sent(bpy.context.scene)["reangle"].suite == "of-2030"


def test_the_sidebar_says_what_paints_the_first_frame(reangle: Reangle, report: Callable[..., None]) -> None:
    contract, now = reangle("core.contract.capabilities"), reangle("exchange.connection").now
    shot, panel = reangle("state").of(bpy.context.scene), reangle("panels.starting").REANGLE_PT_starting
    fill = contract.ProviderInfo("auto", 0, "Auto", "", "", True, True, "The preview's own fill.", "", ())

    def drawn(engine: str, *, installed: bool) -> str:
        main, image = {"name": "main"}, {"label": "Painter 4B", "installed": installed}
        roles = {"video": main, "inpainting": main}
        report(auto=("", roles), large=("", {**roles, "image": image}))
        now.capabilities = replace(now.capabilities, painters=(fill,))
        shot.engine = engine
        return " ".join(drawn_by(panel))

    assert "The preview's own fill." in drawn("reangle", installed=False)
    assert "The video model fills the first frame with the others" in drawn("inpaint", installed=False)
    for engine in ("reangle", "inpaint"):
        said = drawn(engine, installed=True)
        assert "Painted by Painter 4B" in said
        assert "The preview's own fill" not in said
