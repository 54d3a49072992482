# SPDX-License-Identifier: Apache-2.0
"""Stage `decode`: an uploaded clip to a folder of frames."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from reangle.media.decode import decode_frames, select
from reangle.media.model_frames import frames_for_model
from reangle.media.probe import probe_clip
from reangle.media.write import ImageWriter
from reangle.runtime.stage import StageContext


def decode(context: StageContext) -> None:
    """Write frames/, alpha/ if the clip has it, and clip.json (see docs/architecture.md) into `context.out`.

    params: start, frames, width, height, fps as in `contract.Clip`; frame_multiple, optional: hold the last frame until
    there are frame_multiple * k + 1. files: role "clip". Raises UserError for clips that cannot be read.
    """
    params = context.params
    context.report(0.0, "")
    info = probe_clip(context.files["clip"], params.get("fps"))
    chosen = select(info, params["start"], params["frames"], params["width"], params["height"])
    model = frames_for_model(chosen.count, params.get("frame_multiple") or 1)
    held = 0
    has_alpha = False
    frame = None
    with ExitStack() as writers:
        frames = writers.enter_context(ImageWriter(context.out / "frames"))
        alpha: ImageWriter | None = None
        for done, frame in enumerate(decode_frames(info, chosen), start=1):
            held += frame.held
            if done == 1 and frame.alpha is not None:
                alpha = writers.enter_context(ImageWriter(context.out / "alpha"))
                has_alpha = True
            frames.add(frame.rgb)
            if alpha is not None and frame.alpha is not None:
                alpha.add(frame.alpha)
            context.report(done / model.model, "")
        assert frame is not None
        for _ in range(model.held):
            frames.add(frame.rgb)
            if alpha is not None and frame.alpha is not None:
                alpha.add(frame.alpha)
    notes = [*info.notes, chosen.framing.note, model.note]
    if held:
        notes.append(
            f"{chosen.count - held} of {chosen.count} frames could be decoded; the others repeat their neighbour."
        )
    notes = [note for note in notes if note]
    times = [float(time) for time in info.timestamps[chosen.start : chosen.start + chosen.count]]
    times += [times[-1] + (index + 1) / float(info.fps) for index in range(model.held)]
    about: dict[str, Any] = {
        "fps": float(info.fps),
        "fps_exact": str(info.fps),
        "fps_is_variable": info.fps_is_variable,
        "timestamps": times,
        "width": chosen.framing.width,
        "height": chosen.framing.height,
        "source_width": info.width,
        "source_height": info.height,
        "source_crop": list(chosen.framing.crop),
        "source_frames": info.frames,
        "start": chosen.start,
        "frames": model.model,
        "clip_frames": chosen.count,
        "has_alpha": has_alpha,
        "notes": notes,
    }
    (context.out / "clip.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    for note in notes:
        context.report(1.0, note)
    context.report(1.0, "")
