# SPDX-License-Identifier: Apache-2.0
"""Stage `generate`: the clip from a new camera, made by the video model that learned its motion."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from diffusers import CogVideoXImageToVideoPipeline

from reangle.folders import DecodedClip, FilledFolder, GenerationRecord, GeometryFolder, LoraFolder
from reangle.generation.guide import WarpGuide
from reangle.generation.spec import GenerateContext
from reangle.generation.video import Task, generate_video
from reangle.media.write import ImageWriter, read_images
from reangle.motion.dataset import TrainingClip, infilled, training_clips
from reangle.motion.device_memory import in_tier
from reangle.motion.examples import encode_example
from reangle.motion.model_view import ModelView
from reangle.motion.pipeline import open_video_pipeline, unread
from reangle.motion.stage import model_size, video_model, warper_of
from reangle.motion.windows import plan_windows
from reangle.weights.memory import Tier


def generate(context: GenerateContext) -> None:
    """Write as many frames as the path has, of its size, and how they were made."""
    in_tier(context, 0, partial(_generate, context))


def _generate(context: GenerateContext, tier: Tier) -> None:
    params, path = context.params, context.params.path
    learned = context.find("learn", LoraFolder)
    pipe = open_video_pipeline(Path(context.checkpoint), tier)
    if learned is not None:
        pipe.load_lora_weights(str(learned.lora))
    view = ModelView.of(path.width, path.height, *model_size(pipe))
    windows = plan_windows(len(path.frames), pipe.transformer.config.sample_frames)
    warper, _ = warper_of(context.read("decode", DecodedClip), context.read("geometry", GeometryFolder))
    clips = list(training_clips(warper, [path], view, windows, params.caption))
    seed, strength = params.seed, params.warp_guidance
    guided = strength > 0
    fill = read_images(context.read("fill", FilledFolder).frames, 0, len(path.frames) if guided else 1)
    filled = [_filled(clip, view, fill[windows.frames(index)] if guided else fill) for index, clip in enumerate(clips)]
    task = Task(
        first_frame=filled[0][0],
        prompt=clips[0].prompt,
        windows=windows,
        guides=[_guide(pipe, clip, frames, strength, seed) for clip, frames in zip(clips, filled, strict=True)]
        if guided
        else [],
        seed=seed,
    )
    ready = context.preparation
    context.report(ready, unread(pipe, task.prompt))
    frames = generate_video(pipe, task, params.sampling, lambda share: context.report(ready + (1 - ready) * share, ""))
    with ImageWriter(context.out.frames) as writer:
        for frame in frames:
            writer.add(view.cut(frame))
    history = learned.record() if learned is not None else None
    context.out.write_record(
        GenerationRecord(
            prompt=task.prompt,
            learned_from=history.clips if history else (),
            losses=history.losses if history else (),
            **asdict(video_model(context.checkpoint, tier)),
        )
    )


def _filled(clip: TrainingClip, view: ModelView, fill: np.ndarray) -> np.ndarray:
    """The clip's first frames, as many as `fill` has: what was seen, as it was seen; the fill in holes; beyond the
    asked picture's rim, continued from it.
    """
    frames = []
    for seen, warped, one in zip(clip.visible, clip.frames, fill, strict=False):
        filled, within = view.paste(one)
        frames.append(infilled(np.where(seen[..., None], warped, filled), seen | within))
    return np.stack(frames)


def _guide(
    pipe: CogVideoXImageToVideoPipeline,
    clip: TrainingClip,
    frames: np.ndarray,
    strength: float,
    seed: int,
) -> WarpGuide:
    example = encode_example(pipe, frames, clip.visible, clip.prompt, seed)
    return WarpGuide(example.latents, example.mask, strength)
