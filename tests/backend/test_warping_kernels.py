# SPDX-License-Identifier: Apache-2.0
"""The kernels that carry frames to another camera: exact where exactness is possible, measured where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reangle.geometry.flying_pixels import flying_pixels
from reangle.warping import lift
from reangle.warping.mesh import mesh_clip, mesh_depth, mesh_frame
from reangle.warping.splat import splat_clip, splat_frame
from reangle.warping.torch_warp import splat_torch
from warping_scene import IDENTITY, intrinsics, noise_frame, rigid, room


def torch_frame(rgb, depth, valid, K_source, target_from_source, K_target, width, height, footprint):
    arrays = (rgb, depth, valid, K_source, target_from_source, K_target)
    tensors = [torch.from_numpy(array) for array in arrays]
    return splat_torch(*tensors, width=width, height=height, footprint=footprint)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (37, 23), (1, 1), (1, 9), (720, 5)])
def test_identity_gives_the_frame_back_bit_for_bit(width: int, height: int) -> None:
    rgb, depth, valid = noise_frame(width, height)
    world_from_camera = rigid((3, -40, 10), (1, 2, -3))
    same = lift.target_from_source(world_from_camera, world_from_camera)
    roundabout = lift.camera_from_world(world_from_camera) @ world_from_camera
    K = intrinsics(width, height, 0.8 * width)
    for pose in (same, roundabout):
        splat = splat_frame(rgb, depth, valid, K, pose, K, width, height)
        single = splat_frame(rgb, depth, valid, K, pose, K, width, height, footprint=1)
        for frame in (splat, single, mesh_frame(rgb, depth, valid, K, pose, K, width, height)):
            np.testing.assert_array_equal(frame.rgb, np.where(valid[..., None], rgb, 0))
            np.testing.assert_array_equal(frame.depth, np.where(valid, depth, 0))
        np.testing.assert_array_equal(splat.index, np.where(valid, np.arange(depth.size).reshape(depth.shape), -1))


def plane_case(normal: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """A plane n x = 1 seen by two cameras; its homography's inverse tells where every target pixel comes from."""
    width, height = 96, 64
    K, K_target = intrinsics(width, height, 90), intrinsics(101, 67, 97)
    pose = rigid((2, 8, -5), (-0.6, 0.1, 0.15))
    rays = lift.unproject(np.ones((height, width)), K)
    depth = (1 / (rays @ np.array(normal))).astype(np.float32)
    homography = K_target @ (pose[:3, :3] + np.outer(pose[:3, 3], normal)) @ np.linalg.inv(K)
    u, v = np.meshgrid(np.arange(101) + 0.5, np.arange(67) + 0.5)
    source = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(homography).T
    # the plane's equation in the target camera gives its depth there
    rotated = pose[:3, :3] @ normal
    plane = rotated / (1 + rotated @ pose[:3, 3])
    true_depth = 1 / (lift.unproject(np.ones((67, 101)), K_target) @ plane)
    u, v = source[..., 0] / source[..., 2], source[..., 1] / source[..., 2]
    return {"depth": depth, "K": K, "pose": pose, "K_target": K_target, "u": u, "v": v, "true_depth": true_depth}


