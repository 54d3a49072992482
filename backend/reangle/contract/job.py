# SPDX-License-Identifier: Apache-2.0
"""What is asked of the backend, and what it answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reangle.contract.camera_path import MAX_FRAMES, MAX_SIDE, CameraPath
from reangle.contract.names import FileName, JobId, Sha256, WireModel
from reangle.contract.reangle import ReangleSettings

CONTRACT_VERSION = 1

JobState = Literal["queued", "running", "done", "failed", "canceled"]
FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "canceled"})


class FileRef(WireModel):
    """A file known by its content; `name` only tells its kind and order."""

    name: FileName
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class Clip(WireModel):
    """One movie file, or an image sequence in order, and the part of it that is used.

    start: first used frame, 0-based. frames: how many; None is all that remain.
    width, height: the working size; None keeps the clip's own. fps is for image sequences.
    """

    files: Annotated[tuple[FileRef, ...], Field(min_length=1, max_length=100_000)]
    start: Annotated[int, Field(ge=0)] = 0
    frames: Annotated[int | None, Field(ge=1, le=MAX_FRAMES)] = None
    width: Annotated[int | None, Field(ge=16, le=MAX_SIDE)] = None
    height: Annotated[int | None, Field(ge=16, le=MAX_SIDE)] = None
    fps: Annotated[float | None, Field(gt=0, le=1000)] = None

    @model_validator(mode="after")
    def _check(self) -> Clip:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        return self


class GeometrySettings(WireModel):
    """Which provider makes depth and cameras.

    mini: the small weights that come with the backend. files: for provider "files": depth maps and one camera file.
    checkpoint: a folder or hub name, for dust3r and depth-anything.
    horizontal_fov_deg: the artist's field of view, where the provider has no K of its own.
    depth_files_scale: multiplies depth read from files (16-bit PNG is in units of its own).
    use_dust3r: depth-anything takes scale and shift from DUSt3R (not for commercial work) where its weights are there.
    """

    provider: Literal["files", "mini", "dust3r", "depth-anything"]
    files: tuple[FileRef, ...] = ()
    checkpoint: Annotated[str | None, Field(max_length=1024)] = None
    horizontal_fov_deg: Annotated[float | None, Field(gt=1, lt=170)] = None
    depth_files_scale: Annotated[float, Field(gt=0)] = 1.0
    use_dust3r: bool = True

    @model_validator(mode="after")
    def _check(self) -> GeometrySettings:
        if (self.provider == "files") != bool(self.files):
            raise ValueError("geometry files go with provider 'files', and only with it")
        if self.provider == "mini" and self.checkpoint is not None:
            raise ValueError("provider 'mini' has weights of its own; a checkpoint goes with another one")
        return self


class PreviewSettings(WireModel):
    """Settings of engine `preview`, by which engine `reangle` warps, too.

    method: how the clip is looked at from the new camera. memory: fill from other frames where the scene is static.
    """

    method: Literal["lookup", "splat", "mesh"] = "lookup"
    memory: bool = True


class JobRequest(WireModel):
    """All that a job needs. The client makes `id`, so that sending twice is one job. Without paths, the job ends
    after geometry."""

    contract: Literal[1] = CONTRACT_VERSION
    id: JobId
    title: Annotated[str, Field(max_length=200)] = ""
    clip: Clip
    geometry: GeometrySettings
    paths: Annotated[tuple[CameraPath, ...], Field(max_length=64)] = ()
    engine: Literal["preview", "reangle"] = "preview"
    preview: PreviewSettings = PreviewSettings()
    reangle: ReangleSettings = ReangleSettings()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42

    @model_validator(mode="after")
    def _check(self) -> JobRequest:
        names = [path.name.casefold() for path in self.paths]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two cameras are named {name!r}; names must differ, upper and lower case aside")
        return self


class JobError(WireModel):
    """message and advice are one sentence each; traceback is for the curious."""

    message: str
    advice: str = ""
    traceback: str = ""


class JobStatus(WireModel):
    """Where a job stands. progress is 0 to 1 over the whole job; eta_s is None while unknown."""

    id: JobId
    title: str
    state: JobState
    stage: str = ""
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    eta_s: float | None = None
    error: JobError | None = None
    last_event: int = 0
    created: float
    notes: tuple[str, ...] = ()


class JobEvent(WireModel):
    """One line of a job's history. n counts from 1 within the job, without gaps.

    state: `state` is set. stage: `stage` began or, with `cached`, was found done.
    progress: `stage` with `progress` and `eta_s`, or, while a model learns, with `loss`, `message` (its step, speed and
    time left) and now and then `picture`: a PNG in base 64 of what it makes by now, under what it is to make.
    note: `message` for the artist. result: `name` was published. error: `error` is set.
    """

    n: Annotated[int, Field(ge=1)]
    job: JobId
    time: float
    type: Literal["state", "stage", "progress", "note", "result", "error"]
    state: JobState | None = None
    stage: str | None = None
    cached: bool | None = None
    progress: float | None = None
    eta_s: float | None = None
    loss: float | None = None
    picture: Annotated[str | None, Field(max_length=2**20)] = None
    message: str | None = None
    name: str | None = None
    error: JobError | None = None


class ResultFile(WireModel):
    """A published file of a result; path is relative, with forward slashes."""

    path: str
    sha256: Sha256
    size: int


class Result(WireModel):
    """One published folder of a job: "source", "geometry", or a camera path's name under "cameras/"."""

    name: str
    files: tuple[ResultFile, ...]
