# SPDX-License-Identifier: GPL-3.0-or-later
"""From a backend's capabilities to what the artist can choose, and what is listed while no backend is connected."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from .core.contract import Capabilities
from .core.contract.capabilities import EngineInfo, PartInfo, ProviderInfo, SuiteInfo, easing_infos, move_infos
from .core.contract.engines import ENGINES
from .core.files import size_in_words

Kind = Literal["engine", "camera", "depth", "suite", "painter", "judge", "move", "easing"]

AUTO = "auto"
"""The choice that leaves a source, weights or a painter to the backend."""


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen.

    available: it can run now, and a message is what "auto" takes, or why a suite may fail; else message and advice are
    the reason and what to do. commercial_ok: its licence allows commercial work; restricted: which weights of a suite
    do not. settings: for sources of camera and depth, the fields of `GeometrySettings` that it reads. weights: of a
    source those that it can run with, the best first; of a suite those that the engine runs, none where it would be in
    vain to download them. engines: of a suite, those that can run it; None for any. stands_for: the suite that "auto"
    takes.
    """

    name: str
    label: str
    number: int
    help: str = ""
    available: bool = True
    licence: str = ""
    commercial_ok: bool = True
    message: str = ""
    advice: str = ""
    settings: tuple[str, ...] = ()
    restricted: str = ""
    weights: tuple[PartInfo, ...] = ()
    engines: tuple[str, ...] | None = None
    stands_for: str = ""

    def serves(self, engine: str) -> bool:
        """Whether the engine can run it. An engine that runs no weights, or "", leaves the choice open."""
        return self.engines is None or engine in self.engines or not (engine in ENGINES and ENGINES[engine].needs)


Offers = Mapping[tuple[Kind, str], Mapping[str, Choice]]
"""Choices by name. The key is their kind and, for suites, the engine that is to run them."""

STAND_INS: dict[Kind, tuple[Choice, ...]] = {
    "camera": (
        Choice("auto", "Auto", 0, settings=("horizontal_fov_deg",)),
        Choice("solve", "Solve", 1, settings=("horizontal_fov_deg",)),
        Choice("still", "Still", 2, settings=("horizontal_fov_deg",)),
        Choice("dust3r", "DUSt3R", 3, settings=("horizontal_fov_deg",)),
        Choice("files", "Files", 4, settings=("files",)),
        Choice("given", "My Camera", 5, settings=("given",)),
    ),
    "depth": (
        Choice("auto", "Auto", 5),
        Choice("mini", "Mini", 3),
        Choice("depth-anything", "Depth Anything", 2, settings=("checkpoint",)),
        Choice("depth-anything-3", "Depth Anything 3", 4, settings=("checkpoint",)),
        Choice("dust3r", "DUSt3R", 1, settings=("checkpoint",)),
        Choice("files", "Files", 0, settings=("files", "depth_files_scale")),
    ),
    "suite": (
        Choice("auto", "Auto", 5),
        Choice("mini", "Mini", 0, engines=("reangle",)),
        Choice("wan2.2-5b", "Wan 2.2 5B", 2, engines=("reangle",)),
        Choice("cogvideox-5b", "CogVideoX 5B", 1, engines=("reangle",)),
        Choice("wan-vace-1.3b", "Wan VACE 1.3B", 3, engines=("inpaint",)),
        Choice("wan-vace-14b", "Wan VACE 14B", 4, engines=("inpaint",)),
    ),
    "painter": (
        Choice("auto", "Auto", 0),
        Choice("fill", "Fill", 1),
        Choice("mini", "Mini", 2),
        Choice("flux-fill", "FLUX.1 Fill", 3),
        Choice("flux-controlnet", "FLUX.1 with ControlNet", 4),
        Choice("flux2-klein", "FLUX.2 klein", 5),
    ),
    "judge": (Choice("geometry", "Scene Points", 0), Choice("dust3r", "DUSt3R", 1), Choice("none", "None", 2)),
}
"""Listed while the backend is not connected. New sources, suites and painters need no entry."""

OWN: dict[Kind, tuple[Choice, ...]] = {
    "engine": tuple(Choice(name, engine.label, engine.number, engine.help) for name, engine in ENGINES.items()),
    "move": tuple(Choice(move.name, move.label, move.number, move.help) for move in move_infos()),
    "easing": tuple(Choice(easing.name, easing.label, easing.number) for easing in easing_infos()),
}
"""The contract's choices, which are known without a backend."""


def offers_of(capabilities: Capabilities) -> Offers:
    """What a backend offers."""
    offers: dict[tuple[Kind, str], tuple[Choice, ...]] = {
        ("engine", ""): tuple(
            Choice(
                name=engine.name,
                label=engine.label,
                number=engine.number,
                help=engine.help,
                licence=engine.licence,
                commercial_ok=engine.commercial_ok,
            )
            for engine in capabilities.engines
        ),
        ("camera", ""): tuple(_source("camera", info) for info in capabilities.camera_providers),
        ("depth", ""): tuple(_source("depth", info) for info in capabilities.depth_providers),
        ("painter", ""): tuple(_source("painter", info) for info in capabilities.painters),
        ("judge", ""): tuple(_source("judge", info) for info in capabilities.judges),
    }
    for engine in capabilities.engines:
        offers["suite", engine.name] = tuple(_suite(info, engine, capabilities) for info in capabilities.suites)
    return {key: {choice.name: choice for choice in offered} for key, offered in offers.items()}


