# SPDX-License-Identifier: Apache-2.0
"""Stage `learn`: a clip's motion, as a LoRA of the video model.

It runs twice: on the clip and its warps to preset moves, for all cameras of the clip together; then, from there, on one
camera's own warp.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from reangle.contract import CameraPath, PreviewSettings
from reangle.errors import UserError
from reangle.folders import (
    DecodedClip,
    FilledFolder,
    GeometryFolder,
    LearnedClip,
    LearningRecord,
    LoraFolder,
    StartFolder,
    UnfinishedLearning,
    source_clip,
)
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_image, read_images
from reangle.motion.dataset import LEAST_COVERAGE, path_prompt, preset_paths, training_clips
from reangle.motion.examples import Example, encode_example, load_examples, save_examples
from reangle.motion.preview_image import fit_colours, preview_image
from reangle.motion.spec import LearnContext
from reangle.motion.trainer import Progress, learn
from reangle.runtime.data_folder import write_atomically
from reangle.video_models.adapter import add_adapter, put_adapter_weights, read_adapter
from reangle.video_models.base import Prompt, VideoModel
from reangle.video_models.device_memory import in_tier
from reangle.video_models.memory import Tier
from reangle.video_models.model_view import ModelView
from reangle.video_models.prompts import read_prompts
from reangle.video_models.registry import video_model_class
from reangle.video_models.windows import plan_windows
from reangle.warping.video import Warper
from reangle.weights.registry import kind_of, licence_of, name_of

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
    model, encoded = _prepare(context, model_class, tier, unfinished)
    model.keep_transformer()
    add_adapter(model, settings.rank, settings.alpha, settings.seed)
    if earlier is not None:
        put_adapter_weights(model.transformer, read_adapter(earlier))
    settings = replace(settings, steps=settings.steps * encoded.windows)

    def report(progress: Progress) -> None:
        share = context.preparation + (1 - context.preparation) * progress.step / settings.steps
        context.report(min(share, 1.0), "")
        now_and_then = not progress.step % max(1, settings.steps // PICTURES) or progress.step == settings.steps
        picture = preview_image(model, encoded.examples[0], encoded.colours) if now_and_then else b""
        context.report_training(progress.loss, _progress_message(progress, settings.steps), picture)

    try:
        learned = learn(model, encoded.examples, settings, unfinished.training, report, tier)
    except FloatingPointError as error:
        raise UserError(
            f"Training diverged: {error}.", advice="Choose a lower learning rate, or another seed."
        ) from error
    model.save_lora(context.out)
    record = LearningRecord(
        clips=encoded.clips,
        losses=tuple(round(loss, 6) for loss in learned.losses),
        curves=(tuple((step, round(loss, 6)) for step, loss in learned.curve),),
        **asdict(model_record(context.checkpoint, tier)),
    )
    if earlier is not None:
        before = earlier.record()
        record = replace(
            record,
            clips=before.clips + record.clips,
            losses=before.losses + record.losses,
            curves=before.curves + record.curves,
        )
    context.out.write_record(record)


@dataclass(frozen=True)
class ModelRecord:
    """How a record names the model that a stage ran. memory: how memory was saved."""

    checkpoint: str
    licence: str
    memory: str


def model_record(checkpoint: str, tier: Tier) -> ModelRecord:
    return ModelRecord(name_of(checkpoint), licence_of(checkpoint), f"{tier.name}: {tier.words}")


@dataclass(frozen=True, eq=False)
class _Sources:
    """What clips are made from. fill, start: the only path's frames without holes and its starting image, if there are
    any.
    """

    warper: Warper
    paths: Sequence[CameraPath]
    prompts: Sequence[str]
    fill: FilledFolder | None
    start: StartFolder | None


@dataclass(frozen=True, eq=False)
class _Encoded:
    """The clips to learn from. windows: of each path. colours: `fit_colours` of the first clip."""

    examples: Sequence[Example]
    clips: tuple[LearnedClip, ...]
    windows: int
    colours: np.ndarray


def _prepare(
    context: LearnContext, model_class: type[VideoModel], tier: Tier, unfinished: UnfinishedLearning
) -> tuple[VideoModel, _Encoded]:
    """The opened model and what it learns from. The clip's frames and its geometry are free again afterwards."""
    folder = Path(context.checkpoint)
    if (encoded := _encoded(unfinished)) is not None:
        return model_class.open(folder, tier), encoded
    sources = _sources(context)
    prompts, truncation = read_prompts(model_class.text, folder, sources.prompts, tier)
    if truncation:
        context.report(0.0, truncation.note)
    model = model_class.open(folder, tier)
    return model, _encode(context, model, sources, prompts, unfinished)


