# SPDX-License-Identifier: Apache-2.0
"""What this backend can do: the contract's own facts, and the providers and suites on this machine."""

from __future__ import annotations

from pathlib import Path

from reangle.contract import CONTRACT_VERSION
from reangle.contract.capabilities import (
    Capabilities,
    Limits,
    NamedValue,
    PartInfo,
    SuiteInfo,
    easing_infos,
    engine_infos,
    move_infos,
    settings_groups,
)
from reangle.contract.engines import ENGINES
from reangle.engines.suite_choice import AUTO, auto_suite, recommended_suite, why_not_here
from reangle.evaluation.agreement.listing import judge_infos
from reangle.geometry.listing import camera_infos, depth_infos
from reangle.starting.painters import painter_infos
from reangle.version import VERSION
from reangle.weights.part_info import part_info
from reangle.weights.recipes import recipe_named
from reangle.weights.suites import SUITES, Suite


def capabilities_of(data: Path) -> Capabilities:
    """Reads the weights' folders, so it belongs into a thread. data: the data folder."""
    return Capabilities(
        contract=CONTRACT_VERSION,
        version=VERSION,
        engines=engine_infos(),
        camera_providers=camera_infos(data),
        depth_providers=depth_infos(data),
        suites=(_auto(data), *(_suite(suite, data) for suite in SUITES)),
        settings=settings_groups(),
        moves=move_infos(),
        easings=easing_infos(),
        limits=Limits(),
        judges=judge_infos(data),
        painters=painter_infos(data),
    )


def _suite(suite: Suite, data: Path) -> SuiteInfo:
    own = tuple(part_info(known, data) for known in suite.parts)
    recipe = tuple(NamedValue(name, value) for name, value in vars(recipe_named(suite.name)).items())
    return _suite_info(suite.name, suite.label, suite.title, own, why_not_here(suite), recipe)


def _auto(data: Path) -> SuiteInfo:
    """What "auto" would take for each engine that runs a video model, or what to install for it."""
    found = {name: auto_suite(name, data) for name, kind in ENGINES.items() if kind.needs}
    none = "none that runs here is installed"
    words = "; ".join(f"{ENGINES[name].label}: {suite.label if suite else none}" for name, suite in found.items())
    help_ = f"The largest that runs on the backend's machine and is free for commercial work. {words}"
    parts = tuple(part_info((suite or recommended_suite(name)).main, data) for name, suite in found.items())
    return _suite_info(AUTO, "Auto", help_, parts, "")


def _suite_info(
    name: str,
    label: str,
    help_: str,
    own: tuple[PartInfo, ...],
    problem: str,
    recipe: tuple[NamedValue, ...] = (),
) -> SuiteInfo:
    return SuiteInfo(
        name=name,
        label=label,
        help=help_,
        licence="; ".join(dict.fromkeys(part.licence for part in own)),
        commercial_ok=all(part.commercial_ok for part in own),
        size=sum(part.size for part in own),
        parts=own,
        problem=problem,
        recipe=recipe,
    )
