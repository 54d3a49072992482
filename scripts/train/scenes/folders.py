# SPDX-License-Identifier: Apache-2.0
"""A generated scene as a ground-truth scene folder, like those of `scripts/sample/render.py`."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import numpy as np
from reangle.media.write import write_images

from scripts.train.scenes.raycast import render, visible
from scripts.train.scenes.types import Camera, Scene


def write_scene(scene: Scene, folder: Path) -> None:
    """Write scene.json, source/, depth/, masks/, and for each target targets/NAME/, visibility/NAME/ and moving/NAME/;
    all or nothing.

    The world is the first source camera. Masks are white where the source shows a moving object; moving/, where the
    target does. visibility/ is white where the source camera sees the point of the target's pixel in the same frame.
    Raises OSError if `folder` exists and is not empty.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    try:
        seen = render(scene, scene.source)
        write_images(fresh / "source", seen.rgb)
        write_images(fresh / "depth", seen.depth)
        write_images(fresh / "masks", _white(scene.moving[seen.objects]))
        for name, camera in scene.targets.items():
            truth = render(scene, camera)
            write_images(fresh / "targets" / name, truth.rgb)
            write_images(fresh / "moving" / name, _white(scene.moving[truth.objects]))
            write_images(fresh / "visibility" / name, _white(visible(scene, camera, truth.depth, scene.source)))
        (fresh / "scene.json").write_text(json.dumps(_about(scene)), encoding="utf-8")
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _about(scene: Scene) -> dict[str, object]:
    first_from_world = np.linalg.inv(scene.source.world_from_camera[0])

    def path(camera: Camera) -> dict[str, object]:
        poses = first_from_world @ camera.world_from_camera
        return {"K": camera.K.tolist(), "world_from_camera": poses.tolist()}

    return {
        "fps": scene.fps,
        "width": scene.source.width,
        "height": scene.source.height,
        "frames": scene.count,
        "caption": scene.caption,
        "prompt": scene.prompt,
        "source": path(scene.source),
        "targets": [
            {"name": name, "frames": list(range(scene.count)), **path(camera)} for name, camera in scene.targets.items()
        ],
    }


def _white(where: np.ndarray) -> np.ndarray:
    return np.where(where, np.uint8(255), np.uint8(0))
