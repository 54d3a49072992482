# SPDX-License-Identifier: Apache-2.0
"""What changes before a camera that stands still or turns, by whole frames."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from reangle.geometry.camera.solve.background import changing, share_at_rest
from reangle.geometry.camera.solve.bundle import Lens, Solution
from reangle.geometry.camera.solve.prior import FocalPrior
from reangle.geometry.camera.solve.solve import camera_from_tracks
from reangle.geometry.camera.solve.tracks import Tracks
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT, FRAMES, FOCAL = 240, 160, 16, 220.0
CENTRE = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
LENS = Lens(FOCAL, WIDTH / 2, HEIGHT / 2)


def clip(R: np.ndarray, *, softness: float = 2.0, noise: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T x h x w x 3 uint8) and masks of a plain disc that flies past a textured wall at infinity.

    R: T x 3 x 3, camera from world.
    """
    rng = np.random.default_rng(5)
    wall = cv2.GaussianBlur(rng.uniform(0, 255, (3 * HEIGHT, 3 * WIDTH, 3)).astype(np.float32), (0, 0), softness)
    wall = 128 + (wall - wall.mean()) * 30 / wall.std()
    wall_K = LENS.K + np.array([[0, 0, WIDTH], [0, 0, HEIGHT], [0, 0, 0]])
    frames, masks = [], []
    for index in range(FRAMES):
        there = np.linalg.inv(CENTRE) @ wall_K @ R[index].T @ np.linalg.inv(LENS.K) @ CENTRE
        picture = cv2.warpPerspective(wall, there, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.circle(mask, (20 + 13 * index, 80), 25, 1, -1)
        picture[mask > 0] = (200, 170, 60)
        frames.append(np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8))
        masks.append(mask > 0)
    return np.stack(frames), np.stack(masks)


def turned(degrees: float) -> np.ndarray:
    return Rotation.from_rotvec(np.radians(degrees) * np.linspace(0, 1, FRAMES)[:, None] * [0.2, 1, 0.1]).as_matrix()


@pytest.mark.parametrize("degrees", [0.0, 12.0])
def test_a_plain_thing_that_moves_is_masked_whole(degrees: float) -> None:
    R = turned(degrees)
    frames, truth = clip(R)
    found = changing(frames, Solution(LENS, R, np.zeros((FRAMES, 3)), np.zeros((0, 3))), WIDTH)
    assert (found & truth).sum() / truth.sum() > 0.9
    assert (found & truth).sum() / found.sum() > 0.8


def test_a_shadow_beside_a_thing_is_no_part_of_it() -> None:
    R = turned(0)
    frames, truth = clip(R)
    shade = np.ones((FRAMES, HEIGHT, WIDTH), np.float32)
    for index, one in enumerate(shade):
        cv2.circle(one, (20 + 13 * index, 112), 17, 0.7, -1)
    frames = np.where(truth[..., None], frames, (frames * shade[..., None]).astype(np.uint8))
    found = changing(frames, Solution(LENS, R, np.zeros((FRAMES, 3)), np.zeros((0, 3))), WIDTH)
    assert (found & truth).sum() / found.sum() > 0.85


def test_soft_walls_show_that_the_camera_rests_where_all_corners_move() -> None:
    frames, _ = clip(turned(0), softness=6, noise=0.3)
    assert share_at_rest(frames) > 0.5
    assert share_at_rest(clip(turned(12), softness=6, noise=0.3)[0]) < 0.05
    # 100 corners, all on a thing that drives through the picture.
    rng = np.random.default_rng(1)
    start = rng.uniform([20, 20], [120, 140], (100, 2))
    frame, track = (one.ravel() for one in np.mgrid[0:FRAMES, 0:100])
    uv = start[track] + np.stack([5.0 * frame, 0.5 * frame], axis=1)
    tracks = Tracks.of(frame, track, uv, frames=FRAMES, width=WIDTH, height=HEIGHT)
    assert camera_from_tracks(tracks, FocalPrior()).motion != "still"
    assert camera_from_tracks(tracks, FocalPrior(), frames).motion == "still"
