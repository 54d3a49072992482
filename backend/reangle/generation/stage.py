# SPDX-License-Identifier: Apache-2.0
"""Stage `generate`: the clip from a new camera, made by the video model that learned its motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from reangle.folders import FilledFolder, GenerationRecord, GeometryFolder, LoraFolder, StartFolder, source_clip
from reangle.generation.guide import Guide
from reangle.generation.spec import GenerateContext
from reangle.generation.video import Task, Warp, generate_video
from reangle.media.write import ImageWriter, read_image, read_images
from reangle.motion.dataset import path_prompt, whole, with_fill
from reangle.motion.examples import latents_seen
from reangle.motion.stage import model_record, warper_of
from reangle.starting.given import read_given
from reangle.starting.tree import first_of
from reangle.video_models.base import VideoModel
from reangle.video_models.device_memory import in_tier
from reangle.video_models.memory import Tier
from reangle.video_models.model_view import ModelView
from reangle.video_models.prompts import read_prompts
from reangle.video_models.registry import video_model_class
from reangle.video_models.window_starts import check_anchors
from reangle.video_models.windows import Windows, plan_windows
from reangle.warping.types import WarpedFrame
from reangle.warping.video import warp_frames
from reangle.weights.registry import kind_of


def generate(context: GenerateContext) -> None:
    """Write as many frames as the path has, of its size, and how they were made."""
    model_class = video_model_class(kind_of(Path(context.checkpoint)))
    rank = None if context.find("learn", LoraFolder) is None else 0
    in_tier(context, model_class, rank, partial(_generate, context, model_class))


def _generate(context: GenerateContext, model_class: type[VideoModel], tier: Tier) -> None:
    params, path, folder = context.params, context.params.path, Path(context.checkpoint)
    learned = context.find("learn", LoraFolder)
    warper, _ = warper_of(source_clip(context), context.read("geometry", GeometryFolder), params.preview)
    words = path_prompt(path, warper, params.caption)
    (prompt,), truncation = read_prompts(model_class.text, folder, [words], tier)
    model = model_class.open(folder, tier)
    if learned is not None:
        model.load_lora(learned)
    view = ModelView.of(path.width, path.height, *model.size_for(path.width, path.height))
    windows = plan_windows(len(path.frames), model.frames, model.group)
    start = context.find("start", StartFolder)
    changed = start is not None and start.record().changes_the_look
    # The warp would undo what the artist changed.
    guided = params.warp_guidance > 0 and not changed
    needed = path if guided or model.sees_warp else first_of(path)
    fill = read_images(context.read("fill", FilledFolder).frames, 0, len(needed.frames))
    if start is not None:
        fill[0] = read_image(start.image)
    warped = list(warp_frames(warper, view.path(needed)))
    filled = [with_fill(one, picture, view) for one, picture in zip(warped, fill, strict=True)]
    first_frame = whole(fill[0], view) if changed else filled[0]
    task = Task(
        first_frame=first_frame,
        prompt=prompt,
        windows=windows,
        guides=_guides(model, windows, warped, filled, params.warp_guidance) if guided else [],
        seed=params.seed,
        anchors=_anchors(context, windows, view),
        warp=_warp(warped, filled, first_frame if start else None, hidden=changed) if model.sees_warp else None,
    )
    ready = context.preparation
    context.report(ready, truncation.note if truncation else "")
    frames = generate_video(model, task, params.sampling, lambda share: context.report(ready + (1 - ready) * share, ""))
    with ImageWriter(context.out.frames) as writer:
        for frame in frames:
            writer.add(view.cut(frame))
    history = learned.record() if learned is not None else None
    context.out.write_record(
        GenerationRecord(
            prompt=words,
            learned_from=history.clips if history else (),
            losses=history.losses if history else (),
            curves=history.curves if history else (),
            **asdict(model_record(context.checkpoint, tier)),
        )
    )


def _anchors(context: GenerateContext, windows: Windows, view: ModelView) -> dict[int, np.ndarray]:
    """The artist's images of later frames, at the model's size, by frame; where transparent, that frame's fill is seen.

    Raises UserError where the model takes none.
    """
    files = context.files.get("anchors", ())
    fill = context.read("fill", FilledFolder).frames
    check_anchors(context.params.anchors, windows.starts)
    anchors = {}
    for frame, (name, path) in zip(context.params.anchors, files, strict=True):
        anchors[frame] = whole(read_given(name, path, read_images(fill, frame, 1)[0]), view)
    return anchors


def _warp(
    warped: Sequence[WarpedFrame], filled: Sequence[np.ndarray], start: np.ndarray | None, *, hidden: bool
) -> Warp:
    """What a model sees of the warped clip. start: of which the first frame is known as a whole. hidden: whether the
    clip's own pixels would undo what the artist changed.
    """
    frames, known = np.stack(filled), np.stack([np.zeros_like(one.known) if hidden else one.known for one in warped])
    if start is not None:
        frames[0], known[0] = start, True
    return Warp(frames, known)


def _guides(
    model: VideoModel, windows: Windows, warped: Sequence[WarpedFrame], filled: Sequence[np.ndarray], strength: float
) -> list[Guide]:
    guides = []
    for index in range(len(windows.starts)):
        frames = windows.frames(index)
        latents = model.encode_frames(np.stack([filled[frame] for frame in frames])).cpu()
        seen = np.stack([warped[frame].known for frame in frames]) & ~windows.is_held(index)[:, None, None]
        guides.append(Guide(latents, latents_seen(model, seen, latents), strength))
    return guides
