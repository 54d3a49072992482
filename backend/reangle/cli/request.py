# SPDX-License-Identifier: Apache-2.0
"""From command-line options to the contract's classes. Files are copied into the store."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from reangle.cli.settings import settings_of
from reangle.contract import CameraPath, Clip, ContractError, FileRef, GeometrySettings, SourceCamera, from_json
from reangle.contract.file_kinds import IMAGE_SUFFIXES, is_camera_file, is_depth_map
from reangle.contract.geometry_folders import collect_camera_files, collect_geometry_files
from reangle.contract.migration import camera_and_depth
from reangle.contract.moves import Move
from reangle.contract.sequences import names_for_upload, sequence_of
from reangle.errors import UserError
from reangle.geometry.choose import AUTO, camera_weights, choose, depth_weights
from reangle.media.sniff import MOVIES, sniff
from reangle.runtime.data_folder import user_path
from reangle.runtime.store import Store
from reangle.warping.moves import BulletTime, parse_bullet_time, parse_move

T = TypeVar("T")


def read_geometry(options: Namespace, store: Store) -> GeometrySettings:
    """GeometrySettings of `--camera`, `--depth` or `--geometry`. Raises UserError at once if weights are missing."""
    camera, depth = camera_and_depth_options(options)
    camera, _, camera_place = camera.partition(":")
    depth, _, depth_place = depth.partition(":")
    given = None
    if camera == "given" and camera_place:
        given = _given_camera(user_path(camera_place))
        camera_place = ""
    for option, name, place in (("camera", camera, camera_place), ("depth", depth, depth_place)):
        if place and name != "files":
            raise UserError(f"--{option} {name} takes no folder.", advice=f"Write --{option} files:FOLDER.")
    if (depth == "files" and not depth_place) or (camera == "files" and not (camera_place or depth_place)):
        option = "depth" if depth == "files" else "camera"
        raise UserError(f"--{option} files needs a folder.", advice=f"Write --{option} files:FOLDER.")
    paths = collect_geometry_files(user_path(depth_place)) if depth_place else []
    if camera_place and camera_place != depth_place:
        # Only depth maps come from the depth's folder then.
        paths = [path for path in paths if is_depth_map(path.name)]
        paths += collect_camera_files(user_path(camera_place))
    files = _file_refs(paths, store)
    settings = checked(
        "The geometry options",
        lambda: GeometrySettings(camera, depth, files, given, **settings_of(options, GeometrySettings)),
    )
    choice = choose(settings, store.root)
    camera_weights(choice, settings, store.root)
    depth_weights(choice, settings, store.root)
    return settings


def camera_and_depth_options(options: Namespace, default: str = AUTO) -> tuple[str, str]:
    """The values of `--camera` and `--depth`, each a name or NAME:PLACE; `--geometry X` stands for both.

    Raises UserError if `--geometry` is given beside one of the others.
    """
    if options.geometry is None:
        return options.camera or default, options.depth or default
    if options.camera or options.depth:
        raise UserError(
            "--geometry stands for both --camera and --depth, so it cannot be given beside them.",
            advice="Leave --geometry out.",
        )
    name, colon, place = options.geometry.partition(":")
    beside = collect_geometry_files(user_path(place)) if name == "files" and place else []
    has_camera = not beside or any(is_camera_file(path.name) for path in beside)
    camera, depth = camera_and_depth(name, camera_file=has_camera)
    return camera, f"{depth}{colon}{place}"


def _given_camera(path: Path) -> SourceCamera:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The camera file {path} cannot be read.", advice="Check its name and permissions.") from error
    return checked(f"The camera file {path}", lambda: from_json(SourceCamera, text, ignore_unknown=True))


def read_clip(options: Namespace, store: Store) -> Clip:
    """The Clip of `--clip` and its options. Raises UserError before anything else is copied."""
    paths = _clip_files([user_path(name) for name in options.clip])
    for path in paths:
        sniff(path.name, path)
    width, height = _size(options.size) if options.size else (None, None)

    def make() -> Clip:
        return Clip(files=_file_refs(paths, store), width=width, height=height, **settings_of(options, Clip))

    return checked("The clip", make)


def rest_of_sequence(options: Namespace) -> int:
    """How many images of its sequence lie beside the only file of `--clip`; 0 if that is no image."""
    path = user_path(options.clip[0])
    if len(options.clip) > 1 or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
        return 0
    return len(sequence_of(path.name, [item.name for item in path.parent.iterdir() if item.is_file()])) - 1


def _file_refs(paths: Sequence[Path], store: Store) -> tuple[FileRef, ...]:
    """Copy files into the store. Names only tell kind and order, so one that the contract refuses is changed."""
    return tuple(store.add_file(path, name) for path, name in zip(paths, names_for_upload(paths), strict=True))


def read_cameras(options: Namespace) -> tuple[list[CameraPath], list[Move | BulletTime]]:
    """The camera files of `--path`, and the moves and views. Raises UserError if there is none at all."""
    paths = [_camera_path(user_path(name)) for name in options.path]
    moves: list[Move | BulletTime] = [parse_move(text, held=False) for text in options.move]
    moves += [parse_move(text, held=True) for text in options.view]
    moves += [parse_bullet_time(text) for text in options.bullet_time]
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
                f"There are no images in {folder} that can be read.", advice="Give a movie or a folder of images."
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