@pytest.mark.parametrize(
    "normal", [(0, 0, 0.25), (0.12, -0.05, 0.25), (0.0, 0.2, 0.1)], ids=["fronto", "slanted", "floor"]
)
def test_a_plane_follows_its_homography(normal: tuple[float, float, float]) -> None:
    case = plane_case(normal)
    height, width = case["depth"].shape
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[..., 0] = 2 * np.arange(width)
    ramp[..., 1] = 3 * np.arange(height)[:, None]
    arguments = (
        ramp,
        case["depth"],
        np.ones((height, width), bool),
        case["K"],
        case["pose"],
        case["K_target"],
        101,
        67,
    )
    inner = (case["u"] > 0.5) & (case["u"] < width - 0.5) & (case["v"] > 0.5) & (case["v"] < height - 0.5)
    footprint = (case["u"] > 0.1) & (case["u"] < width - 0.1) & (case["v"] > 0.1) & (case["v"] < height - 0.1)
    outside = (case["u"] < -0.1) | (case["u"] > width + 0.1) | (case["v"] < -0.1) | (case["v"] > height + 0.1)

    mesh = mesh_frame(*arguments)
    assert (mesh.depth[footprint] > 0).all()
    assert not mesh.depth[outside].any()
    error = np.hypot(mesh.u - case["u"], mesh.v - case["v"])[inner]
    assert error.max() < 0.05
    np.testing.assert_allclose(mesh.depth[inner], case["true_depth"][inner], rtol=1e-4)
    # the ramp as painted, within the rounding to 8 bits
    assert np.abs(mesh.rgb[..., 0][inner] / 2 - (case["u"][inner] - 0.5)).max() < 0.26 + 0.05
    assert np.abs(mesh.rgb[..., 1][inner] / 3 - (case["v"][inner] - 0.5)).max() < 0.17 + 0.05

    A, b = lift.pixel_transform(case["K"], case["pose"], case["K_target"])
    owned = np.zeros(inner.shape, bool)  # a point lands in this very pixel
    for size, coverage in ((1, 0.6), (2, 0.999)):
        splat = splat_frame(*arguments, footprint=size)
        seen = inner & (splat.index >= 0)
        assert seen.sum() >= coverage * inner.sum()
        # where each winning point truly lands, against the centre of the pixel that shows it
        rows, columns = np.divmod(splat.index[seen], width)
        points = np.stack((columns + 0.5, rows + 0.5, np.ones_like(rows)), -1) @ A.T
        landed = points * case["depth"][rows, columns][:, None] + b
        off = np.abs(landed[:, :2] / landed[:, 2:] - np.stack(np.nonzero(seen)[::-1], -1) - 0.5).max(-1)
        if size == 1:
            owned = seen
            assert off.max() <= 0.501
        else:
            # between the points a neighbour's must do, but it drives no point out of its own pixel
            assert off.max() < 1
            assert np.mean(off[owned[seen]] <= 0.501) > (0.9 if normal[1] == 0.2 else 0.999)


def test_near_things_hide_far_things() -> None:
    width, height = 80, 60
    K = intrinsics(width, height, 70)
    depth = np.full((height, width), 4, np.float32)
    depth[20:40, 30:50] = 2
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[...] = (0, 0, 255)
    rgb[20:40, 30:50] = (255, 0, 0)
    valid = np.ones((height, width), bool)
    # the camera moves right: near points move 17.5 pixels to the left, far ones half of it
    pose = rigid((0, 0, 0), (-0.5, 0, 0))
    arguments = (rgb, depth, valid, K, pose, K, width, height)
    for frame in (splat_frame(*arguments), splat_frame(*arguments, footprint=1), mesh_frame(*arguments)):
        np.testing.assert_array_equal(frame.rgb[22:38, 15:30], np.broadcast_to((255, 0, 0), (16, 15, 3)))
        assert frame.depth[30, 20] == 2
        assert not frame.depth[22:38, 35:39].any()  # uncovered: nothing was ever seen there, and no skin spans it
        np.testing.assert_array_equal(frame.rgb[30, 50], (0, 0, 255))


def test_the_two_ways_agree_on_a_room() -> None:
    width, height = 160, 120
    rgb, depth, _, K = room(width, height)
    valid = np.ones_like(depth, bool)
    pose = rigid((0, 6, 0), (-0.4, 0.05, 0.1))
    splat = splat_frame(rgb, depth, valid, K, pose, K, width, height)
    mesh = mesh_frame(rgb, depth, valid, K, pose, K, width, height)
    both = (splat.depth > 0) & (mesh.depth > 0)
    assert both.mean() > 0.97 * max((splat.depth > 0).mean(), (mesh.depth > 0).mean())
    close = np.abs(splat.depth - mesh.depth)[both] < 0.03 * mesh.depth[both]
    assert close.mean() > 0.985
    # every mesh pixel's colour is the colour of the point in space it claims to show
    points = lift.unproject(mesh.depth, K) - pose[:3, 3]
    truth = 127 + 100 * np.sin((points @ pose[:3, :3]) * (5, 7, 9))
    error = np.abs(truth - mesh.rgb).max(-1)[mesh.depth > 0]
    assert np.mean(error < 8) > 0.97


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


