# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 3: which engine, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import bpy
import pytest

from reangle_blender.core.contract import ReangleSettings

Reangle = Callable[[str], ModuleType]


def test_numbers_go_along_only_where_the_artist_wants_their_own(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    learning_of = reangle("watching").learning_of
    shot.engine = "reangle"
    shot.learning.caption, shot.learning.rank = "a dog runs", 16
    assert vars(learning_of(shot)) == vars(ReangleSettings(caption="a dog runs"))
    shot.learning.use_own, shot.learning.exact, shot.learning.suite = True, False, "cogvideox-5b"
    said = learning_of(shot)
    assert (said.suite, said.rank, said.exact_where_seen) == ("cogvideox-5b", 16, False)


def test_the_fold_shows_the_papers_numbers(reangle: Reangle) -> None:
    shot = reangle("state").of(bpy.context.scene)
    shot.learning.use_own = True
    said = reangle("watching").learning_of(shot)
    assert (said.shared_steps, said.rank, said.alpha, said.sampling_steps, said.guidance) == (400, 128, 128, 50, 6)
    assert said.rate == pytest.approx(1e-4)
    assert said.dynamic_guidance is True


@pytest.mark.parametrize("engine", ["preview", "reangle"])
def test_the_fold_is_there_for_the_engine_that_has_it(reangle: Reangle, engine: str) -> None:
    reangle("state").of(bpy.context.scene).engine = engine
    assert reangle("panels.render").REANGLE_PT_learning.poll(bpy.context) == (engine == "reangle")
