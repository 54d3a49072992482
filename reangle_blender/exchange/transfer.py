# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a job: gathered, uploaded, downloaded and read. Runs in threads; no bpy."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.camera import scale_intrinsics
from ..core.client import Client, RefusedError
from ..core.cloud import Cloud
from ..core.contract import CameraPath, Clip, GeometrySettings, JobEvent, JobRequest, JobStatus, from_data
from ..core.contract.migration import migrated_geometry
from ..core.contract.wire import parse
from ..core.errors import UserError
from ..core.files import Progress, check_cancel, file_refs

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".bmp", ".webp"}
DEPTH_SUFFIXES = {".exr", ".png", ".npz", ".npy"}
COLMAP_FILES = {
    f"{name}{end}" for name in ("cameras", "images", "points3d", "rigs", "frames") for end in (".txt", ".bin")
}


@dataclass(frozen=True)
class Place:
    """A local file by its content."""

    sha256: str
    path: str


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


@dataclass(frozen=True, eq=False)
class Shot:
    """A fetched import, or the first guess of a running one, in memory but for the frames.

    job: id of the import. folder: of its files. frames: folder of the clip's frames, None until they are fetched.
    frame_count: of the clip; path (the clip's camera) and cloud have fewer frames in a first guess.
    about: what is known of camera and depth, one line each.
    """

    job: str
    title: str
    folder: Path
    frames: Path | None
    frame_count: int
    path: CameraPath
    cloud: Cloud
    is_glance: bool = False
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class LearningProgress:
    """text: training step, loss, speed and time left. preview_image: file of the latest image of the model's output."""

    text: str
    preview_image: Path | None


@dataclass(frozen=True)
class ClipChoice:
    """The artist's choices of step 1 as plain values.

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
    return Path(path).suffix.lower() not in IMAGE_SUFFIXES


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sort key that puts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part.casefold()) for part in re.split(r"(\d+)", name)]


def clip_files(path: Path) -> list[Path]:
    """The movie, or all images of the chosen image's sequence: their names differ in the last number only."""
    if not path.is_file():
        raise UserError(f"There is no file {path}.", advice="Choose the clip again.")
    if is_movie(path):
        return [path]
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", path.name)
    if match is None:
        return [path]
    same = re.compile(re.escape(match[1]) + r"\d+" + re.escape(match[3]))
    return sorted(
        (item for item in path.parent.iterdir() if same.fullmatch(item.name)), key=lambda f: natural_key(f.name)
    )


def geometry_files(folder: Path | None, *, camera: bool, depth: bool) -> list[Path]:
    """Camera files, depth maps or both, directly in the folder."""
    if not (camera or depth):
        return []
    wanted = " and ".join(name for name, chosen in (("the depth maps", depth), ("the camera", camera)) if chosen)
    if folder is None or not folder.is_dir():
        raise UserError(
            "No folder is chosen for Files." if folder is None else f"There is no folder {folder}.",
            advice=f"Choose the folder with {wanted} of this clip.",
        )
    files = sorted((item for item in folder.iterdir() if item.is_file()), key=lambda item: natural_key(item.name))
    cameras = [item for item in files if item.suffix.lower() == ".json" or item.name.lower() in COLMAP_FILES]
    maps = [item for item in files if item.suffix.lower() in DEPTH_SUFFIXES]
    if depth and not maps:
        raise UserError(
            f"There are no depth maps in {folder}.", advice="Choose a folder with EXR, 16-bit PNG or npz depth."
        )
    if camera and not cameras:
        raise UserError(
            f"There is no camera in {folder}.", advice="Choose a folder with a camera as JSON or from COLMAP."
        )
    return [*(maps if depth else []), *(cameras if camera else [])]


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
    return Material(clip, geometry, tuple(Place(sha256, str(path)) for sha256, path in places.items()))


def send(
    client: Client, request: JobRequest, places: tuple[Place, ...], progress: Progress | None, cancel: threading.Event
) -> JobStatus:
    """Upload the files that the backend lacks, and submit the job. Raises UserError, CanceledError."""
    client.upload({place.sha256: Path(place.path) for place in places}, progress=progress, cancel=cancel)
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


