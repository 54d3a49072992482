# SPDX-License-Identifier: Apache-2.0
"""Stage `generate`: the clip from a new camera, made by the video model that learned its motion."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from reangle.folders import FilledFolder, GenerationRecord, GeometryFolder, LoraFolder, source_clip
from reangle.generation.guide import WarpGuide
from reangle.generation.spec import GenerateContext
from reangle.generation.video import Task, generate_video
from reangle.media.write import ImageWriter, read_images
from reangle.motion.dataset import TrainingClip, infilled, training_clips
from reangle.motion.examples import encode_example
from reangle.motion.stage import model_record, warper_of
from reangle.video_models.base import VideoModel
from reangle.video_models.device_memory import in_tier
from reangle.video_models.memory import Tier
from reangle.video_models.model_view import ModelView
from reangle.video_models.registry import video_model_class
from reangle.video_models.windows import plan_windows
from reangle.weights.registry import kind_of


def generate(context: GenerateContext) -> None:
    """Write as many frames as the path has, of its size, and how they were made."""
    model_class = video_model_class(kind_of(Path(context.checkpoint)))
    in_tier(context, model_class, 0, partial(_generate, context, model_class))


def _generate(context: GenerateContext, model_class: type[VideoModel], tier: Tier) -> None:
    params, path = context.params, context.params.path
    learned = context.find("learn", LoraFolder)
    model = model_class.open(Path(context.checkpoint), tier)
    if learned is not None:
        model.load_lora(learned)
    view = ModelView.of(path.width, path.height, *model.size_for(path.width, path.height))
    windows = plan_windows(len(path.frames), model.frames, model.group)
    warper, _ = warper_of(source_clip(context), context.read("geometry", GeometryFolder), params.preview)
    clips = list(training_clips(warper, [path], view, windows, params.caption))
    seed, strength = params.seed, params.warp_guidance
    guided = strength > 0
    fill = read_images(context.read("fill", FilledFolder).frames, 0, len(path.frames) if guided else 1)
    filled = [_filled(clip, view, fill[windows.frames(index)] if guided else fill) for index, clip in enumerate(clips)]
    task = Task(
        first_frame=filled[0][0],
        prompt=clips[0].prompt,
        windows=windows,
        guides=[_guide(model, clip, frames, strength, seed) for clip, frames in zip(clips, filled, strict=True)]
        if guided
        else [],
        seed=seed,
    )
    ready = context.preparation
    truncation = model.truncation(task.prompt)
    context.report(ready, truncation.note if truncation else "")
    frames = generate_video(model, task, params.sampling, lambda share: context.report(ready + (1 - ready) * share, ""))
    with ImageWriter(context.out.frames) as writer:
        for frame in frames:
            writer.add(view.cut(frame))
    history = learned.record() if learned is not None else None
    context.out.write_record(
        GenerationRecord(
            prompt=task.prompt,
            learned_from=history.clips if history else (),
            losses=history.losses if history else (),
            **asdict(model_record(context.checkpoint, tier)),
        )
    )


def _filled(clip: TrainingClip, view: ModelView, fill: np.ndarray) -> np.ndarray:
    """The clip's first frames, as many as `fill` has: seen pixels unchanged, holes from the fill, and what lies beyond
    the camera's picture continued from it.
    """
    frames = []
    for seen, warped, one in zip(clip.visible, clip.frames, fill, strict=False):
        filled, within = view.paste(one)
        frames.append(infilled(np.where(seen[..., None], warped, filled), seen | within))
    return np.stack(frames)


def _guide(
    model: VideoModel,
    clip: TrainingClip,
    frames: np.ndarray,
    strength: float,
    seed: int,
) -> WarpGuide:
    example = encode_example(model, frames, clip.visible, clip.prompt, seed)
    return WarpGuide(example.latents, example.mask, strength)
