# SPDX-License-Identifier: GPL-3.0-or-later
"""The Render panel: the engine and its settings."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import pytest
from test_panels import drawn_by

from reangle_blender.core.contract import ReangleSettings
from reangle_blender.core.contract.engines import ENGINES

Reangle = Callable[[str], ModuleType]


def test_advanced_settings_are_sent_only_where_they_are_switched_on(reangle: Reangle) -> None:
    learning = reangle("state").of(bpy.context.scene).learning
    settings_of = reangle("state.engines").reangle_settings
    learning.caption, learning.rank = "a dog runs", 16
    assert vars(settings_of(learning, "reangle")) == vars(ReangleSettings(caption="a dog runs"))
    learning.use_own, learning.exact_where_seen, learning.suite = True, False, "cogvideox-5b"
    sent = settings_of(learning, "reangle")
    assert (sent.suite, sent.rank, sent.exact_where_seen) == ("cogvideox-5b", 16, False)


def test_the_engine_inpaint_learns_only_what_the_artist_asks_for(reangle: Reangle) -> None:
    """The contract's suggestions for learning are hours of training, which these weights do without."""
    shot, panel = reangle("state").of(bpy.context.scene), reangle("panels.render").REANGLE_PT_learning
    settings_of = reangle("state.engines").reangle_settings
    shot.engine, shot.learning.use_own, shot.learning.guidance = "inpaint", True, 4
    steps = [name for name in vars(ReangleSettings()) if name.endswith("_steps")]
    drawn = drawn_by(panel)
    assert [name for name in steps if name in drawn] == ["sampling_steps"]
    sent = settings_of(shot.learning, shot.engine)
    assert (sent.guidance, sent.sampling_steps) == (4, 50)
    assert (sent.shared_steps, sent.path_steps, sent.rank, sent.alpha, sent.rate) == (None,) * 5
    shot.learning.use_learning = True
    assert set(steps) < set(drawn_by(panel))
    sent = settings_of(shot.learning, shot.engine)
    assert (sent.shared_steps, sent.path_steps, sent.rank) == (400, 100, 128)
    shot.learning.use_learning, shot.engine = False, "reangle"
    assert settings_of(shot.learning, shot.engine).shared_steps == 400
    assert "use_learning" not in drawn_by(panel)
    every = reangle("state.from_contract").settings_of(reangle("core.contract").ReangleSettings)
    assert {*drawn_by(panel), *reangle("state.engines").MAIN} == set(every), "each is in one of the panels"


def test_every_setting_of_the_contract_has_a_property(reangle: Reangle) -> None:
    """With the contract's suggestion, range and help; at both ends of its range the contract takes it."""
    from_contract = reangle("state.from_contract")
    shot = reangle("state").of(bpy.context.scene)
    contract = reangle("core.contract")
    groups = (
        (shot.clip, contract.GeometrySettings),
        (shot.learning, contract.ReangleSettings),
        (shot.starting, contract.StartSettings),
    )
    for group, cls in groups:
        for name, setting in from_contract.settings_of(cls).items():
            prop = group.bl_rna.properties[name]
            assert prop.name == setting.label
            if prop.type in ("INT", "FLOAT"):
                assert prop.description.startswith(setting.help)
                assert getattr(group, name) == pytest.approx(from_contract.shown_value(setting))
                for end in (prop.hard_min, prop.hard_max):
                    setattr(group, name, end)
                    cls(**{name: getattr(group, name)})


@pytest.mark.parametrize("engine", ENGINES)
def test_advanced_settings_are_shown_for_the_engine_that_has_them(reangle: Reangle, engine: str) -> None:
    reangle("state").of(bpy.context.scene).engine = engine
    assert reangle("panels.render").REANGLE_PT_learning.poll(bpy.context) == (engine != "preview")


def test_panel_shows_training(reangle: Reangle, tmp_path: Path) -> None:
    state, ledger, contract = reangle("state"), reangle("exchange.ledger"), reangle("core.contract")
    scene = bpy.context.scene
    entry = ledger.Entry(state.prepare(scene).uid, contract.new_job_id(), "RENDER", "learning", tmp_path / "results")
    image = bpy.data.images.new("preview", 8, 4)
    image.save(filepath=str(tmp_path / "picture.png"))
    picture = base64.b64encode((tmp_path / "picture.png").read_bytes()).decode()
    events = [
        contract.JobEvent(n, entry.id, 0.0, "progress", stage="learn", loss=loss, message=f"step {n}", picture=shown)
        for n, loss, shown in ((1, 0.5, picture), (2, 0.25, None), (3, None, None))
    ]
    ledger.apply_learning(entry, reangle("exchange.transfer").learning_progress(events, entry.folder))
    job = state.of(scene).jobs[entry.id]
    assert job.learning == "step 2"
    assert Path(job.picture).read_bytes() == base64.b64decode(picture)
    # Icons have no numbers without a window.
    reangle("panels._preview_icons").icon_of(job.picture)
    ledger.apply_learning(entry, reangle("exchange.transfer").learning_progress(events[1:2], entry.folder))
    assert job.picture, "a loss without an image keeps the last one"
    assert reangle("exchange.transfer").learning_progress(events[2:], entry.folder) is None
