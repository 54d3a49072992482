# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a job: gathered, uploaded and downloaded. Runs in threads; no bpy."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from ..core.client import Client, RefusedError
from ..core.contract import Clip, GeometrySettings, JobEvent, JobRequest, JobStatus, from_data
from ..core.contract.errors import printable
from ..core.contract.file_kinds import IMAGE_SUFFIXES, is_camera_file
from ..core.contract.geometry_folders import collect_camera_files, collect_geometry_files
from ..core.contract.migration import migrated_geometry
from ..core.contract.sequences import sequence_of
from ..core.contract.wire import parse
from ..core.errors import UserError
from ..core.files import Progress, check_cancel, file_refs

_URI = "file://"
UNREADABLE_SUFFIXES = {".gif", ".psd", ".hdr", ".cin", ".jp2", ".sgi", ".heic", ".avif"}


@dataclass(frozen=True)
class Place:
    """A local file by its content. path: as Unicode, so one that is not UTF-8 is a file URI."""

    sha256: str
    path: str

    @classmethod
    def of(cls, sha256: str, file: Path) -> Place:
        text = str(file)
        return cls(sha256, text if printable(text) == text else file.absolute().as_uri())

    @property
    def file(self) -> Path:
        if self.path.startswith(_URI):
            return Path(os.fsdecode(unquote_to_bytes(self.path.removeprefix(_URI))))
        return Path(self.path)


@dataclass(frozen=True)
class Material:
    """A clip and its geometry in the contract's terms, with their local files. Saved in the scene as JSON."""

    clip: Clip
    geometry: GeometrySettings
    places: tuple[Place, ...] = ()


def read_material(text: str) -> Material:
    """The material that a scene saved. One of contract version 2 is of this version. Raises ContractError."""
    saved = parse(text)
    return from_data(Material, {**saved, "geometry": migrated_geometry(saved["geometry"])})


def clip_digest(clip: Clip) -> str:
    """Identifies a clip by its files, whichever part of it is used."""
    return hashlib.sha256("".join(file.sha256 for file in clip.files).encode()).hexdigest()


@dataclass(frozen=True)
class LearningProgress:
    """text: training step, loss, speed and time left. preview_image: file of the latest image of the model's output."""

    text: str
    preview_image: Path | None


@dataclass(frozen=True)
class ClipChoice:
    """The artist's choices of the Clip panel as plain values.

    frames: 0 is all. size: (width, height), None is the clip's. geometry: without files. camera_files, depth_files:
    whether the camera and the depth come from those of geometry_folder.
    """

    path: Path
    start: int
    frames: int
    size: tuple[int, int] | None
    sequence_fps: float
    geometry: GeometrySettings
    camera_files: bool
    depth_files: bool
    geometry_folder: Path | None


def is_movie(path: str | Path) -> bool:
    return Path(path).suffix.lower() not in {*IMAGE_SUFFIXES, *UNREADABLE_SUFFIXES}


