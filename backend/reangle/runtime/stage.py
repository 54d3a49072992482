# SPDX-License-Identifier: Apache-2.0
"""A stage: one unit of work with declared inputs, cached by content and run in its own process.

Each room declares its stages in a torch-free module `spec.py` beside the code that does the work, and `reangle.stages`
lists them all. `reangle.engines` plans jobs from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter

from reangle.contract import FileRef

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""For params, which are frozen pydantic dataclasses: unknown keys, wrong types, NaN and infinity are refused."""


@dataclass(frozen=True)
class StageFolder:
    """The output folder of one kind of stage. Subclasses in `reangle.folders` name the files in it."""

    path: Path


Params = TypeVar("Params")
Output = TypeVar("Output", bound=StageFolder)
Input = TypeVar("Input", bound=StageFolder)


@dataclass(frozen=True)
class StageId:
    """Which stage of a job: its kind, and the camera that it is for; camera is "" for stages of the whole clip."""

    kind: str
    camera: str = ""

    @property
    def title(self) -> str:
        """For people, such as "Warp Orbit Left"."""
        return f"{self.kind.capitalize()} {self.camera}".rstrip()


@dataclass(frozen=True)
class StageSpec(Generic[Params, Output]):
    """One kind of stage, declared once.

    version: raised by hand when the output changes; `scripts/accept_stages.py` says when that is due.
    params: the frozen dataclass of all settings that the stage reads.
    reads: role -> type of the input's folder, for inputs that must be there; may_read: for those that may be missing.
    A role is the kind of stage that writes the input. writes: the type of its own folder.
    files: roles of uploaded files.
    silence_s: seconds without a report after which it counts as stalled, which is named, not ended.
    run: "module:function", a function that takes the stage's StageContext. It is imported only in the process that runs
    the stage, so the server never imports torch.
    """

    kind: str
    version: int
    params: type[Params]
    writes: type[Output]
    run: str
    reads: Mapping[str, type[StageFolder]] = field(default_factory=dict[str, type[StageFolder]])
    may_read: Mapping[str, type[StageFolder]] = field(default_factory=dict[str, type[StageFolder]])
    files: tuple[str, ...] = ()
    silence_s: float = 300.0

    def id(self, camera: str = "") -> StageId:
        """The stage of this kind for a camera, or for the whole clip."""
        return StageId(self.kind, camera)

    @property
    def inputs(self) -> dict[str, type[StageFolder]]:
        """role -> folder type of every input that it may get."""
        return {**self.reads, **self.may_read}

    def params_json(self, params: Params) -> Any:
        """The params as plain JSON values."""
        return TypeAdapter(self.params).dump_python(params, mode="json")

    def params_from_json(self, values: Any) -> Params:
        """The inverse of `params_json`. Raises ValueError for unknown keys and wrong types."""
        return TypeAdapter(self.params).validate_json(json.dumps(values))


