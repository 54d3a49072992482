# SPDX-License-Identifier: Apache-2.0
"""Which suite an engine runs by itself, by what is installed and by the graphics card."""

from __future__ import annotations

from pathlib import Path

import pytest
from reangle.contract import JobRequest, from_data
from reangle.engines import suite_choice
from reangle.engines.suite_choice import auto_suite, recommended_suite, suites_for, why_not_here, with_suite
from reangle.errors import UserError
from reangle.runtime.graphics_card import Card
from reangle.weights.checkpoints import COGVIDEOX_5B, WAN_22_5B, WAN_VACE_1_3B, WAN_VACE_14B, Checkpoint
from reangle.weights.suites import COGVIDEOX, MINI, SUITES, VACE_LARGE, VACE_SMALL, WAN_5B

ALL = (COGVIDEOX_5B, WAN_22_5B, WAN_VACE_1_3B, WAN_VACE_14B)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> object:
    """A function that puts a card of so many GB into this machine, 0 for none, and weights on its disk."""

    def build(gigabytes: float, *installed: Checkpoint) -> None:
        card = Card("NVIDIA Test", "580.95.05", 8.9, gigabytes * 2**30)
        monkeypatch.setattr(suite_choice, "nvidia_cards", lambda: (card,) if gigabytes else ())
        monkeypatch.setattr(suite_choice, "why_no_card", lambda: "" if gigabytes else "there is none here")
        monkeypatch.setattr(suite_choice, "is_installed", lambda known, data: bool(known.shipped) or known in installed)

    return build


@pytest.mark.parametrize(
    ("gigabytes", "installed", "learns", "inpaints"),
    [
        (0, ALL, MINI, None),
        (8, ALL, MINI, VACE_SMALL),
        (24, ALL, WAN_5B, VACE_LARGE),
        (80, (COGVIDEOX_5B, WAN_VACE_1_3B), MINI, VACE_SMALL),
        (80, (), MINI, None),
    ],
)
def test_auto_takes_the_largest_that_is_here_and_fits(
    gigabytes: float, installed: tuple[Checkpoint, ...], learns: object, inpaints: object, machine, tmp_path: Path
) -> None:
    machine(gigabytes, *installed)
    assert (auto_suite("reangle", tmp_path), auto_suite("inpaint", tmp_path)) == (learns, inpaints)


def test_what_to_install_fits_the_card(machine) -> None:
    recommended = {}
    for gigabytes in (0, 8, 12, 80):
        machine(gigabytes)
        recommended[gigabytes] = recommended_suite("inpaint"), recommended_suite("reangle")
    assert recommended == {
        0: (VACE_SMALL, MINI),
        8: (VACE_SMALL, MINI),
        12: (VACE_SMALL, WAN_5B),
        80: (VACE_LARGE, WAN_5B),
    }


def test_reasons_name_the_memory_that_is_missing(machine) -> None:
    machine(0)
    assert "there is none here" in why_not_here(WAN_5B)
    assert why_not_here(MINI) == ""
    machine(12)
    assert "NVIDIA Test has too little" in why_not_here(VACE_LARGE)
    assert why_not_here(VACE_SMALL) == why_not_here(WAN_5B) == ""


def request(engine: str, suite: str = "auto") -> JobRequest:
    clip = {"files": [{"name": "a.mp4", "sha256": "0" * 64, "size": 1}]}
    return from_data(
        JobRequest, {"id": "0" * 32, "clip": clip, "geometry": {}, "engine": engine, "reangle": {"suite": suite}}
    )


def test_a_job_says_which_suite_it_ran_and_what_to_fetch(machine, tmp_path: Path) -> None:
    machine(24, WAN_22_5B)
    assert with_suite(request("reangle"), tmp_path).reangle.suite == "wan2.2-5b"
    assert with_suite(request("reangle", "mini"), tmp_path).reangle.suite == "mini"
    with pytest.raises(UserError, match="has no weights on this machine") as caught:
        with_suite(request("inpaint"), tmp_path)
    assert f"reangle models download {WAN_VACE_14B.name}" in caught.value.advice
    assert "Apache-2.0, 46.6 GB" in caught.value.advice
    machine(0)
    with pytest.raises(UserError, match="graphics card") as caught:
        with_suite(request("inpaint"), tmp_path)
    assert "download" not in caught.value.advice


def test_each_suite_serves_one_engine() -> None:
    assert suites_for("reangle") == (MINI, WAN_5B, COGVIDEOX)
    assert suites_for("inpaint") == (VACE_SMALL, VACE_LARGE)
    assert suites_for("preview") == ()
    assert {*suites_for("reangle"), *suites_for("inpaint")} == {*SUITES}
