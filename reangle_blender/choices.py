# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist can choose by name: engines, sources of camera and depth, weights, what paints and judges starting
images, camera moves and easings.

Moves, easings and engines are those of the contract. Sources, suites, painters and judges are those that
the backend reports; while it is not connected, the ones below replace them. A chosen name that is unknown stays in the
list, so that no file loses its choice.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from bpy.props import EnumProperty
from bpy.types import Context, PropertyGroup

from . import preferences
from .core.contract import Capabilities, StartSettings, moves
from .core.contract.capabilities import PartInfo, ProviderInfo, SuiteInfo, easing_infos, move_infos
from .core.contract.engines import ENGINES
from .core.errors import UserError
from .exchange import connection

Kind = Literal["engine", "camera", "depth", "suite", "painter", "judge", "move", "easing"]
Item = tuple[str, str, str, str, int]
"""Name, label, description, icon and number of an enum's item."""

AUTO = "auto"
"""The source of camera or depth that lets the backend choose one."""

DEFAULTS: dict[Kind, str] = {
    "engine": next(iter(ENGINES)),
    "camera": AUTO,
    "depth": AUTO,
    "suite": "mini",
    "painter": StartSettings.painter,
    "judge": StartSettings.judge,
    "move": next(iter(moves.KINDS)),
    "easing": moves.DEFAULT_EASING,
}
NOT_OFFERED = "The backend does not offer this; install the backend of this add-on's version, or choose another one"


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen.

    available: it can run now; else message and advice are the reason and what to do. commercial_ok: its licence allows
    commercial work; restricted: which weights of a suite do not. settings: for sources of camera and depth, the fields
    of `GeometrySettings` that it reads. weights: of a source those that it can run with, the best first; of a suite all
    that the engines run.
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


