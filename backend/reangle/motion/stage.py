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

from reangle.contract import PreviewSettings
from reangle.errors import UserError
from reangle.folders import (
    DecodedClip,
    GeometryFolder,
    LearnedClip,
    LearningRecord,
    LoraFolder,
    UnfinishedLearning,
    source_clip,
)
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.motion.dataset import LEAST_COVERAGE, TrainingClip, preset_paths, training_clips
from reangle.motion.examples import Example, encode_example, load_examples, save_examples
from reangle.motion.preview_image import fit_colours, preview_image
from reangle.motion.spec import LearnContext
from reangle.motion.trainer import Progress, learn
from reangle.runtime.data_folder import write_atomically
from reangle.video_models.adapter import add_adapter, put_adapter_weights, read_adapter
from reangle.video_models.base import VideoModel
from reangle.video_models.device_memory import in_tier
from reangle.video_models.memory import Tier
from reangle.video_models.model_view import ModelView
from reangle.video_models.registry import video_model_class
from reangle.video_models.windows import plan_windows
from reangle.warping.video import Warper
from reangle.weights.registry import kind_of, licence_of, name_of

WARPING = 0.25
"""Share of the preparation: the rest is encoding."""
PICTURES = 8
"""How often training is reported with a picture."""


def learn_motion(context: LearnContext) -> None:
    """Write a LoRA and its history, earlier phases first."""
    model_class = video_model_class(kind_of(Path(context.checkpoint)))
    in_tier(context, model_class, context.params.learning.rank, partial(_learn, context, model_class))


def _learn(context: LearnContext, model_class: type[VideoModel], tier: Tier) -> None:
    assert context.unfinished is not None
    unfinished, settings = UnfinishedLearning(context.unfinished), context.params.learning
    earlier = context.find("learn", LoraFolder)
    model = model_class.open(Path(context.checkpoint), tier)
    examples, clips, colours = _examples(context, model, unfinished)
    model.keep_transformer()
    add_adapter(model, settings.rank, settings.alpha, settings.seed)
    if earlier is not None:
        put_adapter_weights(model.transformer, read_adapter(earlier))

    def report(progress: Progress) -> None:
        share = context.preparation + (1 - context.preparation) * progress.step / settings.steps
        now_and_then = not progress.step % max(1, settings.steps // PICTURES) or progress.step == settings.steps
        context.report(min(share, 1.0), "")
        picture = preview_image(model, examples[0], colours) if now_and_then else b""
        context.report_training(progress.loss, _progress_message(progress, settings.steps), picture)

    try:
        losses = learn(model, examples, settings, unfinished.training, report, tier)
    except FloatingPointError as error:
        raise UserError(
            f"Training diverged: {error}.", advice="Choose a lower learning rate, or another seed."
        ) from error
    model.save_lora(context.out)
    record = LearningRecord(
        clips=clips, losses=tuple(round(loss, 6) for loss in losses), **asdict(model_record(context.checkpoint, tier))
    )
    if earlier is not None:
        before = earlier.record()
        record = replace(record, clips=before.clips + record.clips, losses=before.losses + record.losses)
    context.out.write_record(record)


@dataclass(frozen=True)
class ModelRecord:
    """How a record names the model that a stage ran. memory: how memory was saved."""

    checkpoint: str
    licence: str
    memory: str


def model_record(checkpoint: str, tier: Tier) -> ModelRecord:
    return ModelRecord(name_of(checkpoint), licence_of(checkpoint), f"{tier.name}: {tier.words}")


def _examples(
    context: LearnContext, model: VideoModel, unfinished: UnfinishedLearning
) -> tuple[list[Example], tuple[LearnedClip, ...], np.ndarray]:
    """The clips to learn from, encoded; their records; and `fit_colours` of the first."""
    params = context.params
    if unfinished.examples_metadata_file.exists():
        known = json.loads(unfinished.examples_metadata_file.read_text(encoding="utf-8"))
        learned = tuple(LearnedClip(**clip) for clip in known["clips"])
        return load_examples(unfinished.examples), learned, np.array(known["colours"], np.float32)
    clips = _clips(context, model)
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
    if truncation := model.truncation(max((clip.prompt for clip in enough), key=len)):
        context.report(0.0, truncation.note)
    examples = []
    for index, clip in enumerate(enough):
        visible = clip.visible if params.masked else np.ones_like(clip.visible)
        examples.append(encode_example(model, clip.frames, visible, clip.prompt, params.learning.seed + index))
        share = WARPING + (1 - WARPING) * (index + 1) / len(enough)
        context.report(context.preparation * share, "")
    learned = tuple(
        LearnedClip(clip.name, clip.prompt, round(float(clip.coverage), 4), clip in enough) for clip in clips
    )
    colours = fit_colours(examples[0].latents, enough[0].frames, model.group)
    save_examples(examples, unfinished.examples)
    metadata = {"clips": [asdict(clip) for clip in learned], "colours": colours.tolist()}
    write_atomically(unfinished.examples_metadata_file, json.dumps(metadata).encode())
    # Read back, so that a resumed run learns from the same numbers.
    return load_examples(unfinished.examples), learned, colours


def _clips(context: LearnContext, model: VideoModel) -> list[TrainingClip]:
    params = context.params
    warper, fps = warper_of(source_clip(context), context.read("geometry", GeometryFolder), params.preview)
    if params.path is not None:
        paths = [params.path]
    else:
        paths = preset_paths(warper, fps)[: None if params.warps else 1]
    first = paths[0]
    view = ModelView.of(first.width, first.height, *model.size_for(first.width, first.height))
    windows = plan_windows(len(first.frames), model.frames, model.group)
    clips: list[TrainingClip] = []
    for clip in training_clips(warper, paths, view, windows, params.caption):
        clips.append(clip)
        share = len(clips) / (len(paths) * len(windows.starts))
        context.report(context.preparation * WARPING * share, "")
    return clips


def warper_of(clip: DecodedClip, geometry_folder: GeometryFolder, settings: PreviewSettings) -> tuple[Warper, float]:
    """What warps the clip, and the clip's frames per second."""
    warper = Warper.of_clip(read_images(clip.frames), VideoGeometry.load(geometry_folder), settings)
    return warper, clip.metadata().fps


def _progress_message(progress: Progress, steps: int) -> str:
    return (
        f"Step {progress.step} of {steps}, loss {progress.loss:.3f}, {progress.rate:.2f} steps a second, "
        f"{progress.eta_s:.0f} s left."
    )
