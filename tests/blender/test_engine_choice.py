# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: which engine, and what it is told."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import bpy
import pytest

from reangle_blender.core.contract import ReangleSettings

Reangle = Callable[[str], ModuleType]


def test_numbers_go_along_only_where_the_artist_wants_their_own(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    reangle_settings = reangle("exchange.sending").reangle_settings
    shot.engine = "reangle"
    shot.learning.caption, shot.learning.rank = "a dog runs", 16
    assert vars(reangle_settings(shot)) == vars(ReangleSettings(caption="a dog runs"))
    shot.learning.use_own, shot.learning.exact, shot.learning.suite = True, False, "cogvideox-5b"
    said = reangle_settings(shot)
    assert (said.suite, said.rank, said.exact_where_seen) == ("cogvideox-5b", 16, False)


def test_the_fold_shows_the_papers_numbers(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    shot.learning.use_own = True
    said = reangle("exchange.sending").reangle_settings(shot)
    assert (said.shared_steps, said.rank, said.alpha, said.sampling_steps, said.guidance) == (400, 128, 128, 50, 6)
    assert said.rate == pytest.approx(1e-4)
    assert said.dynamic_guidance is True


@pytest.mark.parametrize("engine", ["preview", "reangle"])
def test_the_fold_is_there_for_the_engine_that_has_it(reangle: Reangle, engine: str) -> None:
    reangle("state").of(bpy.context.scene).engine = engine
    assert reangle("panels.render").REANGLE_PT_learning.poll(bpy.context) == (engine == "reangle")


def test_learning_is_shown_in_the_panel(reangle: Reangle, tmp_path: Path) -> None:
    state, ledger, contract = reangle("state"), reangle("exchange.ledger"), reangle("core.contract")
    scene = bpy.context.scene
    entry = ledger.Entry(state.prepare(scene).uid, contract.new_job_id(), "RENDER", "learning", tmp_path / "results")
    image = bpy.data.images.new("picture", 8, 4)
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
    # Without a window icons have no numbers.
    reangle("panels._pictures").icon_of(job.picture)
    ledger.apply_learning(entry, reangle("exchange.transfer").learning_progress(events[1:2], entry.folder))
    assert job.picture, "a loss without a picture keeps the last one"
    assert reangle("exchange.transfer").learning_progress(events[2:], entry.folder) is None