def _sources(context: LearnContext) -> _Sources:
    params = context.params
    warper, fps = warper_of(source_clip(context), context.read("geometry", GeometryFolder), params.preview)
    paths = [params.path] if params.path else preset_paths(warper, fps)[: None if params.warps else 1]
    prompts = [path_prompt(path, warper, params.caption) for path in paths]
    return _Sources(warper, paths, prompts, context.find("fill", FilledFolder), context.find("start", StartFolder))


def _encoded(unfinished: UnfinishedLearning) -> _Encoded | None:
    """What an earlier run of the stage encoded."""
    if not unfinished.examples_metadata_file.exists():
        return None
    known = json.loads(unfinished.examples_metadata_file.read_text(encoding="utf-8"))
    return _Encoded(
        load_examples(unfinished.examples),
        tuple(LearnedClip(**clip) for clip in known["clips"]),
        known["windows"],
        np.array(known["colours"], np.float32),
    )


def _encode(
    context: LearnContext,
    model: VideoModel,
    sources: _Sources,
    prompts: Sequence[Prompt],
    unfinished: UnfinishedLearning,
) -> _Encoded:
    """Warp and encode clip after clip, of which one path at a time is in memory, and save the result for a next run."""
    params, path = context.params, sources.paths[0]
    view = ModelView.of(path.width, path.height, *model.size_for(path.width, path.height))
    windows = plan_windows(len(path.frames), model.frames, model.group)
    fill = [read_images(sources.fill.frames, start, 1)[0] for start in windows.starts] if sources.fill else None
    if fill is not None and sources.start is not None:
        # As in generation, but of an image that the artist changed only what the clip does not show: the clip's own
        # frames, which are learned from, do not have the change.
        fill[0] = read_image(sources.start.image)
    count = len(sources.paths) * len(windows.starts)
    examples: list[Example] = []
    clips: list[LearnedClip] = []
    colours = None
    for path, words, prompt in zip(sources.paths, sources.prompts, prompts, strict=True):
        for clip in training_clips(sources.warper, path, view, windows, fill):
            used = clip.coverage >= LEAST_COVERAGE
            clips.append(LearnedClip(clip.name, words, round(clip.coverage, 4), used))
            if used:
                chosen = clip if params.masked else replace(clip, visible=np.ones_like(clip.visible))
                examples.append(encode_example(model, chosen, prompt.words, params.learning.seed + len(examples)))
                if colours is None:
                    colours = fit_colours(examples[0].latents, clip.frames, model.group)
            else:
                context.report(0.0, f"{clip.name} shows only {clip.coverage:.0%} of its picture and is left out.")
            context.report(context.preparation * len(clips) / count, "")
    if colours is None:
        raise UserError(
            "There is nothing to learn the motion from: this camera sees too little of the clip "
            f"({max(clip.coverage for clip in clips):.0%} of its picture).",
            advice="Keep the camera nearer to where the clip was filmed from.",
        )
    save_examples(examples, unfinished.examples)
    metadata = {
        "clips": [asdict(clip) for clip in clips],
        "windows": len(windows.starts),
        "colours": colours.tolist(),
    }
    write_atomically(unfinished.examples_metadata_file, json.dumps(metadata).encode())
    # Read back, so that a resumed run learns from the same numbers.
    encoded = _encoded(unfinished)
    assert encoded is not None
    return encoded


def warper_of(clip: DecodedClip, geometry_folder: GeometryFolder, settings: PreviewSettings) -> tuple[Warper, float]:
    """What warps the clip, and the clip's frames per second."""
    warper = Warper.of_clip(read_images(clip.frames), VideoGeometry.load(geometry_folder), settings)
    return warper, clip.metadata().fps


def _progress_message(progress: Progress, steps: int) -> str:
    return (
        f"Step {progress.step} of {steps}, loss {progress.loss:.3f} ({progress.first_loss:.3f} at first), "
        f"{progress.rate:.2f} steps a second, {progress.eta_s:.0f} s left."
    )
