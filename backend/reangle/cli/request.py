# SPDX-License-Identifier: Apache-2.0
"""From command-line options to the contract's classes. Files are copied into the store."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reangle.cli.settings import settings_of
from reangle.contract import CameraPath, Clip, ContractError, FileRef, GeometrySettings, from_json
from reangle.contract.migration import camera_and_depth
from reangle.contract.moves import Move
from reangle.errors import UserError
from reangle.geometry.depth.availability import provider_weights
from reangle.geometry.depth.files import collect_geometry_files
from reangle.geometry.depth.providers import provider_named
from reangle.media.sniff import MOVIES, sniff
from reangle.runtime.store import Store
from reangle.warping.moves import parse_move

IMAGE_SUFFIXES = (".png", ".exr", ".jpg", ".jpeg")

T = TypeVar("T")


def read_geometry(options: Namespace, store: Store) -> GeometrySettings:
    """GeometrySettings of `--geometry` and its options. Raises UserError at once if weights are missing."""
    provider, _, folder = options.geometry.partition(":")
    reads_files = "files" in provider_named(provider).settings
    if reads_files != bool(folder):
        what = "needs a folder" if reads_files else "takes no folder"
        raise UserError(f"--geometry {provider} {what}.", advice="Write --geometry files:FOLDER, or a name alone.")
    paths = collect_geometry_files(Path(folder).expanduser()) if folder else []
    files = tuple(store.add_file(path) for path in paths)
    settings = checked(
        "The geometry options",
        lambda: GeometrySettings(*camera_and_depth(provider), files, **settings_of(options, GeometrySettings)),
    )
    provider_weights(settings, store.root)
    return settings


def read_clip(options: Namespace, store: Store) -> Clip:
    """The Clip of `--clip` and its options. Raises UserError before anything else is copied."""
    paths = _clip_files([Path(name).expanduser() for name in options.clip])
    for path in paths:
        sniff(path.name, path)
    width, height = _size(options.size) if options.size else (None, None)

    def make() -> Clip:
        files: tuple[FileRef, ...] = tuple(store.add_file(path) for path in paths)
        return Clip(files=files, width=width, height=height, **settings_of(options, Clip))

    return checked("The clip", make)


def read_cameras(options: Namespace) -> tuple[list[CameraPath], list[Move]]:
    """The camera files of `--path`, and the moves and views. Raises UserError if there is none at all."""
    paths = [_camera_path(Path(name).expanduser()) for name in options.path]
    moves = [parse_move(text, held=False) for text in options.move]
    moves += [parse_move(text, held=True) for text in options.view]
    if not paths and not moves:
        raise UserError(
            "No camera was given.", advice="Add --move orbit-left:8, --view orbit-left:8 or --path camera.json."
        )
    return paths, moves


def checked(what: str, make: Callable[[], T]) -> T:
    """make(); a ContractError becomes a UserError that starts with `what`."""
    try:
        return make()
    except ContractError as error:
        raise UserError(f"{what} cannot be used: {error.message}", advice=error.advice) from error


def _camera_path(path: Path) -> CameraPath:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The camera file {path} cannot be read.", advice="Check its name and permissions.") from error
    return checked(f"The camera file {path}", lambda: from_json(CameraPath, text))


def _clip_files(paths: list[Path]) -> list[Path]:
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        images = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        )
        kinds = sorted({path.suffix.lower() for path in images})
        if not images:
            raise UserError(
                f"There are no PNG, EXR or JPEG images in {folder}.", advice="Give a movie or a folder of images."
            )
        if len(kinds) > 1:
            raise UserError(
                f"{folder} holds {' and '.join(kinds)} images.", advice="Keep the images of one sequence in the folder."
            )
        return images
    for path in paths:
        if not path.is_file():
            raise UserError(f"There is no file {path}.", advice="Check the clip's name.")
    if len(paths) > 1 and (movie := next((path for path in paths if sniff(path.name, path) in MOVIES), None)):
        raise UserError(f"{movie} is a movie among {len(paths)} files.", advice="Give one movie, or only images.")
    return paths


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UserError(f"{text!r} is not a size.", advice="Write width x height, such as --size 832x480.")
    return int(width), int(height)
