# SPDX-License-Identifier: Apache-2.0
"""Engine `reangle`: the clip's motion is learned, and a video model makes what the camera did not see."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from reangle.contract import CameraPath, JobRequest
from reangle.engines.preview import unnamed
from reangle.errors import UserError
from reangle.runtime.stage import Stage
from reangle.weights.recipes import LARGE, PACES, RECIPES, Pace, Recipe
from reangle.weights.registry import find_checkpoint, kind_of
from reangle.weights.suites import suite_named

LEARN_VERSION = 3
GENERATE_VERSION = 3
FINISH_VERSION = 3
SHARED = "learn the motion"
CLIPS = 13
"""What all cameras learn from: the clip and its preset warps (`motion.dataset.MOVES`)."""
OPENING_S = 5.0


def video_checkpoint(request: JobRequest, data: Path) -> str:
    """The folder of the video model. Raises UserError if it is not on this machine or is of another kind."""
    asked = request.reangle.suite
    suite = suite_named(asked)
    folder = find_checkpoint(suite.video.name if suite else asked, data)
    kind = kind_of(folder)
    if kind is None or kind.role != "video":
        raise UserError(
            f"{folder} does not hold a video model that the engine reangle can use.",
            advice="Choose the suite mini or cogvideox-5b.",
        )
    return str(folder)


def recipe(request: JobRequest) -> Recipe:
    """The suite's recipe with what the artist said."""
    said = request.reangle.model_dump(include={field.name for field in fields(Recipe)}, exclude_none=True)
    return replace(RECIPES.get(request.reangle.suite.casefold(), Recipe()), **said)


def _pace(request: JobRequest) -> Pace:
    return PACES.get(request.reangle.suite.casefold(), LARGE)


def shared_learning(request: JobRequest, checkpoint: str) -> list[Stage]:
    """Learning from the clip and its warps to preset moves, once for all cameras."""
    steps = recipe(request).shared_steps
    frames = max((len(path.frames) for path in request.paths), default=0)
    return [_learn(request, checkpoint, SHARED, None, steps, {}, CLIPS * frames)] if steps else []


def generation(request: JobRequest, path: CameraPath, checkpoint: str) -> list[Stage]:
    """One camera's stages after `warp` and `fill`: learning from its own warp, generating, finishing."""
    chosen = recipe(request)
    learned = {"learned": SHARED} if chosen.shared_steps else {}
    stages = []
    if chosen.path_steps:
        own = f"learn {path.name}"
        stages.append(_learn(request, checkpoint, own, path, chosen.path_steps, learned, len(path.frames)))
        learned = {"learned": own}
    pace, passes = _pace(request), chosen.sampling_steps * (2 if chosen.guidance > 1 else 1)
    # Frames are encoded before, and decoded after.
    ready = OPENING_S + pace.frame * len(path.frames)
    sampling = (pace.frame + passes * pace.sample) * len(path.frames)
    generate, finish = f"generate {path.name}", f"finish {path.name}"
    fill = f"fill {path.name}"
    return [
        *stages,
        Stage(
            name=generate,
            run="generate",
            version=GENERATE_VERSION,
            params={
                "path": unnamed(path),
                "caption": request.reangle.caption,
                "sampling": {
                    "steps": chosen.sampling_steps,
                    "guidance": chosen.guidance,
                    "dynamic_guidance": chosen.dynamic_guidance,
                },
                "warp_guidance": chosen.warp_guidance,
                "seed": request.seed,
            },
            inputs={"decode": "decode", "geometry": "geometry", "preview": fill, **learned},
            checkpoint=checkpoint,
            weight=ready + sampling,
            preparation=ready / (ready + sampling),
        ),
        Stage(
            name=finish,
            run="finish",
            version=FINISH_VERSION,
            params={"exact_where_seen": request.reangle.exact_where_seen, "fill_share": chosen.fill_share},
            inputs={"warp": f"warp {path.name}", "fill": fill, "generated": generate},
            weight=3,
        ),
    ]


def _learn(
    request: JobRequest,
    checkpoint: str,
    name: str,
    path: CameraPath | None,
    steps: int,
    learned: dict[str, str],
    frames: int,
) -> Stage:
    """frames: of all clips that are learned from, about."""
    chosen, pace = recipe(request), _pace(request)
    preparing, learning_s = OPENING_S + pace.frame * frames, pace.step * steps
    learning: dict[str, Any] = {
        "steps": steps,
        "rank": chosen.rank,
        "alpha": chosen.alpha,
        "rate": chosen.rate,
        "seed": request.seed % 2**32,
    }
    return Stage(
        name=name,
        run="learn",
        version=LEARN_VERSION,
        params={
            "path": unnamed(path) if path else None,
            "caption": request.reangle.caption,
            "learning": learning,
            "warps": True,
            "masked": True,
        },
        inputs={"decode": "decode", "geometry": "geometry", **learned},
        checkpoint=checkpoint,
        weight=preparing + learning_s,
        preparation=preparing / (preparing + learning_s),
    )