def _source(kind: Kind, info: ProviderInfo) -> Choice:
    choice = Choice(**{field.name: getattr(info, field.name) for field in fields(Choice) if hasattr(info, field.name)})
    own = own_of(kind, info.name)
    if own is None:
        return choice
    # "auto" takes whatever a request holds; in the panel what it may take is a choice of its own.
    settings = own.settings if info.name == AUTO else choice.settings
    return replace(choice, label=own.label, settings=settings)


def _suite(info: SuiteInfo, engine: EngineInfo, capabilities: Capabilities) -> Choice:
    """A suite for an engine. Availability and licence are those of the parts that the engine runs; every part of a
    suite that the artist names decides on commercial work.
    """
    parts = _run_by(engine, info)
    deciding = parts if info.name == AUTO else info.parts
    own = own_of("suite", info.name)
    choice = Choice(
        name=info.name,
        label=own.label if own is not None else info.label,
        number=number_of("suite", info.name),
        help=". ".join([info.help, *(part.help for part in parts if part.help)]),
        licence="; ".join(dict.fromkeys(part.licence for part in parts)),
        commercial_ok=all(part.commercial_ok for part in deciding),
        restricted=next((f"{part.label} ({part.licence})" for part in deciding if not part.commercial_ok), ""),
        weights=parts,
        engines=tuple(one.name for one in capabilities.engines if _run_by(one, info)),
    )
    if engine.needs and not parts:
        return for_other_engines(choice)
    taken = _taken_by_auto(parts, capabilities) if info.name == AUTO else info
    missing = [part for part in parts if not part.installed]
    if taken is not None and taken.problem and not missing:
        # The backend estimates this, so weights that are there may be tried.
        return replace(choice, message=f"{taken.label} is not expected to run on this machine. {taken.problem}")
    if taken is not None and taken.problem:
        smallest = f", the smallest weights of the engine {engine.label}," if info.name == AUTO else ""
        message = f"{taken.label}{smallest} cannot run on this machine. {taken.problem}"
        advice = "Choose Auto." if info.name != AUTO and _can_run(engine, capabilities) else "Choose another engine."
        return replace(choice, available=False, weights=(), message=message, advice=advice)
    if missing:
        return replace(choice, available=False, **_how_to_get(missing[0]))
    if info.name == AUTO and taken is not None:
        return replace(choice, stands_for=taken.name, message=_auto_message(taken, engine, capabilities))
    return choice


def _run_by(engine: EngineInfo, info: SuiteInfo) -> tuple[PartInfo, ...]:
    """The parts of a suite that an engine runs."""
    return tuple(part for part in info.parts if part.role in engine.needs)


def _taken_by_auto(parts: tuple[PartInfo, ...], capabilities: Capabilities) -> SuiteInfo | None:
    """The suite whose weights "auto" would take."""
    taken = {(part.role, part.name) for part in parts}
    suites = _named(capabilities)
    return next((suite for suite in suites if any((part.role, part.name) in taken for part in suite.parts)), None)


def _auto_message(taken: SuiteInfo, engine: EngineInfo, capabilities: Capabilities) -> str:
    """Which weights "auto" takes, and the largest that it would take if they were installed."""
    better = [
        suite
        for suite in _named(capabilities)
        if not suite.problem and _size(suite, engine) > _size(taken, engine)
        if all(part.commercial_ok and part.can_be_downloaded for part in _run_by(engine, suite))
    ]
    if not better:
        return f"Weights: {taken.label}."
    best = max(better, key=lambda suite: _size(suite, engine))
    return f"Weights: {taken.label}; {best.label} would run here, too: choose it to download it."


def _size(suite: SuiteInfo, engine: EngineInfo) -> int:
    return sum(part.size for part in _run_by(engine, suite))


def _how_to_get(part: PartInfo) -> dict[str, str]:
    """Message and advice for weights that are not installed."""
    if not part.can_be_downloaded:
        return {"message": part.problem}
    return {
        "message": f"{part.label} is not on this machine: {size_in_words(part.size)}, {part.licence}.",
        "advice": "Press Download below Weights in the Render panel, or choose others.",
    }


def _can_run(engine: EngineInfo, capabilities: Capabilities) -> bool:
    """Whether the backend's machine can run any weights of an engine."""
    return any(_run_by(engine, suite) and not suite.problem for suite in _named(capabilities))


def _named(capabilities: Capabilities) -> list[SuiteInfo]:
    return [suite for suite in capabilities.suites if suite.name != AUTO]


def for_other_engines(choice: Choice) -> Choice:
    """A suite as it is shown where it stays chosen with an engine that cannot run it."""
    names = (ENGINES[name].label if name in ENGINES else name for name in choice.engines or ())
    own = f"the engine {' or '.join(names)}" if choice.engines else "other backends"
    advice = f"Choose Auto, or {own}." if choice.engines else "Choose Auto."
    return replace(choice, available=False, weights=(), message=f"{choice.label} is for {own}.", advice=advice)


def own_of(kind: Kind, name: str) -> Choice | None:
    """The add-on's own description of a choice."""
    own = (*OWN.get(kind, ()), *STAND_INS.get(kind, ()))
    return next((choice for choice in own if choice.name == name), None)


def number_of(kind: Kind, name: str) -> int:
    """The number of an enum's item: the contract's, else one computed from the name.

    The .blend saves names, so a number only has to differ from the others and to stay the same.
    """
    own = own_of(kind, name)
    return own.number if own is not None else number_from(name)


def number_from(name: str) -> int:
    """A number computed from the name, larger than all fixed ones."""
    return 1 << 30 | zlib.crc32(name.encode()) & (1 << 30) - 1
