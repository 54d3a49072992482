# SPDX-License-Identifier: Apache-2.0
"""Which geometry providers could run now, and with which weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TypedDict

from reangle.contract import GeometrySettings
from reangle.errors import UserError
from reangle.weights.checkpoints import Checkpoint, Kind
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.registry import find_checkpoint, find_installed, kind_of
from reangle.weights.suites import PROVIDERS

_PACKAGES: dict[Kind, tuple[str, ...]] = {
    "dust3r": ("torch", "mini_dust3r"),
    "depth-anything": ("torch", "transformers"),
}


class ProviderStatus(TypedDict):
    """One geometry provider as `GET /v1/providers` tells it."""

    name: str
    available: bool
    licence: str
    message: str
    advice: str


def check_provider(settings: GeometrySettings, data: Path) -> str:
    """The checkpoint folders that a stage with these settings loads, joined by CHECKPOINT_SEPARATOR; "" for none.

    For depth-anything a second folder is DUSt3R's, if it is installed and not switched off. Raises UserError for
    missing packages and for weights that are missing, wrong or changed: before anything is decoded.
    """
    if settings.provider == "files":
        return ""
    folders = [_checked(settings.provider, settings.checkpoint, data)]
    if settings.provider == "depth-anything" and settings.use_dust3r and _first_installed("dust3r", data):
        folders.append(_checked("dust3r", None, data))
    return CHECKPOINT_SEPARATOR.join(str(folder) for folder in folders)


def providers_status(data: Path) -> list[ProviderStatus]:
    """The geometry providers and whether each could run now."""
    rows: list[ProviderStatus] = [
        {
            "name": "files",
            "available": True,
            "licence": "your own",
            "message": "Depth maps and cameras that you rendered or solved: EXR Z, 16-bit PNG, npz; JSON, COLMAP.",
            "advice": "",
        }
    ]
    for provider in PROVIDERS:
        chosen = _first_installed(provider, data) or PROVIDERS[provider][0]
        row: ProviderStatus = {
            "name": provider,
            "available": False,
            "licence": chosen.terms,
            "message": "",
            "advice": "",
        }
        try:
            _check_packages(provider)
            find_installed(chosen, data)
            row.update(available=True, message=f"{chosen.title} ({chosen.terms}). {chosen.limits}".strip())
        except UserError as error:
            row.update(message=error.message, advice=error.advice)
        rows.append(row)
    return rows


def _first_installed(provider: str, data: Path) -> Checkpoint | None:
    """The first sound checkpoint of a provider on this machine."""
    for known in PROVIDERS[provider]:
        try:
            find_installed(known, data)
        except UserError:
            continue
        return known
    return None


def _checked(provider: str, name_or_path: str | None, data: Path) -> Path:
    _check_packages(provider)
    default = PROVIDERS[provider][0]
    folder = find_checkpoint(name_or_path or (_first_installed(provider, data) or default).name, data)
    if kind_of(folder) != default.kind:
        raise UserError(
            f"{folder} does not hold a checkpoint for {provider}.", advice=f"Use one such as {default.name}."
        )
    return folder


def _check_packages(provider: str) -> None:
    for package in _PACKAGES[PROVIDERS[provider][0].kind]:
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"Geometry {provider} needs the Python package {package}, which this backend does not have.",
                advice="Run scripts/install_backend.py again, or use geometry from files.",
            )
