# SPDX-License-Identifier: GPL-3.0-or-later
"""A fetched import: the clip's camera, its depth as a cloud, and what is known of them. Runs in threads; no bpy."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.camera import scale_intrinsics
from ..core.client import Client
from ..core.cloud import Cloud
from ..core.contract import CameraPath
from ..core.errors import UserError
from ..core.files import Progress


@dataclass(frozen=True)
class About:
    """How the backend came to camera and depth; "" is unknown.

    camera, depth: names of the sources. motion, lens_source: of `camera.json`. fov_deg: the narrowest and the widest
    horizontal field of view. scale: "metric" or "relative". notes: sentences for the artist.
    """

    camera: str
    motion: str
    lens_source: str
    fov_deg: tuple[float, float]
    depth: str
    scale: str
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Shot:
    """A fetched import, or the first guess of a running one, in memory but for the frames.

    job: id of the import. folder: of its files. frames: folder of the clip's frames, None until they are fetched.
    frame_count: of the clip; path (the clip's camera) and cloud have fewer frames in a first guess. about: None for it.
    """

    job: str
    title: str
    folder: Path
    frames: Path | None
    frame_count: int
    path: CameraPath
    cloud: Cloud
    about: About | None = None

    @property
    def is_glance(self) -> bool:
        return self.about is None


def fetch_shot(client: Client, job: str, title: str, folder: Path, progress: Progress, cancel: threading.Event) -> Shot:
    """Download the frames and the geometry of an import, and read them. Raises UserError, CanceledError."""
    results = {result.name: result for result in client.results(job)}
    for name in ("source", "geometry"):
        if name not in results:
            raise UserError(f"The backend has no {name} for this job.", advice="Import the clip again.")
    camera = results.get("camera")
    is_undistorted = camera is not None and any(file.path.startswith(UNDISTORTED) for file in camera.files)
    starts = {
        "source": ("clip.json",) if is_undistorted else ("",),
        "camera": ("camera.json", f"{UNDISTORTED}frames/"),
        "geometry": ("cloud.npz", "geometry.json"),
    }
    for name, wanted in starts.items():
        if name in results:
            client.download(
                job, results[name], folder / name, wanted=lambda path, wanted=wanted: path.startswith(wanted),
                progress=progress, cancel=cancel,
            )  # fmt: skip
    return read_shot(job, title, folder)


UNDISTORTED = "undistorted/"
"""Where the camera's result has the clip without its lens's distortion, if that was found."""


def clip_frames(folder: Path) -> Path:
    """The folder with the frames of a fetched import, which its camera and geometry describe."""
    undistorted = folder / "camera" / UNDISTORTED / "frames"
    return undistorted if undistorted.is_dir() else folder / "source" / "frames"


def fetch_glance(client: Client, job: str, title: str, folder: Path, cancel: threading.Event) -> Shot | None:
    """Download and read the first guess of a running import; None if there is none yet, or something better."""
    results = {result.name: result for result in client.results(job)}
    if "geometry" in results or not {"source", "glance"} <= results.keys():
        return None
    for name, file in (("source", "clip.json"), ("glance", "cloud.npz")):
        client.download(
            job, results[name], folder / name, wanted=lambda path, file=file: path == file, cancel=cancel
        )  # fmt: skip
    return read_shot(job, title, folder, is_glance=True)


def read_shot(job: str, title: str, folder: Path, *, is_glance: bool = False) -> Shot:
    """Read a fetched import, or its first guess, from its folder. Raises UserError if files are missing or damaged."""
    cloud = Cloud.load(folder / ("glance" if is_glance else "geometry") / "cloud.npz")
    try:
        clip = json.loads((folder / "source" / "clip.json").read_text(encoding="utf-8"))
        width, height, fps = int(clip["width"]), int(clip["height"]), float(clip["fps"])
        frame_count = int(clip["frames"]) if is_glance else cloud.frame_count
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
    if is_glance:
        return Shot(job, title, folder, None, frame_count, path, cloud)
    return Shot(job, title, folder, clip_frames(folder), frame_count, path, cloud, _about(folder, path))


def _about(folder: Path, path: CameraPath) -> About:
    """What the backend's files say of an import; unknown where an older one left none."""
    K = np.asarray(path.K)
    fov = np.degrees(2 * np.arctan(path.width / 2 / K[:, 0, 0]))
    camera, geometry = _read_json(folder / "camera" / "camera.json"), _read_json(folder / "geometry" / "geometry.json")
    return About(
        camera=str(camera.get("source", "")),
        motion=str(camera.get("motion", "")),
        lens_source=str(camera.get("lens_source", "")),
        fov_deg=(float(fov.min()), float(fov.max())),
        depth=str(geometry.get("depth_from", "")),
        scale=str(geometry.get("scale", "")),
        notes=tuple(map(str, geometry.get("notes", ()))),
    )


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
