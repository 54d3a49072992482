# SPDX-License-Identifier: Apache-2.0
"""A result's manifest: what ran, with which settings and licences, coverage, and every file's hash."""

from __future__ import annotations

from reangle.contract import CONTRACT_VERSION, ResultFile
from reangle.finishing.spec import DeliverContext
from reangle.folders import DecodedClip, FinishedFolder, GeometryFolder, Manifest, StartFolder, WarpFolder
from reangle.folders.records import record_values
from reangle.folders.result import FrameFormat
from reangle.runtime.artifact import hash_file, seconds_taken

CLIP_KEYS = ("start", "fps", "fps_is_variable", "timestamps", "width", "height", "frames", "notes")
GEOMETRY_KEYS = ("camera_from", "depth_from", "checkpoint", "licence", "scale", "notes")


def make_manifest(context: DeliverContext, frame_format: FrameFormat) -> Manifest:
    """The manifest of a result. All its other files must be written."""
    params, path, out = context.params, context.params.path, context.out
    clip = record_values(context.read("decode", DecodedClip).metadata())
    geometry = record_values(context.read("geometry", GeometryFolder).metadata())
    warp = context.read("warp", WarpFolder).metadata()
    start, finished = context.find("start", StartFolder), context.find("finish", FinishedFolder)
    return Manifest(
        contract=CONTRACT_VERSION,
        camera=path.name,
        title=params.title,
        engine=params.engine,
        settings=params.settings,
        seed=params.seed,
        fps=path.fps,
        width=path.width,
        height=path.height,
        frames=len(path.frames),
        clip_frames=path.frames,
        K=path.K,
        world_from_camera=path.world_from_camera,
        clip={key: clip[key] for key in CLIP_KEYS},
        geometry={key: geometry[key] for key in GEOMETRY_KEYS},
        start=start.record() if start else None,
        generation=finished.record() if finished else None,
        frame_format=frame_format,
        coverage=warp.coverage,
        coverage_by_frame=warp.coverage_by_frame,
        trouble=warp.trouble,
        trouble_by_frame=warp.trouble_by_frame,
        seconds={role: seconds_taken(folder.path) for role, folder in context.inputs.items()},
        files=tuple(
            ResultFile(path=file.relative_to(out.path).as_posix(), sha256=hash_file(file), size=file.stat().st_size)
            for file in out.files()
        ),
    )
