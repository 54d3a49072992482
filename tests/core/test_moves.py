# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves and their keyframes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reangle_blender.core.camera import project
from reangle_blender.core.contract.moves import EASINGS, KINDS, Move
from reangle_blender.core.errors import UserError
from reangle_blender.core.keys import euler_xyz, fit_keys, rotation_xyz
from reangle_blender.core.moves import move_about, move_camera

TIMES = np.linspace(0, 1, 49)
SOURCE = np.eye(4)
SOURCE[:3, :3] = rotation_xyz(np.array([[0.2, -0.4, 0.1]]))[0]
SOURCE[:3, 3] = 1, -2, 3
DEPTH = 4.0
FOCUS = SOURCE[:3, 3] + DEPTH * SOURCE[:3, 2]
K = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.always_held])
@pytest.mark.parametrize("easing", EASINGS)
def test_every_move_starts_at_the_source_and_stays_rigid(kind: str, easing: str) -> None:
    moved = move_camera(Move(kind, KINDS[kind].default, easing=easing), TIMES, SOURCE, DEPTH)
    assert moved.world_from_camera[0] == pytest.approx(SOURCE, abs=1e-12)
    assert moved.lens_factor[0] == pytest.approx(1)
    rotations = moved.world_from_camera[:, :3, :3]
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (49, 1, 1)), abs=1e-12)
    assert np.linalg.det(rotations) == pytest.approx(1)
    assert np.abs(moved.world_from_camera[-1] - SOURCE).max() > 1e-3


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("orbit", "arc"))])
def test_orbits_keep_their_distance_and_look_at_the_focus(kind: str) -> None:
    moved = move_camera(Move(kind, 30), TIMES, SOURCE, DEPTH).world_from_camera
    to_focus = FOCUS - moved[:, :3, 3]
    assert np.linalg.norm(to_focus, axis=1) == pytest.approx(DEPTH)
    assert moved[:, :3, 2] * DEPTH == pytest.approx(to_focus)
    turned = np.degrees(np.arccos(np.clip(moved[-1, :3, 2] @ SOURCE[:3, 2], -1, 1)))
    assert turned == pytest.approx(30, abs=0.1) if kind.startswith("orbit") else 0 < turned <= 30
    if kind.startswith("arc"):
        assert moved[:, 1, 3] == pytest.approx(SOURCE[1, 3])


@pytest.mark.parametrize(
    ("kind", "axis", "sign"),
    [
        ("orbit-left", 0, -1), ("orbit-right", 0, 1), ("orbit-up", 1, -1), ("orbit-down", 1, 1),
        ("arc-left", 0, -1), ("arc-right", 0, 1), ("crane-up", 1, -1), ("crane-down", 1, 1),
        ("truck-left", 0, -1), ("truck-right", 0, 1), ("dolly-in", 2, 1), ("dolly-out", 2, -1),
        ("dolly-zoom-in", 2, 1), ("dolly-zoom-out", 2, -1),
    ],
)  # fmt: skip
def test_moves_go_where_their_name_says(kind: str, axis: int, sign: int) -> None:
    moved = move_camera(Move(kind, 50), TIMES, np.eye(4), DEPTH).world_from_camera
    assert sign * moved[-1, axis, 3] > 0.01


def test_roll_turns_in_the_named_direction() -> None:
    # A camera that leans to the right sees a level horizon rise on the left: a point on the right moves up.
    moved = move_camera(Move("roll-right", 10), TIMES, np.eye(4), DEPTH).world_from_camera
    right = project(np.array([[1.0, 0, 5]]), K, moved[-1])[0]
    assert right[1] < 50


@pytest.mark.parametrize("kind", ["dolly-zoom-in", "dolly-zoom-out"])
def test_dolly_zoom_keeps_the_size_of_the_focus_plane(kind: str) -> None:
    moved = move_camera(Move(kind, 50), TIMES, SOURCE, DEPTH)
    plane = FOCUS + np.array([[-0.3], [0.2], [1.0]]) * SOURCE[:3, 0] + np.array([[0.1], [-0.7], [0.4]]) * SOURCE[:3, 1]
    before = project(plane, K, SOURCE)
    for world_from_camera, factor in zip(moved.world_from_camera, moved.lens_factor, strict=True):
        assert project(plane, np.diag([factor, factor, 1]) @ (K - [[0, 0, 50], [0, 0, 50], [0, 0, 0]]) + [
            [0, 0, 50], [0, 0, 50], [0, 0, 0]
        ], world_from_camera) == pytest.approx(before)  # fmt: skip
    assert moved.lens_factor[-1] == pytest.approx(0.5 if kind.endswith("in") else 1.5)