@dataclass(frozen=True)
class PlannedStage:
    """One step of a job's plan.

    inputs: role -> the earlier stage that writes it. files: role -> uploaded files, in order.
    checkpoint: folders of the weights that it loads, or "".
    weight: expected duration in seconds. guessed: the weight is for a usual clip, because the size of this one is not
    known before it is decoded. preparation: share of it before the main work starts, 0 to 1.
    note: told to the artist when the stage begins, or "".
    publishes: the result's name if the artist gets this stage's folder, else None.
    Raises ValueError if params, inputs or files are not those that the spec declares.
    """

    spec: StageSpec[Any, Any]
    params: object
    camera: str = ""
    inputs: Mapping[str, StageId] = field(default_factory=dict[str, StageId])
    files: Mapping[str, tuple[FileRef, ...]] = field(default_factory=dict[str, tuple[FileRef, ...]])
    checkpoint: str = ""
    weight: float = 1.0
    guessed: bool = False
    preparation: float = 0.0
    note: str = ""
    publishes: str | None = None

    def __post_init__(self) -> None:
        if type(self.params) is not self.spec.params:
            raise ValueError(f"{self.title}: params are {type(self.params).__name__}, not {self.spec.params.__name__}")
        if missing := self.spec.reads.keys() - self.inputs.keys():
            raise ValueError(f"{self.title}: no input {sorted(missing)}")
        unknown = (self.inputs.keys() - self.spec.inputs.keys()) | (self.files.keys() - set(self.spec.files))
        if unknown:
            raise ValueError(f"{self.title}: does not read {sorted(unknown)}")

    @property
    def id(self) -> StageId:
        """Unique within the job."""
        return self.spec.id(self.camera)

    @property
    def title(self) -> str:
        """For people."""
        return self.id.title

    def key(self, input_hashes: Mapping[str, str], checkpoint_hash: str = "") -> str:
        """SHA-256 of everything that decides the output. input_hashes: role -> content hash of that artifact."""
        what = {
            "kind": self.spec.kind,
            "version": self.spec.version,
            "params": self.spec.params_json(self.params),
            "inputs": {role: input_hashes[role] for role in self.inputs},
            "files": {role: [(ref.name, ref.sha256) for ref in refs] for role, refs in self.files.items()},
            "checkpoint": checkpoint_hash,
        }
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def ignore_progress(fraction: float, message: str) -> None:
    """A `StageContext.report` that does nothing."""


def ignore_training(loss: float, message: str, picture: bytes) -> None:
    """A `StageContext.report_training` that does nothing."""


@dataclass(frozen=True)
class StageWarning:
    """Trouble in a run of a camera's output frames.

    first, last, worst: output frames as people count, from 1. words: what is wrong and what to do, without camera and
    frames.
    """

    first: int
    last: int
    worst: int
    words: str

    def about(self, camera: str) -> str:
        """The warning as one line for people."""
        frames = f"frames {self.first} to {self.last}" if self.last > self.first else f"frame {self.first}"
        return f"{camera}, {frames}: {self.words}"


def ignore_warning(warning: StageWarning) -> None:
    """A `StageContext.warn` that does nothing."""


@dataclass(frozen=True)
class StageContext(Generic[Params, Output]):
    """Argument of a stage function, which reads `params`, its inputs and `files`, and writes only to `out`.

    inputs: role -> that artifact's folder; see `read` and `find`. files: role -> (original name, path) in order.
    report(fraction, message): progress of this stage, 0 to 1; message is "" or one line for the artist's log.
    report_training(loss, message, picture): message gives step, speed and time left; picture is a preview
    image as PNG, or b"".
    warn(warning): trouble with the camera that the artist should know before later stages take their time. It is kept
    with the output, and told again when that comes from the cache.
    unfinished: a folder that survives a kill, for the next run of the same stage; None if there is none.
    preparation: of the planned stage.
    """

    params: Params
    out: Output
    inputs: Mapping[str, StageFolder] = field(default_factory=dict[str, StageFolder])
    files: Mapping[str, tuple[tuple[str, Path], ...]] = field(default_factory=dict[str, tuple[tuple[str, Path], ...]])
    checkpoint: str = ""
    report: Callable[[float, str], None] = ignore_progress
    report_training: Callable[[float, str, bytes], None] = ignore_training
    warn: Callable[[StageWarning], None] = ignore_warning
    unfinished: Path | None = None
    preparation: float = 0.0

    def part(self, start: float, share: float) -> Callable[[float, str], None]:
        """A report for a part of the stage that begins at `start` and takes `share` of it."""
        return lambda fraction, message: self.report(start + share * fraction, message)

    def read(self, role: str, folder: type[Input]) -> Input:
        """The input with this role. Raises KeyError if there is none, TypeError if it is of another type."""
        value = self.inputs[role]
        if not isinstance(value, folder):
            raise TypeError(f"input {role!r} is a {type(value).__name__}, not a {folder.__name__}")
        return value

    def find(self, role: str, folder: type[Input]) -> Input | None:
        """The input with this role, or None if the plan gives none."""
        return self.read(role, folder) if role in self.inputs else None


StageFunction = Callable[[StageContext[Any, Any]], None]
