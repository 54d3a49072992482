# SPDX-License-Identifier: Apache-2.0
"""Which providers of camera and depth can run on this machine, and with which weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TypedDict

from reangle.errors import UserError
from reangle.geometry.provider import ProviderSpec
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.packages import how_to_install
from reangle.weights.registry import checkpoint_at, find_checkpoint, find_installed, kind_of


class ProviderStatus(TypedDict):
    """One provider on this machine. licence, commercial_ok: of the weights that it would use."""

    name: str
    available: bool
    licence: str
    commercial_ok: bool
    message: str
    advice: str


def status_of(spec: ProviderSpec, data: Path) -> ProviderStatus:
    """Whether the provider can run now. data: the data folder."""
    chosen = first_installed(spec, data) or next(iter(spec.checkpoints), None)
    licence = chosen.licence if chosen else spec.licence
    status: ProviderStatus = {
        "name": spec.name,
        "available": True,
        "licence": licence.terms,
        "commercial_ok": licence.commercial_ok,
        "message": f"{spec.help}.",
        "advice": "",
    }
    try:
        check_packages(spec)
        if chosen:
            for known in (chosen, *chosen.beside):
                find_installed(known, data)
            status["message"] = f"{chosen.title} ({licence.terms}). {chosen.limits}".strip()
    except UserError as error:
        status.update(available=False, message=error.message, advice=error.advice)
    return status


def first_installed(spec: ProviderSpec, data: Path) -> Checkpoint | None:
    """The first of the provider's weights that are on this machine."""
    for known in spec.checkpoints:
        try:
            find_installed(known, data)
        except UserError:
            continue
        return known
    return None


def can_run(spec: ProviderSpec) -> bool:
    """Whether the provider's packages are installed."""
    return all(importlib.util.find_spec(package) is not None for package in spec.packages)


def weights_of(spec: ProviderSpec, name_or_path: str | None, data: Path) -> str:
    """The checkpoint of a stage that runs this provider, one folder or several; "" if it needs none.

    name_or_path: as the request names it; None for the first that is installed. Raises UserError for packages or
    weights that are missing, wrong or changed.
    """
    check_packages(spec)
    if not spec.checkpoints:
        return ""
    recommended = spec.checkpoints[0]
    folder = find_checkpoint(name_or_path or (first_installed(spec, data) or recommended).name, data)
    if not fits(spec, folder):
        raise UserError(
            f"{folder} does not hold a checkpoint for {spec.name}.", advice=f"Use one such as {recommended.name}."
        )
    known = checkpoint_at(folder)
    folders = [folder, *(find_installed(one, data) for one in (known.beside if known else ()))]
    return CHECKPOINT_SEPARATOR.join(map(str, folders))


def fits(spec: ProviderSpec, folder: Path) -> bool:
    """Whether the weights in a folder are of a kind that the provider runs."""
    return kind_of(folder) in {known.kind for known in spec.checkpoints}


def check_packages(spec: ProviderSpec) -> None:
    """Raises UserError that says how to install the first package that is missing."""
    for package in spec.packages:
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"{spec.label} needs the Python package {package}, which is not installed.",
                advice=f"{how_to_install(package)} Or use depth and camera from files.",
            )
