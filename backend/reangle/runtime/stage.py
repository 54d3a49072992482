# SPDX-License-Identifier: Apache-2.0
"""What a stage is: one unit of work with declared inputs, cached by content and run in a process of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reangle.contract import FileRef


@dataclass(frozen=True)
class Stage:
    """One step of a job's plan.

    name: unique within the job and shown to the artist. run: which function, a key of `STAGE_FUNCTIONS`.
    version: raised by hand when the function's output changes. params: JSON; all that the function reads.
    inputs: role -> name of an earlier stage. files: role -> uploaded files, in order.
    checkpoint: path or hub name of the weights it loads, or "". weight: how many seconds it takes, about.
    preparation: what part of its own time it takes, by the plan, to get ready for its main work; 0 to 1.
    publishes: the result's name if the artist gets this stage's folder, else None.
    """

    name: str
    run: str
    version: int
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[FileRef, ...]] = field(default_factory=dict)
    checkpoint: str = ""
    weight: float = 1.0
    preparation: float = 0.0
    publishes: str | None = None

    def key(self, input_hashes: Mapping[str, str], checkpoint_hash: str = "") -> str:
        """SHA-256 of everything that decides the output. input_hashes: role -> content hash of that artifact."""
        what = {
            "run": self.run,
            "version": self.version,
            "params": self.params,
            "inputs": {role: input_hashes[role] for role in self.inputs},
            "files": {role: [(ref.name, ref.sha256) for ref in refs] for role, refs in self.files.items()},
            "checkpoint": checkpoint_hash,
        }
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class StageContext:
    """What a stage function gets. It reads `params`, `inputs` and `files`, and writes into `out`, nowhere else.

    inputs: role -> folder of that artifact. files: role -> (original name, path) in order.
    report(fraction, message): progress of this stage, 0 to 1; message is "" or one line for the artist's log.
    unfinished: a folder that is still there when the same stage runs again after a kill; None keeps nothing.
    show(loss, words, picture): how learning goes: the loss; step, speed and time left in words; and now and then a PNG
    of what the model makes by now, b"" is no picture.
    preparation: the stage's, for its progress.
    """

    params: Mapping[str, Any]
    inputs: Mapping[str, Path]
    files: Mapping[str, tuple[tuple[str, Path], ...]]
    out: Path
    checkpoint: str
    report: Callable[[float, str], None]
    unfinished: Path | None = None
    show: Callable[[float, str, bytes], None] = lambda loss, words, picture: None
    preparation: float = 0.0


StageFunction = Callable[[StageContext], None]

STAGE_FUNCTIONS: dict[str, str] = {
    "decode": "reangle.media.stage:decode",
    "geometry": "reangle.geometry.stage:estimate",
    "warp": "reangle.warping.stage:warp",
    "preview": "reangle.finishing.stage:fill",
    "learn": "reangle.motion.stage:learn_motion",
    "generate": "reangle.generation.stage:generate",
    "finish": "reangle.finishing.stage:finish",
    "deliver": "reangle.finishing.stage:deliver",
}
"""Imported only in the process that runs the stage, so that the server never imports torch."""
