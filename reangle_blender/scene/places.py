# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path to Reangle's files in the open .blend: its own properties, images, clips and strips."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from .. import compat, state
from ..state import paths, starts
from ..state.ticks import is_from_library

Changes = list[tuple[Any, str, str]]
"""Owner, property and former value of each path that was changed."""


def own_paths() -> Iterator[tuple[Any, str]]:
    """Owner and property of every path that is Reangle's own."""
    seen: set[bpy.types.Object] = set()
    for scene in state.scenes():
        yield from _own_paths_of(scene, seen)


def _own_paths_of(scene: bpy.types.Scene, seen: set[bpy.types.Object]) -> Iterator[tuple[Any, str]]:
    """seen: objects whose paths were given already, as they may be in several scenes; new ones are added."""
    shot = state.of(scene)
    yield from ((shot, "shot_folder"), (shot.clip, "path"), (shot.clip, "geometry_folder"), (shot, "truth"))
    for job in shot.jobs:
        yield from ((job, "folder"), (job, "picture"))
        for camera in job.cameras:
            yield from ((camera, "folder"), (camera, "start"))
    for item in scene.objects:
        if item.type == "CAMERA" and not is_from_library(item) and item not in seen:
            seen.add(item)
            yield from ((file, "path") for file in item.reangle.start.files)


def media_paths() -> Iterator[tuple[Any, str]]:
    """Owner and property of every path to pictures that Blender itself keeps relative."""
    for group in (bpy.data.images, bpy.data.movieclips):
        yield from ((item, "filepath") for item in group if item.library is None and item.filepath)
    for scene in state.scenes():
        yield from ((strip, "directory") for strip in compat.every_strip(scene) if strip.type == "IMAGE")


def shown_in(folder: Path) -> list[str]:
    """Names of the strips and images that show files of this folder. Blender keeps images that nothing uses any more,
    and counts some of their users twice."""
    inside = [item for item, name in media_paths() if paths.absolute(getattr(item, name)).is_relative_to(folder)]
    blocks = {item for item in inside if isinstance(item, bpy.types.ID)}
    used = bpy.data.user_map(subset=blocks) if blocks else {}
    return sorted({item.name for item in inside if item not in blocks or used.get(item)})


def started_from(folder: Path) -> str:
    """Name of a camera whose starting image is the artist's own and lies in this folder; "" if there is none."""
    for item in bpy.data.objects:
        if item.type == "CAMERA" and item.library is None:
            files = [file for file in item.reangle.start.files if file.path]
            if any(paths.absolute(file.path).is_relative_to(folder) for file in files):
                return item.name
    return ""


def rewrite(every: Iterator[tuple[Any, str]], change: Callable[[str], str]) -> Changes:
    """Change these paths. Returns what `restore` needs."""
    changes: Changes = []
    with paths.rewriting():
        for owner, name in list(every):
            before = getattr(owner, name)
            after = change(before) if before else before
            if after != before:
                setattr(owner, name, after)
                changes.append((owner, name, before))
    return changes


def restore(changes: Changes) -> None:
    with paths.rewriting():
        for owner, name, before in reversed(changes):
            setattr(owner, name, before)


def moved(path: Path, moves: Mapping[Path, Path]) -> Path:
    """The path after its folder, or one above it, was moved."""
    for old, new in moves.items():
        if path.is_relative_to(old):
            return new / path.relative_to(old)
    return path


def stored_like(before: str, after: Path) -> str:
    """The new place of a stored path, as the .blend stores it: a strip's folder keeps the slash at its end."""
    return paths.stored(after) + ("/" if before.endswith(("/", "\\")) else "")


def follow(moves: Mapping[Path, Path]) -> None:
    """Let all paths below moved folders name the new ones."""

    def change(before: str) -> str:
        place = paths.absolute(before)
        after = moved(place, moves)
        return before if after == place else stored_like(before, after)

    rewrite(own_paths(), change)
    rewrite(media_paths(), change)


def undone() -> None:
    """Let paths that undo brought back from before the file was saved elsewhere start from where it is now.

    Blender does this for no path. Of pictures, only those of jobs and clips can be told from new ones of that name.
    """
    seen: set[bpy.types.Object] = set()
    for scene in state.scenes():
        start = starts.start_of(scene)
        if start is not None:
            rewrite(_own_paths_of(scene, seen), partial(_restart, start=start))
    starts.mark_all()

    def media(before: str) -> str:
        if not before.startswith("//") or _is_known(paths.absolute(before), known, clips):
            return before
        meant = (start for start in starts.former() if _is_known(paths.absolute(before, start), known, clips))
        start = next(meant, None)
        return before if start is None else _restart(before, start)

    if starts.former():
        known = [*job_folders()]
        clips = {paths.absolute(state.of(scene).clip.path) for scene in state.scenes() if state.of(scene).clip.path}
        rewrite(media_paths(), media)


def _restart(before: str, start: Path) -> str:
    return stored_like(before, paths.absolute(before, start)) if before.startswith("//") else before


def _is_known(place: Path, folders: list[Path], clips: set[Path]) -> bool:
    """Whether a picture, or a folder of pictures, is in these folders or of these clips."""
    return any(place.is_relative_to(folder) for folder in folders) or any(
        place in (clip, clip.parent)
        or (place.parent == clip.parent and re.sub(r"\d", "", place.name) == re.sub(r"\d", "", clip.name))
        for clip in clips
    )


def job_folders() -> dict[Path, list[tuple[bpy.types.Scene, state.ReangleJob]]]:
    """The jobs of the open file by their folder."""
    found: dict[Path, list[tuple[bpy.types.Scene, state.ReangleJob]]] = {}
    for scene in state.scenes():
        for job in state.of(scene).jobs:
            if job.folder:
                found.setdefault(paths.absolute(job.folder), []).append((scene, job))
    return found
