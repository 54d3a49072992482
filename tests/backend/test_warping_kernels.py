# SPDX-License-Identifier: Apache-2.0
"""The mesh kernel: exact where possible, else within measured bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reangle.geometry.flying_pixels import flying_pixels
from reangle.warping.cameras import camera_from_world, target_from_source
from reangle.warping.mesh import PLAIN, draw_nearer, find_cells, mesh_depth
from reangle.warping.plates import Plate, without_shown
from reangle.warping.raster import EMPTY
from reangle.warping.surface import make_surface
from warping_scene import IDENTITY, intrinsics, noise_depth, rigid, room, unproject


@pytest.mark.parametrize(("width", "height"), [(64, 48), (37, 23), (1, 1), (1, 9), (720, 5)])
def test_identity_returns_the_depth(width: int, height: int) -> None:
    depth, valid = noise_depth(width, height)
    world_from_camera = rigid((3, -40, 10), (1, 2, -3))
    same = target_from_source(world_from_camera, world_from_camera)
    roundabout = camera_from_world(world_from_camera) @ world_from_camera
    K = intrinsics(width, height, 0.8 * width)
    for pose in (same, roundabout):
        drawn = mesh_depth(depth, valid, K, pose, K, width, height)
        np.testing.assert_allclose(drawn, np.where(valid, depth, 0), rtol=1e-5)


def plane_case(normal: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """A plane n x = 1 seen by two cameras; its inverse homography gives the source point of every target pixel."""
    width, height = 96, 64
    K, K_target = intrinsics(width, height, 90), intrinsics(101, 67, 97)
    pose = rigid((2, 8, -5), (-0.6, 0.1, 0.15))
    rays = unproject(np.ones((height, width)), K)
    depth = (1 / (rays @ np.array(normal))).astype(np.float32)
    homography = K_target @ (pose[:3, :3] + np.outer(pose[:3, 3], normal)) @ np.linalg.inv(K)
    u, v = np.meshgrid(np.arange(101) + 0.5, np.arange(67) + 0.5)
    source = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(homography).T
    # the plane's equation in the target camera gives its depth there
    rotated = pose[:3, :3] @ normal
    plane = rotated / (1 + rotated @ pose[:3, 3])
    true_depth = 1 / (unproject(np.ones((67, 101)), K_target) @ plane)
    u, v = source[..., 0] / source[..., 2], source[..., 1] / source[..., 2]
    return {"depth": depth, "K": K, "pose": pose, "K_target": K_target, "u": u, "v": v, "true_depth": true_depth}


@pytest.mark.parametrize(
    "normal", [(0, 0, 0.25), (0.12, -0.05, 0.25), (0.0, 0.2, 0.1)], ids=["fronto", "slanted", "floor"]
)
def test_a_plane_follows_its_homography(normal: tuple[float, float, float]) -> None:
    case = plane_case(normal)
    depth, u, v = case["depth"], case["u"], case["v"]
    height, width = depth.shape
    drawn = mesh_depth(depth, np.ones(depth.shape, bool), case["K"], case["pose"], case["K_target"], 101, 67)
    inside = (u > 0.1) & (u < width - 0.1) & (v > 0.1) & (v < height - 0.1)
    outside = (u < -0.1) | (u > width + 0.1) | (v < -0.1) | (v > height + 0.1)
    assert (drawn[inside] > 0).all()
    assert not drawn[outside].any()
    inner = (u > 0.5) & (u < width - 0.5) & (v > 0.5) & (v < height - 0.5)
    np.testing.assert_allclose(drawn[inner], case["true_depth"][inner], rtol=1e-4)


def test_near_surfaces_hide_far_ones_and_gaps_stay_open() -> None:
    width, height = 80, 60
    K = intrinsics(width, height, 70)
    depth = np.full((height, width), 4, np.float32)
    depth[20:40, 30:50] = 2
    # The camera moves right: near points move 17.5 pixels to the left, far ones half of it.
    drawn = mesh_depth(depth, np.ones(depth.shape, bool), K, rigid((0, 0, 0), (-0.5, 0, 0)), K, width, height)
    np.testing.assert_array_equal(drawn[22:38, 15:30], np.float32(2))
    assert not drawn[22:38, 35:39].any()
    assert drawn[30, 50] == 4


def test_supersampled_depth_is_the_same_surface() -> None:
    _, depth, _, K = room(80, 60)
    valid = np.ones_like(depth, bool)
    pose = rigid((0, 6, 0), (-0.4, 0.05, 0.1))
    plain = mesh_depth(depth, valid, K, pose, K, 80, 60)
    fine = mesh_depth(depth, valid, K, pose, K, 80, 60, scale=3)
    assert fine.shape == (180, 240)
    middle = fine[1::3, 1::3]  # the samples at the pixels' centres
    assert np.mean((middle > 0) == (plain > 0)) > 0.999
    both = (middle > 0) & (plain > 0)
    assert np.mean(np.abs(middle - plain)[both] < 1e-3 * plain[both]) > 0.999


@pytest.mark.filterwarnings("error")
def test_invalid_depth_and_cameras_that_see_nothing_render_nothing() -> None:
    depth, valid = noise_depth(40, 30)
    K = intrinsics(40, 30, 40)
    hostile = depth.copy()
    hostile.flat[:5] = (np.nan, np.inf, 0, -1, 1e-30)
    everywhere = np.ones_like(valid)
    turned, aside = rigid((0, 180, 0), (0, 0, 0)), rigid((0, 0, 0), (1e6, 0, 0))
    for case_depth, case_valid, pose in [
        (depth, valid, turned),
        (depth, valid, aside),
        (depth, ~everywhere, IDENTITY),
        (hostile, ~everywhere, IDENTITY),
    ]:
        assert not mesh_depth(case_depth, case_valid, K, pose, K, 40, 30).any()
    drawn = mesh_depth(hostile, everywhere, K, rigid((0, 5, 0), (-0.2, 0, 0)), K, 40, 30)
    assert np.isfinite(drawn).all()
    assert (drawn > 0).mean() > 0.5


def test_surface_that_passes_the_camera_is_clipped() -> None:
    """A camera moves forward over a floor until half of the floor is behind it: it sees only the other half."""
    width, height, camera_height = 60, 60, 1.0
    K = np.array([[30, 0, 30], [0, 30, -15], [0, 0, 1.0]])  # looks down: every pixel sees floor
    rays = unproject(np.ones((height, width)), K)
    depth = (camera_height / rays[..., 1]).astype(np.float32)
    pose = rigid((0, 0, 0), (0, 0, -0.6))  # floor from z = 0.4 to 1.9; up to z = 0.6 it is behind the camera
    assert depth.min() < 0.6 < depth.max()
    drawn = mesh_depth(depth, np.ones_like(depth, bool), K, pose, K, width, height)
    true_depth = camera_height / rays[..., 1]
    seen = drawn > 0
    np.testing.assert_allclose(drawn[seen], true_depth[seen], rtol=2e-2)
    z = true_depth + 0.6  # where the floor point at each target pixel was in the source camera
    u, v = 30 * rays[..., 0] * true_depth / z + 30, 30 * camera_height / z - 15
    was_seen = (u > 0.2) & (u < width - 0.2) & (v > 0.2) & (v < height - 0.2)
    assert seen[was_seen].all()
    assert was_seen[-1].any()


def test_triangles_across_the_camera_plane() -> None:
    """A wall along the viewing axis, rendered from cells with corners in front of the camera and behind it."""
    K = np.array([[2, 0, 2], [0, 2, 2], [0, 0, 1.0]])
    inverse = 1 - 0.07 * np.arange(4)
    depth = np.tile((1 / inverse).astype(np.float32), (4, 1))
    pose = rigid((0, 0, 0), (0, 0, -1.12))
    K_target = np.array([[2, 0, 32], [0, 2, 32], [0, 0, 1.0]])
    drawn = mesh_depth(depth, np.ones((4, 4), bool), K, pose, K_target, 64, 64)
    seen = drawn > 0
    assert drawn[seen].max() <= depth.max() - 1.12 + 1e-6
    points = unproject(drawn, K_target)[seen] + (0, 0, 1.12)
    wall = points[:, 2] < depth.max() - 1e-3
    assert wall.sum() > 3
    u = 0.5 + (1 - 1 / points[wall, 2]) / 0.07
    np.testing.assert_allclose(points[wall, 0], (u - 2) / 2 * points[wall, 2], atol=2e-3)


def test_flying_pixels_are_removed_and_thin_and_slanted_surfaces_kept() -> None:
    width, height = 60, 40
    depth = np.full((height, width), 5, np.float32)
    depth[:, :20] = 2
    depth[:, 20:22] = (2.6, 3.7)  # a soft edge
    flying = np.zeros_like(depth, bool)
    flying[:, 20:22] = True
    depth[:, 30] = 2.5  # a pole
    depth[:, 40] = 9  # a slit
    depth[:, 43:46] = (2, 2.4, 2.9)  # a narrow slat, slanted
    depth[:, 48:58] = 1 / np.linspace(1 / 4.5, 1 / 1.2, 10)  # a steep but straight wall
    depth[:, 58:] = 1.2
    valid = np.ones_like(depth, bool)
    np.testing.assert_array_equal(flying_pixels(depth, valid), flying)
    np.testing.assert_array_equal(flying_pixels(depth.T, valid.T), flying.T)
    rgb, ball_depth, ball, _ = room(160, 120)
    assert rgb.any()
    eaten = flying_pixels(ball_depth, np.ones_like(ball))
    assert eaten.mean() < 1e-3


def test_grazing_floor_stays_connected_and_a_step_is_cut() -> None:
    _, depth, _, K = room(160, 120)
    valid = np.ones_like(depth, bool)
    # The higher camera sees the floor's rows farther apart; nearly all of them differ by more than the jump.
    raised = mesh_depth(depth, valid, K, rigid((0, 0, 0), (0, 0.6, 0)), K, 160, 120)
    assert (depth[92:104, 5] > (1 + PLAIN.jump) * depth[93:105, 5]).all()
    assert (raised[109:120, 5:50] > 0).all()
    aside = mesh_depth(depth, valid, K, rigid((0, 0, 0), (-0.3, 0, 0)), K, 160, 120)
    assert 50 < (aside[:, 10:140] == 0).sum() < 1500  # the wall beside the ball is uncovered


angles = st.floats(-180, 180)
offsets = st.floats(-4, 4)


@settings(max_examples=60, deadline=None)
@given(
    depth=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(0, 10, width=32)
    ),
    rotation=st.tuples(angles, angles, angles),
    translation=st.tuples(offsets, offsets, offsets),
    target=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_any_rigid_motion(depth, rotation, translation, target) -> None:
    height, width = depth.shape
    right, bottom = target
    K, K_target = intrinsics(width, height, width), intrinsics(right, bottom, right)
    valid = depth > 0
    drawn = mesh_depth(depth, valid, K, rigid(rotation, translation), K_target, right, bottom)
    assert np.isfinite(drawn).all()
    # A surface ends at its points, except for the corners of the flat pieces at its cuts.
    if drawn.any():
        reach = np.linalg.norm(unproject(depth, K) * np.array([1.5, 1.5, 1]), axis=-1)[valid].max()
        assert drawn.max() <= reach + np.linalg.norm(translation) + np.hypot(1, 1) * reach


@pytest.mark.parametrize("grain", [1, 24], ids=["cells", "tiles"])
@pytest.mark.parametrize("scale", [1, 3])
def test_what_a_buffer_hides_is_left_out_and_nothing_else(scale: int, grain: int) -> None:
    """Also where cells reach behind the camera, and where pieces of cut cells are a single pixel."""
    width, height = 192, 144
    depth, valid = noise_depth(width, height)
    K, pose = intrinsics(width, height, 150), rigid((4, 15, -6), (-0.4, 0.1, -1.2))
    if grain == 1:
        depth[:, ::7] *= 3
    else:
        # So flat that the nearest point of a tile is as near as all of it, and without holes.
        valid[:], depth, pose = True, 2 + depth / 1000, rigid((0.1, 0.2, -3), (-0.1, 0.02, -0.3))
    K_target = np.diag([scale, scale, 1.0]) @ K
    cells = find_cells(depth, valid, PLAIN)
    drawn = np.zeros((height * scale, width * scale), np.float32)
    draw_nearer(drawn, depth, valid, cells, K, pose, K_target)
    assert (drawn > 0).mean() > 0.2
    shares = np.random.default_rng(0).choice([0, 0.5, 0.999, 1.001, 2], (height // grain, width // grain))
    before = drawn * np.kron(shares, np.ones((scale * grain, scale * grain))).astype(np.float32)
    after = before.copy()
    draw_nearer(after, depth, valid, cells, K, pose, K_target)
    assert np.array_equal(after, np.maximum(before, drawn))


def test_a_plate_keeps_what_no_earlier_plate_shows() -> None:
    """A card hides some of the wall from each camera; the second plate is left with what the first does not show."""
    K = intrinsics(80, 60, 70)
    depth = np.full((60, 80), 4, np.float32)
    depth[20:40, 30:50] = 2
    seen = np.full((60, 80), 4, np.float32)
    # 0.4 aside moves the card by 14 pixels and the wall by 7.
    seen[20:40, 16:36] = 2
    plates = [
        Plate.whole(make_surface(each, each > 0, 80, 60), K, rigid((0, 0, 0), (x, 0, 0)))
        for each, x in ((depth, 0.0), (seen, 0.4))
    ]
    kept = without_shown(plates[1], plates[:1]).cells != EMPTY
    # Hidden in the first picture, and beyond its right border.
    assert kept[22:38, 37:43].all()
    assert kept[:, 74:80].all()
    assert not kept[:, :15].any()
    assert not kept[:17, :71].any()
    assert kept.mean() < 0.2
    finer = Plate.whole(make_surface(seen, seen > 0, 80, 60), intrinsics(80, 60, 700), plates[1].world_from_camera)
    assert (without_shown(finer, plates[:1]).cells != EMPTY).all()