def fetch_shot(client: Client, job: str, title: str, folder: Path, progress: Progress, cancel: threading.Event) -> Shot:
    """Download the frames and the geometry of an import, and read them. Raises UserError, CanceledError."""
    results = {result.name: result for result in client.results(job)}
    for name, wanted in _WANTED.items():
        if name not in results:
            if name == "camera":
                continue
            raise UserError(f"The backend has no {name} for this job.", advice="Import the clip again.")
        client.download(
            job, results[name], folder / name, wanted=lambda path, ends=wanted: path.endswith(ends),
            progress=progress, cancel=cancel,
        )  # fmt: skip
    return read_shot(job, title, folder)


_WANTED = {"source": ("",), "camera": ("camera.json",), "geometry": ("cloud.npz", "geometry.json")}
"""Ends of the files of each result that an import fetches."""


def fetch_glance(client: Client, job: str, title: str, folder: Path, cancel: threading.Event) -> Shot | None:
    """Download and read the first guess of a running import; None if there is none yet, or something better."""
    results = {result.name: result for result in client.results(job)}
    if "geometry" in results or not {"source", "glance"} <= results.keys():
        return None
    for name, end in (("source", "clip.json"), ("glance", "cloud.npz")):
        wanted = lambda path, end=end: path.endswith(end)  # noqa: E731
        client.download(job, results[name], folder / name, wanted=wanted, cancel=cancel)
    return read_shot(job, title, folder, is_glance=True)


def read_shot(job: str, title: str, folder: Path, *, is_glance: bool = False) -> Shot:
    """Read a fetched import, or its first guess, from its folder. Raises UserError if files are missing or damaged."""
    cloud = Cloud.load(folder / ("glance" if is_glance else "geometry") / "cloud.npz")
    try:
        about = _read_json(folder / "source" / "clip.json")
        width, height, fps = int(about["width"]), int(about["height"]), float(about["fps"])
        frame_count = int(about["frames"]) if is_glance else cloud.frame_count
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The clip in {folder} cannot be read: {error}.", advice="Import the clip again.") from error
    path = CameraPath(
        name="source",
        fps=fps,
        width=width,
        height=height,
        frames=tuple(range(cloud.frame_count)),
        world_from_camera=cloud.world_from_camera.tolist(),
        K=scale_intrinsics(cloud.K, cloud.size, (width, height)).tolist(),
    )
    frames = None if is_glance else folder / "source" / "frames"
    return Shot(job, title, folder, frames, frame_count, path, cloud, is_glance, _about(folder, path, is_glance))


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _about(folder: Path, path: CameraPath, is_glance: bool) -> tuple[str, ...]:
    """What the backend says of camera and depth, one line each; less if files of it are missing."""
    if is_glance:
        return ("First guess of the depth; camera and depth are being refined.",)
    K = np.asarray(path.K)
    fov = np.degrees(2 * np.arctan(path.width / 2 / K[:, 0, 0]))
    lens = f"{fov[0]:.1f} degrees wide" if np.ptp(fov) < 0.05 else f"{fov.min():.1f} to {fov.max():.1f} degrees wide"
    lines = [f"Lens: {lens}"]
    try:
        camera = _read_json(folder / "camera" / "camera.json")
        lines[0] += f", {camera['lens_source']}"
        lines.insert(0, f"Camera: {camera['source']}, {camera['motion']}")
    except (OSError, ValueError, KeyError):
        pass  # a backend without a stage of its own for the camera
    try:
        geometry = _read_json(folder / "geometry" / "geometry.json")
        lines.append(f"Unit: {'metres' if geometry['scale'] == 'metric' else 'arbitrary'}")
        lines += [str(note) for note in geometry["notes"]]
    except (OSError, ValueError, KeyError):
        pass  # imported by an older add-on
    return tuple(lines)


def fetch_cameras(
    client: Client, job: str, folder: Path, progress: Progress, cancel: threading.Event
) -> dict[str, Path]:
    """Download the results of all cameras of a job; returns their folders by name. Raises UserError, CanceledError."""
    results = [result for result in client.results(job) if result.name.startswith("cameras/")]
    total = sum(file.size for result in results for file in result.files)
    done = 0
    places = {}
    for result in results:
        before = done
        name = result.name.removeprefix("cameras/")
        places[name] = folder / name
        client.download(
            job, result, places[name], progress=lambda size, _, before=before: progress(before + size, total),
            cancel=cancel,
        )  # fmt: skip
        done += sum(file.size for file in result.files)
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
