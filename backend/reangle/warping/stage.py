# SPDX-License-Identifier: Apache-2.0
"""Stage `warp`: the clip from a new camera."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from reangle.contract import CameraPath, PreviewSettings
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import ImageWriter, read_images
from reangle.runtime.stage import StageContext
from reangle.warping.background import background_views
from reangle.warping.memory import Memory
from reangle.warping.types import View
from reangle.warping.video import Warper, check_clip, warp_frames

FOLDERS = ("warped", "visibility", "memory", "depth")


def warp(context: StageContext) -> None:
    """Write warped/, visibility/, memory/, depth/ and warp.json (see docs/architecture.md) into `context.out`.

    There is background/ too: the static scene from a few of the path's cameras, which holes are filled from.
    params: path, a CameraPath; method, memory as in `contract.PreviewSettings`. inputs: decode, geometry.
    """
    path = CameraPath.model_validate(context.params["path"])
    settings = PreviewSettings.model_validate({key: context.params[key] for key in PreviewSettings.model_fields})
    frames = read_images(context.inputs["decode"] / "frames")
    geometry = VideoGeometry.load(context.inputs["geometry"])
    check_clip(frames, geometry)
    memory = Memory.of_clip(frames, geometry) if settings.memory else None
    warper = Warper(frames, geometry, memory)
    coverage: list[tuple[float, float]] = []
    with ExitStack() as stack:
        writers = [stack.enter_context(ImageWriter(context.out / name)) for name in FOLDERS]
        for warped in warp_frames(warper, path):
            masks = [np.where(mask, np.uint8(255), np.uint8(0)) for mask in (warped.visible, warped.remembered)]
            for writer, image in zip(writers, (warped.rgb, *masks, warped.depth), strict=True):
                writer.add(image)
            coverage.append((float(warped.visible.mean()), float(warped.remembered.mean())))
            context.report(0.95 * len(coverage) / len(path.frames), "")
    unknown = [1 - visible - remembered for visible, remembered in coverage]
    save_views(context.out / "background", background_views(warper, path, unknown))
    visible, remembered = (float(share) for share in np.mean(coverage, axis=0))
    notes = _notes(visible, remembered, unknown)
    about = {
        "frames": len(path.frames),
        "width": path.width,
        "height": path.height,
        "coverage": {"visible": visible, "remembered": remembered, "invented": 1 - visible - remembered},
        "coverage_by_frame": [{"visible": seen, "remembered": known} for seen, known in coverage],
        "notes": notes,
    }
    (context.out / "warp.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    for note in notes:
        context.report(1.0, note)
    context.report(1.0, "")


def _notes(visible: float, remembered: float, unknown: list[float]) -> list[str]:
    if visible + remembered == 0:
        return [
            "This camera sees nothing of the clip: all of its picture is invented. Turn it towards the point cloud."
        ]
    worst = int(np.argmax(unknown))
    if unknown[worst] > 0.5:
        share = round(100 * unknown[worst])
        return [f"The clip says nothing about {share} % of frame {worst + 1} of this camera; that part is invented."]
    return []


def save_views(folder: Path, views: list[View]) -> None:
    """Write views as folders of images and views.json."""
    for name in ("rgb", "depth", "near"):
        with ImageWriter(folder / name) as writer:
            for view in views:
                image = getattr(view, name)
                writer.add(image if image.dtype != np.bool_ else np.where(image, np.uint8(255), np.uint8(0)))
    cameras = [{"K": view.K.tolist(), "world_from_camera": view.world_from_camera.tolist()} for view in views]
    (folder / "views.json").write_text(json.dumps(cameras, indent=1), encoding="utf-8")


def load_views(folder: Path) -> list[View]:
    """Read what `save_views` wrote."""
    cameras = json.loads((folder / "views.json").read_text(encoding="utf-8"))
    if not cameras:
        return []
    images = zip(*(read_images(folder / name) for name in ("rgb", "depth", "near")), cameras, strict=True)
    return [
        View(rgb, depth, near > 0, np.array(camera["K"]), np.array(camera["world_from_camera"]))
        for rgb, depth, near, camera in images
    ]
