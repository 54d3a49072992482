# SPDX-License-Identifier: Apache-2.0
"""Alignment compared with the truth, from point maps of a synthetic scene: focal, cameras, scale, moving pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from reangle.geometry.alignment import Alignment, align
from reangle.geometry.moving import moving_pixels
from reangle.geometry.pairwise import Lens
from reangle.geometry.point_maps import pair_graph, sample_index, sample_pixels
from reangle.geometry.refine import Solution, observe, refine
from scipy.spatial.transform import Rotation

from tests.backend.synthetic_scene import Scene, arc, make_scene, network_maps


@dataclass(frozen=True)
class Errors:
    """focal: relative. rotation: degrees, the worst frame. path: root mean square distance, as a share of the camera's
    travel or, if it hardly moves, of the scene's depth. depth: mean relative error of static and moving pixels;
    scale_drift: relative standard deviation of the frames' scales. moving: intersection over union of moving pixels.
    """

    focal: float
    rotation: float
    path: float
    depth: float
    scale_drift: float
    moving: float


def errors(result: Alignment, scene: Scene) -> Errors:
    unit = np.median(scene.depth[result.valid] / result.depth[result.valid])
    truth = scene.world_from_camera
    turn = Rotation.from_matrix(truth[:, :3, :3].transpose(0, 2, 1) @ result.world_from_camera[:, :3, :3])
    apart = np.linalg.norm(result.world_from_camera[:, :3, 3] * unit - truth[:, :3, 3], axis=1)
    travel = np.linalg.norm(truth[:, :3, 3], axis=1).max()
    estimate, moving = result.dynamic, scene.moving
    ratios = scene.depth / np.where(result.valid, result.depth, np.nan)
    return Errors(
        focal=float(abs(result.lens.focal / scene.K[0, 0, 0] - 1)),
        rotation=float(np.degrees(turn.magnitude()).max()),
        path=float((apart**2).mean() ** 0.5 / (travel if travel > 0.1 else np.median(scene.depth))),
        depth=float(np.nanmean(np.abs(unit / ratios - 1))),
        scale_drift=float(np.nanmedian(ratios, axis=(1, 2)).std() / unit),
        moving=float((estimate & moving).sum() / (estimate | moving).sum()),
    )


@pytest.mark.parametrize(
    ("name", "camera", "noise", "most"),
    [
        ("arc of 12 degrees", arc(12), 0.0, Errors(1e-5, 1e-4, 1e-4, 1e-4, 1e-5, 0.82)),
        ("arc of 12 degrees", arc(12), 0.01, Errors(5e-4, 0.15, 0.01, 0.012, 0.002, 0.82)),
        ("arc of 12 degrees", arc(12), 0.03, Errors(2e-3, 0.4, 0.025, 0.025, 0.005, 0.80)),
        ("handheld arc", arc(12, handheld=2), 0.02, Errors(2e-3, 0.3, 0.02, 0.02, 0.004, 0.80)),
        ("turning on the spot", arc(0, handheld=1), 0.02, Errors(2e-3, 0.3, 0.005, 0.02, 0.004, 0.80)),
        ("standing still", arc(0), 0.03, Errors(2e-3, 0.0, 0.0, 0.025, 0.005, 0.80)),
    ],
)
def test_recovers_focal_cameras_scale_and_motion(name, camera, noise, most) -> None:
    """`most` bounds every error from above, and the overlap of moving pixels from below."""
    scene = make_scene(camera)
    result = align(network_maps(scene, noise), scene.count)
    got = errors(result, scene)
    print(f"\n{name}, noise {noise:.0%}: {got}")
    assert got.focal <= most.focal
    assert got.rotation <= most.rotation
    assert got.path <= most.path
    assert got.depth <= most.depth
    assert got.scale_drift <= most.scale_drift
    assert got.moving >= most.moving
    assert result.static_camera == (name == "standing still")


def test_still_camera_is_exactly_still() -> None:
    scene = make_scene(arc(0), count=6)
    result = align(network_maps(scene, 0.03, seed=3), scene.count)
    np.testing.assert_array_equal(result.world_from_camera, np.tile(np.eye(4), (6, 1, 1)))


def test_a_given_focal_is_kept() -> None:
    scene = make_scene(arc(12), count=6)
    result = align(network_maps(scene, 0.01), scene.count, focal=scene.K[0, 0, 0])
    assert result.lens.focal == pytest.approx(scene.K[0, 0, 0], rel=1e-12)
    assert errors(result, scene).rotation < 0.2


def test_wrong_pairs_do_not_affect_the_others() -> None:
    """Every ninth pair comes from another scene."""
    scene, other = make_scene(arc(12)), make_scene(arc(-40, handheld=8))
    maps, wrong = network_maps(scene, 0.01), network_maps(other, 0.01)
    maps[4::9] = wrong[4::9]
    got = errors(align(maps, scene.count), scene)
    print(f"\nevery ninth pair wrong: {got}")
    assert got.focal < 2e-3
    assert got.rotation < 0.3
    assert got.path < 0.02


def test_a_single_frame_is_enough() -> None:
    scene = make_scene(arc(0), count=1)
    result = align(network_maps(scene, 0.01), 1)
    assert result.static_camera
    assert abs(result.lens.focal / scene.K[0, 0, 0] - 1) < 2e-3
    assert not result.dynamic.any()


def test_a_static_scene_has_no_moving_pixels() -> None:
    scene = make_scene(arc(12), count=6)
    depth = np.where(scene.moving, np.float32(0), scene.depth)
    assert moving_pixels(depth, depth > 0, scene.K, scene.world_from_camera).mean() < 0.002


@pytest.mark.parametrize("wrong", [0.0, 0.2])
def test_refinement_converges_despite_outliers(wrong: float) -> None:
    """The initial guess is wrong by 2 degrees, a twentieth of the depth, 10 % of scale and 5 % of focal length."""
    random = np.random.default_rng(0)
    scene = make_scene(arc(12), count=5)
    maps = network_maps(scene, 0.0)
    height, width = scene.depth.shape[1:]
    pixels, pick = sample_pixels(height, width), sample_index(height, width)
    samples = np.stack([depth[pick].ravel() for depth in scene.depth]).astype(np.float64)
    focal = scene.K[0, 0, 0]
    truth = scene.world_from_camera
    units = np.array([np.median(scene.depth[pair.first] / pair.depth) for pair in maps])
    observations = []
    for index, pair in enumerate(maps):
        for frame, points in ((pair.first, pair.first_points), (pair.second, pair.second_points)):
            points = points.copy()
            bad = random.random(len(points)) < wrong
            points[bad] += random.normal(size=(bad.sum(), 3))
            lens = Lens(focal, width, height)
            confidence = np.full(len(points), 8.0)
            observations.append(observe(index, pair.first, frame, points, confidence, samples, pixels, lens, 300))

    def error(amount: float, *shape: int) -> np.ndarray:
        values = amount * random.normal(size=shape)
        values[0] = 0
        return values

    start = Solution(
        Rotation.from_rotvec(np.radians(error(2, 5, 3))).as_matrix() @ truth[:, :3, :3],
        truth[:, :3, 3] + error(0.3, 5, 3),
        error(0.1, 5),
        np.log(units) + 0.1 * random.normal(size=len(units)),
        float(np.log(focal * 1.05)),
    )
    solution = refine(start, observations, steps=40)
    turn = Rotation.from_matrix(solution.rotation.transpose(0, 2, 1) @ truth[:, :3, :3]).magnitude()
    tolerance = 1e-5 if wrong == 0 else 2e-3
    assert turn.max() < tolerance
    assert np.abs(solution.translation - truth[:, :3, 3]).max() < 10 * tolerance
    assert np.abs(solution.log_depth_scale).max() < tolerance
    assert np.exp(solution.log_focal) == pytest.approx(focal, rel=tolerance)


@pytest.mark.parametrize("count", [1, 2, 3, 9, 49])
def test_pairs_connect_all_frames_in_both_orders(count: int) -> None:
    pairs = pair_graph(count)
    assert len(set(pairs)) == len(pairs) <= 7 * count
    assert {first for first, _ in pairs} == set(range(count))
    if count > 1:
        assert {(i, i + 1) for i in range(count - 1)} <= set(pairs)
        assert {(second, first) for first, second in pairs} == set(pairs)
