# SPDX-License-Identifier: Apache-2.0
"""Writes a VideoGeometry frame by frame, so that long clips need little memory."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np

from reangle.folders import GeometryFolder, GeometryMetadata
from reangle.geometry.video_geometry import matrix_rows


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a VideoGeometry, h x w each. moving: None if it is unknown, for all frames alike."""

    depth: np.ndarray
    valid: np.ndarray
    confidence: np.ndarray
    moving: np.ndarray | None = None


class GeometryWriter:
    """Frames of height x width in order; `finish` writes the metadata."""

    def __init__(self, folder: GeometryFolder, count: int, height: int, width: int) -> None:
        self.folder, self.shape = folder, (count, height, width)
        self._stack, self._files, self._written = ExitStack(), dict[str, _NpyFile](), 0

    def __enter__(self) -> GeometryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, frame: Frame) -> None:
        """Raises ValueError for a frame of another size."""
        arrays = {"depth": (frame.depth, np.float32), "valid": (frame.valid, np.bool_)}
        arrays["confidence"] = frame.confidence, np.float32
        if frame.moving is not None:
            arrays["dynamic"] = frame.moving, np.bool_
        for name, (array, dtype) in arrays.items():
            if array.shape != self.shape[1:]:
                raise ValueError(f"{name} is {array.shape}, expected {self.shape[1:]}")
            if name not in self._files:
                self._files[name] = _NpyFile(self.folder.array(name), self.shape, dtype)
                self._stack.callback(self._files[name].close)
            self._files[name].add(array)
        self._written += 1

    def finish(
        self,
        *,
        K: np.ndarray,
        world_from_camera: np.ndarray,
        scale: Literal["metric", "relative"],
        camera_from: str,
        depth_from: str,
        checkpoint: str,
        licence: str,
        notes: tuple[str, ...],
    ) -> None:
        """Write the metadata; arguments as in VideoGeometry. Raises ValueError if frames are missing."""
        count, height, width = self.shape
        if self._written != count:
            raise ValueError(f"{self._written} frames were written, expected {count}")
        self._stack.close()
        self.folder.write_metadata(
            GeometryMetadata(
                frames=count,
                width=width,
                height=height,
                scale=scale,
                camera_from=camera_from,
                depth_from=depth_from,
                checkpoint=checkpoint,
                licence=licence,
                notes=notes,
                K=matrix_rows(K),
                world_from_camera=matrix_rows(world_from_camera),
            )
        )


class _NpyFile:
    """An array file of known shape that is written item by item."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: type) -> None:
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb")
        header = {"descr": np.lib.format.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def add(self, array: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(array, self._dtype).data)

    def close(self) -> None:
        self._file.close()
