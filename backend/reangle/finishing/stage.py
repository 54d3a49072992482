# SPDX-License-Identifier: Apache-2.0
"""Stages `preview`, `finish` and `deliver`: filled frames, generated frames, and the folder that the artist gets."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np

from reangle.contract import CameraPath
from reangle.finishing.composite import composite
from reangle.finishing.fill import Filler
from reangle.finishing.manifest import GENERATION, write_manifest
from reangle.media.write import ImageWriter, read_images, write_mp4
from reangle.runtime.stage import StageContext
from reangle.warping.stage import FOLDERS, load_views
from reangle.warping.video import in_order

CHUNK = 32
"""Frames that are read from disk at a time."""


def fill(context: StageContext) -> None:
    """Write frames/ into `context.out`: the warped frames with nothing unknown left in them.

    What was seen or remembered is not touched.
    params: path, a CameraPath. inputs: warp.
    """
    path = CameraPath.model_validate(context.params["path"])
    source = context.inputs["warp"]
    filler = Filler(load_views(source / "background"))
    cameras = list(zip(path.intrinsics(), path.extrinsics(), strict=True))

    def finish(
        item: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]],
    ) -> np.ndarray:
        rgb, visible, remembered, depth, camera = item
        return filler.fill(rgb, (visible | remembered) > 0, depth, *camera)

    with ImageWriter(context.out / "frames") as writer:
        for start in range(0, len(cameras), CHUNK):
            images = (read_images(source / name, start, CHUNK) for name in FOLDERS)
            items = zip(*images, cameras[start : start + CHUNK], strict=True)
            for n, frame in enumerate(in_order(finish, items), start=start + 1):
                writer.add(frame)
                context.report(n / len(cameras), "")


def finish(context: StageContext) -> None:
    """Write frames/ and generation.json into `context.out`: what was generated, with what the camera saw over it if
    that is to be exact.

    params: exact_where_seen; fill_share, 0 to 1: of the fill in what is shown where nothing was seen, in that case.
    inputs: warp, fill, generated.
    """
    source, generated = context.inputs["warp"], context.inputs["generated"] / "generated"
    fill_share = np.float32(context.params["fill_share"])
    count = len(list(generated.iterdir()))
    with ImageWriter(context.out / "frames") as writer:
        for start in range(0, count, CHUNK):
            made = read_images(generated, start, min(CHUNK, count - start))
            if context.params["exact_where_seen"]:
                folders = (*(source / name for name in FOLDERS), context.inputs["fill"] / "frames")
                parts = (read_images(folder, start, len(made)) for folder in folders)
                made = [
                    composite(warped, (seen | known) > 0, depth, frame * (1 - fill_share) + filled * fill_share)
                    for warped, seen, known, depth, filled, frame in zip(*parts, made, strict=True)
                ]
            for n, frame in enumerate(made, start=start + 1):
                writer.add(frame)
                context.report(n / count, "")
    shutil.copyfile(context.inputs["generated"] / GENERATION, context.out / GENERATION)


def deliver(context: StageContext) -> None:
    """Write the result into `context.out`.

    It is frames/, visibility/, memory/, depth/, warped/, preview.mp4 and manifest.json.
    params: path, engine, settings, seed, title. inputs: warp, preview, geometry, decode.
    """
    path = CameraPath.model_validate(context.params["path"])
    for role, names in (("warp", FOLDERS), ("preview", ("frames",))):
        for name in names:
            _link_folder(context.inputs[role] / name, context.out / name)
    context.report(0.2, "")
    count = len(path.frames)
    frames = (
        frame
        for start in range(0, count, CHUNK)
        for frame in read_images(context.out / "frames", start, min(CHUNK, count - start))
    )
    write_mp4(context.out / "preview.mp4", frames, path.fps, _variable_times(context.inputs["decode"], path))
    context.report(0.8, "")
    write_manifest(context, path)
    context.report(1.0, "")


def _variable_times(decode: Path, path: CameraPath) -> list[float] | None:
    """The clip's own time of each output frame if its frame rate varies and the camera goes through it forwards."""
    clip = json.loads((decode / "clip.json").read_text(encoding="utf-8"))
    forwards = all(before < after for before, after in pairwise(path.frames))
    return [clip["timestamps"][frame] for frame in path.frames] if clip["fps_is_variable"] and forwards else None


def _link_folder(source: Path, target: Path) -> None:
    """Artifacts never change, so one copy on disk serves both; where the disk has no hard links, files are copied."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        try:
            os.link(path, target / path.name)
        except OSError:
            shutil.copyfile(path, target / path.name)
