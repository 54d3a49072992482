# SPDX-License-Identifier: Apache-2.0
"""Test data of the mini suite: generated scenes that it was not trained on, and the Blender sample."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from reangle.contract import CameraPath, from_json
from reangle.folders import CameraFolder, DecodedClip, GeometryFolder
from reangle.geometry.camera.stage import find_camera
from reangle.geometry.spec import CameraParams, GeometryParams
from reangle.geometry.stage import estimate
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.decode import decode_frames, select
from reangle.media.probe import probe_clip
from reangle.media.spec import DecodeParams
from reangle.media.stage import decode
from reangle.media.write import read_images
from reangle.runtime.stage import StageContext

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render

HELD_OUT = 24
FRAMES, WIDTH, HEIGHT = 25, 224, 128
SAMPLE = Path(__file__).resolve().parents[1] / "sample" / "footage"
SAMPLE_PROMPT = (
    "CAMERA_TRUCK_LEFT Camera movement truck left, an orange person walks right and a red box in a room with a brown "
    "wooden floor and beige walls"
)


@dataclass(frozen=True)
class Target:
    """An image of one frame from a second camera: frame (0-based), K 3 x 3, world_from_camera, rgb h x w x 3."""

    frame: int
    K: np.ndarray
    world_from_camera: np.ndarray
    rgb: np.ndarray


@dataclass(frozen=True)
class Shot:
    """A clip with the truth. rgb: T x h x w x 3; depth: T x h x w planar z.

    world_from_camera: T x 4 x 4. targets: pictures from other cameras.
    """

    name: str
    prompt: str
    caption: str
    rgb: np.ndarray
    depth: np.ndarray
    K: np.ndarray
    world_from_camera: np.ndarray
    moving_camera: bool
    targets: tuple[Target, ...]


def held_out(seed: int) -> Shot:
    """A generated scene of a seed that training never uses, at the suite's working size."""
    scene = draw_scene(seed)
    source = scene.source.cropped(HEIGHT)
    seen = render(scene, source)
    targets = []
    for camera, frame in zip(scene.targets.values(), (0, FRAMES - 1), strict=True):
        view = camera.cropped(HEIGHT)
        picture = render(scene, view, [frame]).rgb[0]
        targets.append(Target(frame, view.K[frame], view.world_from_camera[frame], picture))
    return Shot(
        name=f"scene {seed}",
        prompt=scene.prompt,
        caption=scene.caption,
        rgb=seen.rgb,
        depth=seen.depth,
        K=source.K,
        world_from_camera=source.world_from_camera,
        moving_camera=scene.camera_words != "static",
        targets=tuple(targets),
    )


def true_geometry(decoded: Path) -> VideoGeometry:
    """The decoded sample's true depth and camera, from its files."""
    files = {"geometry": tuple((path.name, path) for path in sorted((SAMPLE / "depth").iterdir()))}
    with tempfile.TemporaryDirectory() as temporary:
        camera, geometry = CameraFolder(Path(temporary) / "camera"), GeometryFolder(Path(temporary) / "geometry")
        camera.path.mkdir()
        geometry.path.mkdir()
        clip = {"decode": DecodedClip(decoded)}
        find_camera(StageContext(params=CameraParams(camera="files"), out=camera, inputs=clip, files=files))
        estimate(
            StageContext(
                params=GeometryParams(depth="files"), out=geometry, inputs={**clip, "camera": camera}, files=files
            )
        )
        return VideoGeometry.load(geometry)


def decode_sample(folder: Path) -> Path:
    """The sample, decoded by the first stage."""
    clip = (("clip.mp4", SAMPLE / "clip.mp4"),)
    decode(StageContext(params=DecodeParams(), out=DecodedClip(folder), files={"clip": clip}))
    return folder


def sample_shot(decoded: Path) -> Shot:
    """Every second frame of the sample at the suite's working size, with true renders of both demo cameras."""
    truth = true_geometry(decoded)
    frames = read_images(DecodedClip(decoded).frames)
    frame_ids = np.arange(0, 2 * FRAMES, 2)
    tall = round(frames.shape[1] * WIDTH / frames.shape[2])
    top = (tall - HEIGHT) // 2
    depth = np.stack([cv2.resize(truth.depth[k], (WIDTH, tall), interpolation=cv2.INTER_NEAREST) for k in frame_ids])
    K = truth.K_at(WIDTH, tall)
    K[:, 1, 2] -= top
    targets = []
    for name in ("orbit-left", "push-in"):
        path = from_json(CameraPath, (SAMPLE / "truth" / f"{name}.json").read_text(encoding="utf-8"))
        pictures = at_working_size(_movie(SAMPLE / "truth" / f"{name}.mp4"))
        view = np.diag([WIDTH / path.width, tall / path.height, 1.0]) @ np.array(path.K)
        view[:, 1, 2] -= top
        for frame in (12, 24):
            pose = np.array(path.world_from_camera)[2 * frame]
            targets.append(Target(frame, view[2 * frame], pose, pictures[2 * frame]))
    return Shot(
        name="sample",
        prompt=SAMPLE_PROMPT,
        caption=SAMPLE_PROMPT.split(", ", 1)[1],
        rgb=at_working_size(frames[frame_ids]),
        depth=depth[:, top : top + HEIGHT],
        K=K[frame_ids],
        world_from_camera=truth.world_from_camera[frame_ids],
        moving_camera=True,
        targets=tuple(targets),
    )


def _movie(path: Path) -> np.ndarray:
    info = probe_clip([(path.name, path)])
    return np.stack([frame.rgb for frame in decode_frames(info, select(info))])


def at_working_size(frames: np.ndarray) -> np.ndarray:
    """T x h x w x 3 frames scaled to the suite's width and cropped to the middle rows."""
    tall = round(frames.shape[1] * WIDTH / frames.shape[2])
    small = np.stack([cv2.resize(frame, (WIDTH, tall), interpolation=cv2.INTER_AREA) for frame in frames])
    top = (tall - HEIGHT) // 2
    return small[:, top : top + HEIGHT]


def psnr(prediction: np.ndarray, truth: np.ndarray, where: np.ndarray | None = None) -> float:
    """PSNR in dB of uint8 images, over the pixels `where` if given; NaN where there are none."""
    squared = (prediction.astype(np.float64) - truth.astype(np.float64)) ** 2
    mean = squared[where].mean() if where is not None and where.any() else squared.mean() if where is None else np.nan
    return float(10 * np.log10(255**2 / max(mean, 1e-9)))
