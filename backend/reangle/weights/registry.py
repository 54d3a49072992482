# SPDX-License-Identifier: Apache-2.0
"""Where weights are on this machine, and what to say when they are missing.

Nothing is downloaded unless REANGLE_DOWNLOAD=1 is set. Nothing here imports torch: the server asks before it decodes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reangle.errors import UserError
from reangle.weights.checkpoints import DUST3R, Checkpoint, Kind, size_in_words
from reangle.weights.identity import PIPELINE_INDEX, files_in, split_checkpoints
from reangle.weights.shipped import check_shipped, shipped_at, shipped_files, shipped_folder
from reangle.weights.suites import CHECKPOINTS, SUITES, known_checkpoint, place_of

UNSAFE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")
WITHOUT_GEOMETRY = (
    "Without it, geometry `mini` works, and depth from files (geometry `files`: EXR Z, 16-bit PNG or npz)"
)
WITHOUT_GENERATION = "Without it, the engine `preview` works, which needs no weights"

_PIPELINES: dict[str, Kind] = {"CogVideoXImageToVideoPipeline": "cogvideox", "FluxFillPipeline": "flux-fill"}


def models_folder(data: Path) -> Path:
    """Where weights are put. data: the data folder."""
    return data / "models"


def find_checkpoint(name_or_path: str, data: Path) -> Path:
    """The folder of a checkpoint: a name that `known_checkpoint` knows, a folder, or a hub name that is here already.

    Weights that come with the backend are compared with what was shipped. For others it looks in `data/models` and in
    the hub's own cache; it goes to the network only if REANGLE_DOWNLOAD=1 is set.
    Raises UserError naming the checkpoint, its licence, its size, where to put it and what works without it; also for
    weights that are not safetensors, for a folder that lacks files, and for shipped weights that have changed.
    """
    known = known_checkpoint(name_or_path)
    if known is not None and known.shipped:
        return check_shipped(known)
    given = Path(name_or_path).expanduser()
    if given.suffix.lower() in UNSAFE_SUFFIXES and not given.is_dir():
        raise _unsafe(given.name)
    if given.is_file():
        raise UserError(
            f"{given} is a file; a checkpoint is a folder with config.json and model.safetensors.",
            advice="Give the folder.",
        )
    tail = known.name if known else name_or_path.rsplit("/", 1)[-1]
    places = [given, models_folder(data) / tail] if tail not in ("", ".", "..") else [given]
    for folder in places:
        if folder.is_dir():
            _check_folder(folder, known)
            return folder.absolute()
    hub = known.hub if known else name_or_path
    found = _in_hub_cache(hub, known)
    if found is None and os.environ.get("REANGLE_DOWNLOAD") == "1":
        found = _download(hub, known)
    if found is not None:
        _check_folder(found, known)
        return found
    raise _missing(name_or_path, known, models_folder(data) / tail)


def find_installed(known: Checkpoint, data: Path) -> Path:
    """The folder of a registered checkpoint. Raises UserError if it is not here, lacks files or has changed."""
    if known.shipped:
        return check_shipped(known)
    found = locate(known, data)
    if found is None:
        raise _missing(known.name, known, models_folder(data) / known.name)
    _check_folder(found, known)
    return found.absolute()


def locate(known: Checkpoint, data: Path) -> Path | None:
    """Where a registered checkpoint lies, sound or not; None if it is not on this machine."""
    folder = shipped_folder(known) if known.shipped else models_folder(data) / known.name
    return folder if folder.is_dir() or known.shipped else _in_hub_cache(known.hub, known)


def check_weights(checkpoint: str) -> None:
    """Raise UserError if a stage's checkpoint is one that comes with the backend and has changed."""
    for folder in split_checkpoints(checkpoint):
        if shipped := shipped_at(Path(folder)):
            check_shipped(shipped)


def checkpoint_at(folder: Path) -> Checkpoint | None:
    """The registered checkpoint that lies in this folder, told by the folder's name."""
    if shipped := shipped_at(folder):
        return shipped
    # A folder in the hub's cache is models--owner--name/snapshots/REVISION.
    names = {folder.name.casefold(), *(parent.name.rsplit("--", 1)[-1].casefold() for parent in folder.parents[:2])}
    return next((known for known in CHECKPOINTS if known.name.casefold() in names), None)


def name_of(folder: str) -> str:
    """What to call the checkpoint in this folder."""
    known = checkpoint_at(Path(folder))
    return known.name if known and known.shipped else Path(folder).name


def licence_of(folder: str) -> str:
    """Licence and restriction of the checkpoint in a folder; DUSt3R's own for any DUSt3R that is not registered."""
    known = checkpoint_at(Path(folder))
    if known is None and kind_of(Path(folder)) == "dust3r":
        known = DUST3R
    return known.terms if known else "unknown: see its model card"


