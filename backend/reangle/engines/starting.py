# SPDX-License-Identifier: Apache-2.0
"""Plans the starting images of a job's cameras."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from reangle.contract import CameraPath, JobRequest
from reangle.engines.preview import clip_inputs, unnamed, warping
from reangle.errors import UserError
from reangle.evaluation.agreement.listing import judging_weights
from reangle.finishing.spec import FILL
from reangle.runtime.stage import PlannedStage
from reangle.starting.painters import find_painter
from reangle.starting.spec import START, PaintSettings, StartParams
from reangle.starting.tree import begins_at_source, first_of, parents
from reangle.warping.spec import WARP
from reangle.weights.identity import CHECKPOINT_SEPARATOR, split_checkpoints
from reangle.weights.kinds import FLUX_FILL
from reangle.weights.registry import kind_of, name_of

READING_S, OPENING_S, CALL_S, USUAL_STEPS = 3.0, 5.0, 0.1, 30
"""About what it takes to read the scene, to open an image model, and to call it for one candidate; and how often."""


def start_stages(request: JobRequest, data: Path) -> list[PlannedStage]:
    """A starting image for each camera that does not begin at the source camera, parents before their children.

    An artist's image, or an edit, also starts a camera that does begin there. Raises UserError if chosen weights are
    missing, or cannot do what is asked of them.
    """
    by_name = {path.name: path for path in request.paths}
    tree = dict(parents(request.paths))
    for path in request.paths:
        told = request.start_of(path.name)
        if begins_at_source(path) and (told.image is not None or told.edit is not None):
            tree[path.name] = None
    if not tree:
        return []
    painter = find_painter(request.starting.painter, request.reangle.suite, data)
    if request.engine == "inpaint" and not painter:
        # It fills its first frame as it fills the others, and better than from around.
        given = (name for name in tree if request.start_of(name).image is not None or request.start_of(name).edit)
        tree = dict.fromkeys(given)
    if any(request.start_of(name).edit is not None for name in tree):
        _check_editor(painter)
    return [_start(request, by_name[name], parent, painter, data) for name, parent in tree.items()]


def _start(request: JobRequest, path: CameraPath, parent: str | None, painter: str, data: Path) -> PlannedStage:
    told, settings = request.start_of(path.name), paint_settings(request)
    # The artist's own image needs no painter, and only a painter's candidates are judged.
    paints = told.image is None and bool(painter)
    # The source frame does not show what the first view hides, so that has nothing to agree with.
    judges = paints and parent is not None and settings.candidates > 1
    judge = request.starting.judge if judges else "none"
    asks = paints or told.edit is not None
    seed = request.seed if told.seed is None else told.seed
    checkpoints = [painter if asks else "", judging_weights(judge, data)]
    is_related = paints and (judge != "none" or request.starting.carry)
    calls = (settings.steps or USUAL_STEPS) * (settings.candidates if judge != "none" else 1) if paints else 0
    return PlannedStage(
        spec=START,
        camera=path.name,
        params=StartParams(
            path=unnamed(first_of(path)),
            preview=warping(request),
            paints=paints,
            judge=judge,
            carry=paints and request.starting.carry,
            edit=told.edit,
            prompt=request.reangle.caption if paints else "",
            paint=settings if asks else PaintSettings(),
            seed=seed if asks else 0,
        ),
        inputs={
            **clip_inputs(),
            "warp": WARP.id(path.name),
            "fill": FILL.id(path.name),
            **({"start": START.id(parent)} if parent is not None and is_related else {}),
        },
        files={"image": (told.image,)} if told.image is not None else {},
        checkpoint=CHECKPOINT_SEPARATOR.join(one for one in checkpoints if one),
        weight=READING_S + (OPENING_S + CALL_S * calls if calls else 0),
        publishes=f"starts/{path.name}",
    )


def _check_editor(painter: str) -> None:
    """Raise UserError unless the image model makes pictures of words alone."""
    folders = split_checkpoints(painter)
    if folders and kind_of(Path(folders[0])) is not FLUX_FILL:
        return
    reason = f"{name_of(folders[0])} only paints holes" if folders else "no image model is chosen"
    raise UserError(
        f"A starting image is to be edited by words, but {reason}.",
        advice="Choose the image model flux2-klein or flux-controlnet, or paint the image.",
    )


def paint_settings(request: JobRequest) -> PaintSettings:
    """The default settings, with those that the request gives in their places."""
    asked = request.starting
    given = {field.name: getattr(asked, field.name, None) for field in fields(PaintSettings)}
    given["steps"] = asked.painting_steps
    return replace(PaintSettings(), **{name: value for name, value in given.items() if value is not None})
