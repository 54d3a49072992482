# SPDX-License-Identifier: Apache-2.0
"""Which uploaded files are depth maps and which are cameras, by their names."""

from __future__ import annotations

from pathlib import PurePath

DEPTH_SUFFIXES = (".exr", ".png", ".npz", ".npy")
COLMAP_FILES = tuple(
    f"{part}{end}" for part in ("cameras", "images", "points3d", "rigs", "frames") for end in (".txt", ".bin")
)
"""Of COLMAP's models, in lower case."""


def is_depth_map(name: str) -> bool:
    return PurePath(name).suffix.lower() in DEPTH_SUFFIXES


def is_camera_file(name: str) -> bool:
    """Whether it is a camera JSON or one of the files of COLMAP's model."""
    return PurePath(name).suffix.lower() == ".json" or name.lower() in COLMAP_FILES
