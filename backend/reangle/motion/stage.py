# SPDX-License-Identifier: Apache-2.0
"""Stage `learn`: a clip's motion, as a LoRA of the video model.

It runs twice: on the clip and its warps to preset moves, for all cameras of the clip together; then, from there, on one
camera's own warp.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from diffusers import CogVideoXImageToVideoPipeline
from safetensors.torch import load_file

from reangle.errors import UserError
from reangle.folders import DecodedClip, GeometryFolder, LearnedClip, LearningRecord, LoraFolder, UnfinishedLearning
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.motion.adapter import add_adapter, put_adapter_weights, save_adapter
from reangle.motion.dataset import LEAST_COVERAGE, TrainingClip, preset_paths, training_clips
from reangle.motion.device_memory import in_tier
from reangle.motion.examples import Example, encode_example, load_examples, save_examples
from reangle.motion.model_view import ModelView
from reangle.motion.pipeline import alone, open_video_pipeline, rotary_of, unread
from reangle.motion.sight import colours_of, sight
from reangle.motion.spec import LearnContext
from reangle.motion.trainer import Progress, learn
from reangle.motion.windows import plan_windows
from reangle.runtime.data_folder import write_atomically
from reangle.warping.memory import Memory
from reangle.warping.video import Warper, check_clip
from reangle.weights.memory import Tier
from reangle.weights.registry import licence_of, name_of

WARPING = 0.25
"""Share of the preparation: the rest is encoding."""
PICTURES = 8
"""How often training is reported with a picture."""


def learn_motion(context: LearnContext) -> None:
    """Write a LoRA and its history, earlier phases first."""
    in_tier(context, context.params.learning.rank, partial(_learn, context))


def _learn(context: LearnContext, tier: Tier) -> None:
    assert context.unfinished is not None
    unfinished, settings = UnfinishedLearning(context.unfinished), context.params.learning
    earlier = context.find("learn", LoraFolder)
    pipe = open_video_pipeline(Path(context.checkpoint), tier)
    examples, clips, colours = _examples(context, pipe, unfinished)
    scheduler = pipe.scheduler
    width, height = model_size(pipe)
    rotary = rotary_of(pipe, height, width, len(examples[0].latents))
    transformer = alone(pipe)
    add_adapter(transformer, settings.rank, settings.alpha, settings.seed)
    if earlier is not None:
        learned = load_file(earlier.weights)
        put_adapter_weights(
            transformer, {name.removeprefix("transformer."): weights for name, weights in learned.items()}
        )

    def report(progress: Progress) -> None:
        share = context.preparation + (1 - context.preparation) * progress.step / settings.steps
        now_and_then = not progress.step % max(1, settings.steps // PICTURES) or progress.step == settings.steps
        context.report(min(share, 1.0), "")
        picture = sight(transformer, scheduler, rotary, examples[0], colours) if now_and_then else b""
        context.report_training(progress.loss, _news(progress, settings.steps), picture)

    try:
        losses = learn(transformer, scheduler, rotary, examples, settings, unfinished.training, report, tier)
    except FloatingPointError as error:
        raise UserError(
            f"Training diverged: {error}.", advice="Choose a lower learning rate, or another seed."
        ) from error
    save_adapter(transformer, context.out)
    record = LearningRecord(
        clips=clips, losses=tuple(round(loss, 6) for loss in losses), **asdict(video_model(context.checkpoint, tier))
    )
    if earlier is not None:
        before = earlier.record()
        record = replace(record, clips=before.clips + record.clips, losses=before.losses + record.losses)
    context.out.write_record(record)


@dataclass(frozen=True)
class VideoModel:
    """How a record names the model that a stage ran. memory: how memory was saved."""

    checkpoint: str
    licence: str
    memory: str


def video_model(checkpoint: str, tier: Tier) -> VideoModel:
    return VideoModel(name_of(checkpoint), licence_of(checkpoint), f"{tier.name}: {tier.words}")


def model_size(pipe: CogVideoXImageToVideoPipeline) -> tuple[int, int]:
    """Width and height in pixels that the model was trained for."""
    config, factor = pipe.transformer.config, pipe.vae_scale_factor_spatial
    return config.sample_width * factor, config.sample_height * factor


def _examples(
    context: LearnContext, pipe: CogVideoXImageToVideoPipeline, unfinished: UnfinishedLearning
) -> tuple[list[Example], tuple[LearnedClip, ...], np.ndarray]:
    """The clips to learn from, encoded; what their record says; and `colours_of` the first."""
    params = context.params
    if unfinished.examples_metadata_file.exists():
        known = json.loads(unfinished.examples_metadata_file.read_text(encoding="utf-8"))
        learned = tuple(LearnedClip(**clip) for clip in known["clips"])
        return load_examples(unfinished.examples), learned, np.array(known["colours"], np.float32)
    clips = _clips(context, pipe)
    enough = [clip for clip in clips if clip.coverage >= LEAST_COVERAGE]
    if not enough:
        raise UserError(
            "There is nothing to learn the motion from: this camera sees too little of the clip "
            f"({max(clip.coverage for clip in clips):.0%} of its picture).",
            advice="Keep the camera nearer to where the clip was filmed from.",
        )
    for clip in clips:
        if clip.coverage < LEAST_COVERAGE:
            context.report(0.0, f"{clip.name} shows only {clip.coverage:.0%} of its picture and is left out.")
    if words := unread(pipe, max((clip.prompt for clip in enough), key=len)):
        context.report(0.0, words)
    examples = []
    for index, clip in enumerate(enough):
        visible = clip.visible if params.masked else np.ones_like(clip.visible)
        examples.append(encode_example(pipe, clip.frames, visible, clip.prompt, params.learning.seed + index))
        share = WARPING + (1 - WARPING) * (index + 1) / len(enough)
        context.report(context.preparation * share, "")
    learned = tuple(
        LearnedClip(clip.name, clip.prompt, round(float(clip.coverage), 4), clip in enough) for clip in clips
    )
    colours = colours_of(examples[0].latents, enough[0].frames)
    save_examples(examples, unfinished.examples)
    metadata = {"clips": [asdict(clip) for clip in learned], "colours": colours.tolist()}
    write_atomically(unfinished.examples_metadata_file, json.dumps(metadata).encode())
    # Read back, so that a broken run and an unbroken one learn from the same numbers.
    return load_examples(unfinished.examples), learned, colours


def _clips(context: LearnContext, pipe: CogVideoXImageToVideoPipeline) -> list[TrainingClip]:
    params = context.params
    warper, fps = warper_of(context.read("decode", DecodedClip), context.read("geometry", GeometryFolder))
    if params.path is not None:
        paths = [params.path]
    else:
        paths = preset_paths(warper, fps)[: None if params.warps else 1]
    first = paths[0]
    view = ModelView.of(first.width, first.height, *model_size(pipe))
    windows = plan_windows(len(first.frames), pipe.transformer.config.sample_frames)
    clips: list[TrainingClip] = []
    for clip in training_clips(warper, paths, view, windows, params.caption):
        clips.append(clip)
        share = len(clips) / (len(paths) * len(windows.starts))
        context.report(context.preparation * WARPING * share, "")
    return clips


def warper_of(clip: DecodedClip, geometry_folder: GeometryFolder) -> tuple[Warper, float]:
    """What warps the clip, and the clip's frames per second."""
    frames = read_images(clip.frames)
    geometry = VideoGeometry.load(geometry_folder)
    check_clip(frames, geometry)
    return Warper(frames, geometry, Memory.of_clip(frames, geometry)), clip.metadata().fps


def _news(progress: Progress, steps: int) -> str:
    return (
        f"Step {progress.step} of {steps}, loss {progress.loss:.3f}, {progress.rate:.2f} steps a second, "
        f"{progress.eta_s:.0f} s left."
    )
