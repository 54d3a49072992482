# SPDX-License-Identifier: Apache-2.0
"""Measure how many training steps motion needs, on generated scenes: the loss on the true clip of the new camera.

    python3.11 scripts/bench/learning.py [--scenes 3] [--suite mini] [--shared 60] [--own 160] [--rate 0.003]

Training never uses the true clip of the new camera. Its loss at a few fixed times and noises shows, in seconds and
without sampling, what training gains where the source camera sees and where it does not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
import torch
from reangle.contract import CameraPath, PreviewSettings
from reangle.engines.plan import plan_job
from reangle.evaluation.request import true_depth_request
from reangle.evaluation.truth import TrueScene, TrueView
from reangle.folders import DecodedClip, GeometryFolder
from reangle.geometry.spec import GEOMETRY
from reangle.media.spec import DECODE
from reangle.motion.dataset import path_prompt, preset_paths, training_clips
from reangle.motion.examples import Example, encode_example
from reangle.motion.settings import LearningSettings
from reangle.motion.stage import warper_of
from reangle.motion.trainer import Draw, NoisedClip, Progress, learn, predict
from reangle.runtime.execute import run_plan
from reangle.runtime.store import Store
from reangle.video_models.adapter import adapter_weights, add_adapter, put_adapter_weights
from reangle.video_models.base import VideoModel
from reangle.video_models.memory import TIERS
from reangle.video_models.model_view import ModelView
from reangle.video_models.precision import keep_float32
from reangle.video_models.prompts import read_prompts
from reangle.video_models.registry import video_model_class
from reangle.video_models.windows import plan_windows
from reangle.weights.installed import InstalledWeights
from reangle.weights.recipes import RECIPES, Recipe
from reangle.weights.registry import find_checkpoint, kind_of
from reangle.weights.suites import suite_named

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene

TIMES = (400, 700, 950)
MEASURED_STEPS = (10, 20, 40, 60, 80, 100, 160, 240, 320)
"""Steps of a phase after which the loss on the truth is measured."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure how many training steps motion needs.")
    parser.add_argument("--scenes", type=int, default=3, metavar="N")
    parser.add_argument("--suite", default="mini", metavar="NAME")
    parser.add_argument("--shared", type=int, metavar="N", help="steps that all cameras share (default: the recipe's)")
    parser.add_argument("--own", type=int, default=160, metavar="N", help="steps for each camera")
    parser.add_argument("--rate", type=float, metavar="X", help="default: the recipe's")
    args = parser.parse_args()
    recipe = RECIPES.get(args.suite, Recipe())
    shared = recipe.shared_steps if args.shared is None else args.shared
    recipe = replace(recipe, shared_steps=shared, rate=args.rate or recipe.rate)
    measured: dict[str, list[tuple[float, float]]] = {}
    for seed in range(args.scenes):
        with tempfile.TemporaryDirectory() as work:
            for moment, losses in _scene(seed, args.suite, recipe, args.own, Path(work)).items():
                measured.setdefault(moment, []).extend(losses)
    print(f"\nloss on the true clips of {len(measured['nothing'])} cameras, rate {recipe.rate:g}, rank {recipe.rank}")
    print(f"{'learned':34}{'seen':>8}{'hidden':>8}")
    for moment, losses in measured.items():
        seen, hidden = np.mean(losses, axis=0)
        print(f"{moment:34}{seen:8.4f}{hidden:8.4f}", flush=True)
    figures = {moment: np.mean(losses, axis=0).round(4).tolist() for moment, losses in measured.items()}
    print(json.dumps({"bench": "learning", "figures": figures}))
    return 0


def _scene(seed: int, suite: str, recipe: Recipe, own: int, work: Path) -> dict[str, list[tuple[float, float]]]:
    """Steps so far -> (loss where seen, where hidden) of each camera."""
    known, store = suite_named(suite), Store(work / "data")
    folder = find_checkpoint(known.main.name if known else suite, store.root)
    model_class = video_model_class(kind_of(folder))
    model = model_class.open(folder, TIERS[0])
    (width, height), frames = model.size_for(16, 9), model.frames
    write_scene(draw_scene(seed, frames=frames, width=width, height=height), work / "scene")
    scene = TrueScene.open(work / "scene")
    run = partial(run_plan, store=store, weights=InstalledWeights(store.root))
    done = run(plan_job(true_depth_request(scene, store), store.root))
    warper, fps = warper_of(
        DecodedClip(done[DECODE.id()].folder), GeometryFolder(done[GEOMETRY.id()].folder), PreviewSettings()
    )

    def encoded(paths: list[CameraPath], truths: Sequence[TrueView] = ()) -> list[Example]:
        view, windows = ModelView.of(width, height, width, height), plan_windows(frames, frames, model.group)
        prompts, _ = read_prompts(
            model_class.text, folder, [path_prompt(path, warper, scene.caption) for path in paths]
        )
        examples = []
        for index, (path, prompt) in enumerate(zip(paths, prompts, strict=True)):
            (clip,) = training_clips(warper, path, view, windows)
            if truths:
                clip = replace(clip, frames=truths[index].frames(), visible=truths[index].parts()["visible"])
            examples.append(encode_example(model, clip, prompt.words, index))
        return examples

    shared = encoded(preset_paths(warper, fps))
    own_paths = [view.path for view in scene.views]
    warps, truths = encoded(own_paths), encoded(own_paths, scene.views)
    model.keep_transformer()
    for layer in model.float32_layers:
        keep_float32(layer)
    measured = {"nothing": [_loss(model, truth) for truth in truths]}
    settings = LearningSettings(rank=recipe.rank, alpha=recipe.alpha, rate=recipe.rate)
    add_adapter(model, recipe.rank, recipe.alpha, settings.seed)

    def measuring(phase: str, true: list[Example]) -> Callable[[Progress], None]:
        def measure(progress: Progress) -> None:
            if progress.step in MEASURED_STEPS:
                model.transformer.eval()
                measured.setdefault(phase.format(progress.step), []).extend(_loss(model, one) for one in true)
                model.transformer.train()

        return measure

    if recipe.shared_steps:
        learn(
            model,
            shared,
            replace(settings, steps=recipe.shared_steps),
            work / "shared",
            measuring("{} steps shared by all cameras", truths),
        )
    base = {name: weights.clone() for name, weights in adapter_weights(model.transformer).items()}
    for index, (warp, truth) in enumerate(zip(warps, truths, strict=True)):
        put_adapter_weights(model.transformer, base)
        measure = measuring("and {} for the camera", [truth])
        learn(model, [warp], replace(settings, steps=own), work / str(index), measure)
    print(f"scene {seed} is done", flush=True)
    return measured


@torch.no_grad()
def _loss(model: VideoModel, truth: Example) -> tuple[float, float]:
    """Mean squared error of the prediction where the source camera sees, and where it does not."""
    seen, hidden = [], []
    for time in TIMES:
        noise = torch.randn(truth.latents.shape, generator=torch.Generator().manual_seed(time))
        drawn = Draw(0, 0, True, time, noise)
        noised = NoisedClip.of(model, truth, drawn)
        target = model.target(noised.clean, noised.noise, noised.time)
        error = (predict(model, truth, drawn, noised).float() - target).square()[0].mean(dim=1).cpu()
        seen.append(float(error[truth.mask].mean()))
        hidden.append(float(error[~truth.mask].mean()))
    return float(np.mean(seen)), float(np.mean(hidden))


if __name__ == "__main__":
    sys.exit(main())
