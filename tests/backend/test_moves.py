# SPDX-License-Identifier: Apache-2.0
"""Named moves go in their named direction and keep looking at the focus."""

from __future__ import annotations

import numpy as np
import pytest
from reangle.contract import CameraPath
from reangle.contract.moves import KINDS, Move
from reangle.errors import UserError
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.moves import focus_depth_of, move_name, move_path, parse_bullet_time, parse_move

from reangle_blender.core import moves as addon_moves
from reangle_blender.core.contract import moves as addon_contract

DEPTH = 4.0


def scene(moving: bool = False) -> VideoGeometry:
    count, height, width = 5, 20, 30
    depth = np.full((count, height, width), 9, np.float32)
    depth[:, 8:12, 12:18] = DEPTH
    poses = np.tile(np.eye(4), (count, 1, 1))
    if moving:
        poses[:, 0, 3] = np.arange(count)
    return VideoGeometry(
        depth=depth,
        valid=np.ones(depth.shape, bool),
        confidence=np.ones(depth.shape, np.float32),
        K=np.tile(np.array([[30.0, 0, 15], [0, 30, 10], [0, 0, 1]]), (count, 1, 1)),
        world_from_camera=poses,
        scale="metric",
        camera_from="files",
        depth_from="files",
    )


def test_focus_is_the_depth_in_the_middle() -> None:
    assert focus_depth_of(scene()) == DEPTH


# Signs of the last position: x, y, z in OpenCV axes (y points down).
@pytest.mark.parametrize(
    ("kind", "signs"),
    [
        ("orbit-left", (-1, 0, 1)),
        ("orbit-right", (1, 0, 1)),
        ("orbit-up", (0, -1, 1)),
        ("orbit-down", (0, 1, 1)),
        ("dolly-in", (0, 0, 1)),
        ("dolly-out", (0, 0, -1)),
        ("dolly-zoom-in", (0, 0, 1)),
        ("dolly-zoom-out", (0, 0, -1)),
    ],
)
def test_each_move_goes_where_its_name_says(kind: str, signs: tuple[int, ...]) -> None:
    path = move_path(parse_move(f"{kind}:20", held=False), scene(), 60, 40, 24)
    poses, K = np.asarray(path.world_from_camera), np.asarray(path.K)
    assert np.allclose(poses[0], np.eye(4))
    assert tuple(np.sign(np.round(poses[-1, :3, 3], 9)).astype(int)) == signs
    focus = np.array([0, 0, DEPTH, 1])
    for pose, lens in zip(poses, K, strict=True):
        seen = np.linalg.inv(pose) @ focus
        assert np.allclose(seen[:2], 0, atol=1e-9)
        if kind.startswith("orbit"):
            assert np.isclose(seen[2], DEPTH)
        if kind.startswith("dolly-zoom"):
            assert np.isclose(lens[0, 0] / seen[2], 60 / DEPTH)
    if kind.startswith("orbit"):
        assert np.isclose(np.degrees(np.arccos((np.trace(poses[-1, :3, :3]) - 1) / 2)), 20)


def test_views_are_still_and_moves_follow_a_moving_source() -> None:
    still = np.asarray(move_path(Move("orbit-left", 10, held=True), scene(), 30, 20, 24).world_from_camera)
    assert np.allclose(still, still[0])
    assert not np.allclose(still[0], np.eye(4))
    followed = np.asarray(
        move_path(Move("orbit-left", 10, held=True), scene(moving=True), 30, 20, 24).world_from_camera
    )
    assert np.allclose(followed[:, :3, 3] - still[:, :3, 3], np.arange(5)[:, None] * [1, 0, 0])


def test_the_lens_belongs_to_the_output_size() -> None:
    K = np.asarray(move_path(Move("dolly-in", 10, easing="linear"), scene(), 60, 40, 24).K)
    assert np.allclose(K, [[60, 0, 30], [0, 60, 20], [0, 0, 1]])


