# SPDX-License-Identifier: Apache-2.0
"""Stage `generate`: the clip from a new camera, made by the video model that learned its motion."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
from diffusers import CogVideoXImageToVideoPipeline

from reangle.contract import CameraPath
from reangle.finishing.manifest import GENERATION
from reangle.generation.guide import WarpGuide
from reangle.generation.video import Task, generate_video
from reangle.generation.window import SamplingSettings
from reangle.media.write import ImageWriter, read_images
from reangle.motion.dataset import TrainingClip, infilled, training_clips
from reangle.motion.device_memory import in_tier
from reangle.motion.examples import encode_example
from reangle.motion.model_view import ModelView
from reangle.motion.pipeline import open_video_pipeline, unread
from reangle.motion.stage import LORA, model_size, video_model, warper_of
from reangle.motion.windows import plan_windows
from reangle.runtime.stage import StageContext
from reangle.weights.memory import Tier


def generate(context: StageContext) -> None:
    """Write generated/000001.png ..., as many and as large as the path asks for, and generation.json.

    params: path, a CameraPath; caption; sampling, fields of SamplingSettings; warp_guidance, 0 to 1; seed. inputs:
    decode, geometry, preview (filled frames, of which the first one is begun with), learned (a LoRA, if there is one).
    checkpoint: the video model.
    """
    in_tier(context, 0, partial(_generate, context))


def _generate(context: StageContext, tier: Tier) -> None:
    path = CameraPath.model_validate(context.params["path"])
    pipe = open_video_pipeline(Path(context.checkpoint), tier)
    if "learned" in context.inputs:
        pipe.load_lora_weights(str(context.inputs["learned"] / LORA))
    settings = SamplingSettings(**context.params["sampling"])
    view = ModelView.of(path.width, path.height, *model_size(pipe))
    windows = plan_windows(len(path.frames), pipe.transformer.config.sample_frames)
    warper, _ = warper_of(context.inputs["decode"], context.inputs["geometry"])
    clips = list(training_clips(warper, [path], view, windows, context.params["caption"]))
    seed, strength = context.params["seed"], context.params["warp_guidance"]
    guided = strength > 0
    preview = read_images(context.inputs["preview"] / "frames", 0, len(path.frames) if guided else 1)
    filled = [
        _filled(clip, view, preview[windows.frames(index)] if guided else preview) for index, clip in enumerate(clips)
    ]
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
    frames = generate_video(pipe, task, settings, lambda share: context.report(ready + (1 - ready) * share, ""))
    with ImageWriter(context.out / "generated") as writer:
        for frame in frames:
            writer.add(view.cut(frame))
    about = {"prompt": task.prompt, **video_model(context, tier)}
    if "learned" in context.inputs:
        learning = json.loads((context.inputs["learned"] / "learning.json").read_text(encoding="utf-8"))
        about |= {"learned_from": learning["clips"], "losses": learning["losses"]}
    (context.out / GENERATION).write_text(json.dumps(about, indent=1), encoding="utf-8")


def _filled(clip: TrainingClip, view: ModelView, preview: np.ndarray) -> np.ndarray:
    """The clip's first frames, as many as the preview's: what was seen, as it was seen; the preview's fill in holes;
    beyond the asked picture's rim, continued from it.
    """
    frames = []
    for seen, warped, one in zip(clip.visible, clip.frames, preview, strict=False):
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
