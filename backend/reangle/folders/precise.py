# SPDX-License-Identifier: Apache-2.0
"""Outputs of the stages `decode-16` and `warp-16`, in jobs whose frames keep more than 8 bits."""

from __future__ import annotations

from pathlib import Path

from reangle.runtime.stage import StageFolder


class PreciseFolder(StageFolder):
    """frames: one 16-bit RGB picture per frame, encoded as the 8-bit frames are; 257 times their values."""

    @property
    def frames(self) -> Path:
        return self.path / "frames"


class PreciseClip(PreciseFolder):
    """The used part of the clip, with its lens's distortion."""


class PreciseWarp(PreciseFolder):
    """The warp's pixels, black where unknown; its masks and depth are those of the stage `warp`."""
