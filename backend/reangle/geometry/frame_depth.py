# SPDX-License-Identifier: Apache-2.0
"""Depth on its way from a network or files into the clip's world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import BadZipFile

import cv2
import numpy as np

from reangle.errors import UserError


@dataclass(frozen=True, eq=False)
class FrameDepth:
    """What a depth provider says of T frames, before it is fitted into the camera's world.

    inverse: T x h x w float32, 1 / planar z, at least 0; 0 is endlessly far. h x w is the provider's own size, of the
    same view as the clip's frames.
    valid: T x h x w bool, where the provider gives depth. confidence: T x h x w float32, 0 to 1; 1 if it gives none.
    ambiguity: what is unknown in each frame: "none" (already in the camera's world), "scale" (true inverse depth =
    s * inverse) or "scale-shift" (true inverse depth = s * inverse + t).
    moving: T x h x w bool, what moves in the world; None if the provider does not say.
    checkpoint, licence: their origin. notes: for the artist.
    """

    inverse: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray
    ambiguity: Literal["none", "scale", "scale-shift"]
    moving: np.ndarray | None = None
    checkpoint: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write one npz file."""
        arrays = {name: value for name, value in vars(self).items() if value is not None}
        np.savez(path, **{**arrays, "notes": np.array(self.notes, np.str_)})

    @classmethod
    def load(cls, path: Path) -> FrameDepth:
        """Read what `save` wrote. Raises UserError if the file is missing or damaged."""
        try:
            with np.load(path, allow_pickle=False) as saved:
                values = {name: saved[name] if saved[name].ndim else str(saved[name]) for name in saved.files}
            return cls(**{**values, "notes": tuple(map(str, values["notes"]))})
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise UserError(f"The depth in {path} cannot be read: {error}.", advice="Make the camera again.") from error


@dataclass(frozen=True, eq=False)
class WorldDepth:
    """Depth of T frames in the camera's world, at the depth provider's own size.

    depth: T x h x w float32, planar z, above 0 where valid. valid: T x h x w bool.
    confidence: T x h x w float32, 0 (a guess) to 1 (measured). moving: T x h x w bool, what moves in the world.
    notes: for the artist.
    """

    depth: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray
    moving: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ExactDepth:
    """Depth that is used as it is, such as a render's: nothing is fitted, smoothed or resized.

    depth: T x h x w float32, planar z, 0 where there is none. valid: T x h x w bool.
    scale: whether a unit is a metre ("metric") or arbitrary ("relative"). notes: for the artist.
    """

    depth: np.ndarray
    valid: np.ndarray
    scale: Literal["metric", "relative"] = "metric"
    notes: tuple[str, ...] = ()


def mask_at(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """A mask, h x w bool, at another size."""
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
