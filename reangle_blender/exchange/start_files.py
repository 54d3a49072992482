# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting images as files: what the artist asks of them, the request that they go on with, and what was made.

Runs in threads; no bpy.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.client import Client
from ..core.contract import AnchorImage, CameraPath, CameraStart, JobRequest, PromptEdit, read_request, to_json
from ..core.errors import UserError
from ..core.files import Progress, disk_errors, file_refs
from . import transfer

SAME_PATH = 1e-5
"""Largest difference between the numbers of a path that did not change, relative to its largest number."""

IMAGE, RECORD, DEPTH = "start.png", "start.json", "depth.exr"


@dataclass(frozen=True)
class OwnImage:
    """An image file of the artist's. sha256: of its content when it was taken."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Wish:
    """What the artist asks of one camera's starting image. seed: None is the job's. anchors: by frame."""

    seed: int | None = None
    image: OwnImage | None = None
    edit: PromptEdit | None = None
    anchors: tuple[tuple[int, OwnImage], ...] = ()

    def text(self) -> str:
        """The same for the same wish, wherever its files lie; "" for none."""
        if self == Wish():
            return ""
        edit = (self.edit.source, self.edit.target, round(self.edit.strength, 4)) if self.edit else None
        anchors = [(frame, image.sha256) for frame, image in self.anchors]
        return json.dumps([self.seed, self.image.sha256 if self.image else None, edit, anchors])

    @property
    def images(self) -> list[OwnImage]:
        return [*([self.image] if self.image else []), *(image for _, image in self.anchors)]


@dataclass(frozen=True)
class Wishes:
    """The wishes of all cameras as a request has them. places: of their files, by hash. as_sent: each camera's wish
    with its files as they are now."""

    starts: tuple[CameraStart, ...]
    places: Mapping[str, Path]
    as_sent: Mapping[str, Wish]


def gather(wishes: Mapping[str, Wish], cancel: threading.Event | None = None) -> Wishes:
    """Hash the files of the wishes, by name of the camera's path. Raises UserError for a file that is not there."""
    starts: list[CameraStart] = []
    every: dict[str, Path] = {}
    as_sent: dict[str, Wish] = {}
    for camera, wish in wishes.items():
        for image in wish.images:
            if not image.path.is_file():
                raise UserError(
                    f"The image for camera {camera!r} is not there: {image.path}.",
                    advice="Put it back, or press Revert beside its starting image.",
                )
        refs, places = file_refs([image.path for image in wish.images], cancel=cancel)
        every |= places
        now = iter([(ref, OwnImage(image.path, ref.sha256)) for ref, image in zip(refs, wish.images, strict=True)])
        image, own = next(now) if wish.image else (None, None)
        later = [(frame, *next(now)) for frame, _ in wish.anchors]
        as_sent[camera] = replace(wish, image=own, anchors=tuple((frame, file) for frame, _, file in later))
        if wish != Wish():
            anchors = tuple(AnchorImage(frame, ref) for frame, ref, _ in later)
            starts.append(CameraStart(camera, seed=wish.seed, image=image, edit=wish.edit, anchors=anchors))
    return Wishes(tuple(starts), every, as_sent)


def round_folder(folder: Path, job: str) -> Path:
    """Where a job keeps its request and its starting images: jobs that follow each other share their folder."""
    return folder / "starts" / job[6:14]


