# SPDX-License-Identifier: Apache-2.0
"""Warped frames: exactness, memory, and cameras that see nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from preview_scene import BOX, HEIGHT, MOVER, WALL, WIDTH, Card, camera, film, make_path, shoot, warp_video
from reangle.errors import UserError
from reangle.warping.lookup import own_surface_colour
from reangle.warping.surface import make_surface

SCENE = (WALL, BOX, MOVER)
COUNT = 7


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.square(a.astype(float) - b).mean(), 1e-9)))


@pytest.fixture(scope="module")
def clip():
    return film(SCENE, COUNT)


def test_the_source_camera_returns_the_frames_bit_for_bit(clip) -> None:
    frames, geometry = clip
    warped = warp_video(frames, geometry, make_path(geometry.world_from_camera))
    assert warped.visible.all()
    assert not warped.remembered.any()
    assert np.array_equal(warped.rgb, frames)
    assert np.allclose(warped.depth, geometry.depth, rtol=1e-5)


def test_a_moving_source_camera_returns_its_own_frames() -> None:
    cameras = np.stack([camera(0.05 * t, 0.02 * t) for t in range(3)])
    frames, geometry = film(SCENE, 3, cameras)
    warped = warp_video(frames, geometry, make_path(cameras))
    assert np.array_equal(warped.rgb, frames)


def test_lookup_is_close_to_the_truth(clip) -> None:
    frames, geometry = clip
    target = camera(0.3, 0.1)
    truth = np.stack([shoot(SCENE, t, target)[0] for t in range(COUNT)])
    warped = warp_video(frames, geometry, make_path(np.stack([target] * COUNT)), memory=False)
    assert warped.visible.mean() > 0.8
    assert psnr(warped.rgb[warped.visible], truth[warped.visible]) > 30


def test_colours_do_not_bleed_from_the_near_side_of_an_edge() -> None:
    depth = np.full((9, 12), 4, np.float32)
    rgb = np.full((9, 12, 3), (0, 0, 200), np.uint8)
    depth[:, :5], rgb[:, :5] = 2, (200, 0, 0)
    rgb[:, 5] = 100, 0, 100
    surface = make_surface(depth, depth > 0, 12, 9)
    colour = np.zeros(3)
    assert own_surface_colour(rgb, surface.depth, surface.rough, surface.near, 5.5, 4.5, 4.0, colour)
    assert colour[0] < 60
    assert colour[2] > 140


def test_memory_shows_the_wall_behind_moving_objects_and_never_the_objects(clip) -> None:
    frames, geometry = clip
    target = camera(0.3)
    warped = warp_video(frames, geometry, make_path(np.stack([target] * COUNT)))
    assert warped.remembered.any()
    assert not (warped.remembered & warped.visible).any()
    truth = np.stack([shoot((WALL, BOX), t, target)[0] for t in range(COUNT)])
    assert psnr(warped.rgb[warped.remembered], truth[warped.remembered]) > 30
    green = warped.rgb[warped.remembered].astype(int)
    assert not ((green[:, 1] > green[:, 0] + 60) & (green[:, 1] > green[:, 2] + 60)).any()


def test_objects_that_move_in_other_frames_stay_out_of_the_memory() -> None:
    cameras = np.stack([camera(0.12 * t) for t in range(COUNT)])
    passer = replace(MOVER, left=2.5, right=2.7, speed=-0.2)
    frames, geometry = film((WALL, passer), COUNT, cameras)
    warped = warp_video(frames, geometry, make_path(cameras[-1:], [0]))
    remembered = warped.rgb[warped.remembered].astype(int)
    assert len(remembered) > 200
    assert not ((remembered[:, 1] > remembered[:, 0] + 60) & (remembered[:, 1] > remembered[:, 2] + 60)).any()


def test_a_surface_from_other_frames_hides_what_is_behind_it() -> None:
    screen = Card(-0.2, 0.2, -9, 9, 1.5, (60, 60, 60))
    hidden = Card(-0.3, 0.3, -0.6, 0.6, 2.6, (220, 60, 40))
    cards = (WALL, hidden, screen)
    cameras = np.stack([camera(0.9 if t else 0.0) for t in range(COUNT)])
    frames, geometry = film(cards, COUNT, cameras)
    target = camera(1.0)
    truth, depth = shoot(cards, 0, target)
    warped = warp_video(frames, geometry, make_path(target[None], [0]))
    behind = warp_video(frames, geometry, make_path(target[None], [0]), memory=False)
    there = np.abs(depth - hidden.z) < 0.1
    covered = there & behind.visible[0] & (behind.depth[0] > 1.1 * hidden.z)
    assert covered.sum() > 30
    assert warped.remembered[0][covered].mean() > 0.9
    assert np.allclose(warped.depth[0][covered & warped.remembered[0]], hidden.z, rtol=0.02)
    assert psnr(warped.rgb[0][covered], truth[covered]) > psnr(behind.rgb[0][covered], truth[covered]) + 5


def test_without_memory_the_memory_mask_is_empty(clip) -> None:
    frames, geometry = clip
    warped = warp_video(frames, geometry, make_path(np.stack([camera(0.3)] * COUNT)), memory=False)
    assert not warped.remembered.any()
    assert not warped.visible.all()
    assert (warped.rgb[~warped.visible] == 0).all()
    assert (warped.depth[~warped.visible] == 0).all()


def test_pixels_that_the_geometry_marks_as_moving_stay_out_of_the_memory() -> None:
    frames, geometry = film((WALL, BOX), 3, np.stack([camera(0.15 * t) for t in range(3)]))
    path = make_path(np.stack([camera(-0.15)]), [0])
    open_ = warp_video(frames, geometry, path)
    marked = type(geometry)(**{**vars(geometry), "dynamic": np.ones(geometry.depth.shape, np.bool_)})
    closed = warp_video(frames, marked, path)
    assert open_.visible.any()
    assert not closed.remembered.any()
    assert np.array_equal(open_.visible, closed.visible)


def test_depth_may_have_another_size_than_the_frames() -> None:
    frames, geometry = film(SCENE, 3, depth_size=(WIDTH // 2, HEIGHT // 2))
    target = camera(0.2)
    warped = warp_video(frames, geometry, make_path(np.stack([target] * 3)))
    truth = np.stack([shoot(SCENE, t, target)[0] for t in range(3)])
    assert warped.visible.mean() > 0.8
    assert psnr(warped.rgb[warped.visible], truth[warped.visible]) > 24


def test_a_camera_that_looks_away_returns_empty_frames(clip) -> None:
    frames, geometry = clip
    away = np.diag([-1.0, 1.0, -1.0, 1.0])
    warped = warp_video(frames, geometry, make_path(np.stack([away] * 2)))
    assert not warped.visible.any()
    assert not warped.remembered.any()
    assert not warped.rgb.any()


def test_the_lens_may_change_from_frame_to_frame(clip) -> None:
    frames, geometry = clip
    path = make_path(np.stack([camera()] * 2), [0, 0])
    closer = np.asarray(path.K)
    closer[1, 0, 0] = closer[1, 1, 1] = 2 * closer[0, 0, 0]
    warped = warp_video(frames, geometry, replace(path, K=closer.tolist()))
    assert np.array_equal(warped.rgb[0], frames[0])
    middle = warped.rgb[1][HEIGHT // 2 - 8 : HEIGHT // 2 + 8, WIDTH // 2 - 8 : WIDTH // 2 + 8].reshape(8, 2, 8, 2, 3)
    small = frames[0][HEIGHT // 2 - 4 : HEIGHT // 2 + 4, WIDTH // 2 - 4 : WIDTH // 2 + 4]
    assert psnr(middle.mean((1, 3)), small) > 35


def test_a_path_beyond_the_clip_is_refused(clip) -> None:
    frames, geometry = clip
    with pytest.raises(UserError, match="frame 9"):
        warp_video(frames, geometry, make_path(np.stack([camera()]), [9]))


def test_geometry_of_another_clip_is_refused(clip) -> None:
    frames, geometry = clip
    with pytest.raises(UserError, match="7"):
        warp_video(frames[:3], geometry, make_path(np.stack([camera()])))
