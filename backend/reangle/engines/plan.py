# SPDX-License-Identifier: Apache-2.0
"""From a request to the stages of its job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from reangle.contract import CameraPath, GeometrySettings, JobRequest, to_data
from reangle.contract.engines import ENGINES
from reangle.engines.preview import decode_params, fill_painter, is_precise, precise_clip, precise_warp, preview_stages
from reangle.engines.starting import start_stages
from reangle.engines.suite_choice import with_suite
from reangle.engines.video import shared_learning, video_checkpoint, video_stages
from reangle.errors import UserError
from reangle.finishing.spec import DELIVER, DeliverParams
from reangle.folders.clip import DecodedClip
from reangle.geometry.choose import camera_weights, choose, depth_weights
from reangle.geometry.spec import CAMERA, GEOMETRY, GLANCE, CameraParams, GeometryParams, GlanceParams
from reangle.media.spec import DECODE
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import published_folder
from reangle.starting.spec import START
from reangle.warping.spec import WARP, WARP_16

TYPICAL_FRAMES, TYPICAL_SIZE = 100, (1280, 720)
"""Of a clip whose request does not say; for the expected time alone."""


@dataclass(frozen=True)
class ClipSize:
    """How much of a clip is used: frames, and pixels of one; 0 is unknown."""

    frames: int = 0
    width: int = 0
    height: int = 0

    @property
    def is_known(self) -> bool:
        return bool(self.frames and self.width and self.height)


UNKNOWN = ClipSize()


def plan_job(request: JobRequest, data: Path, size: ClipSize = UNKNOWN) -> list[PlannedStage]:
    """The stages of a job, each after those whose output it reads. data: the data folder. size: of the clip, for the
    expected time of a clip that was not decoded yet and whose request does not say.

    Raises UserError for what is known to fail before any work: missing weights, a camera that asks for frames that the
    clip's selection cannot have.
    """
    request = with_suite(request, data)
    for path in request.paths:
        _check_frames(path, request.clip.frames)
    _check_given(request)
    decode = _decode(request)
    stages = [decode, *_geometry(request, data, _size(request, size, decode, data))]
    video = video_checkpoint(request.engine, request.reangle.suite, data) if ENGINES[request.engine].needs else ""
    painter = fill_painter(request, data) if request.paths else ""
    if request.until == "results":
        stages += precise_clip(request)
    # What the clip shows of every camera is known before a video model works for any of them.
    for path in request.paths:
        stages += preview_stages(request, path, painter)
        if not video:
            stages += _delivery(request, path, stages[-1])
    if not (video and request.paths):
        return stages
    starts = start_stages(request, data)
    stages += starts
    if request.until == "starts":
        return stages
    begun = {stage.camera for stage in starts}
    stages += shared_learning(request, video)
    for path in request.paths:
        stages += video_stages(request, path, video, has_start=path.name in begun)
        stages += _delivery(request, path, stages[-1])
    return stages


def _decode(request: JobRequest) -> PlannedStage:
    return PlannedStage(
        spec=DECODE,
        params=decode_params(request.clip),
        files={"clip": request.clip.files},
        weight=1,
        publishes="source",
    )


def _size(request: JobRequest, told: ClipSize, decode: PlannedStage, data: Path) -> ClipSize:
    """The clip's size: as it was decoded, else as the request says, else as told."""
    if (folder := published_folder(data, decode.key({}, ""))) is not None:
        try:
            decoded = DecodedClip(folder).metadata()
        except (OSError, ValueError):
            pass  # the stage is made again
        else:
            return ClipSize(decoded.frames, decoded.width, decoded.height)
    clip = request.clip
    return ClipSize(clip.frames or told.frames, clip.width or told.width, clip.height or told.height)