@pytest.mark.parametrize("footprint", [1, 2])
@pytest.mark.parametrize("pose", [IDENTITY, rigid((0, 10, 0), (-0.5, 0, 0.2)), rigid((20, -70, 4), (2, 0.3, 1.5))])
def test_torch_equals_numba_to_the_bit(pose: np.ndarray, footprint: int) -> None:
    for rgb, depth, valid in (noise_frame(83, 61), (*room(83, 61)[:2], np.ones((61, 83), bool))):
        K, K_target = intrinsics(83, 61, 70), intrinsics(90, 50, 80)
        frame = splat_frame(rgb, depth, valid, K, pose, K_target, 90, 50, footprint=footprint)
        other = torch_frame(rgb, depth, valid, K, pose, K_target, 90, 50, footprint)
        np.testing.assert_array_equal(other.index.numpy(), frame.index)
        np.testing.assert_array_equal(other.depth.numpy(), frame.depth)
        np.testing.assert_array_equal(other.rgb.numpy(), frame.rgb)


def test_of_equally_near_points_the_first_wins() -> None:
    depth = np.full((4, 4), 2, np.float32)
    rgb, valid = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool)
    K, small = intrinsics(4, 4, 4), np.diag([0.25, 0.25, 1]) @ intrinsics(4, 4, 4)
    frame = splat_frame(rgb, depth, valid, K, IDENTITY, small, 1, 1, footprint=1)
    assert frame.index[0, 0] == 0
    assert torch_frame(rgb, depth, valid, K, IDENTITY, small, 1, 1, 1).index.item() == 0


@pytest.mark.filterwarnings("error")
def test_nothing_to_see_is_no_accident() -> None:
    rgb, depth, valid = noise_frame(40, 30)
    K = intrinsics(40, 30, 40)
    hostile = depth.copy()
    hostile.flat[:5] = (np.nan, np.inf, 0, -1, 1e-30)
    everywhere = np.ones_like(valid)
    turned, aside = rigid((0, 180, 0), (0, 0, 0)), rigid((0, 0, 0), (1e6, 0, 0))
    cases = [
        (depth, valid, turned),
        (depth, valid, aside),
        (depth, ~everywhere, IDENTITY),
        (hostile, ~everywhere, IDENTITY),
    ]
    for case_depth, case_valid, pose in cases:
        arguments = (rgb, case_depth, case_valid, K, pose, K, 40, 30)
        splat, mesh = splat_frame(*arguments), mesh_frame(*arguments)
        for picture in (splat.rgb, splat.depth, mesh.rgb, mesh.depth):
            assert not picture.any()
        assert (splat.index == -1).all()
        assert (mesh.u == -1).all()
        assert (torch_frame(*arguments, 2).index.numpy() == -1).all()
    arguments = (rgb, hostile, everywhere, K, rigid((0, 5, 0), (-0.2, 0, 0)), K, 40, 30)
    for frame in (splat_frame(*arguments), mesh_frame(*arguments)):
        assert np.isfinite(frame.depth).all()
        assert (frame.depth > 0).mean() > 0.5
    np.testing.assert_array_equal(torch_frame(*arguments, 2).index.numpy(), splat_frame(*arguments).index)


