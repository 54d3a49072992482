# SPDX-License-Identifier: Apache-2.0
"""Figures of geometry, checked on cases whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from reangle.evaluation.depth import abs_rel, depth_edges, edge_f1
from reangle.evaluation.movers import mask_scores, point_scores
from reangle.evaluation.source_camera import focal_error, motion_of, path_error, rotation_error_deg, similarity
from reangle.evaluation.tracks import camera_px, flicker, followed_points, landing_px, true_tracks
from reangle.geometry.clip_camera import ClipCamera, SparsePoints
from reangle.geometry.video_geometry import VideoGeometry
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT, FRAMES = 96, 64, 5
K = np.tile(np.array([[80.0, 0, WIDTH / 2], [0, 80, HEIGHT / 2], [0, 0, 1]]), (FRAMES, 1, 1))


def path(shift: tuple[float, float, float] = (0, 0, 0), turn_deg: float = 0.0) -> np.ndarray:
    """A camera that goes by `shift` and turns about y, evenly over the clip."""
    share = np.linspace(0, 1, FRAMES)
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, :3, :3] = Rotation.from_rotvec(np.outer(np.radians(turn_deg) * share, [0, 1, 0])).as_matrix()
    poses[:, :3, 3] = np.outer(share, shift)
    return poses


def wall(poses: np.ndarray, distance: float = 4.0) -> np.ndarray:
    """Depth of the plane z = distance in the world, T x H x W."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.stack([(columns - WIDTH / 2) / 80, (rows - HEIGHT / 2) / 80, np.ones_like(rows)], axis=-1)
    along = rays @ poses[:, None, :3, :3].transpose(0, 1, 3, 2)
    return ((distance - poses[:, 2, 3])[:, None, None] / along[..., 2]).astype(np.float32)


def geometry(depth: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray = K) -> VideoGeometry:
    return VideoGeometry(depth, depth > 0, np.ones_like(depth), intrinsics, poses, "relative", "files", "files")


def test_abs_rel_ignores_one_scale_and_counts_the_rest() -> None:
    truth = np.full((2, 4, 4), 2.0)
    everywhere = truth > 0
    assert abs_rel(5 * truth, truth, everywhere) == pytest.approx(0)
    wrong = truth.copy()
    wrong[0, :2] *= 1.1
    assert abs_rel(wrong, truth, everywhere) == pytest.approx(0.1 / 4)
    assert abs_rel(wrong, truth, wrong == 2) == pytest.approx(0)


def test_a_grazing_floor_has_no_edge_and_a_box_before_it_has() -> None:
    floor = (30 / (np.arange(HEIGHT) + 2.0))[:, None] * np.ones(WIDTH)
    everywhere = np.ones(floor.shape, bool)
    assert not depth_edges(floor, everywhere).any()
    floor[20:40, 30:50] = 0.3
    edges = depth_edges(floor, everywhere)
    assert edges[20:40, 29:31].all()
    assert edges[19:21, 30:50].all()
    assert not edges[:, :28].any()


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (2, 1.0), (5, 0.0)])
def test_edges_count_within_three_pixels(shift: int, expected: float) -> None:
    truth, result = np.full((1, 40, 80), 4.0), np.full((1, 40, 80), 4.0)
    truth[..., 40:] = 2
    result[..., 40 + shift :] = 2
    everywhere = truth > 0
    assert edge_f1(result, everywhere, truth, everywhere) == expected
    assert np.isnan(edge_f1(result, everywhere, np.full_like(truth, 3), everywhere))


def test_half_of_the_edges_found_gives_two_thirds() -> None:
    truth = np.full((1, 40, 80), 4.0)
    truth[..., 20:60] = 2
    result = np.full((1, 40, 80), 4.0)
    result[..., 20:] = 2
    everywhere = truth > 0
    assert edge_f1(result, everywhere, truth, everywhere) == pytest.approx(2 / 3)


def test_camera_errors_are_those_put_in() -> None:
    truth = path((1, 0, 0), 3)
    assert rotation_error_deg(truth, truth) == pytest.approx(0, abs=1e-6)
    assert rotation_error_deg(path((1, 0, 0), 3.5), truth) == pytest.approx(0.5)
    assert focal_error(np.diag([1.06, 1, 1]) @ K, K) == pytest.approx(0.06)
    elsewhere = path((7, 0, 0), 3)
    elsewhere[:, :3, 3] += 5
    assert path_error(elsewhere, truth) == pytest.approx(0, abs=1e-9)
    bent = truth.copy()
    bent[:, 1, 3] = [0.1, -0.1, 0, -0.1, 0.1]
    assert path_error(bent, truth) == pytest.approx(np.sqrt(4 / 5) * 0.1, rel=0.1)
    assert np.isnan(path_error(truth, path(turn_deg=3)))


