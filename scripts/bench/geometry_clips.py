# SPDX-License-Identifier: Apache-2.0
"""Clips to measure geometry on: the sample, generated scenes, scene folders, and clips whose truth nobody knows."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from reangle.contract import Clip
from reangle.contract.geometry_folders import collect_geometry_files
from reangle.evaluation.truth import TrueScene
from reangle.media.probe import probe_clip
from reangle.media.write import read_images
from reangle.runtime.store import Store

from scripts.environments import REPOSITORY
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene

SAMPLE = REPOSITORY / "scripts" / "sample" / "footage"
SCENES = REPOSITORY / "out" / "bench-scenes"
SCENE_WIDTH, SCENE_HEIGHT, SCENE_FRAMES = 720, 480, 25
HELD_OUT = 24
"""Seeds 0 to 23: 12 clips of moving cameras with movers, 1 of a moving camera without, 11 of still cameras."""


@dataclass(frozen=True)
class BenchClip:
    """A clip as files, and what is known about it.

    group: of the table that it is in. frames: how many are used, None for all. width: working width, None
    for the clip's own. truth: files of true depth and camera, () if unknown. masks: a folder of images, white on what
    moves, or None. world_from_first: 4 x 4, from the first camera to a world whose floor is y = 0; None if unknown.
    """

    name: str
    group: str
    files: tuple[Path, ...]
    fps: float | None = None
    frames: int | None = None
    width: int | None = None
    truth: tuple[Path, ...] = ()
    masks: Path | None = None
    world_from_first: np.ndarray | None = None

    def selection(self, store: Store) -> Clip:
        """The clip of a request."""
        width = height = None
        if self.width is not None:
            info = probe_clip([(path.name, path) for path in self.files], self.fps)
            width, height = self.width, round(self.width * info.height / info.width / 2) * 2
        files = tuple(store.add_file(path) for path in self.files)
        return Clip(files=files, fps=self.fps, frames=self.frames, width=width, height=height)

    def static(self, shape: tuple[int, ...]) -> np.ndarray:
        """T x H x W bool, everywhere if no mask says what moves."""
        return np.ones(shape, bool) if self.masks is None else read_images(self.masks)[: shape[0]] == 0


def sample(frames: int | None = None) -> BenchClip:
    """The Blender film that comes with the project. frames: the first ones only."""
    truth = tuple(collect_geometry_files(SAMPLE / "depth"))
    return BenchClip("sample", "sample", (SAMPLE / "clip.mp4",), frames=frames, truth=truth)


def held_out(seed: int) -> BenchClip:
    """A generated scene of a seed below 1000, which training never uses; made on first use."""
    folder = SCENES / f"{seed:06d}"
    if not folder.exists():
        scene = draw_scene(seed, frames=SCENE_FRAMES, width=SCENE_WIDTH, height=SCENE_HEIGHT)
        # Pictures from other cameras are not needed, and take twice the time.
        write_scene(replace(scene, targets={}), folder)
    drawn = draw_scene(seed, frames=1, width=SCENE_WIDTH, height=SCENE_HEIGHT)
    kind = "still" if drawn.camera_words == "static" else "moving"
    return of_scene(folder, f"held-out, {kind} camera", drawn.source.world_from_camera[0])


def of_scene(folder: Path, group: str = "filmed", world_from_first: np.ndarray | None = None) -> BenchClip:
    """A ground-truth scene folder; its movie `clip.mp4`, if it has one, else its source frames."""
    scene = TrueScene.open(folder)
    movie = folder / "clip.mp4"
    masks = folder / "masks"
    return BenchClip(
        name=folder.name,
        group=group,
        files=(movie,) if movie.is_file() else tuple(sorted((folder / "source").iterdir())),
        fps=None if movie.is_file() else scene.fps,
        truth=(*collect_geometry_files(folder / "depth"), folder / "scene.json"),
        masks=masks if masks.is_dir() else None,
        world_from_first=world_from_first,
    )


def of_file(path: Path, frames: int, width: int) -> BenchClip:
    """A movie without truth: its first frames."""
    return BenchClip(path.stem, "clip", (path,), frames=frames, width=width)


class Workplace:
    """A data folder for one clip's jobs, removed at the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="reangle-bench-"))
        self.store = Store(self._folder)

    def __enter__(self) -> Store:
        return self.store

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