def test_a_surface_that_passes_the_camera_is_cut_there() -> None:
    """Over a floor, moved forward until half of it lies behind: what is left is the floor, whole, and nothing else."""
    width, height, camera_height = 60, 60, 1.0
    K = np.array([[30, 0, 30], [0, 30, -15], [0, 0, 1.0]])  # looks down: every pixel sees floor
    rays = lift.unproject(np.ones((height, width)), K)
    depth = (camera_height / rays[..., 1]).astype(np.float32)
    pose = rigid((0, 0, 0), (0, 0, -0.6))  # floor from z = 0.4 to 1.9; up to z = 0.6 it falls behind
    assert depth.min() < 0.6 < depth.max()
    rgb = np.full((height, width, 3), 200, np.uint8)
    mesh = mesh_frame(rgb, depth, np.ones_like(depth, bool), K, pose, K, width, height)
    true_depth = camera_height / rays[..., 1]
    seen = mesh.depth > 0
    np.testing.assert_allclose(mesh.depth[seen], true_depth[seen], rtol=2e-2)
    z = true_depth + 0.6  # where the floor point at each target pixel was in the source camera
    u, v = 30 * rays[..., 0] * true_depth / z + 30, 30 * camera_height / z - 15
    was_seen = (u > 0.2) & (u < width - 0.2) & (v > 0.2) & (v < height - 0.2)
    assert seen[was_seen].all()
    assert was_seen[-1].any()


def test_triangles_across_the_camera_plane() -> None:
    """A wall along the viewing axis, drawn by cells with corners before and behind the camera."""
    K = np.array([[2, 0, 2], [0, 2, 2], [0, 0, 1.0]])
    depth = np.array([[1, 1, 1.3, 1.3]] * 4, np.float32)
    rgb, valid = np.full((4, 4, 3), 9, np.uint8), np.ones((4, 4), bool)
    pose = rigid((0, 0, 0), (0, 0, -1.15))
    K_target = np.array([[2, 0, 8], [0, 2, 8], [0, 0, 1.0]])
    mesh = mesh_frame(rgb, depth, valid, K, pose, K_target, 16, 16, jump=0.5)
    seen = mesh.depth > 0
    # the far half lies at z = 0.15; the wall between it and z = -0.15 is seen only as far as it is in front
    assert seen.any()
    assert mesh.depth[seen].max() <= 0.15 + 1e-6
    points = lift.unproject(mesh.depth, K_target)[seen] + (0, 0, 1.15)
    wall = points[:, 2] < 1.299
    assert wall.any()
    # between columns 1 and 2: x = (u - 2) / 2 * z, with 1 / z affine in u from 1 at u = 1.5 to 1 / 1.3 at u = 2.5
    share = (1 / points[wall, 2] - 1) / (1 / 1.3 - 1)
    np.testing.assert_allclose(points[wall, 0], (share - 0.5) / 2 * points[wall, 2], atol=2e-3)


def test_flying_pixels_go_and_thin_and_slanted_ones_stay() -> None:
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


def test_a_grazing_floor_hangs_together_and_a_step_does_not() -> None:
    _, depth, ball, K = room(160, 120)
    white, valid = np.full((120, 160, 3), 255, np.uint8), np.ones_like(ball)
    # raised, the camera sees the floor's rows farther apart; nearly all of them differ by more than `jump`
    raised = mesh_frame(white, depth, valid, K, rigid((0, 0, 0), (0, 0.6, 0)), K, 160, 120)
    assert (depth[92:104, 5] > (1 + lift.JUMP) * depth[93:105, 5]).all()
    assert (raised.depth[109:120, 5:50] > 0).all()
    aside = mesh_frame(white, depth, valid, K, rigid((0, 0, 0), (-0.3, 0, 0)), K, 160, 120)
    assert 50 < (aside.depth[:, 10:140] == 0).sum() < 1500  # beside the ball the wall is bare


