# SPDX-License-Identifier: Apache-2.0
"""Which torch a machine's card wants, and what is said where no card can be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from reangle.runtime import graphics_card
from reangle.runtime.graphics_card import CUDA_12_6, CUDA_13_0, nvidia_cards, wanted_torch_index, why_no_card

pytestmark = pytest.mark.skipif(os.name == "nt", reason="stands in for nvidia-smi with a shell script")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Install an `nvidia-smi` that prints these lines."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def install(lines: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n", encoding="utf-8")
        program.chmod(0o755)
        nvidia_cards.cache_clear()

    yield install
    nvidia_cards.cache_clear()


@pytest.mark.parametrize(
    ("line", "index"),
    [
        ("NVIDIA GeForce RTX 4090, 580.95.05, 8.9, 24564", CUDA_13_0),
        ("NVIDIA GeForce RTX 4090, 535.183.01, 8.9, 24564", CUDA_12_6),
        ("NVIDIA GeForce GTX 1080 Ti, 581.29, 6.1, 11264", CUDA_12_6),
    ],
)
@pytest.mark.parametrize("system", ["linux", "win32"])
def test_torch_is_taken_for_the_card(
    line: str, index: str, system: str, driver: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    driver(line)
    assert nvidia_cards()[0].name == line.split(",")[0]
    # The usual index has CUDA 13 for Linux already.
    assert wanted_torch_index() == (None if (system, index) == ("linux", CUDA_13_0) else index)


@pytest.mark.parametrize("lines", ["", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."])
def test_a_driver_that_lists_nothing_is_no_card(lines: str, driver: Callable[[str], None]) -> None:
    driver(lines)
    assert (nvidia_cards(), wanted_torch_index()) == ((), None)


def test_why_no_card_can_be_used(driver: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    driver("")
    assert why_no_card() == "there is none here"
    driver("NVIDIA RTX A6000, 580.95.05, 8.6, 49140")
    for built_for_cards, reason in ((False, "the torch that is installed cannot use the NVIDIA RTX A6000"), (True, "")):
        monkeypatch.setattr(graphics_card, "torch_uses_cards", lambda answer=built_for_cards: answer)
        assert why_no_card() == reason
