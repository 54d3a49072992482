# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract with the backend, version 1, as dataclasses. Lengths, ranges and names follow docs/architecture.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .names import check_file_name, check_id, check_sha256, require

CONTRACT_VERSION = 1
MAX_FRAMES = 4096
MAX_SIDE = 8192
RIGID_TOLERANCE = 1e-4

Row3 = tuple[float, float, float]
Row4 = tuple[float, float, float, float]
Matrix3 = tuple[Row3, Row3, Row3]
Matrix4 = tuple[Row4, Row4, Row4, Row4]

JobState = Literal["queued", "running", "done", "failed", "canceled"]
FINAL_STATES: frozenset[JobState] = frozenset({"done", "failed", "canceled"})


@dataclass(frozen=True)
class FileRef:
    """A file known by its content; `name` only tells its kind and order."""

    name: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_file_name(self.name))
        check_sha256(self.sha256)
        require(self.size >= 0, f"The size of {self.name} is below zero.")


@dataclass(frozen=True)
class Clip:
    """One movie file, or an image sequence in order, and the part of it that is used.

    start: first used frame, 0-based. frames: how many; None is all that remain.
    width, height: the working size; None keeps the clip's own. fps is for image sequences.
    """

    files: tuple[FileRef, ...]
    start: int = 0
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None

    def __post_init__(self) -> None:
        require(1 <= len(self.files) <= 100_000, "The clip has no files, or more than 100,000.", "Choose a clip.")
        require(self.start >= 0, "The first frame is below zero.")
        require(self.frames is None or 1 <= self.frames <= MAX_FRAMES, f"Use 1 to {MAX_FRAMES} frames of the clip.")
        require((self.width is None) == (self.height is None), "Width and height go together.")
        for side in (self.width, self.height):
            require(side is None or 16 <= side <= MAX_SIDE, f"The working size must be within 16 to {MAX_SIDE}.")
        require(self.fps is None or 0 < self.fps <= 1000, "Frames per second must be above 0 and at most 1000.")


@dataclass(frozen=True)
class GeometrySettings:
    """Which provider makes depth and cameras.

    mini: the small weights that come with the backend. files: for provider "files": depth maps and one camera file.
    checkpoint: a folder or hub name, for dust3r and depth-anything.
    horizontal_fov_deg: the artist's field of view, where the provider has no K of its own.
    depth_files_scale: multiplies depth read from files (16-bit PNG is in units of its own).
    use_dust3r: depth-anything takes scale and shift from DUSt3R (not for commercial work) where its weights are there.
    """

    provider: Literal["files", "mini", "dust3r", "depth-anything"]
    files: tuple[FileRef, ...] = ()
    checkpoint: str | None = None
    horizontal_fov_deg: float | None = None
    depth_files_scale: float = 1.0
    use_dust3r: bool = True

    def __post_init__(self) -> None:
        advice = "Choose depth files, or another provider."
        require((self.provider == "files") == bool(self.files), "Depth files go with the provider 'files'.", advice)
        fov = self.horizontal_fov_deg
        require(fov is None or 1 < fov < 170, "The field of view must be between 1 and 170 degrees.")
        require(self.depth_files_scale > 0, "The scale of the depth files must be above zero.")
        require(self.checkpoint is None or len(self.checkpoint) <= 1024, "The checkpoint's name is too long.")
        named = self.provider == "mini" and self.checkpoint is not None
        require(not named, "The provider 'mini' has weights of its own.", "Name no checkpoint.")


@dataclass(frozen=True)
class PreviewSettings:
    """Settings of engine `preview`, by which engine `reangle` warps, too.

    method: how the clip is looked at from the new camera. memory: fill from other frames where the scene is static.
    """

    method: Literal["lookup", "splat", "mesh"] = "lookup"
    memory: bool = True


