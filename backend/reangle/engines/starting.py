# SPDX-License-Identifier: Apache-2.0
"""Plans the starting images of a job's cameras."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from reangle.contract import CameraPath, JobRequest
from reangle.contract.starts import CameraStart
from reangle.engines.preview import clip_inputs, unnamed
from reangle.evaluation.agreement.listing import judging_weights
from reangle.finishing.spec import FILL
from reangle.runtime.stage import PlannedStage
from reangle.starting.painters import FILL_NAME, Painter, edit_painter, find_painter
from reangle.starting.spec import START, PaintSettings, StartParams
from reangle.starting.tree import begins_at_source, parents
from reangle.warping.spec import WARP
from reangle.weights.identity import CHECKPOINT_SEPARATOR

OPENING_S = 8.0
"""Time to open an image model and to read the scene."""


def start_stages(request: JobRequest, data: Path) -> list[PlannedStage]:
    """A starting image for each camera that does not begin at the source camera, parents before their children.

    An artist's image also starts a camera that does begin there. Raises UserError if chosen weights are missing.
    """
    by_name = {path.name: path for path in request.paths}
    tree = dict(parents(request.paths))
    for path in request.paths:
        told = request.start_of(path.name)
        if begins_at_source(path) and (told.image is not None or told.edit is not None):
            tree[path.name] = None
    painter = find_painter(request.starting.painter, request.reangle.suite, data)
    return [_start(request, by_name[name], parent, painter, data) for name, parent in tree.items()]


def _start(
    request: JobRequest, path: CameraPath, parent: str | None, painter: Painter, data: Path
) -> PlannedStage:
    told, judge = request.start_of(path.name), request.starting.judge
    # The artist's own image needs no painter, and only a painter's candidates are judged.
    paints = told.image is None and painter.name != FILL_NAME
    settings = paint_settings(request, painter)
    if not paints or settings.candidates == 1:
        judge = "none"
    editor = edit_painter(painter, data) if told.edit is not None else None
    checkpoints = [*([painter.checkpoint] if paints else []), *([editor.checkpoint] if editor else [])]
    if judge != "none":
        checkpoints.append(judging_weights(judge, data))
    calls = settings.steps * settings.candidates if paints else 0
    return PlannedStage(
        spec=START,
        camera=path.name,
        params=StartParams(
            path=unnamed(_first_of(path)),
            preview=request.preview,
            prompt=request.reangle.caption,
            painter=painter.name if paints else FILL_NAME,
            judge=judge,
            paint=settings,
            edit=told.edit,
            seed=_seed(request, told),
        ),
        inputs={
            **clip_inputs(),
            "warp": WARP.id(path.name),
            "fill": FILL.id(path.name),
            **({"start": START.id(parent)} if parent is not None and judge != "none" else {}),
        },
        files={"image": (told.image,)} if told.image is not None else {},
        checkpoint=CHECKPOINT_SEPARATOR.join(dict.fromkeys(one for one in checkpoints if one)),
        weight=OPENING_S + calls * painter.seconds_per_call,
        preparation=0.2,
        note=painter.note,
        publishes=f"starts/{path.name}",
    )


def paint_settings(request: JobRequest, painter: Painter) -> PaintSettings:
    """The painter's own settings, with those that the request gives in their places."""
    asked = request.starting
    given = {
        "steps": asked.painting_steps,
        **{field.name: getattr(asked, field.name, None) for field in fields(PaintSettings) if field.name != "steps"},
    }
    return replace(painter.settings, **{name: value for name, value in given.items() if value is not None})


def _seed(request: JobRequest, told: CameraStart) -> int:
    return request.seed if told.seed is None else told.seed


def _first_of(path: CameraPath) -> CameraPath:
    return replace(path, frames=path.frames[:1], K=path.K[:1], world_from_camera=path.world_from_camera[:1])

