# SPDX-License-Identifier: Apache-2.0
"""Which suite an engine runs, by what is installed and by the graphics card. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reangle.contract import JobRequest
from reangle.contract.engines import ENGINES
from reangle.errors import UserError
from reangle.runtime.graphics_card import nvidia_cards, why_no_card
from reangle.video_models.memory import TIERS, choose_tier, needed_bytes
from reangle.video_models.published_sizes import PUBLISHED_SIZES
from reangle.weights.checkpoints import Checkpoint, size_in_words
from reangle.weights.recipes import recipe_named
from reangle.weights.registry import is_installed
from reangle.weights.sizes import SPARE, DeviceMemory
from reangle.weights.suites import MINI, SUITES, Suite

AUTO = "auto"
DESKTOP_BYTES = 0.5e9
"""Of a card's memory, for the driver and the desktop."""


def checkpoint_for(suite: Suite, engine: str) -> Checkpoint | None:
    """The weights of a suite that an engine runs; None if it has none for it."""
    return next((suite.checkpoints[role] for role in _roles(engine) if role in suite.checkpoints), None)


def suites_for(engine: str) -> tuple[Suite, ...]:
    """The suites that an engine can run."""
    return tuple(suite for suite in SUITES if checkpoint_for(suite, engine) is not None)


def engine_of(suite: Suite) -> str:
    """The engine that runs a suite."""
    return next(name for name in ENGINES if checkpoint_for(suite, name) is not None)


def why_not_here(suite: Suite) -> str:
    """Why a suite's video model cannot run on this machine, installed or not; "" if it can."""
    if suite is MINI:
        return ""
    size, rank = PUBLISHED_SIZES[suite.main.name], recipe_named(suite.name).learned_rank
    needed = needed_bytes(size, TIERS[-1], rank, DeviceMemory(0, 2, apart=True)) / (1 - SPARE) + DESKTOP_BYTES
    cards = nvidia_cards()
    if reason := why_no_card():
        advice = " Install the backend again: that takes PyTorch for the card." if cards else ""
        return f"It needs a graphics card of {needed / 1e9:.0f} GB, but {reason}.{advice}"
    if not cards or choose_tier(size, rank, DeviceMemory(cards[0].memory - DESKTOP_BYTES, 2, apart=True)) is not None:
        return ""
    return f"It needs {needed / 1e9:.0f} GB of a graphics card's memory, and the {cards[0].name} has too little."


def auto_suite(engine: str, data: Path) -> Suite | None:
    """The largest installed suite of an engine that is free for commercial work and fits the card.

    Of the suite, only the video model has to be installed: without the rest, smaller weights take its place. None if
    there is no such suite. data: the data folder.
    """
    usable = (suite for suite in _by_size(engine) if not why_not_here(suite) and is_installed(suite.main, data))
    return next(usable, None)


def recommended_suite(engine: str) -> Suite:
    """The suite to install for an engine: the largest that fits the card and is free for commercial work, else the
    smallest.
    """
    suites = _by_size(engine)
    return next((suite for suite in suites if not why_not_here(suite)), suites[-1])


def auto_in_words(engine: str, data: Path) -> str:
    """What "auto" takes for an engine, and what it would take if that were installed; else what is missing."""
    suite, best = auto_suite(engine, data), recommended_suite(engine)
    if suite is None:
        return str(missing_weights(engine))
    words = f"{suite.name}, the largest installed weights that run here and are free for commercial work."
    if best is suite:
        return words
    return (
        f"{words} {best.name} would run here, too: run `reangle models download {best.main.name}` "
        f"({best.main.title}, licence {best.main.terms}, {size_in_words(best.main.size)})."
    )


def with_suite(request: JobRequest, data: Path) -> JobRequest:
    """The request with the suite that "auto" stands for. Raises UserError if the engine has no weights here."""
    suite = named_suite(request.engine, request.reangle.suite, data)
    return replace(request, reangle=replace(request.reangle, suite=suite))


def named_suite(engine: str, wanted: str, data: Path) -> str:
    """What `wanted` names, or the suite that "auto" stands for. Raises UserError if the engine has no weights here."""
    if wanted.casefold() != AUTO or not _roles(engine):
        return wanted
    suite = auto_suite(engine, data)
    if suite is None:
        raise missing_weights(engine)
    return suite.name


def missing_weights(engine: str) -> UserError:
    """What to fetch for an engine that has no weights here."""
    suite = recommended_suite(engine)
    known, reason = suite.main, why_not_here(suite)
    label = ENGINES[engine].label
    if reason:
        return UserError(
            f"The engine {label} has no weights that run here, not even its smallest, {known.title}. {reason}",
            advice="Choose the engine reangle or preview, or a backend on a machine with such a card.",
        )
    return UserError(
        f"The engine {label} has no weights on this machine.",
        advice=f"Run `reangle models download {known.name}` ({known.title}, licence {known.terms}, "
        f"{size_in_words(known.size)}), or choose the engine reangle or preview.",
    )


def _by_size(engine: str) -> list[Suite]:
    """The suites of an engine that are free for commercial work, the largest first."""
    usable = [suite for suite in suites_for(engine) if suite.main.licence.commercial_ok]
    return sorted(usable, key=lambda suite: -suite.main.size)


def _roles(engine: str) -> tuple[str, ...]:
    return ENGINES[engine].needs
