# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""What a client asks the backend to do, and what the backend answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

from . import migration, wire
from .camera_path import CameraPath
from .engines import ENGINES
from .errors import ContractError
from .fields import Length, Range, check_fields
from .machine import Device, Storage
from .names import JobId, Sha256, check_file_name
from .settings import Clip, FileRef, GeometrySettings, PreviewSettings, ReangleSettings
from .starts import CameraStart, StartSettings
from .version import CONTRACT_VERSION, version_advice

JobState = Literal["queued", "running", "done", "failed", "canceled"]
FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "canceled"})

MAX_CAMERAS = 64
MAX_REQUEST_BYTES = 32 << 20


@dataclass(frozen=True)
class JobRequest:
    """All that a job needs. The client makes `id`, so that sending it twice is one job. Without paths, the job ends
    after geometry.

    starting: how starting images are made; starts: what the artist says of some cameras' ones. until: "starts" ends the
    job when the starting images are made, for the artist to approve; the same request until "results" goes on from
    there.
    """

    id: JobId
    clip: Clip
    geometry: GeometrySettings
    paths: Annotated[tuple[CameraPath, ...], Length(0, MAX_CAMERAS)] = ()
    title: Annotated[str, Length(0, 200)] = ""
    engine: Literal["preview", "reangle", "inpaint"] = "preview"
    preview: PreviewSettings = field(default_factory=PreviewSettings)
    reangle: ReangleSettings = field(default_factory=ReangleSettings)
    starting: StartSettings = field(default_factory=StartSettings)
    starts: Annotated[tuple[CameraStart, ...], Length(0, MAX_CAMERAS)] = ()
    until: Literal["results", "starts"] = "results"
    seed: Annotated[int, Range(minimum=0, maximum=2**63 - 1)] = 42
    contract: Literal[4] = CONTRACT_VERSION

    def __post_init__(self) -> None:
        check_fields(self)
        names: set[str] = set()
        for index, path in enumerate(self.paths):
            name = path.name.casefold()
            if name in names:
                raise ContractError(
                    f"two cameras are named {path.name!r}, upper and lower case aside",
                    field=f"paths[{index}].name",
                    advice="Rename one of them.",
                )
            names.add(name)
        self._check_starts()

    def _check_starts(self) -> None:
        if self.until == "starts" and "starting" not in ENGINES[self.engine].settings:
            raise ContractError(
                f"the engine {self.engine} makes no starting images, so no job ends with them",
                field="until",
                advice="Choose the engine reangle or inpaint.",
            )
        lengths = {path.name: len(path.frames) for path in self.paths}
        seen: set[str] = set()
        for index, start in enumerate(self.starts):
            where = f"starts[{index}]"
            if start.camera not in lengths:
                raise ContractError(f"there is no camera {start.camera!r}", field=f"{where}.camera")
            if start.camera in seen:
                raise ContractError(f"camera {start.camera!r} has two starting images", field=f"{where}.camera")
            seen.add(start.camera)
            frames = [anchor.frame for anchor in start.anchors]
            if len(set(frames)) < len(frames):
                raise ContractError(f"camera {start.camera!r} has two images for a frame", field=f"{where}.anchors")
            late = [frame for frame in frames if frame >= lengths[start.camera]]
            if late:
                raise ContractError(
                    f"camera {start.camera!r} has {lengths[start.camera]} frames, so none of number {late[0]}",
                    field=f"{where}.anchors",
                )

    def start_of(self, camera: str) -> CameraStart:
        """What the artist says of a camera's starting image; nothing by default."""
        return next((start for start in self.starts if start.camera == camera), CameraStart(camera))

    def file_refs(self) -> tuple[FileRef, ...]:
        """Every file that must be uploaded before the backend accepts this request."""
        return (*self.clip.files, *self.geometry.files, *(ref for start in self.starts for ref in start.file_refs))


def read_request(text: str | bytes) -> JobRequest:
    """A JobRequest from JSON; one of version 2 becomes the same job in this version.

    Raises ContractError; for a newer version of the contract, saying what to update.
    """
    data = wire.parse(text)
    if isinstance(data, dict):
        data = migration.migrated(cast("dict[str, Any]", data))
        version = data.get("contract", CONTRACT_VERSION)
        if type(version) is int and version != CONTRACT_VERSION:
            raise ContractError(
                f"the request is written for version {version}, this backend reads version {CONTRACT_VERSION}",
                field="contract",
                advice=version_advice(addon=version, backend=CONTRACT_VERSION),
            )
    return wire.from_data(JobRequest, data)