def clip_files(path: Path) -> list[Path]:
    """The movie, or all images of the chosen image's sequence in order: their names differ in one number only."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.", advice="Choose the clip again.")
    if is_movie(path):
        return [path]
    if path.suffix.lower() in UNREADABLE_SUFFIXES:
        raise UserError(
            f"{path.name} is no image that Reangle can read.",
            advice="Choose a PNG, JPEG, EXR, TIFF, DPX, TGA, BMP or WebP image, or a movie.",
        )
    names = [item.name for item in path.parent.iterdir() if item.is_file()]
    return [path.with_name(name) for name in sequence_of(path.name, names)]


def geometry_files(folder: Path | None, *, camera: bool, depth: bool) -> list[Path]:
    """What camera or depth from files need of the files in the folder.

    Depth maps go with camera files, which say how they store depth.
    """
    if not (camera or depth):
        return []
    if folder is None:
        wanted = " and ".join(name for name, chosen in (("the depth maps", depth), ("the camera", camera)) if chosen)
        raise UserError("No folder is chosen for Files.", advice=f"Choose the folder with {wanted} of this clip.")
    files = collect_geometry_files(folder) if depth else collect_camera_files(folder)
    if camera and not any(is_camera_file(item.name) for item in files):
        raise UserError(
            f"There is no camera in {folder}.",
            advice="Choose a folder with a camera as JSON, or a scene of COLMAP or MonST3R.",
        )
    return files


def gather(choice: ClipChoice, progress: Progress | None, cancel: threading.Event | None) -> Material:
    """Find and hash the files of a choice. Raises UserError for missing files, CanceledError."""
    clip_paths = clip_files(choice.path)
    depth_paths = geometry_files(choice.geometry_folder, camera=choice.camera_files, depth=choice.depth_files)
    refs, places = file_refs([*clip_paths, *depth_paths], progress=progress, cancel=cancel)
    width, height = choice.size or (None, None)
    clip = Clip(
        files=refs[: len(clip_paths)],
        start=choice.start,
        frames=choice.frames or None,
        width=width,
        height=height,
        fps=None if is_movie(choice.path) else choice.sequence_fps,
    )
    geometry = replace(choice.geometry, files=refs[len(clip_paths) :])
    return Material(clip, geometry, tuple(Place.of(sha256, path) for sha256, path in places.items()))


def places_at_hand(places: Sequence[Place], near: Sequence[Path]) -> tuple[Place, ...]:
    """Those files that are there, also ones that were moved with the project. near: folders of the clip as it is now.
    The backend compares what it gets with the hash.
    """
    found: list[Place] = []
    for place in places:
        file = place.file
        there = next((item for item in (file, *(folder / file.name for folder in near)) if item.is_file()), None)
        if there is not None:
            found.append(Place.of(place.sha256, there))
    return tuple(found)


def send(
    client: Client, request: JobRequest, places: tuple[Place, ...], progress: Progress | None, cancel: threading.Event
) -> JobStatus:
    """Upload the files that the backend lacks, and submit the job. Raises UserError, CanceledError."""
    client.upload({place.sha256: place.file for place in places}, progress=progress, cancel=cancel)
    check_cancel(cancel)
    try:
        return client.submit(request)
    except RefusedError as error:
        names = [ref.name for ref in request.file_refs() if ref.sha256 in error.missing]
        if not names:
            raise
        raise UserError(
            f"The backend lacks {names[0]} of this clip, and the file has been moved or deleted.",
            advice="Import the clip again.",
        ) from error


def fetch_cameras(
    client: Client, job: str, folder: Path, progress: Progress, cancel: threading.Event
) -> dict[str, Path]:
    """Download the results of all cameras of a job; returns their folders by name. Raises UserError, CanceledError."""
    return fetch_results(client, job, "cameras/", folder, progress, cancel)


def fetch_results(
    client: Client,
    job: str,
    kind: str,
    folder: Path,
    progress: Progress,
    cancel: threading.Event,
    *,
    wanted: Callable[[str], bool] = lambda path: True,
) -> dict[str, Path]:
    """Download the results whose names begin with `kind`, such as "cameras/"; returns their folders by the rest of the
    name. wanted(path) chooses files. Raises UserError, CanceledError."""
    results = [result for result in client.results(job) if result.name.startswith(kind)]
    sizes = [sum(file.size for file in result.files if wanted(file.path)) for result in results]
    done = 0
    places = {}
    for result, size in zip(results, sizes, strict=True):
        name = result.name.removeprefix(kind)
        places[name] = folder / name
        client.download(
            job, result, places[name], wanted=wanted, cancel=cancel,
            progress=lambda count, _, before=done: progress(before + count, sum(sizes)),
        )  # fmt: skip
        done += size
    return places


def learning_progress(events: Sequence[JobEvent], folder: Path) -> LearningProgress | None:
    """The latest training progress among the events, its preview image written into `folder`; None without any.

    An image that cannot be written is left out.
    """
    training = [event for event in events if event.loss is not None]
    if not training:
        return None
    preview_image = None
    for event in training:
        if event.picture is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"learning-{event.n:06d}.png"
                path.write_bytes(base64.b64decode(event.picture))
            except (OSError, ValueError):
                continue
            preview_image = path
    return LearningProgress(training[-1].message or "", preview_image)
