# SPDX-License-Identifier: Apache-2.0
"""Engines that run a video model. `reangle` learns the clip's motion and generates what the source camera did not see;
`inpaint` shows the warped clip to a model that fills its holes.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from reangle.contract import CameraPath, JobRequest
from reangle.contract.engines import ENGINES
from reangle.engines.preview import clip_inputs, unnamed, warping
from reangle.engines.suite_choice import checkpoint_for, engine_of, named_suite, suites_for, why_not_here
from reangle.errors import UserError
from reangle.finishing.spec import FILL, FINISH, FinishParams
from reangle.generation.spec import GENERATE, GenerateParams, SamplingSettings
from reangle.motion.settings import LearningSettings
from reangle.motion.spec import LEARN, LearnParams
from reangle.runtime.graphics_card import nvidia_cards, why_no_card
from reangle.runtime.stage import PlannedStage, StageId
from reangle.starting.spec import START
from reangle.video_models.memory import weights_in
from reangle.video_models.window_starts import check_anchors, window_starts
from reangle.warping.spec import WARP
from reangle.weights.kinds import Kind
from reangle.weights.recipes import LARGE, PACES, Pace, Recipe, recipe_named
from reangle.weights.registry import find_checkpoint, is_installed, kind_of, pipeline_of
from reangle.weights.suites import suite_named

SHARED_CLIPS = 13
"""Clips of the shared phase: the clip itself and its preset warps (`motion.dataset.MOVES`)."""
MOST_WEIGHTS_ON_CPU = 1_000_000_000
"""A training step of CogVideoX-5B is 920 TFLOP: 7 minutes at 0.13 TFLOPS (float32, measured) on each of 16 cores."""
OPENING_S = 5.0
"""Time to open a video model."""


def check_engine(engine: str, wanted: str, data: Path) -> None:
    """Raise UserError if the engine has no weights here. wanted: a suite or a folder. data: the data folder."""
    if ENGINES[engine].needs:
        video_checkpoint(engine, named_suite(engine, wanted, data), data)


def video_checkpoint(engine: str, wanted: str, data: Path) -> str:
    """The folder of the video model. wanted: a suite, but not "auto", or a folder. data: the data folder.

    Raises UserError if it is not on this machine, cannot run there, or is for another engine.
    """
    suite, choices = suite_named(wanted), " or ".join(suite.name for suite in suites_for(engine))
    known = checkpoint_for(suite, engine) if suite else None
    if suite and known is None:
        raise UserError(
            f"The suite {suite.name} is for the engine {engine_of(suite)}, not for {engine}.",
            advice=f"Choose the engine {engine_of(suite)}, or the suite {choices}.",
        )
    if suite and known and (problem := why_not_here(suite)) and not is_installed(known, data):
        # Else the weights would be fetched for nothing.
        raise UserError(
            f"The suite {suite.name} cannot run on this machine. {problem}",
            advice="Choose the suite auto, another engine, or a backend on a machine with such a card.",
        )
    folder = find_checkpoint(known.name if known else wanted, data)
    kind = kind_of(folder)
    if kind is None or kind.role not in ENGINES[engine].needs or kind.refusal:
        holds = kind.refusal or f"It is for the engine {_engine_for(kind)}." if kind else _holds(folder)
        raise UserError(
            f"{folder} does not hold a video model that the engine {engine} can use.{' ' if holds else ''}{holds}",
            advice=f"Choose the suite {choices}.",
        )
    _check_device(folder)
    return str(folder)


def _check_device(folder: Path) -> None:
    try:
        weights = weights_in(folder / "transformer")
    except (OSError, ValueError):
        return  # damaged files are reported where they are opened
    reason = why_no_card() if weights > MOST_WEIGHTS_ON_CPU else ""
    if reason:
        cards = nvidia_cards()
        raise UserError(
            f"{folder.name} has {weights / 1e9:.1f} billion weights and needs a graphics card, but {reason}; "
            "without one, training takes days.",
            advice="Install the backend again: that takes PyTorch for the card."
            if cards
            else "Choose the suite mini, or a backend on a machine with an NVIDIA card.",
        )


def _engine_for(kind: Kind) -> str:
    return next((name for name, engine in ENGINES.items() if kind.role in engine.needs), "preview")


def _holds(folder: Path) -> str:
    pipeline = pipeline_of(folder)
    return f"Its pipeline is {pipeline}." if pipeline else ""


def recipe_of(request: JobRequest) -> Recipe:
    """The suite's recipe, with the settings that the request gives in their places."""
    given = {field.name: getattr(request.reangle, field.name) for field in fields(Recipe)}
    given = {name: value for name, value in given.items() if value is not None}
    return replace(recipe_named(request.reangle.suite), **given)