def _geometry(request: JobRequest, data: Path, known: ClipSize) -> list[PlannedStage]:
    """A first look at the depth where nothing else is asked for, then the camera and the geometry."""
    settings, clip = request.geometry, request.clip
    choice = choose(settings, data)
    size = known.frames or TYPICAL_FRAMES, known.width or TYPICAL_SIZE[0], known.height or TYPICAL_SIZE[1]
    guessed = not known.is_known
    checkpoint = depth_weights(choice, settings, data)
    stages: list[PlannedStage] = []
    if not request.paths and choice.depth.name != "files":
        stages.append(
            PlannedStage(
                spec=GLANCE,
                params=GlanceParams(depth=choice.depth.name, horizontal_fov_deg=_known_fov(settings)),
                inputs={"decode": DECODE.id()},
                checkpoint=checkpoint,
                weight=choice.depth.cost.seconds(1, *size[1:]),
                guessed=guessed,
                publishes="glance",
            )
        )
    camera = PlannedStage(
        spec=CAMERA,
        params=CameraParams(
            camera=choice.camera.name,
            start=clip.start if choice.camera.name == "files" else 0,
            horizontal_fov_deg=settings.horizontal_fov_deg if "horizontal_fov_deg" in choice.camera.settings else None,
            given=settings.given,
        ),
        inputs={"decode": DECODE.id()},
        files={"geometry": choice.camera_files} if choice.camera_files else {},
        checkpoint=camera_weights(choice, settings, data),
        weight=choice.camera.cost.seconds(*size),
        guessed=guessed,
        note=choice.camera_note,
        publishes="camera",
    )
    geometry = PlannedStage(
        spec=GEOMETRY,
        params=GeometryParams(
            depth=choice.depth.name,
            start=clip.start if choice.depth.name == "files" else 0,
            depth_files_scale=settings.depth_files_scale,
        ),
        inputs={"decode": DECODE.id(), "camera": CAMERA.id()},
        files={"geometry": choice.depth_files} if choice.depth_files else {},
        checkpoint=checkpoint,
        weight=choice.depth.cost.seconds(*size),
        guessed=guessed,
        note=choice.depth_note,
        publishes="geometry",
    )
    return [*stages, camera, geometry]


def _known_fov(settings: GeometrySettings) -> float | None:
    """Horizontal field of view of the first frame in degrees, if it is known before anything has run."""
    if settings.given is not None:
        return math.degrees(2 * math.atan(settings.given.width / 2 / settings.given.K[0][0][0]))
    return settings.horizontal_fov_deg


def _delivery(request: JobRequest, path: CameraPath, frames: PlannedStage) -> list[PlannedStage]:
    """The result of one camera, after what only it needs."""
    return [*precise_warp(request, path), _deliver(request, path, frames)]


def _deliver(request: JobRequest, path: CameraPath, frames: PlannedStage) -> PlannedStage:
    """frames: the stage that writes the finished frames. Only here the camera's name matters to the output."""
    settings = to_data(request.preview)
    if ENGINES[request.engine].needs:
        settings |= to_data(request.reangle) | {"starting": to_data(request.starting)}
    return PlannedStage(
        spec=DELIVER,
        camera=path.name,
        params=DeliverParams(
            path=path,
            title=request.title,
            engine=request.engine,
            settings=settings,
            seed=request.seed,
            frame_format=request.preview.frame_format,
        ),
        inputs={
            "decode": DECODE.id(),
            "geometry": GEOMETRY.id(),
            "warp": WARP.id(path.name),
            frames.spec.kind: frames.id,
            **{role: stage for role, stage in frames.inputs.items() if role == START.kind},
            **({WARP_16.kind: WARP_16.id(path.name)} if is_precise(request) else {}),
        },
        weight=1,
        publishes=f"cameras/{path.name}",
    )


def _check_given(request: JobRequest) -> None:
    given, used = request.geometry.given, request.clip.frames
    if given is not None and used is not None and 1 < len(given.K) < used:
        raise UserError(
            f"The given camera has {len(given.K)} frames, but {used} frames of the clip are used.",
            advice="Export the camera for every used frame of the clip, or use fewer frames.",
        )


def _check_frames(path: CameraPath, count: int | None) -> None:
    last = max(path.frames)
    if count is not None and last >= count:
        raise UserError(
            f"Camera {path.name!r} asks for the clip's frame {last}, but only frames 0 to {count - 1} are used.",
            advice="Use more frames of the clip, or shorten the camera's range.",
        )