_STAND_INS: dict[Kind, tuple[Choice, ...]] = {
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
    "suite": (Choice("mini", "Mini", 0), Choice("cogvideox-5b", "CogVideoX 5B", 1)),
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

_OWN: dict[Kind, tuple[Choice, ...]] = {
    "engine": tuple(Choice(name, engine.label, engine.number, engine.help) for name, engine in ENGINES.items()),
    "move": tuple(Choice(move.name, move.label, move.number, move.help) for move in move_infos()),
    "easing": tuple(Choice(easing.name, easing.label, easing.number) for easing in easing_infos()),
}
"""The contract's choices, which are known without a backend."""


def reported(kind: Kind) -> Mapping[str, Choice]:
    """The offers of the backend that was connected last, by name; empty for moves and easings."""
    global _described
    capabilities = connection.now.capabilities
    if _described[0] is not capabilities:
        _described = (capabilities, _offers(capabilities) if capabilities else {})
    return _described[1].get(kind, {})


_described: tuple[Capabilities | None, dict[Kind, dict[str, Choice]]] = (None, {})


def _offers(capabilities: Capabilities) -> dict[Kind, dict[str, Choice]]:
    offers: dict[Kind, tuple[Choice, ...]] = {
        "engine": tuple(
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
        "camera": tuple(_source("camera", info) for info in capabilities.camera_providers),
        "depth": tuple(_source("depth", info) for info in capabilities.depth_providers),
        "suite": tuple(_suite(info, capabilities) for info in capabilities.suites),
        "painter": tuple(_source("painter", info) for info in capabilities.painters),
        "judge": tuple(_source("judge", info) for info in capabilities.judges),
    }
    return {kind: {choice.name: choice for choice in offered} for kind, offered in offers.items()}


def _source(kind: Kind, info: ProviderInfo) -> Choice:
    choice = Choice(**{field.name: getattr(info, field.name) for field in fields(Choice) if hasattr(info, field.name)})
    own = _own_of(kind, info.name)
    if own is None:
        return choice
    # "auto" takes whatever a request holds; in the panel what it may take is a choice of its own.
    settings = own.settings if info.name == AUTO else choice.settings
    return replace(choice, label=own.label, settings=settings)


def _suite(info: SuiteInfo, capabilities: Capabilities) -> Choice:
    """Availability and licence are those of the parts that the engines run; every part decides on commercial work."""
    roles = {role for engine in capabilities.engines for role in engine.needs}
    parts = [part for part in info.parts if part.role in roles]
    own = _own_of("suite", info.name)
    return Choice(
        name=info.name,
        label=own.label if own is not None else info.label,
        number=number_of("suite", info.name),
        help=". ".join([info.help, *(part.help for part in parts if part.help)]),
        available=all(part.installed for part in parts),
        licence="; ".join(dict.fromkeys(part.licence for part in parts)),
        commercial_ok=all(part.commercial_ok for part in info.parts),
        message=next((part.problem for part in parts if part.problem), ""),
        restricted=next((f"{part.label} ({part.licence})" for part in info.parts if not part.commercial_ok), ""),
        weights=tuple(parts),
    )


def number_of(kind: Kind, name: str) -> int:
    """The number of an enum's item: the contract's, else one computed from the name.

    The .blend saves names, so a number only has to differ from the others and to stay the same.
    """
    own = _own_of(kind, name)
    return own.number if own is not None else number_from(name)


def number_from(name: str) -> int:
    """A number computed from the name, larger than all fixed ones."""
    return 1 << 30 | zlib.crc32(name.encode()) & (1 << 30) - 1


def find(kind: Kind, name: str) -> Choice | None:
    """The backend's description of a choice; None if it does not offer it or has not been connected."""
    return reported(kind).get(name)


def known(kind: Kind, name: str) -> Choice | None:
    """The backend's description of a choice, else the add-on's own."""
    return find(kind, name) or _own_of(kind, name)


def _own_of(kind: Kind, name: str) -> Choice | None:
    own = (*_OWN.get(kind, ()), *_STAND_INS.get(kind, ()))
    return next((choice for choice in own if choice.name == name), None)


def label_of(kind: Kind, name: str) -> str:
    """The label of a name."""
    choice = known(kind, name)
    return choice.label if choice is not None else name.replace("-", " ").title()


def check(kind: Kind, name: str) -> None:
    """Raises UserError if the backend does not offer the choice, cannot run it, or its licence is not allowed."""
    choice = find(kind, name)
    if choice is None:
        if reported(kind):
            raise UserError(
                f"The backend {connection.now.version} does not offer {label_of(kind, name)!r}.",
                advice="Install the backend of this add-on's version, or choose another one.",
            )
        return
    check_licence(kind, name)
    if not choice.available:
        raise UserError(choice.message or f"{choice.label} is not available.", advice=choice.advice)


def check_licence(kind: Kind, name: str) -> None:
    """Raises UserError if the choice is not for commercial work and the artist wants nothing else."""
    choice = find(kind, name)
    if choice is not None and preferences.get().commercial_only and not choice.commercial_ok:
        raise UserError(
            f"{choice.label} is not for commercial work: {choice.restricted or choice.licence}.",
            advice="Choose another one, or allow it in the add-on's preferences.",
        )


def items(kind: Kind, chosen: str = "") -> tuple[Item, ...]:
    """An enum's items. chosen: a name that is listed even if it is unknown."""
    offered = reported(kind)
    listed = {name: _item(kind, choice) for name, choice in offered.items()}
    for choice in (*_OWN.get(kind, ()), *_STAND_INS.get(kind, ())):
        if choice.name not in listed:
            listed[choice.name] = _unknown(kind, choice.name, choice.label) if offered else _item(kind, choice)
    if chosen and chosen not in listed:
        listed[chosen] = _unknown(kind, chosen, label_of(kind, chosen))
    return _kept(tuple(listed.values()))


def _item(kind: Kind, choice: Choice) -> Item:
    parts = [choice.help, f"Licence: {choice.licence}" if choice.licence and kind != "engine" else ""]
    if not choice.available:
        parts += [choice.message, choice.advice]
    description = ". ".join(part.rstrip(".") for part in parts if part)
    icon = "NONE" if choice.available else "ERROR"
    label = choice.label if choice.commercial_ok else f"{choice.label} (non-commercial)"
    return choice.name, label, description, icon, number_of(kind, choice.name)


def _unknown(kind: Kind, name: str, label: str) -> Item:
    return name, label, NOT_OFFERED, "ERROR", number_of(kind, name)


_tuples: dict[tuple[Item, ...], tuple[Item, ...]] = {}


def _kept(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """The same items as an object that is never freed: Blender keeps pointers to its strings."""
    return _tuples.setdefault(items, items)


def enum(
    kind: Kind,
    stored: str,
    label: str,
    description: str,
    update: Callable[[Any, Context], None] | None = None,
) -> Any:
    """An EnumProperty of this kind over a StringProperty called `stored`, which the .blend saves."""

    def set_(group: PropertyGroup, number: int) -> None:
        listed = items(kind, getattr(group, stored))
        setattr(group, stored, next(item[0] for item in listed if item[4] == number))

    return EnumProperty(
        name=label,
        description=description,
        items=lambda group, _context: items(kind, getattr(group, stored)),
        get=lambda group: number_of(kind, getattr(group, stored)),
        set=set_,
        update=update,
    )
