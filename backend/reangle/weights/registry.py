# SPDX-License-Identifier: Apache-2.0
"""Folders of weights on this machine, and advice for missing ones.

Nothing here asks the network or imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reangle.errors import UserError
from reangle.runtime.data_folder import user_path
from reangle.weights.checkpoints import CHECKPOINTS, DUST3R_LARGE, Checkpoint, size_in_words
from reangle.weights.hub_cache import in_hub_cache
from reangle.weights.identity import PIPELINE_INDEX, files_in, split_checkpoints
from reangle.weights.kinds import DUST3R, KINDS, Kind, Role
from reangle.weights.shipped import check_shipped, shipped_at, shipped_files, shipped_folder
from reangle.weights.suites import SUITES, known_checkpoint, suites_of

WITHOUT: dict[Role, str] = {
    "geometry": "Without it, geometry `mini` works, and depth from files (geometry `files`: EXR Z, 16-bit PNG or npz)",
    "video": "Without it, the engine `preview` works, which needs no weights",
    "inpainting": "Without it, the engines `preview` and `reangle` work with what comes with Reangle",
    "image": "Without it, the image models `mini` and `fill` work, and the engine `preview`, which needs no weights",
    "features": "Without it, starting images are judged by the features of the mini depth network",
}
"""What works without a checkpoint of each role."""
SHARD_INDEX = ".safetensors.index.json"
"""End of the name of a file that lists the files into which weights are split."""
UNSAFE_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")


def models_folder(data: Path) -> Path:
    """Where weights are put. data: the data folder."""
    return data / "models"


def find_checkpoint(name_or_path: str, data: Path) -> Path:
    """The folder of a checkpoint: a name that `known_checkpoint` knows, a folder, or a hub name in the hub's cache.

    Weights that come with Reangle are compared with `suite.json`. Others are looked up in `data/models` and in the
    hub's cache. Raises UserError, with what to do and what works without them, for weights that are missing,
    incomplete, not safetensors, or shipped and changed.
    """
    known = known_checkpoint(name_or_path)
    if known is not None and known.shipped:
        return check_shipped(known)
    given = user_path(name_or_path)
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
    cached = in_hub_cache(hub, known)
    if cached is not None:
        _check_folder(cached, known)
        return cached
    raise _missing(name_or_path, known, models_folder(data) / tail)


def find_installed(known: Checkpoint, data: Path) -> Path:
    """The folder of a registered checkpoint. Raises UserError if it is missing, incomplete or changed."""
    if known.shipped:
        return check_shipped(known)
    folder = locate(known, data)
    if folder is None:
        raise _missing(known.name, known, models_folder(data) / known.name)
    _check_folder(folder, known)
    return folder.absolute()


def is_installed(known: Checkpoint, data: Path) -> bool:
    """Whether a registered checkpoint is on this machine, whole and unchanged."""
    try:
        find_installed(known, data)
    except UserError:
        return False
    return True


def locate(known: Checkpoint, data: Path) -> Path | None:
    """Folder of a registered checkpoint, complete or not; None if it is not on this machine."""
    folder = shipped_folder(known) if known.shipped else models_folder(data) / known.name
    return folder if folder.is_dir() or known.shipped else in_hub_cache(known.hub, known)


def check_weights(checkpoint: str) -> None:
    """Raise UserError if one of a stage's checkpoints ships with Reangle and has changed."""
    for folder in split_checkpoints(checkpoint):
        if shipped := shipped_at(Path(folder)):
            check_shipped(shipped)


def checkpoint_at(folder: Path) -> Checkpoint | None:
    """The registered checkpoint in this folder, recognised by the folder's name."""
    if shipped := shipped_at(folder):
        return shipped
    # A folder in the hub's cache is models--owner--name/snapshots/REVISION.
    names = {folder.name.casefold(), *(parent.name.rsplit("--", 1)[-1].casefold() for parent in folder.parents[:2])}
    return next((known for known in CHECKPOINTS if known.name.casefold() in names), None)


def name_of(folder: str) -> str:
    """The display name of the checkpoint in this folder."""
    known = checkpoint_at(Path(folder))
    return known.name if known and known.shipped else Path(folder).name


def licence_of(folder: str) -> str:
    """Licence and restriction of the checkpoint in a folder; DUSt3R's own for any DUSt3R that is not registered."""
    known = checkpoint_at(Path(folder))
    if known is None and kind_of(Path(folder)) is DUST3R:
        known = DUST3R_LARGE
    return known.terms if known else "unknown: see its model card"


def list_checkpoints(data: Path) -> list[dict[str, Any]]:
    """All registered checkpoints, ready for JSON.

    Fields as in Checkpoint, with `licence` in words; also role, commercial_ok, suites (names), installed, path
    (where it is or goes) and problem ("" if none). For shipped weights, `suite.json` gives files and size.
    """
    return [describe(known, data) for known in CHECKPOINTS]


