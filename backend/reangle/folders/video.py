# SPDX-License-Identifier: Apache-2.0
"""Outputs of the stages `fill`, `generate` and `finish`: one image per output frame."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from reangle.folders.learning import LearnedClip
from reangle.folders.records import read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GenerationRecord:
    """How frames were generated. learned_from, losses, curves: the LoRA's history, empty without one."""

    prompt: str
    checkpoint: str
    licence: str
    memory: str
    learned_from: tuple[LearnedClip, ...] = ()
    losses: tuple[float, ...] = ()
    curves: tuple[tuple[tuple[int, float], ...], ...] = ()


class FramesFolder(StageFolder):
    """frames: one 8-bit RGB picture per output frame."""

    @property
    def frames(self) -> Path:
        return self.path / "frames"


class FilledFolder(FramesFolder):
    """Warped frames whose holes are filled from the scene around them."""


class GeneratedFolder(FramesFolder):
    """Frames that the video model made."""

    @property
    def record_file(self) -> Path:
        return self.path / "generation.json"

    def record(self) -> GenerationRecord:
        return read_record(self.record_file, GenerationRecord)

    def write_record(self, record: GenerationRecord) -> None:
        write_record(self.record_file, record)


class FinishedFolder(GeneratedFolder):
    """Generated frames, with the known pixels of the warp over them."""