def test_clips_are_frames_side_by_side() -> None:
    count, width, height = 5, 33, 21
    frames = [noise_frame(width, height, seed) for seed in range(count)]
    rgb, depth, valid = (list(arrays) for arrays in zip(*frames, strict=True))
    K = [intrinsics(width, height, 20 + 5 * n) for n in range(count)]
    poses = [rigid((0, 3 * n, 0), (0.1 * n, 0, 0)) for n in range(count)]
    for threads in (1, 3, None):
        splats = splat_clip(rgb, depth, valid, K, poses, K[::-1], 40, 30, threads=threads)
        meshes = mesh_clip(rgb, depth, valid, K, poses, K[::-1], 40, 30, threads=threads)
        for n in range(count):
            arguments = (rgb[n], depth[n], valid[n], K[n], poses[n], K[count - 1 - n], 40, 30)
            np.testing.assert_array_equal(splats[n].index, splat_frame(*arguments).index)
            np.testing.assert_array_equal(meshes[n].rgb, mesh_frame(*arguments).rgb)
    with pytest.raises(ValueError, match="zip"):
        splat_clip(rgb, depth, valid, K, poses[1:], K, 40, 30)


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
    footprint=st.sampled_from([1, 2]),
)
def test_any_rigid_motion(depth, rotation, translation, target, footprint) -> None:
    height, width = depth.shape
    right, bottom = target
    K, K_target = intrinsics(width, height, width), intrinsics(right, bottom, right)
    pose = rigid(rotation, translation)
    rgb = np.arange(depth.size * 3, dtype=np.uint8).reshape(height, width, 3)
    valid = depth > 0
    arguments = (rgb, depth, valid, K, pose, K_target, right, bottom)
    splat = splat_frame(*arguments, footprint=footprint)
    mesh = mesh_frame(*arguments)
    np.testing.assert_array_equal(torch_frame(*arguments, footprint).index.numpy(), splat.index)

    points = lift.unproject(depth, K) @ pose[:3, :3].T + pose[:3, 3]
    seen = splat.index >= 0
    winners = splat.index[seen]
    assert valid.reshape(-1)[winners].all()
    np.testing.assert_allclose(splat.depth[seen], points[..., 2].reshape(-1)[winners], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(splat.rgb[seen], rgb.reshape(-1, 3)[winners])
    assert seen.sum() <= valid.sum() * footprint**2
    if footprint == 1:
        # the nearest of the points that land safely inside a pixel is the one shown, or a nearer one is
        projected = points @ K_target.T
        for x, y, z in projected.reshape(-1, 3)[valid.reshape(-1)]:
            if z > 1e-2:
                column, row = x / z, y / z
                inside = 0 < column < right and 0 < row < bottom
                if inside and max(abs(column % 1 - 0.5), abs(row % 1 - 0.5)) < 0.49:
                    assert 0 < splat.depth[int(row), int(column)] <= z * (1 + 1e-3) + 1e-4

    drawn = mesh.depth > 0
    assert np.isfinite(mesh.depth).all()
    # a surface is nowhere nearer or farther than its points, but for the corners of the flat pieces at its cuts
    if drawn.any():
        reach = np.linalg.norm(lift.unproject(depth, K) * np.array([1.5, 1.5, 1]), axis=-1)[valid].max()
        assert mesh.depth.max() <= reach + np.linalg.norm(translation) + np.hypot(1, 1) * reach
        assert (mesh.u[drawn] >= -0.1).all()
        assert (mesh.u[drawn] <= width + 0.1).all()


def test_the_blur_never_lets_a_far_surface_through() -> None:
    """Two planes a little more than the rule's sixteenth apart, one beside the other, carried over each other."""
    width, height = 64, 16
    K = intrinsics(width, height, 60)
    near, far = 3.0, 3.0 * (1 + 1 / 15)
    depth = np.full((height, width), far, np.float32)
    depth[:, 20:] = near
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, 20:] = 255
    pose = rigid((0, 0, 0), (-4.4, 0.02, 0))  # the near one moves 5.5 pixels farther to the left
    # enlarged, so that many pixels see the near plane only by its neighbours' points
    K_target = np.diag([1.6, 1.6, 1]) @ (K + np.array([[0, 0, 90], [0, 0, 0], [0, 0, 0]]))
    frame = splat_frame(rgb, depth, np.ones_like(depth, bool), K, pose, K_target, 160, 24)
    A, b = lift.pixel_transform(K, pose, K_target)
    first = near * A @ (20.5, 8, 1) + b
    start = int(np.ceil(first[0] / first[2]))
    assert (frame.rgb[2:-2, start + 1 : start + 20] == 255).all()
    assert (frame.rgb[2:-2, start - 12 : start - 2] == 0).all()
    assert (frame.index[2:-2, start - 12 : start + 20] >= 0).all()
