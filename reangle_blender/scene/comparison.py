# SPDX-License-Identifier: GPL-3.0-or-later
"""What two sides of a comparison show at a frame: pictures are found and read in a thread."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bpy.types import Object, Scene

from .. import state
from ..core.errors import UserError
from ..core.pictures import read_picture
from ..exchange.fetched_shot import clip_frames
from ..state import paths

KINDS = ("clip", "cloud", "warp", "preview", "result", "truth")
"""What can be compared; the cloud is what the viewport itself shows."""

MISSING = {
    "clip": "no imported clip",
    "warp": "no result of this camera",
    "preview": "no result of this camera by the engine Preview",
    "result": "no result of this camera",
    "truth": "no images; choose their folder under Results > Truth",
}

MOST_KEPT = 48
"""Pictures that are kept in memory, 5.5 MB each at 720 x 480."""

AHEAD = 3
"""Frames after the shown one that are read, too."""

_SUFFIXES = (".png", ".exr", ".jpg", ".jpeg", ".tif", ".tiff", ".dpx", ".tga", ".bmp", ".webp")


@dataclass(frozen=True)
class Source:
    """Where pictures may lie. folders: of the same thing, newest first; the first one that has pictures is shown.
    first_frame: of each, the scene frame of its first picture. engine: the one that must have made it, "" is any."""

    folders: tuple[Path, ...]
    first_frame: tuple[int, ...]
    engine: str = ""


def sources(scene: Scene, camera: Object) -> dict[str, Source]:
    """The sources of every kind for a camera; kinds that the scene has nothing of are left out. Reads no files."""
    shot = state.of(scene)
    found: dict[str, Source] = {}
    if shot.shot_folder and not shot.shot_is_glance:
        found["clip"] = Source((clip_frames(paths.absolute(shot.shot_folder)),), (shot.first_frame,))
    sent = [
        one
        for job in reversed(shot.jobs)
        if job.kind == "RENDER" and job.has_results
        for one in job.cameras
        if one.camera == camera and one.folder
    ]
    for kind, part, engine in (("result", "frames", ""), ("warp", "warped", ""), ("preview", "frames", "preview")):
        if sent:
            folders = tuple(paths.absolute(one.folder) / part for one in sent)
            found[kind] = Source(folders, tuple(one.first_frame for one in sent), engine)
    if shot.truth:
        found["truth"] = Source((paths.absolute(shot.truth),), (shot.first_frame,))
    return found


class Pictures:
    """Pictures by kind and scene frame, read by one thread. The methods are for the main thread; none waits."""

    def __init__(self, by_kind: Mapping[str, Source]) -> None:
        self._sources = dict(by_kind)
        self._kept: OrderedDict[tuple[str, int], np.ndarray | str] = OrderedDict()
        self._wanted: list[tuple[str, int]] = []
        self._files: dict[str, tuple[list[Path], int]] = {}
        self._changed = threading.Condition()
        self._is_closed = False
        self.read = 0
        """How many pictures were read; one that rises says that there is something new to draw."""
        threading.Thread(target=self._work, name="reangle pictures", daemon=True).start()

    def get(self, kind: str, frame: int) -> np.ndarray | str | None:
        """The picture of a frame as `read_picture` gives it, or why there is none, or None while it is being read."""
        if kind not in self._sources:
            return MISSING[kind]
        with self._changed:
            return self._kept.get((kind, frame))

    def want(self, kinds: Sequence[str], frame: int) -> None:
        """Read these kinds at this frame next, and then a few frames ahead; what was wanted before no longer is."""
        with self._changed:
            self._wanted = [
                (kind, at)
                for at in range(frame, frame + 1 + AHEAD)
                for kind in kinds
                if kind in self._sources and (kind, at) not in self._kept
            ]
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._wanted or self._is_closed):
                    self._changed.wait()
                if self._is_closed:
                    return
                kind, frame = self._wanted.pop(0)
            try:
                picture: np.ndarray | str = self._read(kind, frame)
            except UserError as error:
                picture = error.message
            except Exception as error:  # the thread must go on to the next picture
                picture = f"{type(error).__name__}: {error}"
            with self._changed:
                self._kept[(kind, frame)] = picture
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
                self.read += 1

    def _read(self, kind: str, frame: int) -> np.ndarray | str:
        if kind not in self._files:
            self._files[kind] = self._find(self._sources[kind])
        files, first = self._files[kind]
        if not files:
            return MISSING[kind]
        if not first <= frame < first + len(files):
            return f"has frames {first} to {first + len(files) - 1}"
        return read_picture(files[frame - first])

    def _find(self, source: Source) -> tuple[list[Path], int]:
        """The first folder's pictures, in order, and the scene frame of the first one."""
        for folder, first in zip(source.folders, source.first_frame, strict=True):
            if source.engine and _engine_of(folder.parent) != source.engine:
                continue
            files = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
            if files:
                return files, first
        return [], 0


def _engine_of(folder: Path) -> str:
    """The engine that made a result; "" if it does not say."""
    try:
        return str(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["engine"])
    except (OSError, ValueError, KeyError):
        return ""