def keep_request(folder: Path, request: JobRequest) -> None:
    """Write the request beside its starting images, so that the job can go on."""
    place = round_folder(folder, request.id) / "request.json"
    with disk_errors(place, writing=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(to_json(request), encoding="utf-8")


def kept_request(folder: Path, job: str, title: str) -> JobRequest:
    """The request of a job, or of the latest one before it. Raises UserError if there is none."""
    place = round_folder(folder, job) / "request.json"
    others = sorted(place.parent.parent.glob("*/request.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in (place, *others):
        try:
            return read_request(file.read_bytes())
        except (OSError, UserError):
            continue
    raise UserError(
        f"The request of {title} is not in {place.parent.parent}.",
        advice="Find the folder of this job in the Results panel, or render again.",
    )


def merge_paths(
    before: Sequence[CameraPath], now: Mapping[str, CameraPath]
) -> tuple[tuple[CameraPath, ...], tuple[str, ...]]:
    """The paths as they are now under their former names, and the names of those that changed. now: by former name;
    those that it lacks stay."""
    merged: list[CameraPath] = []
    moved: list[str] = []
    for path in before:
        new = now.get(path.name)
        if new is None or is_same(path, new):
            merged.append(path)
        else:
            merged.append(replace(new, name=path.name))
            moved.append(path.name)
    return tuple(merged), tuple(moved)


def is_same(one: CameraPath, other: CameraPath) -> bool:
    """Whether two paths show the same, names aside."""
    if (one.width, one.height, one.frames) != (other.width, other.height, other.frames):
        return False
    pairs = ((one.world_from_camera, other.world_from_camera), (one.K, other.K))
    return all(is_close(a, b) for a, b in pairs)


def is_close(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether matrices are the same up to what rounding changes."""
    return bool(np.allclose(one, other, rtol=0, atol=SAME_PATH * max(1.0, float(np.abs(one).max()))))


@dataclass(frozen=True)
class Start:
    """A fetched starting image. about: lines for the artist. is_same: the image is the one that was there before."""

    folder: Path
    about: str
    is_same: bool


def fetch_starts(
    client: Client, job: str, folder: Path, before: Mapping[str, Path], progress: Progress, cancel: threading.Event
) -> dict[str, Start]:
    """Download the starting images of a job, by camera. before: the folders of former ones. Raises UserError,
    CanceledError.
    """
    places = transfer.fetch_results(
        client, job, "starts/", round_folder(folder, job), progress, cancel,
        wanted=lambda path: path != DEPTH,  # which serves the backend alone
    )  # fmt: skip
    found: dict[str, Start] = {}
    for name, place in places.items():
        is_same = name in before and _content(before[name] / IMAGE) == _content(place / IMAGE) is not None
        found[name] = Start(place, "\n".join(describe(place / RECORD)), is_same)
    return found


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


_JUDGES = {"geometry": "the scene's points", "dust3r": "DUSt3R"}
FILLED = "Filled from around, as the preview does"
_MADE_BY = {
    "clip": "The clip shows all of it",
    "fill": FILLED,
    "artist": "Yours",
}


def describe(record: Path) -> list[str]:
    """What a starting image's record says, as lines for the artist; none if it cannot be read."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        made_by, edit = str(said["made_by"]), said.get("edit")
        lines = [_MADE_BY.get(made_by) or f"Painted by {made_by}, seed {said['seed']}"]
        if edit:
            lines[0] += ", edited by words"
        return [*lines, *_judged(said), *_seen(said), *map(str, said.get("notes") or ())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return []


def _judged(said: Mapping[str, Any]) -> list[str]:
    """How well the chosen candidate of the last guided step agrees with the views before it, and the others."""
    scores, chosen = said.get("scores"), said.get("chosen")
    if not (scores and chosen and said.get("judge")):
        return []
    last = [float(score) for score in scores[-1]]
    others = [score for index, score in enumerate(last) if index != chosen[-1]]
    between = f"; the others from {min(others):.3f} to {max(others):.3f}" if others else ""
    judge = _JUDGES.get(said["judge"], said["judge"])
    return [f"Best of {len(last)} by {judge}: {last[chosen[-1]]:.3f}{between}"]


def _seen(said: Mapping[str, Any]) -> list[str]:
    parts = [f"{said['hidden']:.0%} is hidden from the clip"] if said.get("hidden") else []
    return parts + ([f"{said['changed']:.1%} of what the clip shows is changed"] if said.get("changed") else [])