def test_crane_keeps_the_focus_in_the_middle() -> None:
    moved = move_camera(Move("crane-up", 50), TIMES, SOURCE, DEPTH).world_from_camera
    for world_from_camera in moved:
        assert project(FOCUS[None], K, world_from_camera)[0] == pytest.approx([50, 50])
    assert moved[-1, :3, 3] == pytest.approx(SOURCE[:3, 3] + [0, -0.5 * DEPTH, 0])


def test_handheld_is_seeded_smooth_and_within_its_amount() -> None:
    def sway(seed: int) -> np.ndarray:
        return move_camera(Move("handheld", 2, seed=seed), np.linspace(0, 1, 481), np.eye(4), DEPTH).world_from_camera

    assert (sway(1) == sway(1)).all()
    assert np.abs(sway(1) - sway(2)).max() > 1e-3
    for seed in range(20):
        forward = sway(seed)[:, :3, 2]
        assert np.degrees(np.arctan2(np.linalg.norm(forward[:, :2], axis=1), forward[:, 2])).max() <= 2 * np.sqrt(2)
        steps = np.linalg.norm(np.diff(forward, axis=0), axis=1)
        assert steps.max() < np.radians(2) / 8


def test_a_held_move_is_a_static_view() -> None:
    held = move_camera(Move("orbit-left", 8, held=True), TIMES, SOURCE, DEPTH).world_from_camera
    moving = move_camera(Move("orbit-left", 8), TIMES, SOURCE, DEPTH).world_from_camera
    assert held == pytest.approx(np.broadcast_to(moving[-1], held.shape))
    assert list(fit_keys(held, np.full(49, 35.0), position_tolerance=1e-3).frames) == [0]


def test_a_moving_source_is_followed() -> None:
    sources = np.tile(SOURCE, (49, 1, 1))
    sources[:, 0, 3] += np.linspace(0, 2, 49)
    moved = move_camera(Move("orbit-left", 8), TIMES, sources, DEPTH).world_from_camera
    alone = move_camera(Move("orbit-left", 8), TIMES, SOURCE, DEPTH).world_from_camera
    assert moved - alone == pytest.approx(sources - SOURCE, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("spin", 1), "no camera move"),
        (("dolly-in", 100), "outside"),
        (("orbit-up", -1), "outside"),
    ],
)
def test_impossible_moves_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Move(*arguments)


@pytest.mark.parametrize(("kind", "side"), [("stereo-left", -1), ("stereo-right", 1)])
def test_stereo_shifts_the_picture_so_that_the_focus_plane_stays(kind: str, side: int) -> None:
    moved = move_camera(Move(kind, 4), TIMES, SOURCE, DEPTH)
    step = moved.world_from_camera[:, :3, 3] - SOURCE[:3, 3]
    assert step == pytest.approx(np.tile(side * 0.04 * DEPTH * SOURCE[:3, 0], (49, 1)))
    lens = moved.intrinsics(np.tile(K, (49, 1, 1)))
    plane = FOCUS + np.array([[-0.3], [0.2]]) * SOURCE[:3, 0]
    for row in (0, 48):
        assert project(plane, lens[row], moved.world_from_camera[row]) == pytest.approx(project(plane, K, SOURCE))


def test_an_unknown_easing_is_refused() -> None:
    with pytest.raises(UserError, match="easing"):
        Move("crane-up", 1, easing="x")


