# SPDX-License-Identifier: Apache-2.0
"""Which checkpoints geometry can use, where they live, and what to say when they are missing.

Nothing is downloaded unless REANGLE_DOWNLOAD=1 is set. Nothing here imports torch: the server asks before it decodes.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from backend.contract import GeometrySettings
from backend.errors import UserError
from backend.models.checkpoints import CHECKPOINTS, Checkpoint, Kind, default_checkpoint, known_checkpoint
from backend.models.identity import CHECKPOINT_SEPARATOR, checkpoint_hash, split_checkpoints

__all__ = [
    "check_provider",
    "checkpoint_hash",
    "find_checkpoint",
    "licence_of",
    "list_checkpoints",
    "models_folder",
    "providers_status",
    "split_checkpoints",
]

UNSAFE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")
WITHOUT_WEIGHTS = "Without it, depth from files works (geometry `files`: EXR Z, 16-bit PNG or npz)"


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


def models_folder(data: Path) -> Path:
    """Where weights are put. data: the data folder."""
    return data / "models"


def find_checkpoint(name_or_path: str, data: Path) -> Path:
    """The folder of a checkpoint: a folder, a registered name, or a hub name that is already on this machine.

    Looks in `data/models` and in the hub's own cache; goes to the network only if REANGLE_DOWNLOAD=1 is set.
    Raises UserError naming the checkpoint, its licence, its size, where to put it and what works without it; also for
    weights that are not safetensors, and for a folder that lacks files.
    """
    given = Path(name_or_path).expanduser()
    if given.suffix.lower() in UNSAFE_SUFFIXES and not given.is_dir():
        raise _unsafe(given.name)
    if given.is_file():
        raise UserError(
            f"{given} is a file; a checkpoint is a folder with config.json and model.safetensors.",
            advice="Give the folder.",
        )
    known = known_checkpoint(name_or_path)
    tail = known.name if known else name_or_path.rsplit("/", 1)[-1]
    places = [given, models_folder(data) / tail] if tail not in ("", ".", "..") else [given]
    for folder in places:
        if folder.is_dir():
            _check_folder(folder, known)
            return folder.absolute()
    hub = known.hub if known else name_or_path
    found = _in_hub_cache(hub)
    if found is None and os.environ.get("REANGLE_DOWNLOAD") == "1":
        found = _download(hub)
    if found is not None:
        _check_folder(found, known)
        return found
    raise _missing(name_or_path, known, models_folder(data) / tail)


def check_provider(settings: GeometrySettings, data: Path) -> str:
    """The checkpoint folders that a stage with these settings loads, joined by CHECKPOINT_SEPARATOR; "" for none.

    For depth-anything a second folder is DUSt3R's, if it is installed and not switched off. Raises UserError for
    missing packages and missing or wrong weights: before anything is decoded.
    """
    if settings.provider == "files":
        return ""
    folders = [_checked(settings.provider, settings.checkpoint, data)]
    if settings.provider == "depth-anything" and settings.use_dust3r and _first_installed("dust3r", data):
        folders.append(_checked("dust3r", None, data))
    return CHECKPOINT_SEPARATOR.join(str(folder) for folder in folders)


def licence_of(folder: str) -> str:
    """The licence of a registered checkpoint by its folder's name; DUSt3R's own for any other DUSt3R folder."""
    path = Path(folder)
    # A folder in the hub's cache is models--owner--name/snapshots/REVISION.
    names = [path.name, *(parent.name.rsplit("--", 1)[-1] for parent in path.parents[:2])]
    known = next((found for name in names if (found := known_checkpoint(name))), None)
    if known:
        return known.licence
    return default_checkpoint("dust3r").licence if _kind_of(path) == "dust3r" else "unknown: see its model card"


def list_checkpoints(data: Path) -> list[dict[str, Any]]:
    """All registered checkpoints: their fields, `installed`, `path` (where it is or goes), `problem` ("" if none)."""
    rows = []
    for known in CHECKPOINTS:
        try:
            path, installed, problem = _find_installed(known, data), True, ""
        except UserError as error:
            path, installed, problem = models_folder(data) / known.name, False, str(error)
        rows.append({**vars(known), "installed": installed, "path": str(path), "problem": problem})
    return rows


def _find_installed(known: Checkpoint, data: Path) -> Path:
    folder = models_folder(data) / known.name
    found = folder if folder.is_dir() else _in_hub_cache(known.hub)
    if found is None:
        raise _missing(known.name, known, folder)
    _check_folder(found, known)
    return found.absolute()


def _first_installed(kind: Kind, data: Path) -> Checkpoint | None:
    """The first sound one of its kind on this machine."""
    for known in CHECKPOINTS:
        if known.kind == kind:
            try:
                _find_installed(known, data)
            except UserError:
                continue
            return known
    return None


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
    for kind in ("dust3r", "depth-anything"):
        default = default_checkpoint(kind)
        row: ProviderStatus = {
            "name": kind,
            "available": False,
            "licence": default.licence,
            "message": "",
            "advice": "",
        }
        try:
            _check_packages(kind)
            chosen = _first_installed(kind, data) or default
            _find_installed(chosen, data)
            use = "" if chosen.commercial_ok else ", not for commercial work"
            row.update(available=True, licence=chosen.licence, message=f"{chosen.title} ({chosen.licence}{use}).")
        except UserError as error:
            row.update(message=error.message, advice=error.advice)
        rows.append(row)
    return rows


def _checked(kind: Kind, name_or_path: str | None, data: Path) -> Path:
    _check_packages(kind)
    folder = find_checkpoint(name_or_path or (_first_installed(kind, data) or default_checkpoint(kind)).name, data)
    if _kind_of(folder) != kind:
        raise UserError(
            f"{folder} does not hold a checkpoint for {kind}.",
            advice=f"Use one such as {default_checkpoint(kind).name}.",
        )
    return folder


def _kind_of(folder: Path) -> Kind | None:
    config = _config(folder)
    if config.get("model_type") == "depth_anything":
        return "depth-anything"
    return "dust3r" if "model_type" not in config and {"enc_embed_dim", "dec_depth"} & set(config) else None


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / 'config.json'} cannot be read: {error}.", advice="Copy the checkpoint again."
        ) from error
    return config if isinstance(config, dict) else {}


def _check_packages(kind: Kind) -> None:
    for package in _PACKAGES[kind]:
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"Geometry {kind} needs the Python package {package}, which this backend does not have.",
                advice="Run scripts/install_backend.py again, or use geometry from files.",
            )


def _check_folder(folder: Path, known: Checkpoint | None) -> None:
    names = {path.name for path in folder.iterdir()}
    if not any(name.endswith(".safetensors") for name in names):
        unsafe = sorted(name for name in names if name.lower().endswith(UNSAFE_SUFFIXES))
        if unsafe:
            raise _unsafe(str(folder / unsafe[0]))
    missing = [name for name in (known.files if known else ("config.json", "model.safetensors")) if name not in names]
    if missing:
        where = f" (from https://huggingface.co/{known.hub})" if known else ""
        raise UserError(f"The checkpoint {folder} lacks {', '.join(missing)}.", advice=f"Copy it there{where}.")


def _unsafe(name: str) -> UserError:
    return UserError(
        f"{name} is refused: files of this kind can run code when they are opened.",
        advice="Use the checkpoint's safetensors files: a folder with config.json and model.safetensors.",
    )


def _missing(asked: str, known: Checkpoint | None, folder: Path) -> UserError:
    if known is None:
        return UserError(
            f"There is no checkpoint {asked!r} on this machine.",
            advice=f"Put its config.json and model.safetensors into {folder}, or name one of: "
            f"{', '.join(one.name for one in CHECKPOINTS)}. {WITHOUT_WEIGHTS}.",
        )
    size = f"{known.size / 1e9:.1f} GB" if known.size >= 1e9 else f"{known.size / 1e6:.0f} MB"
    use = "" if known.commercial_ok else ", not for commercial work"
    return UserError(
        f"The weights {known.name} ({known.title}, licence {known.licence}{use}, {size}) are not on this machine.",
        advice=f"Download {', '.join(known.files)} from https://huggingface.co/{known.hub} into {folder}. "
        f"{WITHOUT_WEIGHTS}.",
    )


def _in_hub_cache(hub: str) -> Path | None:
    """The newest complete snapshot in the hub's cache, without asking the network."""
    if hub.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _download(hub: str) -> Path | None:
    if hub.count("/") != 1:
        return None
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, allow_patterns=["*.json", "*.safetensors"]))
    except Exception as error:  # any of the hub's, the network's or the disk's errors
        raise UserError(
            f"{hub} could not be downloaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            advice=f"Check the network, or copy the files by hand. {WITHOUT_WEIGHTS}.",
        ) from error
