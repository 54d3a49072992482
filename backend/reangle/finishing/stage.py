# SPDX-License-Identifier: Apache-2.0
"""Stages `fill`, `finish` and `deliver`: filled frames, finished frames, and the artist's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from reangle.contract import CameraPath
from reangle.finishing.composite import composite
from reangle.finishing.fill import Filler, Painter
from reangle.finishing.manifest import make_manifest
from reangle.finishing.precise import FORMATS, write_precise
from reangle.finishing.spec import DeliverContext, FillContext, FinishContext
from reangle.folders import (
    ClipMetadata,
    DecodedClip,
    FilledFolder,
    FinishedFolder,
    GeneratedFolder,
    PreciseWarp,
    StartFolder,
    WarpFolder,
)
from reangle.media.parallel import in_order
from reangle.media.write import ImageWriter, images_in_order, read_images, write_mp4
from reangle.starting.scene import with_painting
from reangle.warping.stage import load_views

CHUNK = 32
"""Frames that are read from disk at a time."""


def fill(context: FillContext) -> None:
    """Write the warped frames with their holes filled. Known pixels do not change."""
    if context.params.painted:
        # torch is imported only where an image model paints.
        from reangle.finishing.painted import in_painting_tier

        in_painting_tier(context, partial(_fill, context))
    else:
        _fill(context, None)


def _fill(context: FillContext, painter: Painter | None) -> None:
    path = context.params.path
    warp = context.read("warp", WarpFolder)
    filler = Filler(load_views(warp), painter)
    cameras = list(zip(np.asarray(path.K), np.asarray(path.world_from_camera), strict=True))

    def filled(
        item: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]],
    ) -> np.ndarray:
        rgb, visible, remembered, depth, camera = item
        return filler.fill(rgb, (visible | remembered) > 0, depth, *camera)

    with ImageWriter(context.out.frames) as writer:
        for start in range(0, len(cameras), CHUNK):
            images = (read_images(folder, start, CHUNK) for folder in warp.images)
            items = zip(*images, cameras[start : start + CHUNK], strict=True)
            for n, frame in enumerate(in_order(filled, items), start=start + 1):
                writer.add(frame)
                context.report(n / len(cameras), "")


def finish(context: FinishContext) -> None:
    """Write the generated frames, with the warp's known pixels over them if requested, and the record of both steps."""
    params = context.params
    warp, generated = context.read("warp", WarpFolder), context.read("generate", GeneratedFolder)
    fill_frames = context.read("fill", FilledFolder).frames
    fill_share = np.float32(params.fill_share)
    count = len(list(generated.frames.iterdir()))
    begun = context.find("start", StartFolder)
    keeps_pixels = params.exact_where_seen and not (begun is not None and begun.record().changes_the_look)
    refill = _refill(context, warp, begun) if keeps_pixels and begun is not None and params.fill_share else None
    with ImageWriter(context.out.frames) as writer:
        for first in range(0, count, CHUNK):
            frames = read_images(generated.frames, first, min(CHUNK, count - first))
            if keeps_pixels:
                numbers = range(first, first + len(frames))
                parts = (read_images(folder, first, len(frames)) for folder in (*warp.images, fill_frames))
                finished = []
                for n, warped, visible, remembered, depth, filled, frame in zip(numbers, *parts, frames, strict=True):
                    known = (visible | remembered) > 0
                    fill_of = refill(n, warped, known, depth) if refill is not None else filled
                    mixed = frame * (1 - fill_share) + fill_of * fill_share
                    finished.append(composite(warped, known, depth, mixed))
                frames = finished
            for n, frame in enumerate(frames, start=first + 1):
                writer.add(frame)
                context.report(n / count, "")
    context.out.write_record(generated.record())


def _refill(
    context: FinishContext, warp: WarpFolder, start: StartFolder
) -> Callable[[int, np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None:
    """From a frame's number, warp, known pixels and depth to the frame filled with what the starting image shows there;
    None where the starting image has nothing painted.
    """
    if start.record().made_by in ("clip", "fill"):
        return None
    path = context.params.path
    K, cameras = np.asarray(path.K), np.asarray(path.world_from_camera)
    filler = Filler(with_painting(load_views(warp), start))
    return lambda n, rgb, known, depth: filler.fill(rgb, known, depth, K[n], cameras[n])


def deliver(context: DeliverContext) -> None:
    """Write the result: the finished frames, else the filled ones; masks, depth, movie and manifest."""
    path, out = context.params.path, context.out
    frames = context.find("finish", FinishedFolder) or context.read("fill", FilledFolder)
    warp = context.read("warp", WarpFolder)
    count, frame_format = len(path.frames), FORMATS[context.params.frame_format]
    links = zip((*warp.images, frames.frames), (*out.images, out.frames), strict=True)
    if frame_format.bits == 8:
        for source, target in links:
            _link_folder(source, target)
    else:
        for source, target in links:
            if target not in (out.frames, out.warped):
                _link_folder(source, target)
        precise = context.read("warp-16", PreciseWarp)
        share = write_precise(
            frames.frames,
            warp,
            precise,
            out,
            frame_format.kind,
            count,
            CHUNK,
            lambda done: context.report(0.2 * done, ""),
        )
        frame_format = replace(frame_format, of_clip=share)
    context.report(0.2, "")
    clip = context.read("decode", DecodedClip).metadata()
    write_mp4(out.movie, images_in_order(frames.frames, count), path.fps, _variable_times(clip, path))
    context.report(0.8, "")
    out.write_manifest(make_manifest(context, frame_format))
    context.report(1.0, "")


def _variable_times(clip: ClipMetadata, path: CameraPath) -> list[float] | None:
    """The clip's own time of each output frame if its frame rate varies and the camera goes through it forwards."""
    forwards = all(before < after for before, after in pairwise(path.frames))
    return [clip.timestamps[frame] for frame in path.frames] if clip.fps_is_variable and forwards else None


def _link_folder(source: Path, target: Path) -> None:
    """Hard links, because artifacts never change; copies where the disk has no hard links."""
    target.mkdir()
    for path in sorted(source.iterdir()):
        try:
            os.link(path, target / path.name)
        except OSError:
            shutil.copyfile(path, target / path.name)