def test_similarity_is_recovered_without_a_mirror() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    R = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    scale, turn, shift = similarity(points, 2.5 * points @ R.T + [1, 2, 3])
    assert scale == pytest.approx(2.5)
    assert np.allclose(turn, R)
    assert np.allclose(shift, [1, 2, 3])
    assert np.linalg.det(similarity(points, points * [1, 1, -1])[1]) == pytest.approx(1)


def test_motion_of_a_path() -> None:
    assert motion_of(path(), 4) == "still"
    assert motion_of(path(turn_deg=2), 4) == "turning"
    assert motion_of(path((0.1, 0, 0)), 4) == "moving"


def test_the_true_geometry_explains_its_tracks() -> None:
    poses = path((0.4, 0, 0.2), 3)
    depth = wall(poses)
    tracks = true_tracks(depth, K, poses, np.ones(depth.shape, bool))
    assert len(tracks) > 50
    assert np.isnan(tracks).any()
    assert camera_px(tracks, K, poses) < 1e-6
    assert landing_px(tracks, geometry(depth, poses), WIDTH, HEIGHT) < 0.02
    assert flicker(tracks, geometry(depth, poses), WIDTH, HEIGHT) < 2e-4


def test_wrong_cameras_and_trembling_depth_are_seen() -> None:
    poses = path((0.4, 0, 0))
    depth = wall(poses)
    tracks = true_tracks(depth, K, poses, np.ones(depth.shape, bool))
    still = path()
    # Points shift by 80 px * 0.4 m / 4 m over the clip.
    assert landing_px(tracks, geometry(depth, still), WIDTH, HEIGHT) > 1
    assert camera_px(tracks, K, still) > 1
    trembling = depth * np.array([1, 1.1, 1, 1.1, 1], np.float32)[:, None, None]
    assert flicker(tracks, geometry(trembling, poses), WIDTH, HEIGHT) == pytest.approx(0.1, abs=0.01)
    assert camera_px(tracks, K, poses) < 1e-6


def test_what_moves_or_is_hidden_is_not_tracked() -> None:
    poses = path((0.8, 0, 0))
    depth = wall(poses)
    depth[0, 20:40, 20:60] = 1
    static = np.ones(depth.shape, bool)
    static[:, :, WIDTH // 2 :] = False
    tracks = true_tracks(depth, K, poses, static, starts=1, step=4)
    assert np.nanmax(tracks[:, :, 0]) < WIDTH / 2
    box = (np.abs(tracks[:, 0, 1] - 30) < 8) & (np.abs(tracks[:, 0, 0] - 40) < 18)
    assert box.any()
    assert np.isnan(tracks[box][:, 1:]).all()


def test_points_are_followed_in_a_picture_that_shifts() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (30, 40), np.uint8)
    picture = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    frames = [np.repeat(picture[:200, 3 * n : 3 * n + 260, None], 3, axis=2) for n in range(4)]
    tracks = followed_points(iter(frames))
    assert len(tracks) > 100
    steps = np.diff(tracks, axis=1)
    assert np.nanmedian(steps[..., 0]) == pytest.approx(-3, abs=0.05)
    assert np.nanmedian(np.abs(steps[..., 1])) < 0.05


def test_masks_are_scored_over_all_pixels_of_the_clip() -> None:
    truth = np.zeros((2, 8, 12), bool)
    truth[:, 2:6, 4:8] = True
    found = np.zeros((2, 4, 6), bool)
    found[0, 1:3, 2:6] = True
    assert mask_scores(found, truth) == (0.5, 0.5)
    assert np.isnan(mask_scores(np.zeros((2, 4, 6), bool), truth)[1])


def test_points_on_movers_and_at_wrong_depth_are_counted() -> None:
    poses, moving = path((1, 0, 0)), np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    moving[:, :, :24] = True
    xyz = np.array([[-2.0, 0, 4], [0.5, 0, 4], [0.6, 0.1, 4], [0.7, 0, 2]])
    frame, point = (one.ravel() for one in np.mgrid[0:1, 0:4])
    uv = xyz[:, :2] / xyz[:, 2:] * 80 + (WIDTH / 2, HEIGHT / 2)
    points = SparsePoints(xyz, np.zeros(4), frame, point, uv)
    camera = ClipCamera(K, poses, WIDTH, HEIGHT, "moving", "relative", "solve", "set", points)
    assert point_scores(camera, wall(poses), moving) == (0.25, 0.25)