@dataclass(frozen=True)
class ReangleSettings:
    """Settings of engine `reangle`; None takes what suits the chosen weights.

    suite: a suite's name, or a folder with a video checkpoint. caption: what the clip shows, for the video model.
    shared_steps: of learning from the clip and its warps to preset moves, once for all cameras of a clip;
    path_steps: of each camera's own; 0 leaves a phase out. rank, alpha, rate: of the LoRA and its learning.
    sampling_steps, guidance, dynamic_guidance: of generation. warp_guidance: share of the steps in which what was seen
    is held to the warp. exact_where_seen: the result shows the clip's own pixels wherever the camera saw them;
    fill_share: how much of the preview's fill is then mixed into the rest, which a weak model wants.
    """

    suite: str = "mini"
    caption: str = ""
    shared_steps: int | None = None
    path_steps: int | None = None
    rank: int | None = None
    alpha: float | None = None
    rate: float | None = None
    sampling_steps: int | None = None
    guidance: float | None = None
    dynamic_guidance: bool | None = None
    warp_guidance: float | None = None
    fill_share: float | None = None
    exact_where_seen: bool = True

    def __post_init__(self) -> None:
        require(1 <= len(self.suite) <= 1024, "The suite's name must have 1 to 1024 characters.")
        require(len(self.caption) <= 2000, "The description is longer than 2000 characters.")
        ranges: dict[str, tuple[float, float]] = {
            "shared_steps": (0, 100_000),
            "path_steps": (0, 100_000),
            "rank": (1, 1024),
            "alpha": (1e-9, 4096),
            "rate": (1e-12, 1),
            "sampling_steps": (1, 1000),
            "guidance": (1, 50),
            "warp_guidance": (0, 1),
            "fill_share": (0, 1),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            words = name.replace("_", " ")
            require(value is None or least <= value <= most, f"The {words} must be within {least:g} and {most:g}.")


@dataclass(frozen=True)
class CameraPath:
    """A camera over N output frames; static and moving views are the same type.

    frames: index into the clip's used frames (0-based), one per output frame.
    world_from_camera: N rigid 4 x 4 matrices, OpenCV axes, in the geometry's world.
    K: N intrinsics in pixels of width x height, pixel centres at +0.5.
    Raises ContractError naming the frame (0-based output frame) for what the backend would refuse.
    """

    name: str
    fps: float
    width: int
    height: int
    frames: tuple[int, ...]
    world_from_camera: tuple[Matrix4, ...]
    K: tuple[Matrix3, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", check_file_name(self.name))
        who = f"Camera {self.name!r}"
        require(0 < self.fps <= 1000, f"{who}: frames per second must be above 0 and at most 1000.")
        require(1 <= self.width <= MAX_SIDE, f"{who}: the width must be within 1 to {MAX_SIDE}.")
        require(1 <= self.height <= MAX_SIDE, f"{who}: the height must be within 1 to {MAX_SIDE}.")
        count = len(self.frames)
        require(1 <= count <= MAX_FRAMES, f"{who}: a path has 1 to {MAX_FRAMES} frames, not {count}.")
        require(min(self.frames) >= 0, f"{who}: a frame of the clip is below zero.")
        matrices, intrinsics = self.extrinsics(), self.intrinsics()
        require(
            matrices.shape == (count, 4, 4) and intrinsics.shape == (count, 3, 3),
            f"{who}: {count} frames, {len(matrices)} matrices and {len(intrinsics)} intrinsics; they must be as many.",
        )
        rotations = matrices[:, :3, :3]
        grams = rotations @ rotations.transpose(0, 2, 1)
        checks = {
            "a number is not finite": np.isfinite(matrices).all((1, 2)) & np.isfinite(intrinsics).all((1, 2)),
            "the last row must be 0 0 0 1": (np.abs(matrices[:, 3] - (0, 0, 0, 1)) <= RIGID_TOLERANCE).all(1),
            "the camera is mirrored": np.linalg.det(rotations) >= 0,
            "the camera is scaled or sheared": (np.abs(grams - np.eye(3)) <= RIGID_TOLERANCE).all((1, 2)),
            "the focal length must be above zero": (intrinsics[:, 0, 0] > 0) & (intrinsics[:, 1, 1] > 0),
            "K must be fx 0 cx, 0 fy cy, 0 0 1": (intrinsics[:, 2, 2] == 1)
            & (intrinsics[:, [0, 1, 2, 2], [1, 0, 0, 1]] == 0).all(1),
        }
        for sentence, good in checks.items():
            require(bool(good.all()), f"{who}, frame {int(np.argmin(good))}: {sentence}.")

    @classmethod
    def from_arrays(
        cls,
        *,
        name: str,
        fps: float,
        width: int,
        height: int,
        frames: Sequence[int],
        world_from_camera: np.ndarray,
        K: np.ndarray,
    ) -> CameraPath:
        """From N x 4 x 4 and N x 3 x 3 arrays."""
        return cls(
            name=name,
            fps=float(fps),
            width=int(width),
            height=int(height),
            frames=tuple(int(frame) for frame in frames),
            world_from_camera=_nested(world_from_camera),
            K=_nested(K),
        )

    def extrinsics(self) -> np.ndarray:
        """world_from_camera as N x 4 x 4 float64."""
        return np.asarray(self.world_from_camera, np.float64).reshape(-1, 4, 4)

    def intrinsics(self) -> np.ndarray:
        """K as N x 3 x 3 float64."""
        return np.asarray(self.K, np.float64).reshape(-1, 3, 3)


def _nested(matrices: np.ndarray) -> tuple:
    return tuple(tuple(tuple(row) for row in matrix) for matrix in np.asarray(matrices, np.float64).tolist())


@dataclass(frozen=True)
class JobRequest:
    """All that a job needs. Without paths, the job ends after geometry."""

    id: str
    clip: Clip
    geometry: GeometrySettings
    paths: tuple[CameraPath, ...] = ()
    title: str = ""
    engine: Literal["preview", "reangle"] = "preview"
    preview: PreviewSettings = PreviewSettings()
    reangle: ReangleSettings = ReangleSettings()
    seed: int = 42
    contract: Literal[1] = CONTRACT_VERSION

    def __post_init__(self) -> None:
        check_id(self.id)
        require(len(self.title) <= 200, "The title is longer than 200 characters.")
        require(len(self.paths) <= 64, "More than 64 cameras in one job.", "Send them in several jobs.")
        require(0 <= self.seed < 2**63, "The seed must be within 0 and 2^63 - 1.")
        names = [path.name.casefold() for path in self.paths]
        for path, name in zip(self.paths, names, strict=True):
            unique = names.count(name) == 1
            require(unique, f"Two cameras are named {path.name!r}, upper and lower case aside.", "Rename one of them.")

    def file_refs(self) -> tuple[FileRef, ...]:
        """Every file that must be uploaded before this request is accepted."""
        return (*self.clip.files, *self.geometry.files)


@dataclass(frozen=True)
class JobError:
    """message and advice are one sentence each; traceback is for the curious."""

    message: str
    advice: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands. progress is 0 to 1 over the whole job; eta_s is None while unknown."""

    id: str
    title: str
    state: JobState
    created: float
    stage: str = ""
    progress: float = 0.0
    eta_s: float | None = None
    error: JobError | None = None
    last_event: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id(self.id)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


@dataclass(frozen=True)
class JobEvent:
    """One line of a job's history. n counts from 1 within the job, without gaps.

    state: `state` is set. stage: `stage` begins, or was `cached`. progress: `stage` with `progress` and `eta_s`, or,
    while a model learns, with `loss`, `message` and now and then `picture`: a PNG in base 64 of what it makes by now.
    note: `message` for the artist. result: `name` was published. error: `error` is set.
    """

    n: int
    job: str
    time: float
    type: Literal["state", "stage", "progress", "note", "result", "error"]
    state: JobState | None = None
    stage: str | None = None
    cached: bool | None = None
    progress: float | None = None
    eta_s: float | None = None
    loss: float | None = None
    picture: str | None = None
    message: str | None = None
    name: str | None = None
    error: JobError | None = None


@dataclass(frozen=True)
class Events:
    """Events after the number that was asked for; ask next with since=last."""

    events: tuple[JobEvent, ...]
    last: int


@dataclass(frozen=True)
class ResultFile:
    """A published file of a result; path is relative, with forward slashes."""

    path: str
    sha256: str
    size: int

    def __post_init__(self) -> None:
        for part in self.path.split("/"):
            check_file_name(part)
        check_sha256(self.sha256)


@dataclass(frozen=True)
class Result:
    """One published folder of a job: "source", "geometry", or a camera path's name under "cameras/"."""

    name: str
    files: tuple[ResultFile, ...]

    def __post_init__(self) -> None:
        for part in self.name.split("/"):
            check_file_name(part)


@dataclass(frozen=True)
class Health:
    """Who answers: the contract's number, the backend's version, its process and its data folder."""

    contract: int
    version: str
    pid: int
    data: str


@dataclass(frozen=True)
class Provider:
    """A geometry provider; message and advice say why one is not available."""

    name: str
    available: bool
    licence: str
    message: str
    advice: str
