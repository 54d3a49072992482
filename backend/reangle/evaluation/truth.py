# SPDX-License-Identifier: Apache-2.0
"""Ground-truth scenes: a clip, its depth and cameras, and the true pictures of other cameras (docs/architecture.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reangle.contract import CameraPath, ContractError, from_data
from reangle.errors import UserError
from reangle.media.write import read_images


@dataclass(frozen=True)
class TrueView:
    """One target camera. folder: its true pictures. visible: masks, white where the source sees the pixel's point in
    the same frame. moving: masks, white on moving objects. None: the scene has no such masks.
    """

    path: CameraPath
    folder: Path
    visible: Path | None
    moving: Path | None

    def frames(self) -> np.ndarray:
        """N x H x W x 3 uint8."""
        return read_images(self.folder)

    def parts(self) -> dict[str, np.ndarray]:
        """N x H x W bool of "visible", "occluded", "moving" and "static" pixels, for the masks that the scene has."""
        parts = {}
        for folder, yes, no in ((self.visible, "visible", "occluded"), (self.moving, "moving", "static")):
            if folder is not None:
                parts[yes] = read_images(folder) > 0
                parts[no] = ~parts[yes]
        return parts


@dataclass(frozen=True)
class TrueScene:
    """One scene folder."""

    folder: Path
    fps: float
    caption: str
    views: tuple[TrueView, ...]

    @property
    def name(self) -> str:
        return self.folder.name

    @classmethod
    def open(cls, folder: Path) -> TrueScene:
        """Raises UserError naming the file if it is not a ground-truth scene."""
        about = folder / "scene.json"
        try:
            scene = json.loads(about.read_text(encoding="utf-8"))
            views = tuple(_view(folder, scene, target) for target in scene["targets"])
            return cls(folder, float(scene["fps"]), str(scene.get("caption", "")), views)
        except (OSError, ValueError, KeyError, TypeError, ContractError) as error:
            reason = str(error).splitlines()[0] if str(error) else repr(error)
            raise UserError(
                f"{about} does not describe a ground-truth scene: {reason}.",
                advice="See docs/architecture.md for the format; scripts/train/write_scenes.py writes such scenes.",
            ) from error


def _view(folder: Path, scene: Mapping[str, Any], target: Mapping[str, Any]) -> TrueView:
    path = from_data(
        CameraPath,
        {
            "name": target["name"],
            "fps": scene["fps"],
            "width": scene["width"],
            "height": scene["height"],
            "frames": target["frames"],
            "world_from_camera": target["world_from_camera"],
            "K": target["K"],
        },
    )
    masks = (folder / part / path.name for part in ("visibility", "moving"))
    visible, moving = (place if place.is_dir() else None for place in masks)
    return TrueView(path, folder / "targets" / path.name, visible, moving)


def open_scenes(folder: Path) -> list[TrueScene]:
    """All scenes in a folder, or the folder itself if it is one. Raises UserError if there is none."""
    if (folder / "scene.json").is_file():
        return [TrueScene.open(folder)]
    folders = sorted(path.parent for path in folder.glob("*/scene.json"))
    if not folders:
        raise UserError(
            f"There is no ground-truth scene in {folder}.",
            advice="Write some with python3.11 scripts/train/write_scenes.py --out DIR --seeds 0-11.",
        )
    return [TrueScene.open(path) for path in folders]
