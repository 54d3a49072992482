# SPDX-License-Identifier: Apache-2.0
"""Stage `start`: the first frame of a camera that does not begin at the source camera."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reangle.contract.starts import PromptEdit
from reangle.evaluation.agreement.judges import open_judge_of
from reangle.folders import FilledFolder, WarpFolder
from reangle.folders.start import LOOK_CHANGED, StartRecord
from reangle.image_models.base import ImageModel
from reangle.image_models.registry import open_image_model
from reangle.media.write import ImageWriter, write_image
from reangle.starting.flow_edit import flow_edit
from reangle.starting.given import read_given
from reangle.starting.painted import paint_start
from reangle.starting.sampling import Trace
from reangle.starting.scene import Begun, fixed_views
from reangle.starting.spec import StartContext
from reangle.weights.identity import split_checkpoints
from reangle.weights.registry import kind_of, licence_of, name_of

CHANGED = 8
"""Grey levels, of the channel that differs most, from which a seen pixel counts as changed by the artist."""


@dataclass(eq=False)
class _Made:
    """A starting image and how it came about; fields as in StartRecord. thumbnails: n x h x w x 3 uint8."""

    picture: np.ndarray
    made_by: str
    licence: str = ""
    judge: str = ""
    backbone: str = ""
    judged_against: int = 0
    trace: Trace = field(default_factory=Trace)
    thumbnails: np.ndarray | None = None


def start(context: StartContext) -> None:
    """Write the starting image, its mask, its depth, and how it was made."""
    params, out = context.params, context.out
    begun = Begun.read(context.read("warp", WarpFolder), context.read("fill", FilledFolder), params.path)
    context.report(0.1, "")
    models = _Models(context)
    made = _given(context, begun) or _painted(context, begun, models)
    if params.edit is not None:
        made.picture = _edited(context, made.picture, params.edit, models)
    apart = np.abs(made.picture.astype(np.int16) - begun.warped).max(-1)
    changed = begun.known & (apart > CHANGED)
    if params.edit is None and made.made_by != "artist":
        assert not (apart[begun.known] > 0).any()
    write_image(out.image.with_suffix(""), made.picture)
    write_image(out.painted.with_suffix(""), np.where(~begun.known | changed, np.uint8(255), np.uint8(0)))
    write_image(out.depth.with_suffix(""), begun.depth)
    if made.thumbnails is not None:
        with ImageWriter(out.candidates) as writer:
            for picture in made.thumbnails:
                writer.add(picture)
    share = float(changed.sum() / max(1, begun.known.sum()))
    notes = _notes(share, made)
    out.write_record(
        StartRecord(
            made_by=made.made_by,
            licence=made.licence,
            judge=made.judge,
            backbone=made.backbone,
            judged_against=made.judged_against,
            seed=params.seed,
            prompt=params.prompt,
            edit=f"{params.edit.source} -> {params.edit.target}" if params.edit else "",
            scores=tuple(tuple(round(score, 6) for score in step) for step in made.trace.scores),
            chosen=tuple(made.trace.chosen),
            calls=made.trace.calls,
            hidden=round(float(1 - begun.known.mean()), 6),
            changed=round(share, 6),
            width=params.path.width,
            height=params.path.height,
            K=params.path.K[0],
            world_from_camera=params.path.world_from_camera[0],
            notes=notes,
        )
    )
    for note in notes:
        context.report(1.0, note)
    context.report(1.0, "")


class _Models:
    """Opens the stage's networks when they are needed: an image model, a judge's, and a backbone of features."""

    def __init__(self, context: StartContext) -> None:
        self._context = context
        folders = split_checkpoints(context.checkpoint)
        roles = {folder: (kind.role if (kind := kind_of(Path(folder))) else "") for folder in folders}
        self.painter = [folder for folder in folders if roles[folder] == "image"]
        self.judging = [folder for folder in folders if roles[folder] != "image"]
        self._opened: ImageModel | None = None

    def open(self) -> ImageModel:
        params = self._context.params
        if self._opened is None:
            edit = params.edit
            prompts = [params.prompt, *((edit.source, edit.target) if edit else ())]
            self._opened = open_image_model(self._context, self.painter, prompts)
        return self._opened


def _given(context: StartContext, begun: Begun) -> _Made | None:
    """The artist's own image, if there is one."""
    if not context.files.get("image"):
        return None
    ((name, path),) = context.files["image"]
    return _Made(read_given(name, path, begun.filled), "artist")


def _painted(context: StartContext, begun: Begun, models: _Models) -> _Made:
    params, hole = context.params, ~begun.known
    if not hole.any():
        return _Made(begun.filled, "clip")
    if params.painter == "fill":
        return _Made(begun.filled, "fill")
    model = models.open()
    settings = params.paint
    made = _Made(begun.filled, name_of(models.painter[0]), licence_of(models.painter[0]))
    judge = None
    if params.judge != "none":
        views = fixed_views(context)
        judge, made.backbone = open_judge_of(params.judge, models.judging, begun.view, hole, views)
        made.judge, made.judged_against = params.judge, len(views)
    report = context.part(0.2, 0.7)
    painted = paint_start(
        begun, model, judge, params.prompt, settings, params.seed, lambda share: report(share, "")
    )
    made.picture, made.trace, made.thumbnails = painted.picture, painted.trace, painted.thumbnails
    return made


def _edited(context: StartContext, picture: np.ndarray, edit: PromptEdit, models: _Models) -> np.ndarray:
    settings = context.params.paint
    return flow_edit(
        models.open(),
        picture,
        edit.source,
        edit.target,
        strength=edit.strength,
        steps=settings.steps,
        seed=context.params.seed,
        guidance=settings.guidance,
    )


def _notes(changed: float, made: _Made) -> tuple[str, ...]:
    notes = []
    if changed > LOOK_CHANGED:
        notes.append(
            f"The starting image differs from the clip in {changed:.0%} of what the clip shows, so this camera is "
            "generated as a whole: the clip's pixels are not kept."
        )
    if made.licence and "not for commercial" in made.licence:
        notes.append(f"Licence of the painted parts: {made.licence}.")
    return tuple(notes)