@dataclass(frozen=True)
class JobError:
    """message and advice are one sentence each; traceback is for developers."""

    message: str
    advice: str = ""
    traceback: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class CameraWarning:
    """Frames of a camera that are likely to come out wrong, known before anything is learned or generated.

    camera: name of its path. first, last, worst: output frames, counted from 1. message: names camera and frames, and
    says what is wrong and what to do.
    """

    camera: str
    first: Annotated[int, Range(minimum=1)]
    last: Annotated[int, Range(minimum=1)]
    worst: Annotated[int, Range(minimum=1)]
    message: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands. progress: 0 to 1 over the whole job. eta_s: seconds that are left, of a queued job those that
    it will run; None while unknown. created: Unix time. notes: about the job as a whole. warnings: about frames of its
    cameras; not among the notes.

    position: place in the queue from 1, 0 for a job that is not waiting there. behind: title of the job directly before
    it. wait_s: seconds until its turn; None while unknown. engine, clip, cameras: of its request: the engine's name,
    the name of the clip's first file, and how many cameras it renders. takes_seed: another seed makes another result.
    """

    id: JobId
    title: str
    state: JobState
    created: float
    stage: str = ""
    progress: Annotated[float, Range(minimum=0, maximum=1)] = 0.0
    eta_s: float | None = None
    error: JobError | None = None
    last_event: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[CameraWarning, ...] = ()
    position: Annotated[int, Range(minimum=0)] = 0
    behind: str = ""
    wait_s: float | None = None
    engine: str = ""
    clip: str = ""
    cameras: Annotated[int, Range(minimum=0)] = 0
    takes_seed: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class JobEvent:
    """One entry of a job's history. n counts from 1 within the job, without gaps. time: Unix time.

    state: `state` is set. stage: `stage` starts, with `eta_s`, or, with `cached`, was done before.
    progress: `stage` with `progress` and `eta_s`, or, while a model trains, with `loss`, `message` (step, speed and
    time left) and now and then `picture`: a PNG in base 64 of the current output above its target.
    note: `message` for the user; about a `camera`, with the output `frames` that it concerns: the first and the last,
    counted from 1. result: `name` was published. error: `error` is set.
    """

    n: Annotated[int, Range(minimum=1)]
    job: JobId
    time: float
    type: Literal["state", "stage", "progress", "note", "result", "error"]
    state: JobState | None = None
    stage: str | None = None
    cached: bool | None = None
    progress: float | None = None
    eta_s: float | None = None
    loss: float | None = None
    picture: Annotated[str | None, Length(0, 2**20)] = None
    message: str | None = None
    name: str | None = None
    camera: str | None = None
    frames: tuple[int, int] | None = None
    error: JobError | None = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Events:
    """Events in order. last: number of the last one; ask next with since=last."""

    events: tuple[JobEvent, ...]
    last: int

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ResultFile:
    """A published file of a result; path is relative, with forward slashes. size: bytes."""

    path: str
    sha256: Sha256
    size: Annotated[int, Range(minimum=0)]

    def __post_init__(self) -> None:
        check_fields(self)
        for part in self.path.split("/"):
            check_file_name(part)


@dataclass(frozen=True)
class Result:
    """One published folder of a job, in this order: "source" (the clip), "glance" (the first frame's depth, as
    "geometry" has it), "camera", "geometry", each camera path's name under "starts/" where it has a starting image, and
    each under "cameras/"."""

    name: str
    files: tuple[ResultFile, ...]

    def __post_init__(self) -> None:
        check_fields(self)
        for part in self.name.split("/"):
            check_file_name(part)


@dataclass(frozen=True)
class Health:
    """Who answers: the contract's version, the backend's version, its process id and its data folder.

    device, storage: as measured last; None while that is under way, and from an older backend.
    """

    contract: int
    version: str
    pid: int
    data: str
    device: Device | None = None
    storage: Storage | None = None

    def __post_init__(self) -> None:
        check_fields(self)