def shared_learning(request: JobRequest, checkpoint: str) -> list[PlannedStage]:
    """Learning from the clip and its warps to preset moves, once for all cameras; none if it has no steps."""
    steps = recipe_of(request).shared_steps
    frames = SHARED_CLIPS * max(len(path.frames) for path in request.paths)
    return [_learn(request, checkpoint, steps, frames)] if steps else []


def video_stages(request: JobRequest, path: CameraPath, checkpoint: str, *, has_start: bool) -> list[PlannedStage]:
    """One camera's stages after its warp and fill: learning from its own warp, generating, finishing.

    has_start: whether it has a starting image of its own.
    """
    recipe = recipe_of(request)
    lora = LEARN.id() if recipe.shared_steps else None
    begun = {"start": START.id(path.name)} if has_start else {}
    stages = []
    if recipe.path_steps:
        stages.append(_learn(request, checkpoint, recipe.path_steps, len(path.frames), path, lora))
        lora = stages[-1].id
    stages += [_generate(request, path, checkpoint, lora), _finish(request, path)]
    return [replace(stage, inputs={**stage.inputs, **begun}) for stage in stages]


def _learn(
    request: JobRequest,
    checkpoint: str,
    steps: int,
    frames: int,
    path: CameraPath | None = None,
    earlier: StageId | None = None,
) -> PlannedStage:
    """frames: of all clips that are learned from, about. path: None for the shared phase. earlier: the LoRA to start
    from.
    """
    recipe, pace = recipe_of(request), _pace(request)
    longest = max(len(one.frames) for one in ([path] if path else request.paths))
    windows = len(window_starts(longest, pace.window, pace.group))
    preparation_s, training_s = OPENING_S + pace.frame * frames, pace.step * steps * windows
    return PlannedStage(
        spec=LEARN,
        camera=path.name if path else "",
        params=LearnParams(
            path=unnamed(path) if path else None,
            preview=warping(request),
            caption=request.reangle.caption,
            learning=LearningSettings(
                steps=steps, rank=recipe.rank, alpha=recipe.alpha, rate=recipe.rate, seed=request.seed % 2**32
            ),
        ),
        inputs={**_clip_inputs(earlier), **({"fill": FILL.id(path.name)} if path else {})},
        checkpoint=checkpoint,
        weight=preparation_s + training_s,
        preparation=preparation_s / (preparation_s + training_s),
    )


def _generate(request: JobRequest, path: CameraPath, checkpoint: str, lora: StageId | None) -> PlannedStage:
    recipe, pace, frames = recipe_of(request), _pace(request), len(path.frames)
    anchors = request.start_of(path.name).anchors
    if (known := PACES.get(request.reangle.suite.casefold())) is not None:
        # Of other models the windows are known when they are open.
        starts = window_starts(frames, known.window, known.group)
        check_anchors((anchor.frame for anchor in anchors), starts, path.name)
    passes = recipe.sampling_steps * (2 if recipe.guidance > 1 else 1)
    # Frames are encoded before sampling, and decoded after it.
    preparation_s = OPENING_S + pace.frame * frames
    sampling_s = (pace.frame + passes * pace.sample) * frames
    return PlannedStage(
        spec=GENERATE,
        camera=path.name,
        params=GenerateParams(
            path=unnamed(path),
            preview=warping(request),
            caption=request.reangle.caption,
            sampling=SamplingSettings(recipe.sampling_steps, recipe.guidance, recipe.dynamic_guidance),
            warp_guidance=recipe.warp_guidance,
            anchors=tuple(anchor.frame for anchor in anchors),
            seed=request.seed,
        ),
        inputs={**_clip_inputs(lora), "fill": FILL.id(path.name)},
        files={"anchors": tuple(anchor.image for anchor in anchors)} if anchors else {},
        checkpoint=checkpoint,
        weight=preparation_s + sampling_s,
        preparation=preparation_s / (preparation_s + sampling_s),
    )


def _finish(request: JobRequest, path: CameraPath) -> PlannedStage:
    camera = path.name
    return PlannedStage(
        spec=FINISH,
        camera=camera,
        params=FinishParams(
            path=unnamed(path),
            exact_where_seen=request.reangle.exact_where_seen,
            fill_share=recipe_of(request).fill_share,
        ),
        inputs={"warp": WARP.id(camera), "fill": FILL.id(camera), "generate": GENERATE.id(camera)},
        weight=3,
    )


def _clip_inputs(lora: StageId | None) -> dict[str, StageId]:
    """The clip, its camera and its geometry, and a LoRA where there is one."""
    return {**clip_inputs(), **({"learn": lora} if lora else {})}


def _pace(request: JobRequest) -> Pace:
    return PACES.get(request.reangle.suite.casefold(), LARGE)
