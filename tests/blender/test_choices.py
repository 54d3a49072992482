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
    """`offer(descriptions)` sets the providers that the backend reports."""
    connection, contract = reangle("exchange.connection"), reangle("core.contract.capabilities")
    provider = {"number": 9, "help": "", "licence": "", "commercial_ok": True, "available": True, "message": ""}
    provider |= {"advice": "", "settings": ()}

    def set_providers(*described: dict[str, Any]) -> None:
        infos = [contract.ProviderInfo(**{"label": one["name"].title(), **provider, **one}) for one in described]
        connection.now.capabilities = capabilities(contract, depth_providers=tuple(infos))

    yield set_providers
    connection.now.capabilities = None


def capabilities(contract: ModuleType, **parts: Any) -> Any:
    empty = dict.fromkeys(("camera_providers", "depth_providers", "suites", "settings", "moves", "easings"), ())
    engines = contract.engine_infos()
    return contract.Capabilities(
        **{"contract": 3, "version": "9.9", "engines": engines, **empty, "limits": contract.Limits(), **parts}
    )


@pytest.fixture
def commercial_only(reangle: Reangle) -> Iterator[None]:
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.commercial_only = True
    yield
    preferences.commercial_only = False


def item(reangle: Reangle, kind: str, name: str) -> tuple[str, str, str, str, int]:
    return next(item for item in reangle("choices").items(kind) if item[0] == name)


def test_a_provider_that_only_the_backend_knows_can_be_chosen(reangle: Reangle, offer: Offer) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    with pytest.raises(TypeError):
        clip.provider = "stereo"
    offer({"name": "stereo", "settings": ("horizontal_fov_deg",), "licence": "MIT", "help": "Two lenses"})
    clip.provider, clip.path = "stereo", "/clip.mp4"
    clip.use_horizontal_fov_deg, clip.horizontal_fov_deg, clip.checkpoint = True, 40, "not for this one"
    chosen = reangle("operators.clip").choice_of(bpy.context.scene)
    assert (chosen.geometry.depth, chosen.reads_files) == ("stereo", False)
    assert (chosen.geometry.horizontal_fov_deg, chosen.geometry.checkpoint) == (40, None)
    assert item(reangle, "provider", "stereo")[1:4] == ("Stereo", "Two lenses. Licence: MIT", "NONE")
    offer()
    assert clip.provider == "stereo", "it stays chosen while the backend is not connected"


def test_settings_are_those_of_the_provider(reangle: Reangle, offer: Offer) -> None:
    offer(
        {"name": "files", "settings": ("files", "depth_files_scale", "horizontal_fov_deg")},
        {"name": "dust3r", "settings": ("checkpoint",)},
    )
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path, clip.checkpoint, clip.depth_files_scale = "/clip.mp4", "other", 2
    choice_of = reangle("operators.clip").choice_of
    clip.provider = "files"
    chosen = choice_of(bpy.context.scene)
    assert (chosen.reads_files, chosen.geometry.checkpoint, chosen.geometry.depth_files_scale) == (True, None, 2)
    assert chosen.geometry.horizontal_fov_deg is None, "its switch is off"
    clip.provider = "dust3r"
    chosen = choice_of(bpy.context.scene)
    assert (chosen.reads_files, chosen.geometry.checkpoint, chosen.geometry.depth_files_scale) == (False, "other", 1)


def test_missing_choices_are_marked_and_refused_with_advice(reangle: Reangle, offer: Offer) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path = "/clip.mp4"
    choice_of, error = reangle("operators.clip").choice_of, reangle("core.errors").UserError
    offer({"name": "files", "settings": ("files",)})
    assert item(reangle, "provider", "mini")[3] == "ERROR"
    with pytest.raises(error, match=r"'Mini'.*Install the backend"):
        choice_of(bpy.context.scene)
    missing = {"name": "mini", "available": False, "message": "A file is missing.", "advice": "Restore it."}
    offer(missing)
    assert "Restore it" in item(reangle, "provider", "mini")[2]
    assert item(reangle, "provider", "mini")[3] == "ERROR"
    with pytest.raises(error, match=r"A file is missing\. Restore it\."):
        choice_of(bpy.context.scene)


def test_commercial_use_only_refuses_what_the_backend_marks(
    reangle: Reangle, offer: Offer, commercial_only: None
) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path = "/clip.mp4"
    choice_of, error = reangle("operators.clip").choice_of, reangle("core.errors").UserError
    offer(
        {"name": "mini", "commercial_ok": False, "licence": "CC BY-NC-SA 4.0", "settings": ()},
        {"name": "depth-anything", "licence": "Apache-2.0", "settings": ()},
    )
    with pytest.raises(error, match=r"commercial.*CC BY-NC-SA"):
        choice_of(bpy.context.scene)
    clip.provider = "depth-anything"
    assert choice_of(bpy.context.scene).geometry.depth == "depth-anything"


def test_a_suite_is_judged_by_the_weights_that_engines_run(reangle: Reangle) -> None:
    contract, now = reangle("core.contract.capabilities"), reangle("exchange.connection").now
    choices, error = reangle("choices"), reangle("core.errors").UserError

    def report(**video: Any) -> None:
        part = {"name": "x", "label": "X", "help": "", "licence": "MIT", "commercial_ok": True, "size": 1}
        geometry = contract.PartInfo(**part, role="geometry", installed=False, problem="No geometry.")
        other = contract.PartInfo(**{**part, "role": "video", "installed": True, **video})
        suite = contract.SuiteInfo("huge", "Huge", "Large weights", "", False, 2, (geometry, other))
        now.capabilities = capabilities(contract, suites=(suite,))

    try:
        report()
        choices.check("suite", "huge")
        assert item(reangle, "suite", "huge")[1:4] == ("Huge", "Large weights. Licence: MIT", "NONE")
        report(installed=False, problem="The video model is missing.")
        with pytest.raises(error, match="video model is missing"):
            choices.check("suite", "huge")
    finally:
        now.capabilities = None
