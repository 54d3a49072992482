# SPDX-License-Identifier: Apache-2.0
"""Static surfaces are refined by comparing frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.geometry.clip_camera import ClipCamera, Motion
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import WorldDepth
from reangle.geometry.multiview import refine_static
from synthetic_scene import Scene, arc, make_scene, textured_footage

WALL = 9.0
"""Depth in the first camera from which the room's back wall is the only surface in sight."""


def camera_of(scene: Scene, motion: Motion) -> ClipCamera:
    return ClipCamera(
        K=scene.K,
        world_from_camera=scene.world_from_camera,
        width=scene.depth.shape[2],
        height=scene.depth.shape[1],
        motion=motion,
        scale="relative",
        source="files",
        lens_source="files",
    )


@pytest.fixture(scope="module")
def room() -> Scene:
    return make_scene(arc(10), 8, 240, 160)


@pytest.fixture(scope="module")
def wrong(room: Scene) -> WorldDepth:
    """The room's depth, up to 10 % wrong in a smooth way, enlarged as the sweep does."""
    v, u = np.mgrid[0:240, 0:360] / 240
    bend = np.exp(0.1 * np.sin(3 * u + 1) * np.cos(3 * v))
    depth = np.stack([cv2.resize(one, (360, 240), interpolation=cv2.INTER_LINEAR) for one in room.depth]) * bend
    moving = np.stack(
        [cv2.resize(one.astype(np.uint8), (360, 240), interpolation=cv2.INTER_NEAREST) for one in room.moving]
    )
    return WorldDepth(
        depth.astype(np.float32), np.ones(depth.shape, bool), np.full(depth.shape, 0.6, np.float32), moving > 0
    )


def refine(world: WorldDepth, scene: Scene, footage: Footage, motion: Motion = "moving") -> WorldDepth:
    return refine_static(world, camera_of(scene, motion), footage, lambda done, note: None)


def error(world: WorldDepth, scene: Scene) -> np.ndarray:
    true = np.stack([cv2.resize(one, (360, 240), interpolation=cv2.INTER_NEAREST) for one in scene.depth])
    return np.abs(world.depth / true - 1)


def test_textured_surfaces_get_the_depth_that_the_pictures_agree_on(
    room: Scene, wrong: WorldDepth, tmp_path: Path
) -> None:
    exposure = np.random.default_rng(0).uniform(0.7, 1.2, room.count)
    refined = refine(wrong, room, textured_footage(room, tmp_path, exposure=exposure))
    static = ~wrong.moving
    assert np.median(error(wrong, room)[static]) > 0.03
    assert np.median(error(refined, room)[static]) < 0.015
    assert np.median(refined.confidence[static]) > 0.7
    # Movers cannot be compared between frames: they stay about where the network sees them.
    inside = np.stack([cv2.erode(one.astype(np.uint8), np.ones((7, 7), np.uint8)) for one in wrong.moving]) > 0
    assert np.mean(error(refined, room)[inside]) < 0.03


def test_what_a_wide_mask_hides_gets_the_depth_that_other_frames_show(
    room: Scene, wrong: WorldDepth, tmp_path: Path
) -> None:
    wide = np.stack([cv2.dilate(one.astype(np.uint8), np.ones((31, 31), np.uint8)) for one in wrong.moving]) > 0
    exposure = np.random.default_rng(1).uniform(0.7, 1.2, room.count)
    footage = textured_footage(room, tmp_path, exposure=exposure)
    refined = refine(replace(wrong, moving=wide), room, footage)
    hidden = wide & ~wrong.moving
    assert (refined.moving & hidden).sum() < 0.35 * hidden.sum()
    assert (refined.moving & wrong.moving).sum() > 0.9 * wrong.moving.sum()
    shown = hidden & ~refined.moving
    assert np.median(error(refined, room)[shown]) < 0.02


def test_soft_edges_become_sharp_and_what_moves_is_found(room: Scene, wrong: WorldDepth, tmp_path: Path) -> None:
    soft = np.stack([cv2.GaussianBlur(one, (0, 0), 10) for one in wrong.depth])
    nothing = replace(wrong, depth=soft, moving=np.zeros_like(wrong.moving))
    refined = refine(nothing, room, textured_footage(room, tmp_path))
    off_before, off_after = ((error(one, room) > 0.15)[~wrong.moving].mean() for one in (nothing, refined))
    assert off_after < 0.7 * off_before
    both = (refined.moving & wrong.moving).sum()
    assert both > 0.6 * wrong.moving.sum()
    middle = slice(2, -2)
    # Too few frames look at what the first and the last ones show.
    assert (refined.moving & wrong.moving)[middle].sum() > 0.4 * refined.moving[middle].sum()


def test_a_wall_without_texture_keeps_its_depth_and_low_confidence(
    room: Scene, wrong: WorldDepth, tmp_path: Path
) -> None:
    refined = refine(wrong, room, textured_footage(room, tmp_path, plain_beyond=WALL))
    true = np.stack([cv2.resize(one, (360, 240), interpolation=cv2.INTER_NEAREST) for one in room.depth])
    wall = (true > WALL) & ~wrong.moving
    inside = np.stack([cv2.erode(one.astype(np.uint8), np.ones((25, 25), np.uint8)) for one in wall]) > 0
    assert inside.sum() > 1000
    change = np.abs(refined.depth / wrong.depth - 1)[inside]
    assert np.percentile(change, 95) < 0.1
    assert np.percentile(refined.confidence[inside], 95) < 0.65
    assert np.median(error(refined, room)[~inside & ~wrong.moving]) < 0.02


def test_a_wrong_camera_changes_nothing_and_is_said(room: Scene, wrong: WorldDepth, tmp_path: Path) -> None:
    backwards = replace(room, world_from_camera=room.world_from_camera[::-1])
    refined = refine(wrong, backwards, textured_footage(room, tmp_path))
    np.testing.assert_array_equal(refined.depth, wrong.depth)
    assert "do not agree" in refined.notes[-1]


@pytest.mark.parametrize("motion", ["still", "turning"])
def test_a_camera_without_parallax_changes_nothing(
    motion: Motion, room: Scene, wrong: WorldDepth, tmp_path: Path
) -> None:
    assert refine(wrong, room, textured_footage(room, tmp_path), motion) is wrong
