# SPDX-License-Identifier: Apache-2.0
"""Which geometry providers can run on this machine, and with which weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TypedDict

from reangle.contract import GeometrySettings
from reangle.errors import UserError
from reangle.geometry.depth.providers import DEFAULT, PROVIDERS, provider_named
from reangle.geometry.depth.spec import ProviderSpec
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.packages import how_to_install
from reangle.weights.registry import find_checkpoint, find_installed, kind_of


class ProviderStatus(TypedDict):
    """One provider on this machine. licence, commercial_ok: of the weights that it would use."""

    name: str
    available: bool
    licence: str
    commercial_ok: bool
    message: str
    advice: str


def chosen_depth(settings: GeometrySettings) -> str:
    """The name of the depth provider."""
    return DEFAULT if settings.depth == "auto" else settings.depth


def check_settings(settings: GeometrySettings) -> ProviderSpec:
    """The provider that the settings name. Raises UserError for an unknown one, and for settings it cannot use.

    Reads no weights, so it can run before a request is accepted.
    """
    spec = provider_named(chosen_depth(settings))
    reads_files = "files" in spec.settings
    if reads_files != bool(settings.files):
        what = "needs depth maps" if reads_files else "takes no depth maps or camera files"
        raise UserError(
            f"Geometry {spec.name} {what}.", advice="Send the files with geometry files, and with no other."
        )
    if settings.checkpoint is not None and "checkpoint" not in spec.settings:
        raise UserError(f"Geometry {spec.name} takes no checkpoint.", advice="Leave the checkpoint out.")
    return spec


def provider_weights(settings: GeometrySettings, data: Path) -> str:
    """The checkpoint folders for a stage with these settings, joined by CHECKPOINT_SEPARATOR; "" for none.

    The folder of the provider's partner comes second. data: the data folder. Raises UserError as `check_settings` does,
    and for packages or weights that are missing, wrong or changed.
    """
    spec = check_settings(settings)
    if not spec.checkpoints:
        return ""
    folders = [_folder(spec, settings.checkpoint, data)]
    if spec.partner and settings.camera == spec.partner:
        partner = provider_named(spec.partner)
        if _first_installed(partner, data):
            folders.append(_folder(partner, None, data))
    return CHECKPOINT_SEPARATOR.join(str(folder) for folder in folders)


def providers_status(data: Path) -> list[ProviderStatus]:
    """Every provider, and whether it can run now. data: the data folder."""
    return [_status(spec, data) for spec in PROVIDERS]


def _status(spec: ProviderSpec, data: Path) -> ProviderStatus:
    chosen = _first_installed(spec, data) or next(iter(spec.checkpoints), None)
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
        _check_packages(spec)
        if chosen:
            find_installed(chosen, data)
            status["message"] = f"{chosen.title} ({licence.terms}). {chosen.limits}".strip()
    except UserError as error:
        status.update(available=False, message=error.message, advice=error.advice)
    return status


def _first_installed(spec: ProviderSpec, data: Path) -> Checkpoint | None:
    for known in spec.checkpoints:
        try:
            find_installed(known, data)
        except UserError:
            continue
        return known
    return None


def _folder(spec: ProviderSpec, name_or_path: str | None, data: Path) -> Path:
    _check_packages(spec)
    recommended = spec.checkpoints[0]
    folder = find_checkpoint(name_or_path or (_first_installed(spec, data) or recommended).name, data)
    if kind_of(folder) is not recommended.kind:
        raise UserError(
            f"{folder} does not hold a checkpoint for {spec.name}.", advice=f"Use one such as {recommended.name}."
        )
    return folder


def _check_packages(spec: ProviderSpec) -> None:
    for package in spec.packages:
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"Geometry {spec.name} needs the Python package {package}, which is not installed.",
                advice=f"{how_to_install(package)} Or use geometry from files.",
            )