def place(point: tuple[float, float, float], path: CameraPath, row: int) -> np.ndarray:
    """Where the path's camera of this row sees a point of the world, in pixels."""
    seen = np.linalg.inv(np.asarray(path.world_from_camera)[row]) @ [*point, 1]
    return (np.asarray(path.K)[row] @ seen[:3])[:2] / seen[2]


@pytest.mark.parametrize(("kind", "side"), [("stereo-left", -1), ("stereo-right", 1)])
def test_a_stereo_camera_has_no_parallax_at_the_focus_and_opposite_signs_around_it(kind: str, side: int) -> None:
    path = move_path(parse_move(f"{kind}:5", held=False), scene(moving=True), 60, 40, 24)
    source = move_path(Move("dolly-in", 0), scene(moving=True), 60, 40, 24)
    for row in range(5):
        beside = np.linalg.inv(np.asarray(source.world_from_camera)[row]) @ np.asarray(path.world_from_camera)[row]
        assert np.allclose(beside[:3, :3], np.eye(3))
        assert np.allclose(beside[:3, 3], [side * 0.05 * DEPTH, 0, 0]), "it follows at all times, also at the first"
        for depth in (DEPTH, DEPTH / 2, 2 * DEPTH):
            point = (row + 0.2 * depth, 0.1 * depth, depth)
            parallax = place(point, path, row) - place(point, source, row)
            assert np.allclose(parallax, [side * 0.05 * 60 * (1 - DEPTH / depth), 0])


def test_bullet_time_moves_around_one_instant() -> None:
    moving = scene(moving=True)
    path = move_path(parse_bullet_time("orbit-left:20:smooth@3"), moving, 60, 40, 24)
    assert path.frames == (3, 3, 3, 3, 3)
    assert path.name == "orbit-left-20-smooth-at-3"
    poses = np.asarray(path.world_from_camera)
    assert np.allclose(poses[0], moving.world_from_camera[3])
    assert np.allclose(np.linalg.norm(poses[:, :3, 3] - [3, 0, DEPTH], axis=1), DEPTH)
    assert len(np.unique(poses[:, 0, 3].round(6))) == 5


@pytest.mark.parametrize("text", ["orbit-left:20", "orbit-left@", "orbit-left@-1", "spin:4@2", "@2"])
def test_bullet_time_without_a_frame_or_a_move_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_bullet_time(text)


def test_bullet_time_beyond_the_clip_is_refused() -> None:
    with pytest.raises(UserError, match="frame 5, but the last one is 4"):
        move_path(parse_bullet_time("orbit-left@5"), scene(), 60, 40, 24)


@pytest.mark.parametrize(
    "text",
    [
        "orbit-left:x",
        "orbit-left:nan",
        "dolly-in:96",
        "orbit-up:-3",
        "spin:4",
        "roll-left:5:linear:1",
    ],
)
def test_invalid_moves_are_refused(text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_move(text, held=False)
    assert any(kind in caught.value.advice for kind in KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_every_move_equals_the_add_ons(name: str) -> None:
    here = move_path(parse_move(f"{name}::smooth", held=False), scene(moving=True), 60, 40, 24)
    there = addon_moves.move_camera(
        addon_contract.Move(name, addon_contract.KINDS[name].default),
        addon_contract.move_times(5),
        scene(moving=True).world_from_camera,
        DEPTH,
    )
    assert np.allclose(here.world_from_camera, there.world_from_camera, atol=1e-12)
    assert np.allclose(here.K, there.intrinsics(scene().K_at(60, 40)))


def test_amount_and_easing_may_be_left_out() -> None:
    assert parse_move("crane-up", held=False) == Move("crane-up", KINDS["crane-up"].default, easing="linear")
    assert move_name(parse_move("crane-up:30:ease-in", held=False)) == "crane-up-30-ease-in"
    assert move_name(parse_move("orbit-left:8", held=True)) == "view-orbit-left-8"
