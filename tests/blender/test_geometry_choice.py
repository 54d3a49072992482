# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: where geometry comes from, in new files, in old ones, and with a backend that does not offer it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import bpy
import pytest
from conftest import MODULE

from reangle_blender.core.contract.capabilities import Capabilities, Limits, ProviderInfo

Reangle = Callable[[str], ModuleType]
NUMBERS = {"files": 0, "dust3r": 1, "depth-anything": 2, "mini": 3}


def provider(
    name: str, licence: str, message: str = "", advice: str = "", *, commercial_ok: bool = True
) -> ProviderInfo:
    """Not available if there is a message."""
    return ProviderInfo(name, NUMBERS[name], name, "", licence, commercial_ok, not message, message, advice, ())


@pytest.fixture
def backend_says(reangle: Reangle) -> Iterator[Callable[..., None]]:
    """Calling it with providers makes them those of the backend."""
    now = reangle("exchange.connection").now

    def say(*providers: ProviderInfo) -> None:
        now.capabilities = Capabilities(2, "9.9", (), providers, (), (), (), (), Limits()) if providers else None

    yield say
    now.capabilities = None


@pytest.mark.parametrize("name", NUMBERS)
def test_a_saved_file_keeps_the_geometry_it_was_given(reangle: Reangle, name: str, tmp_path: Path) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.provider = name
    assert clip.bl_rna.properties["provider"].enum_items[name].value == NUMBERS[name]
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    clip.provider = "files" if name != "files" else "mini"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert reangle("state").of(bpy.context.scene).clip.provider == name


def test_a_new_shot_begins_with_mini_and_an_old_one_stays_with_files(reangle: Reangle) -> None:
    state, scene = reangle("state"), bpy.context.scene
    known = state.prepare(scene)
    assert known.clip.provider == "mini"
    known.schema = 1
    state.migrate(scene)
    assert (known.clip.provider, known.schema) == ("files", state.SCHEMA)
    known.clip.provider, known.schema = "dust3r", 1
    state.migrate(scene)
    assert known.clip.provider == "dust3r"


def test_weights_are_named_only_where_they_can_be_chosen(reangle: Reangle, backend_says: Callable[..., None]) -> None:
    backend_says()
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path, clip.checkpoint = "/clip.mp4", "naver/other"
    chosen = {}
    for name in NUMBERS:
        clip.provider = name
        chosen[name] = reangle("operators.clip").choice_of(bpy.context.scene).checkpoint
    assert chosen == {"files": "", "mini": "", "dust3r": "naver/other", "depth-anything": "naver/other"}


def test_a_backend_without_mini_is_told_from_one_whose_mini_is_broken(
    reangle: Reangle, backend_says: Callable[..., None]
) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path = "/clip.mp4"
    choice_of, error = reangle("operators.clip").choice_of, reangle("core.errors").UserError
    backend_says(provider("files", "your own"))
    with pytest.raises(error, match=r"does not know the geometry 'mini'.*Install the backend again"):
        choice_of(bpy.context.scene)
    backend_says(provider("mini", "Apache-2.0", "A file is missing.", "Restore it."))
    with pytest.raises(error, match=r"A file is missing\. Restore it\."):
        choice_of(bpy.context.scene)


def test_mini_is_refused_where_only_commercial_work_is_done(
    reangle: Reangle, backend_says: Callable[..., None]
) -> None:
    clip = reangle("state").of(bpy.context.scene).clip
    clip.path = "/clip.mp4"
    choice_of, error = reangle("operators.clip").choice_of, reangle("core.errors").UserError
    licence = "Apache-2.0, but needs DUSt3R's code, CC BY-NC-SA 4.0, not for commercial work"
    backend_says(provider("mini", licence, commercial_ok=False), provider("depth-anything", "Apache-2.0"))
    assert choice_of(bpy.context.scene).provider == "mini"
    assert choice_of(bpy.context.scene).use_dust3r
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.commercial_only = True
    try:
        with pytest.raises(error, match=r"'mini' is not for commercial work: Apache-2\.0, but needs DUSt3R's code"):
            choice_of(bpy.context.scene)
        # Depth Anything takes its scale from DUSt3R where that is installed, unless it is told not to.
        clip.provider = "depth-anything"
        assert not choice_of(bpy.context.scene).use_dust3r
    finally:
        preferences.commercial_only = False
