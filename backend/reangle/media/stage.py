# SPDX-License-Identifier: Apache-2.0
"""Stage `decode`: an uploaded clip to a folder of frames."""

from __future__ import annotations

from contextlib import ExitStack

from reangle.folders import ClipMetadata
from reangle.media.decode import decode_frames, select
from reangle.media.probe import probe_clip
from reangle.media.spec import DecodeContext, PreciseContext
from reangle.media.write import ImageWriter


def decode(context: DecodeContext) -> None:
    """Write the clip's used frames. Raises UserError for clips that cannot be read."""
    params = context.params
    context.report(0.0, "")
    info = probe_clip(context.files["clip"], params.fps)
    chosen = select(info, params.start, params.frames, params.width, params.height)
    repeated = resized = 0
    with ExitStack() as writers:
        frames = writers.enter_context(ImageWriter(context.out.frames))
        alpha: ImageWriter | None = None
        for done, frame in enumerate(decode_frames(info, chosen), start=1):
            repeated += frame.held
            resized += frame.resized
            if done == 1 and frame.alpha is not None:
                alpha = writers.enter_context(ImageWriter(context.out.alpha))
            frames.add(frame.rgb)
            if alpha is not None and frame.alpha is not None:
                alpha.add(frame.alpha)
            context.report(done / chosen.count, "")
    notes = [note for note in (*info.notes, chosen.framing.note) if note]
    if repeated:
        decoded = chosen.count - repeated
        notes.append(f"{decoded} of {chosen.count} frames could be decoded; the others repeat their neighbour.")
    if resized:
        notes.append(f"{resized} of {chosen.count} frames have another size than the first; they are resized.")
    names = [name for name, _ in info.files] if info.scan is None else []
    context.out.write_metadata(
        ClipMetadata(
            fps=float(info.fps),
            fps_exact=str(info.fps),
            fps_is_variable=info.fps_is_variable,
            timestamps=tuple(map(float, info.timestamps[chosen.start : chosen.start + chosen.count])),
            width=chosen.framing.width,
            height=chosen.framing.height,
            source_width=info.width,
            source_height=info.height,
            source_crop=chosen.framing.crop,
            source_frames=info.frames,
            focal_35mm=info.focal_35mm,
            pixel_aspect=info.pixel_aspect,
            image_names=tuple(names[chosen.start : chosen.start + chosen.count]),
            start=chosen.start,
            frames=chosen.count,
            has_alpha=alpha is not None,
            notes=tuple(notes),
        )
    )
    for note in notes:
        context.report(1.0, note)
    context.report(1.0, "")


def decode_16(context: PreciseContext) -> None:
    """Write the clip's used frames with 16 bits. Raises UserError for clips that cannot be read."""
    params = context.params
    info = probe_clip(context.files["clip"], params.fps)
    chosen = select(info, params.start, params.frames, params.width, params.height)
    with ImageWriter(context.out.frames) as frames:
        for done, frame in enumerate(decode_frames(info, chosen, precise=True), start=1):
            frames.add(frame.rgb)
            context.report(done / chosen.count, "")
