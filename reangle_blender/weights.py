# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that the backend knows: which a choice lacks, and whether the artist's preferences allow them."""

from __future__ import annotations

import bpy

from . import choices, preferences
from .core.contract.capabilities import PartInfo
from .core.errors import UserError
from .exchange import connection


def missing(kind: choices.Kind, name: str, wanted: str = "", engine: str = "") -> tuple[PartInfo, ...]:
    """The weights to offer with a choice: all that a suite lacks, the best one of a source that has none.

    wanted: the weights that the artist named for the source, a name or a folder, if any. engine: the one that is to run
    a suite. With Commercial Use Only, a
    source's weights that are not for commercial work count only where it has no others, so that the panel can say why
    there is nothing to download.
    """
    choice = choices.find(kind, name, engine)
    if choice is None:
        return ()
    if kind == "suite":
        return tuple(part for part in choice.weights if part.can_be_downloaded)
    if wanted:
        usable = [part for part in choice.weights if part.name.casefold() == _last(wanted)]
    else:
        only_commercial = preferences.get().commercial_only
        usable = [part for part in choice.weights if part.commercial_ok or not only_commercial] or [*choice.weights]
    if any(part.installed for part in usable):
        return ()
    return tuple(part for part in usable[:1] if part.can_be_downloaded)


def named(name: str) -> PartInfo | None:
    """The weights of this name, of this name on the hub, of this SUITE/ROLE, or in a folder of this name."""
    capabilities = connection.now.capabilities
    if capabilities is None or not name:
        return None
    suite_name, _, role = name.casefold().partition("/")
    suite = capabilities.suite(suite_name)
    if suite is not None and (part := suite.part(role or "geometry")):
        return part
    sources = (
        *capabilities.camera_providers,
        *capabilities.depth_providers,
        *capabilities.painters,
        *capabilities.judges,
    )
    groups = (*(suite.parts for suite in capabilities.suites), *(source.weights for source in sources))
    return next((part for parts in groups for part in parts if part.name.casefold() == _last(name)), None)


def check_download(part: PartInfo) -> None:
    """Raises UserError if the add-on's or Blender's preferences do not allow to download these weights."""
    check_licence(part)
    if not bpy.app.online_access:
        raise UserError(
            "Blender is set to stay offline, so no weights are downloaded.",
            advice="Switch on Allow Online Access in Blender's preferences, under System.",
        )


def check_named(name: str) -> None:
    """`check_licence` of the weights that `named` finds, if any."""
    part = named(name)
    if part is not None:
        check_licence(part)


def check_licence(part: PartInfo) -> None:
    """Raises UserError if the add-on's preferences do not allow these weights."""
    if preferences.get().commercial_only and not part.commercial_ok:
        raise UserError(
            f"{part.label} is not offered while Commercial Use Only is on: {part.licence}.",
            advice="Choose other weights, or allow it in the add-on's preferences.",
        )


def _last(path: str) -> str:
    """The last name of a path or of a name on the hub."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2].casefold()