def list_checkpoints(data: Path) -> list[dict[str, Any]]:
    """All registered checkpoints, suites first: their fields, `terms`, `suite` and `role` ("" for none), `installed`,
    `path` (where it is or goes), `problem` ("" if none). Files and size of shipped ones are those that were shipped."""
    rows = []
    for known in CHECKPOINTS:
        shipped = bool(known.shipped)
        try:
            path, installed, problem = find_installed(known, data), True, ""
        except UserError as error:
            path = shipped_folder(known) if shipped else models_folder(data) / known.name
            installed, problem = False, str(error)
        suite, role = place_of(known)
        row = {**vars(known), "terms": known.terms, "suite": suite, "role": role, "shipped": shipped}
        row |= {"installed": installed, "path": str(path), "problem": problem}
        if shipped and installed:
            files = shipped_files(known)
            row |= {"files": tuple(file.path for file in files), "size": sum(file.size for file in files)}
        rows.append(row)
    return rows


def list_suites(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name, title and `installed` (role -> bool) of each suite. rows: of `list_checkpoints`."""
    return [
        {
            "name": suite.name,
            "title": suite.title,
            "installed": {row["role"]: row["installed"] for row in rows if row["suite"] == suite.name},
        }
        for suite in SUITES
    ]


def kind_of(folder: Path) -> Kind | None:
    """Which class reads the weights in a folder, by its configuration. Raises UserError if that cannot be read."""
    if (folder / PIPELINE_INDEX).is_file():
        return _PIPELINES.get(str(_config(folder / PIPELINE_INDEX).get("_class_name")))
    config = _config(folder / "config.json")
    if config.get("model_type") == "depth_anything":
        return "depth-anything"
    return "dust3r" if "model_type" not in config and {"enc_embed_dim", "dec_depth"} & set(config) else None


def _config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.", advice="Copy the checkpoint again.") from error
    return config if isinstance(config, dict) else {}


def _check_folder(folder: Path, known: Checkpoint | None) -> None:
    names = {path.relative_to(folder).as_posix() for path in files_in(folder)}
    if not any(name.endswith(".safetensors") for name in names):
        unsafe = sorted(name for name in names if name.lower().endswith(UNSAFE_SUFFIXES))
        if unsafe:
            raise _unsafe(str(folder / unsafe[0]))
    usual = (PIPELINE_INDEX,) if PIPELINE_INDEX in names else ("config.json", "model.safetensors")
    missing = [name for name in (known.files if known else usual) if name not in names]
    if missing:
        where = f" (from https://huggingface.co/{known.hub})" if known else ""
        more = f" and {len(missing) - 3} more files" if len(missing) > 3 else ""
        raise UserError(
            f"The checkpoint {folder} lacks {', '.join(missing[:3])}{more}.", advice=f"Copy it there{where}."
        )


def _unsafe(name: str) -> UserError:
    return UserError(
        f"{name} is refused: files of this kind can run code when they are opened.",
        advice="Use the checkpoint's safetensors files: a folder with config.json and model.safetensors.",
    )


def what_to_copy(files: tuple[str, ...]) -> str:
    """The files that a checkpoint's folder must hold, in words: a pipeline's parts by their folders."""
    parts = sorted({name.partition("/")[0] for name in files if "/" in name})
    single = ", ".join(name for name in files if "/" not in name)
    return f"{single} and the folders {', '.join(parts)}" if parts else single


def _missing(asked: str, known: Checkpoint | None, folder: Path) -> UserError:
    if known is None:
        names = ", ".join(one.name for one in CHECKPOINTS)
        return UserError(
            f"There is no checkpoint {asked!r} on this machine.",
            advice=f"Put its config.json and model.safetensors into {folder}, or name one of: {names}. "
            f"{WITHOUT_GEOMETRY}.",
        )
    return UserError(
        f"The weights {known.name} ({known.title}, licence {known.terms}, {size_in_words(known.size)}) are not on this "
        "machine.",
        advice=f"Download {what_to_copy(known.files)} from https://huggingface.co/{known.hub} into {folder}. "
        f"{_without(known)}.",
    )


def _without(known: Checkpoint | None) -> str:
    return WITHOUT_GENERATION if known and known.kind in _PIPELINES.values() else WITHOUT_GEOMETRY


def _in_hub_cache(hub: str, known: Checkpoint | None) -> Path | None:
    """The newest complete snapshot in the hub's cache, without asking the network."""
    if hub.count("/") != 1:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub, known.files[0] if known else "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _download(hub: str, known: Checkpoint | None) -> Path | None:
    if hub.count("/") != 1:
        return None
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub, allow_patterns=list(known.files) if known else ["*.json", "*.safetensors"]))
    except Exception as error:  # any of the hub's, the network's or the disk's errors
        raise UserError(
            f"{hub} could not be downloaded: {str(error).splitlines()[0] if str(error) else type(error).__name__}.",
            advice=f"Check the network, or copy the files by hand. {_without(known)}.",
        ) from error
