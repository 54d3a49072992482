# SPDX-License-Identifier: Apache-2.0
"""The output of stage `learn`, and its checkpoint while it runs."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from pathlib import Path

from pydantic.dataclasses import dataclass

from reangle.folders.records import read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder


@dataclass(frozen=True, config=STRICT)
class LearnedClip:
    """One clip. coverage: share of its pictures that is known. used: False if that is too little to learn from."""

    name: str
    prompt: str
    coverage: float
    used: bool


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LearningRecord:
    """The whole history of a LoRA, earlier phases first.

    clips: what it learned from. losses: one per step. curves: for each phase, (steps done, loss on the same draws each
    time), which unlike `losses` can be compared. checkpoint, licence: of the video model. memory: how memory was saved.
    """

    clips: tuple[LearnedClip, ...]
    checkpoint: str
    licence: str
    memory: str
    losses: tuple[float, ...]
    curves: tuple[tuple[tuple[int, float], ...], ...]


class LoraFolder(StageFolder):
    """A LoRA of the video model, in diffusers' format, and how it was trained."""

    @property
    def lora(self) -> Path:
        """The folder that `load_lora_weights` opens."""
        return self.path / "lora"

    @property
    def weights(self) -> Path:
        return self.lora / "pytorch_lora_weights.safetensors"

    @property
    def record_file(self) -> Path:
        return self.path / "learning.json"

    def record(self) -> LearningRecord:
        return read_record(self.record_file, LearningRecord)

    def write_record(self, record: LearningRecord) -> None:
        write_record(self.record_file, record)


@plain_dataclass(frozen=True)
class UnfinishedLearning:
    """Checkpoint of a stage that runs a video model, to continue after a kill."""

    path: Path

    @property
    def examples(self) -> Path:
        """Encoded clips."""
        return self.path / "encoded.safetensors"

    @property
    def examples_metadata_file(self) -> Path:
        return self.path / "encoded.json"

    @property
    def training(self) -> Path:
        """The state of the training after its last saved step."""
        return self.path / "training.safetensors"

    @property
    def tier_file(self) -> Path:
        """The memory tier to use, once another one did not fit."""
        return self.path / "memory.json"