def describe(known: Checkpoint, data: Path) -> dict[str, Any]:
    """A registered checkpoint as a row of `list_checkpoints`."""
    files, size = known.files, known.size
    try:
        path, problem = find_installed(known, data), ""
        if known.shipped:
            listed = shipped_files(known)
            files, size = tuple(file.path for file in listed), sum(file.size for file in listed)
    except UserError as error:
        path, problem = shipped_folder(known) if known.shipped else models_folder(data) / known.name, str(error)
    return {
        "name": known.name,
        "kind": known.kind.name,
        "role": known.kind.role,
        "title": known.title,
        "licence": known.terms,
        "commercial_ok": known.licence.commercial_ok,
        "hub": known.hub,
        "files": files,
        "size": size,
        "limits": known.limits,
        "suites": tuple(suite.name for suite in suites_of(known)),
        "shipped": bool(known.shipped),
        "installed": not problem,
        "path": str(path),
        "problem": problem,
    }


def list_suites(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name, title and `installed` (role -> bool) of each suite. rows: of `list_checkpoints`."""
    return [
        {
            "name": suite.name,
            "title": suite.title,
            "installed": _all_installed([row for row in rows if suite.name in row["suites"]]),
        }
        for suite in SUITES
    ]


def _all_installed(rows: list[dict[str, Any]]) -> dict[str, bool]:
    return {row["role"]: all(one["installed"] for one in rows if one["role"] == row["role"]) for row in rows}


def kind_of(folder: Path) -> Kind | None:
    """The kind of the weights in a folder, by its configuration. Raises UserError if that cannot be read."""
    if pipeline := pipeline_of(folder):
        kinds = (kind for kind in KINDS if kind.pipeline == pipeline and _has_marks(folder, kind))
        return next(kinds, None)
    config = _config(folder / "config.json")
    return next((kind for kind in KINDS if kind.matches(config)), None)


def pipeline_of(folder: Path) -> str:
    """The class that a pipeline's folder names; "" if the folder holds no pipeline. Raises UserError as `kind_of`."""
    index = folder / PIPELINE_INDEX
    return str(_config(index).get("_class_name") or "") if index.is_file() else ""


def what_to_copy(files: tuple[str, ...]) -> str:
    """The files that a checkpoint's folder must hold, in words; a pipeline's parts by their folders."""
    parts = sorted({name.partition("/")[0] for name in files if "/" in name})
    single = ", ".join(name for name in files if "/" not in name)
    return f"{single} and the folders {', '.join(parts)}" if parts else single


def shards_of(index: Path) -> set[str]:
    """The files that a safetensors index names, as paths from the folder above the index's own. Raises UserError."""
    named = _config(index).get("weight_map")
    return {f"{index.parent.name}/{name}" for name in named.values()} if isinstance(named, dict) else set()


def _has_marks(folder: Path, kind: Kind) -> bool:
    """Whether a pipeline's folder sets what its kind asks for."""
    if kind.index and not _config(folder / PIPELINE_INDEX).get(kind.index):
        return False
    if kind.part is None:
        return True
    part, key = kind.part
    config = folder / part / "config.json"
    return config.is_file() and _config(config).get(key) is not None


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
    needed = list(known.files if known else usual)
    for index in sorted(name for name in names if name.endswith(SHARD_INDEX) and "/" in name):
        needed += sorted(shards_of(folder / index) - set(needed))
    missing = [name for name in needed if name not in names]
    if missing:
        where = f" (from {known.page})" if known else ""
        more = f" and {len(missing) - 3} more files" if len(missing) > 3 else ""
        raise UserError(
            f"The checkpoint {folder} lacks {', '.join(missing[:3])}{more}.", advice=f"Copy it there{where}."
        )


def _unsafe(name: str) -> UserError:
    return UserError(
        f"{name} is refused: files of this kind can run code when they are opened.",
        advice="Use the checkpoint's safetensors files: a folder with config.json and model.safetensors.",
    )


def _missing(name: str, known: Checkpoint | None, folder: Path) -> UserError:
    if known is None:
        names = ", ".join(one.name for one in CHECKPOINTS)
        return UserError(
            f"There is no checkpoint {name!r} on this machine.",
            advice=f"Put its config.json and model.safetensors into {folder}, or name one of: {names}. "
            f"{WITHOUT['geometry']}.",
        )
    return UserError(
        f"The weights {known.name} ({known.title}, licence {known.terms}, {size_in_words(known.size)}) are not on this "
        "machine.",
        advice=f"Run `reangle models download {known.name}`, or copy {what_to_copy(known.files)} from "
        f"{known.page} into {folder}. {WITHOUT[known.kind.role]}.",
    )
