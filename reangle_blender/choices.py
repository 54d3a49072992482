# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist can choose by name: engines, sources of camera and depth, weights, what paints and judges starting
images, camera moves and easings.

Moves, easings and engines are those of the contract. Sources, suites, painters and judges are those that the backend
reports; while it is not connected, those of `offers` replace them. A chosen name that is unknown stays in the list, so
that no file loses its choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bpy.props import EnumProperty
from bpy.types import Context, PropertyGroup

from . import offers, preferences
from .core.contract import Capabilities, ReangleSettings, StartSettings, moves
from .core.contract.engines import ENGINES
from .core.errors import UserError
from .exchange import connection
from .offers import AUTO, Choice, Kind, number_of
from .translations import CONTEXT

Item = tuple[str, str, str, str, int]
"""Name, label, description, icon and number of an enum's item."""

DEFAULTS: dict[Kind, str] = {
    "engine": next(iter(ENGINES)),
    "camera": AUTO,
    "depth": AUTO,
    "suite": ReangleSettings.suite,
    "painter": StartSettings.painter,
    "judge": StartSettings.judge,
    "move": next(iter(moves.KINDS)),
    "easing": moves.DEFAULT_EASING,
}
NOT_OFFERED = "The backend does not offer this; install the backend of this add-on's version, or choose another one"


def reported(kind: Kind, engine: str = "") -> Mapping[str, Choice]:
    """The offers of the backend that was connected last, by name; empty for moves and easings.

    engine: the one that is to run them. Only suites ask for it, here and below.
    """
    global _described
    capabilities = connection.now.capabilities
    if _described[0] is not capabilities:
        _described = (capabilities, offers.offers_of(capabilities) if capabilities else {})
    return _described[1].get((kind, engine if kind == "suite" else ""), {})


_described: tuple[Capabilities | None, offers.Offers] = (None, {})


def find(kind: Kind, name: str, engine: str = "") -> Choice | None:
    """The backend's description of a choice; None if it does not offer it or has not been connected."""
    return reported(kind, engine).get(name)


def recipe(suite: str, engine: str) -> dict[str, bool | int | float | str]:
    """The values of `ReangleSettings` that a suite takes where a request leaves them open; empty while they are
    unknown, as for a folder of weights or with an older backend."""
    capabilities, choice = connection.now.capabilities, find("suite", suite, engine)
    named = choice.stands_for if choice is not None and choice.stands_for else suite
    info = capabilities.suite(named) if capabilities is not None else None
    return {one.name: one.value for one in info.recipe} if info is not None else {}


def known(kind: Kind, name: str) -> Choice | None:
    """The backend's description of a choice, else the add-on's own."""
    return find(kind, name) or offers.own_of(kind, name)


def label_of(kind: Kind, name: str) -> str:
    """The label of a name."""
    choice = known(kind, name)
    return choice.label if choice is not None else name.replace("-", " ").title()


def check(kind: Kind, name: str, engine: str = "") -> None:
    """Raises UserError if the backend does not offer the choice, cannot run it, or its licence is not allowed."""
    choice = find(kind, name, engine)
    if choice is None:
        if reported(kind, engine):
            raise UserError(
                f"The backend {connection.now.version} does not offer {label_of(kind, name)!r}.",
                advice="Install the backend of this add-on's version, or choose another one.",
            )
        return
    check_licence(kind, name, engine)
    if not choice.available:
        raise UserError(choice.message or f"{choice.label} is not available.", advice=choice.advice)


def check_licence(kind: Kind, name: str, engine: str = "") -> None:
    """Raises UserError if the choice is not for commercial work and the artist wants nothing else."""
    choice = find(kind, name, engine)
    if choice is not None and preferences.get().commercial_only and not choice.commercial_ok:
        raise UserError(
            f"{choice.label} is not for commercial work: {choice.restricted or choice.licence}.",
            advice="Choose another one, or allow it in the add-on's preferences.",
        )


def items(kind: Kind, chosen: str = "", engine: str = "") -> tuple[Item, ...]:
    """An enum's items: of suites those that the engine can run. chosen: a name that is listed in any case."""
    offered = reported(kind, engine)
    own = (*offers.OWN.get(kind, ()), *offers.STAND_INS.get(kind, ()))
    every = {**offered, **{choice.name: choice for choice in own if choice.name not in offered}}
    listed: list[Item] = []
    for name, choice in every.items():
        if not choice.serves(engine):
            listed += [_item(kind, offers.for_other_engines(choice))] if name == chosen else []
        elif offered and name not in offered:
            listed.append(_unknown(kind, name, choice.label))
        else:
            listed.append(_item(kind, choice))
    if chosen and chosen not in {item[0] for item in listed}:
        listed.append(_unknown(kind, chosen, label_of(kind, chosen)))
    return _kept(tuple(listed))


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
    engine_of: Callable[[Any], str] = lambda group: "",
) -> Any:
    """An EnumProperty of this kind over a StringProperty called `stored`, which the .blend saves.

    engine_of: the engine on which the items depend, from the property's group.
    """

    def listed(group: PropertyGroup) -> tuple[Item, ...]:
        return items(kind, getattr(group, stored), engine_of(group))

    def set_(group: PropertyGroup, number: int) -> None:
        setattr(group, stored, next(item[0] for item in listed(group) if item[4] == number))

    return EnumProperty(
        name=label,
        description=description,
        translation_context=CONTEXT,
        items=lambda group, _context: listed(group),
        get=lambda group: number_of(kind, getattr(group, stored)),
        set=set_,
        update=update,
    )