def test_impossible_focus_and_direction_are_refused() -> None:
    with pytest.raises(UserError, match="focus depth"):
        move_camera(Move("orbit-left", 8), TIMES, SOURCE, 0)
    with pytest.raises(UserError, match="straight up or down"):
        move_camera(Move("arc-left", 8), TIMES, np.eye(4), DEPTH, up=(0, 0, 1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", ["default", "maximum"])
def test_few_keys_reproduce_the_path(kind: str, amount: str) -> None:
    moved = move_camera(Move(kind, getattr(KINDS[kind], amount)), TIMES, SOURCE, DEPTH)
    keys = fit_keys(moved.world_from_camera, 35 * moved.lens_factor, position_tolerance=2e-4 * DEPTH)
    curves = keys.evaluate(np.arange(49))
    local = moved.world_from_camera[:, [0, 2, 1], 3] * (1, 1, -1)
    distance = np.linalg.norm(curves[:, :3] - local, axis=1).max()
    assert distance == pytest.approx(keys.position_error, abs=1e-12)
    assert distance <= 2e-4 * DEPTH
    assert keys.angle_error_deg <= 0.01
    assert curves[:, 6] == pytest.approx(35 * moved.lens_factor, rel=1e-4)
    assert curves[0, :3] == pytest.approx(local[0])
    if kind != "handheld" and amount == "default":
        assert len(keys.frames) <= 5


def test_handles_are_a_third_of_the_way() -> None:
    moved = move_camera(Move("orbit-left", 60), TIMES, SOURCE, DEPTH)
    keys = fit_keys(moved.world_from_camera, 35 * moved.lens_factor, position_tolerance=1e-3)
    left, right = keys.handles()
    for n in range(len(keys.frames) - 1):
        points = np.stack(
            [
                np.stack([np.full(7, keys.frames[n]), keys.values[n]], -1), right[n], left[n + 1],
                np.stack([np.full(7, keys.frames[n + 1]), keys.values[n + 1]], -1),
            ]
        )  # fmt: skip
        for u in (0.25, 0.5):
            weights = np.array([(1 - u) ** 3, 3 * u * (1 - u) ** 2, 3 * u * u * (1 - u), u**3])
            frame, value = np.einsum("k,kcx->xc", weights, points)
            assert value == pytest.approx(keys.evaluate(frame[:1])[0])


@given(angles=st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=1, max_size=5))
def test_euler_angles_give_the_rotation_back(angles: list[tuple[float, float, float]]) -> None:
    rotations = rotation_xyz(np.array(angles))
    assert rotation_xyz(euler_xyz(rotations)) == pytest.approx(rotations, abs=1e-6)


def test_euler_angles_do_not_jump() -> None:
    turn = np.linspace(0, 4 * np.pi, 60)
    angles = np.column_stack([np.full(60, np.pi / 2), 0.2 * np.sin(turn), turn])
    assert np.abs(np.diff(euler_xyz(rotation_xyz(angles)), axis=0)).max() < 0.3
    over_the_top = np.column_stack([np.full(60, 1.0), np.linspace(0, 3, 60), np.full(60, 0.5)])
    assert euler_xyz(rotation_xyz(over_the_top)) == pytest.approx(over_the_top)


@pytest.mark.parametrize("kind", ["orbit-left", "arc-right", "crane-up", "dolly-in"])
def test_a_move_about_a_point_keeps_it_where_it_is_in_the_picture(kind: str) -> None:
    point = FOCUS + SOURCE[:3, :3] @ (0.6, -0.4, 0.5)
    moved = move_about(Move(kind, KINDS[kind].default), TIMES, SOURCE, point)
    assert moved.world_from_camera[0] == pytest.approx(SOURCE, abs=1e-12)
    places = np.array([project(point[None], K, pose)[0] for pose in moved.world_from_camera])
    assert np.abs(places - places[0]).max() < 1e-6
    assert np.linalg.norm(moved.world_from_camera[-1][:3, 3] - SOURCE[:3, 3]) > 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_on_the_axis_is_a_focus_at_its_depth(kind: str) -> None:
    move = Move(kind, KINDS[kind].default)
    about, before = move_about(move, TIMES, SOURCE, FOCUS), move_camera(move, TIMES, SOURCE, DEPTH)
    assert about.world_from_camera == pytest.approx(before.world_from_camera, abs=1e-9)
    assert about.lens_factor == pytest.approx(before.lens_factor)


def test_a_focus_behind_the_camera_is_refused() -> None:
    with pytest.raises(UserError, match="not in front"):
        move_about(Move("orbit-left", 10), TIMES, SOURCE, SOURCE[:3, 3] - SOURCE[:3, 2])
