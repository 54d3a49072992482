# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of an import are fetched, and what is read of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from reangle_blender.core.client import Client
from reangle_blender.core.contract import Result, ResultFile
from reangle_blender.core.errors import UserError
from reangle_blender.exchange import fetched_shot

FRAMES = [f"{number:06d}.png" for number in (1, 2, 3)]


class Backend:
    """Has the results of an import; `download` copies what is wanted."""

    def __init__(self, folder: Path, results: dict[str, list[str]]) -> None:
        self.folder, self.published = folder, results
        for name, files in results.items():
            for file in files:
                path = folder / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
        self.fetched: list[str] = []

    def results(self, _job: str) -> tuple[Result, ...]:
        return tuple(
            Result(name, tuple(ResultFile(file, "0" * 64, 0) for file in files))
            for name, files in self.published.items()
        )

    def download(self, _job: str, result: Result, folder: Path, *, wanted: Callable[[str], bool], **_: object) -> None:
        for file in result.files:
            if wanted(file.path):
                self.fetched.append(f"{result.name}/{file.path}")
                place = folder / file.path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes((self.folder / result.name / file.path).read_bytes())


def published(tmp_path: Path, *, undistorted: bool = False) -> Backend:
    camera = ["camera.json", "camera.npz"]
    if undistorted:
        camera += ["undistorted/clip.json", *(f"undistorted/frames/{name}" for name in FRAMES)]
    backend = Backend(
        tmp_path / "backend",
        {
            "source": ["clip.json", *(f"frames/{name}" for name in FRAMES)],
            "glance": ["cloud.npz", "depth.npy"],
            "camera": camera,
            "geometry": ["cloud.npz", "depth.npy", "geometry.json"],
        },
    )
    clip = {"width": 64, "height": 48, "fps": 24.0, "frames": 3}
    (backend.folder / "source" / "clip.json").write_text(json.dumps(clip))
    about = {"source": "solve", "motion": "turning", "lens_source": "solved"}
    (backend.folder / "camera" / "camera.json").write_text(json.dumps(about))
    about = {"depth_from": "mini", "scale": "relative", "notes": ["One note."]}
    (backend.folder / "geometry" / "geometry.json").write_text(json.dumps(about))
    for name, count in (("glance", 1), ("geometry", 3)):
        K = np.array([[16.0, 0, 16], [0, 16, 12], [0, 0, 1]])
        np.savez(
            backend.folder / name / "cloud.npz",
            depth=np.ones((count, 24, 32), np.float32),
            rgb=np.zeros((count, 24, 32, 3), np.uint8),
            K=np.tile(K, (count, 1, 1)),
            world_from_camera=np.tile(np.eye(4), (count, 1, 1)),
            dynamic=np.zeros((count, 24, 32), bool),
        )
    return backend


def fetch(backend: Backend, folder: Path) -> fetched_shot.Shot:
    client = cast(Client, backend)
    return fetched_shot.fetch_shot(client, "1" * 32, "Clip", folder, lambda *_: None, threading.Event())


def test_an_import_has_frames_cloud_and_what_is_known(tmp_path: Path) -> None:
    backend = published(tmp_path)
    shot = fetch(backend, tmp_path / "job")
    assert shot.frames is not None
    assert sorted(path.name for path in shot.frames.iterdir()) == FRAMES
    assert not any(name.startswith("glance/") or name.endswith(".npy") for name in backend.fetched)
    assert (shot.is_glance, shot.frame_count, shot.path.width) == (False, 3, 64)
    about = shot.about
    assert about is not None
    assert about.fov_deg == pytest.approx((90, 90))
    assert (about.camera, about.motion, about.lens_source) == ("solve", "turning", "solved")
    assert (about.depth, about.scale, about.notes) == ("mini", "relative", ("One note.",))


def test_frames_without_distortion_replace_the_clips_own(tmp_path: Path) -> None:
    backend = published(tmp_path, undistorted=True)
    shot = fetch(backend, tmp_path / "job")
    assert shot.frames == tmp_path / "job" / "camera" / "undistorted" / "frames"
    assert sorted(path.name for path in shot.frames.iterdir()) == FRAMES
    assert [name for name in backend.fetched if name.startswith("source/")] == ["source/clip.json"]
    assert fetched_shot.clip_frames(tmp_path / "job") == shot.frames


def test_a_first_guess_is_fetched_only_before_the_geometry(tmp_path: Path) -> None:
    backend, folder = published(tmp_path), tmp_path / "job"
    client, event = cast(Client, backend), threading.Event()
    assert fetched_shot.fetch_glance(client, "1" * 32, "Clip", folder, event) is None
    del backend.published["geometry"]
    shot = fetched_shot.fetch_glance(client, "1" * 32, "Clip", folder, event)
    assert shot is not None
    assert (shot.is_glance, shot.frames, shot.frame_count, shot.cloud.frame_count) == (True, None, 3, 1)
    assert backend.fetched == ["source/clip.json", "glance/cloud.npz"]
    with pytest.raises(UserError, match="no geometry"):
        fetch(backend, folder)
