# SPDX-License-Identifier: Apache-2.0
"""Frame counts that video models accept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelFrames:
    """clip: frames the clip has. model: frames the model gets. held: copies of the last frame that make up the rest."""

    clip: int
    model: int

    @property
    def held(self) -> int:
        return self.model - self.clip

    @property
    def note(self) -> str:
        """One line for the artist; "" when nothing had to be done."""
        if not self.held:
            return ""
        copies = "1 time" if self.held == 1 else f"{self.held} times"
        return f"The model needs {self.model} frames and the clip has {self.clip}: the last frame is repeated {copies}."


def frames_for_model(count: int, multiple: int = 8) -> ModelFrames:
    """The smallest multiple * k + 1 that holds `count` frames.

    The clip's own frames are never dropped: the last one is held, and whoever uses the result cuts it back to `clip`.
    Raises ValueError for count < 1 or multiple < 1.
    """
    if count < 1 or multiple < 1:
        raise ValueError(f"no model frames for {count} frames in steps of {multiple}")
    return ModelFrames(clip=count, model=-(-(count - 1) // multiple) * multiple + 1)
