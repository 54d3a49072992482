# SPDX-License-Identifier: Apache-2.0
"""Stage `learn`: a clip's motion, as a LoRA of the video model.

It runs twice: on the clip and its warps to preset moves, for all cameras of the clip together; then, from there, on one
camera's own warp.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from diffusers import CogVideoXImageToVideoPipeline
from safetensors.torch import load_file

from reangle.contract import CameraPath
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.motion.adapter import WEIGHTS, add_adapter, put_adapter_weights, save_adapter
from reangle.motion.dataset import LEAST_COVERAGE, TrainingClip, preset_paths, training_clips
from reangle.motion.device_memory import in_tier
from reangle.motion.examples import Example, encode_example, load_examples, save_examples
from reangle.motion.model_view import ModelView
from reangle.motion.pipeline import alone, open_video_pipeline, rotary_of, unread
from reangle.motion.settings import LearningSettings
from reangle.motion.sight import colours_of, sight
from reangle.motion.trainer import Progress, learn
from reangle.motion.windows import plan_windows
from reangle.runtime.data_folder import write_atomically
from reangle.runtime.stage import StageContext
from reangle.warping.memory import Memory
from reangle.warping.video import Warper, check_clip
from reangle.weights.memory import Tier
from reangle.weights.registry import licence_of, name_of

WARPING = 0.25
"""Share of the preparation: the rest is encoding."""
LORA = "lora"
PICTURES = 8
"""How often learning is put into words and a picture."""


def learn_motion(context: StageContext) -> None:
    """Write lora/, in diffusers' format, and learning.json (losses, clips and what was left out) into `context.out`.

    What was learned before is told first, so the file is the whole history of its LoRA.

    params: caption; path, a CameraPath, or None for the presets; learning, fields of LearningSettings; warps, whether
    to learn from the presets' warps besides the clip itself; masked, whether what was not seen is hidden from the loss.
    inputs: decode, geometry, and learned, an earlier output to go on from, if there is one. checkpoint: a video model.
    """
    settings = learning_settings(context.params["learning"])
    in_tier(context, settings.rank, partial(_learn, context, settings))


def _learn(context: StageContext, settings: LearningSettings, tier: Tier) -> None:
    assert context.unfinished is not None
    kept = context.unfinished
    pipe = open_video_pipeline(Path(context.checkpoint), tier)
    examples, about, colours = _examples(context, pipe, kept / "examples.safetensors", settings.seed)
    scheduler = pipe.scheduler
    width, height = model_size(pipe)
    rotary = rotary_of(pipe, height, width, len(examples[0].latents))
    transformer = alone(pipe)
    add_adapter(transformer, settings.rank, settings.alpha, settings.seed)
    if "learned" in context.inputs:
        learned = load_file(context.inputs["learned"] / LORA / WEIGHTS)
        put_adapter_weights(
            transformer, {name.removeprefix("transformer."): weights for name, weights in learned.items()}
        )

    def report(progress: Progress) -> None:
        share = context.preparation + (1 - context.preparation) * progress.step / settings.steps
        now_and_then = not progress.step % max(1, settings.steps // PICTURES) or progress.step == settings.steps
        context.report(min(share, 1.0), "")
        picture = sight(transformer, scheduler, rotary, examples[0], colours) if now_and_then else b""
        context.show(progress.loss, _news(progress, settings.steps), picture)

    try:
        losses = learn(transformer, scheduler, rotary, examples, settings, kept / "training.safetensors", report, tier)
    except FloatingPointError as error:
        raise UserError(
            f"Learning the motion went astray: {error}.", advice="Choose a lower learning rate, or another seed."
        ) from error
    save_adapter(transformer, context.out / LORA)
    about |= video_model(context, tier)
    about["losses"] = [round(loss, 6) for loss in losses]
    if "learned" in context.inputs:
        before = json.loads((context.inputs["learned"] / "learning.json").read_text(encoding="utf-8"))
        about |= {key: before[key] + about[key] for key in ("clips", "losses")}
    (context.out / "learning.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


def video_model(context: StageContext, tier: Tier) -> dict[str, str]:
    """What a manifest says of the model that a stage ran: its name, its licence, and how memory was saved."""
    name, licence = name_of(context.checkpoint), licence_of(context.checkpoint)
    return {"checkpoint": name, "licence": licence, "memory": f"{tier.name}: {tier.words}"}


def learning_settings(values: Mapping[str, Any]) -> LearningSettings:
    """From JSON; what is not said is the default."""
    known = {field.name for field in fields(LearningSettings)}
    given = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known
    }
    return LearningSettings(**given)


def model_size(pipe: CogVideoXImageToVideoPipeline) -> tuple[int, int]:
    """Width and height in pixels that the model was trained for."""
    config, factor = pipe.transformer.config, pipe.vae_scale_factor_spatial
    return config.sample_width * factor, config.sample_height * factor


def _examples(
    context: StageContext, pipe: CogVideoXImageToVideoPipeline, kept: Path, seed: int
) -> tuple[list[Example], dict[str, Any], np.ndarray]:
    """The clips to learn from, encoded; what learning.json says of them; and `colours_of` the first."""
    beside = kept.with_suffix(".json")
    if beside.exists():
        known = json.loads(beside.read_text(encoding="utf-8"))
        return load_examples(kept), known["about"], np.array(known["colours"], np.float32)
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
        visible = clip.visible if context.params["masked"] else np.ones_like(clip.visible)
        examples.append(encode_example(pipe, clip.frames, visible, clip.prompt, seed + index))
        share = WARPING + (1 - WARPING) * (index + 1) / len(enough)
        context.report(context.preparation * share, "")
    about = {
        "clips": [
            {"name": clip.name, "prompt": clip.prompt, "coverage": round(clip.coverage, 4), "used": clip in enough}
            for clip in clips
        ]
    }
    colours = colours_of(examples[0].latents, enough[0].frames)
    save_examples(examples, kept)
    write_atomically(beside, json.dumps({"about": about, "colours": colours.tolist()}).encode())
    # Read back, so that a broken run and an unbroken one learn from the same numbers.
    return load_examples(kept), about, colours


def _clips(context: StageContext, pipe: CogVideoXImageToVideoPipeline) -> list[TrainingClip]:
    warper, fps = warper_of(context.inputs["decode"], context.inputs["geometry"])
    given = context.params["path"]
    paths = preset_paths(warper, fps) if given is None else [CameraPath.model_validate(given)]
    if given is None and not context.params["warps"]:
        paths = paths[:1]
    first = paths[0]
    view = ModelView.of(first.width, first.height, *model_size(pipe))
    windows = plan_windows(len(first.frames), pipe.transformer.config.sample_frames)
    clips: list[TrainingClip] = []
    for clip in training_clips(warper, paths, view, windows, context.params["caption"]):
        clips.append(clip)
        share = len(clips) / (len(paths) * len(windows.starts))
        context.report(context.preparation * WARPING * share, "")
    return clips


def warper_of(decode: Path, geometry_folder: Path) -> tuple[Warper, float]:
    """What warps the clip, and the clip's frames per second, from what the stages `decode` and `geometry` wrote."""
    frames = read_images(decode / "frames")
    fps = json.loads((decode / "clip.json").read_text(encoding="utf-8"))["fps"]
    geometry = VideoGeometry.load(geometry_folder)
    check_clip(frames, geometry)
    return Warper(frames, geometry, Memory.of_clip(frames, geometry)), fps


def _news(progress: Progress, steps: int) -> str:
    return (
        f"Step {progress.step} of {steps}, loss {progress.loss:.3f}, {progress.rate:.2f} steps a second, "
        f"{progress.eta_s:.0f} s left."
    )
