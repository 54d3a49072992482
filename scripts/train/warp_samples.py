# SPDX-License-Identifier: Apache-2.0
"""Endless training samples of new generated scenes for a video model that is shown a warp: a clip warped to another
camera with true depth, its holes filled as the preview fills them, what the warp shows, and the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from reangle.contract import CameraPath, PreviewSettings
from reangle.finishing.fill import Filler
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.background import background_views
from reangle.warping.video import Warper, warp_frames

from scripts.train.pool import FIRST_SEED
from scripts.train.scene_samples import HEIGHT, WIDTH
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render
from scripts.train.scenes.types import Camera, Frames, Scene

CAMERAS = 2
LEAST_HIDDEN, MOST_HIDDEN = 0.01, 0.6
"""Share of a camera's pixels that no frame saw; others teach nothing, or too little of what is seen."""


def fresh_warps(seed: int, frames: Callable[[], Sequence[int] | None]) -> Iterator[tuple[Warp, str]]:
    """Warps of new scenes without end, each with its scene's caption. frames: asked for each scene."""
    rng = np.random.default_rng((seed, 23))
    while True:
        number = FIRST_SEED + int(rng.integers(2**31))
        scene = draw_scene(number, width=WIDTH, height=HEIGHT, targets=CAMERAS)
        for one in warps(scene, frames()):
            if LEAST_HIDDEN < 1 - one.known.mean() < MOST_HIDDEN:
                yield one, scene.caption


@dataclass(frozen=True, eq=False)
class Warp:
    """A clip of T frames warped to another camera with true depth.

    camera: the target, in the scene's world. truth: what it sees. rgb, filled: T x H x W x 3 uint8, the warp and the
    warp with holes filled as the preview fills them. known: T x H x W bool, pixels that some frame of the clip saw.
    depth: T x H x W float32 of the warp, 0 where unknown.
    """

    camera: Camera
    truth: Frames
    rgb: np.ndarray
    filled: np.ndarray
    known: np.ndarray
    depth: np.ndarray


def warps(scene: Scene, frames: Sequence[int] | None = None) -> Iterator[Warp]:
    """The source camera's clip warped to each of the others, as the product does it. frames: which ones; None: all."""
    times = np.arange(scene.count) if frames is None else np.asarray(frames)
    seen = render(scene, scene.source, times)
    first_from_world = np.linalg.inv(scene.source.world_from_camera[0])
    geometry = VideoGeometry(
        depth=seen.depth,
        valid=np.ones(seen.depth.shape, np.bool_),
        confidence=np.ones(seen.depth.shape, np.float32),
        K=scene.source.K[times].astype(np.float64),
        world_from_camera=first_from_world @ scene.source.world_from_camera[times],
        scale="metric",
        camera_from="files",
        depth_from="files",
    )
    warper = Warper.of_clip(seen.rgb, geometry, PreviewSettings())
    for name, camera in scene.targets.items():
        K, poses = camera.K[times], (first_from_world @ camera.world_from_camera)[times]
        path = CameraPath(
            name=name,
            fps=scene.fps,
            width=camera.width,
            height=camera.height,
            frames=tuple(range(len(times))),
            world_from_camera=poses.tolist(),
            K=K.tolist(),
        )
        warped = list(warp_frames(warper, path))
        filler = Filler(background_views(warper, path, [float(1 - one.known.mean()) for one in warped]))
        filled = [
            filler.fill(one.rgb, one.known, one.depth, *view) for one, *view in zip(warped, K, poses, strict=True)
        ]
        yield Warp(
            camera,
            render(scene, camera, times),
            np.stack([one.rgb for one in warped]),
            np.stack(filled),
            np.stack([one.known for one in warped]),
            np.stack([one.depth for one in warped]),
        )
