# SPDX-License-Identifier: Apache-2.0
"""Which files are movies, images, depth maps and cameras, by their names; and what names say of depth."""

from __future__ import annotations

import re
from pathlib import PurePath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".exr", ".tif", ".tiff", ".dpx", ".tga", ".bmp", ".webp")
"""Of image sequences that can be a clip."""
MOVIE_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".3gp")
"""Of movies, as file browsers list them; a movie of another suffix may be one, too."""
DEPTH_SUFFIXES = (".exr", ".png", ".npz", ".npy")
COLMAP_FILES = tuple(
    f"{part}{end}" for part in ("cameras", "images", "points3d", "rigs", "frames") for end in (".txt", ".bin")
)
"""Of COLMAP's models, in lower case."""
DUST3R_FILES = ("pred_traj.txt", "pred_intrinsics.txt")
"""Of the scenes that MonST3R and other programs made from DUSt3R save: poses and lenses."""


def is_depth_map(name: str) -> bool:
    return PurePath(name).suffix.lower() in DEPTH_SUFFIXES


def is_camera_file(name: str) -> bool:
    """Whether it is a camera JSON or one of the files of COLMAP's model or of a scene of DUSt3R's family."""
    return PurePath(name).suffix.lower() == ".json" or name.lower() in (*COLMAP_FILES, *DUST3R_FILES)


DEPTH_WORDS = frozenset({"z", "pz", "depth", "zdepth", "depthmap", "depthmaps", "depths"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_INVERSE_WORDS = frozenset({"inv", "inverse", "inverted", "invdepth", "reciprocal", "disp", "disparity", "disparities"})


def words_of(name: str) -> str:
    """The words of a name in lower case: "VRayZDepth_01" is "v ray z depth 01"."""
    return " ".join(_WORDS.findall(name)).casefold()


def says_depth(name: str) -> bool:
    """Whether one of the name's words is depth."""
    return not DEPTH_WORDS.isdisjoint(words_of(name).split())


def says_inverse(name: str) -> bool:
    """Whether a name says inverse depth or disparity, which falls with the distance."""
    return not _INVERSE_WORDS.isdisjoint(words_of(name).split())
