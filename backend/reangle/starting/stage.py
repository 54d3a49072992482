# SPDX-License-Identifier: Apache-2.0
"""Stage `start`: the first frame of a camera that does not begin at the source camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from reangle.contract.starts import PromptEdit
from reangle.evaluation.agreement.judges import open_judge_of
from reangle.folders import FilledFolder, StartFolder, WarpFolder
from reangle.folders.start import LOOK_CHANGED, StartRecord
from reangle.image_models.base import ImageModel
from reangle.image_models.device_memory import in_image_tier
from reangle.image_models.memory import WHOLE, ImageTier
from reangle.image_models.registry import open_image_model
from reangle.media.write import ImageWriter, read_image, write_image
from reangle.starting.flow_edit import flow_edit
from reangle.starting.given import changed_by_hand, read_given
from reangle.starting.painted import paint_start
from reangle.starting.sampling import Trace
from reangle.starting.scene import Begun, fixed_views, view_of
from reangle.starting.spec import StartContext
from reangle.weights.identity import CHECKPOINT_SEPARATOR, split_checkpoints
from reangle.weights.licences import NOT_COMMERCIAL
from reangle.weights.registry import kind_of, licence_of, name_of


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
    models = _Models.of(context)
    if models.painter:
        candidates = context.params.paint.candidates if context.params.judge != "none" else 1
        in_image_tier(context, models.painter, candidates, partial(_start, context, models))
    else:
        _start(context, models, WHOLE)


def _start(context: StartContext, models: _Models, tier: ImageTier) -> None:
    params, out = context.params, context.out
    models.tier = tier
    # Only what is painted is carried on to other views.
    behind = params.paints or bool(context.files.get("image"))
    begun = Begun.read(context.read("warp", WarpFolder), context.read("fill", FilledFolder), params.path, behind=behind)
    context.report(0.1, "")
    made = _given(context, begun) or _painted(context, begun, models)
    if params.edit is not None:
        made.picture = _edited(context, made.picture, params.edit, models)
        made.licence = licence_of(models.folder)
    apart = np.abs(made.picture.astype(np.int16) - begun.warped).max(-1)
    changed = changed_by_hand(apart, begun.known)
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


@dataclass(eq=False)
class _Models:
    """The stage's networks, opened when they are needed. painter: an image model's checkpoint, or "". judging: folders.

    prompts: that the image model will be asked for.
    """

    painter: str
    judging: Sequence[str]
    prompts: Sequence[str]
    tier: ImageTier = WHOLE
    opened: ImageModel | None = None

    @classmethod
    def of(cls, context: StartContext) -> _Models:
        folders = split_checkpoints(context.checkpoint)
        images = [folder for folder in folders if (kind := kind_of(Path(folder))) and kind.role == "image"]
        edit = context.params.edit
        prompts = [context.params.prompt, *((edit.source, edit.target) if edit else ())]
        others = [folder for folder in folders if folder not in images]
        return cls(CHECKPOINT_SEPARATOR.join(images), others, prompts)

    @property
    def folder(self) -> str:
        """Of the image model itself."""
        return split_checkpoints(self.painter)[0]

    def open(self) -> ImageModel:
        if self.opened is None:
            self.opened = open_image_model(self.painter, self.tier, self.prompts)
        return self.opened


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
    if not params.paints:
        return _Made(begun.filled, "fill")
    parent = context.find("start", StartFolder)
    made = _Made(begun.filled, name_of(models.folder), licence_of(models.folder))
    if params.carry and parent is not None:
        begun = begun.carrying(view_of(parent), read_image(parent.painted) > 0)
        if begun.known.all():
            made.picture = begun.warped
            return made
    judge = None
    if params.judge != "none":
        views = fixed_views(context)
        judge, made.backbone = open_judge_of(params.judge, models.judging, begun.view, ~begun.known, views)
        made.judge, made.judged_against = params.judge, len(views)
    report = context.part(0.2, 0.7)
    painted = paint_start(
        begun, models.open(), judge, params.prompt, params.paint, params.seed, lambda share: report(share, "")
    )
    made.picture, made.trace, made.thumbnails = painted.picture, painted.trace, painted.thumbnails
    return made


def _edited(context: StartContext, picture: np.ndarray, edit: PromptEdit, models: _Models) -> np.ndarray:
    report = context.part(0.9, 0.1)
    return flow_edit(
        models.open(),
        picture,
        edit.source,
        edit.target,
        edit.strength,
        context.params.paint.steps,
        context.params.seed,
        report=lambda share: report(share, ""),
    )


def _notes(changed: float, made: _Made) -> tuple[str, ...]:
    notes = []
    if changed > LOOK_CHANGED:
        notes.append(
            f"The starting image differs from the clip in {changed:.1%} of what the clip shows, so this camera is "
            "generated as a whole: the clip's pixels are not kept."
        )
    if NOT_COMMERCIAL in made.licence:
        notes.append(f"Licence of what was painted or edited: {made.licence}.")
    return tuple(notes)
