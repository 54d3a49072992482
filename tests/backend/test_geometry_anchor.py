# SPDX-License-Identifier: Apache-2.0
"""Depth of single frames is fitted into the camera's world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.folders import ClipMetadata, DecodedClip
from reangle.geometry.anchor import anchor
from reangle.geometry.anchor_field import Samples, fit_field
from reangle.geometry.anchor_points import triangulate
from reangle.geometry.clip_camera import ClipCamera, Motion, SparsePoints
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import FrameDepth, WorldDepth
from synthetic_scene import Scene, arc, make_scene, textured_footage

WIDTH, HEIGHT, COUNT = 96, 64, 8
GROUND = 1.6
"""Height of the camera above the synthetic room's floor."""


def camera_of(scene: Scene, motion: Motion, points: SparsePoints | None = None) -> ClipCamera:
    return ClipCamera(
        K=scene.K,
        world_from_camera=scene.world_from_camera,
        width=scene.depth.shape[2],
        height=scene.depth.shape[1],
        motion=motion,
        scale="relative",
        source="files",
        lens_source="files",
        points=points or SparsePoints.none(),
        moving=scene.moving,
    )


def points_of(scene: Scene, spacing: int = 5) -> SparsePoints:
    """Exact points of every frame's static pixels, each seen by its own and the next frame."""
    rows, columns = (part.ravel() for part in np.mgrid[2 : HEIGHT - 2 : spacing, 2 : WIDTH - 2 : spacing])
    pixels = np.column_stack([columns + 0.5, rows + 0.5, np.ones(len(rows))])
    xyz, frame, point, uv = [], [], [], []
    total = 0
    for index, (depth, matrix) in enumerate(zip(scene.depth, scene.world_from_camera, strict=True)):
        static = ~scene.moving[index][rows, columns]
        local = (pixels @ np.linalg.inv(scene.K[index]).T * depth[rows, columns][:, None])[static]
        world = local @ matrix[:3, :3].T + matrix[:3, 3]
        for other in (index, index + 1 if index + 1 < scene.count else index - 1):
            camera_from_world = np.linalg.inv(scene.world_from_camera[other])
            seen = (world @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]) @ scene.K[other].T
            xyz += [] if other != index else [world]
            frame.append(np.full(len(world), other))
            point.append(total + np.arange(len(world)))
            uv.append(seen[:, :2] / seen[:, 2:])
        total += len(world)
    return SparsePoints(
        np.concatenate(xyz), np.full(total, 0.01), np.concatenate(frame), np.concatenate(point), np.concatenate(uv)
    )


def prediction(
    scene: Scene, *, bend: float = 0.0, shifted: bool = False, noise: float = 0.0, seed: int = 0
) -> FrameDepth:
    """The truth with another scale (and shift) in each frame, bent smoothly over the picture, with noise per pixel."""
    random = np.random.default_rng(seed)
    count = scene.count
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT
    inverse = 1 / scene.depth * np.exp(bend * np.sin(2 * u) * np.cos(2 * v))
    inverse = inverse * np.exp(random.normal(0, noise, inverse.shape))
    if shifted:
        inverse = inverse - random.uniform(-0.02, 0.02, count)[:, None, None]
    inverse = inverse / np.exp(random.normal(0, 0.2, count))[:, None, None]
    everywhere = np.ones(scene.depth.shape, bool)
    ambiguity = "scale-shift" if shifted else "scale"
    return FrameDepth(inverse.astype(np.float32), everywhere, everywhere.astype(np.float32), ambiguity)


def run(depth: FrameDepth, camera: ClipCamera, footage: Footage | None = None) -> WorldDepth:
    unread = Footage(DecodedClip(Path()), ClipMetadata(fps=12, frames=len(depth.inverse), width=WIDTH, height=HEIGHT))
    return anchor(depth, camera, footage or unread, lambda done, note: None)


def errors(world: WorldDepth, scene: Scene) -> np.ndarray:
    """Relative error of all static pixels; the borders of surfaces, which any resampling mixes, do not count."""
    flat = np.stack([cv2.morphologyEx(one, cv2.MORPH_GRADIENT, np.ones((5, 5))) for one in scene.depth])
    use = ~scene.moving & (flat < 0.2 * scene.depth)
    return np.abs(world.depth / scene.depth - 1)[use]


@pytest.mark.parametrize("shifted", [False, True])
def test_scale_shift_and_bend_of_each_frame_are_recovered_from_points(shifted: bool) -> None:
    scene = make_scene(arc(8), COUNT)
    world = run(prediction(scene, bend=0.15, shifted=shifted), camera_of(scene, "moving", points_of(scene)))
    assert np.median(errors(world, scene)) < 0.01
    assert np.percentile(errors(world, scene), 95) < 0.05


def test_confidence_is_low_where_no_points_are() -> None:
    scene = make_scene(arc(8), COUNT)
    points = points_of(scene, 3)
    left = points.uv[:, 0] < WIDTH / 2
    half = replace(points, frame=points.frame[left], point=points.point[left], uv=points.uv[left])
    confidence = run(prediction(scene), camera_of(scene, "moving", half)).confidence
    assert np.median(confidence[:, :, : WIDTH // 3]) > 1.5 * np.median(confidence[:, :, -WIDTH // 3 :])


def test_points_of_one_surface_do_not_bend_the_surface_behind_it() -> None:
    scene = make_scene(arc(8), COUNT)
    near = scene.depth < 7.5
    depth = prediction(scene)
    inverse = np.where(near, depth.inverse, depth.inverse * np.float32(1.3))
    world = run(replace(depth, inverse=inverse), camera_of(scene, "moving", points_of(scene)))
    assert np.median(errors(world, scene)) < 0.015
    assert np.percentile(errors(world, scene), 90) < 0.045


def test_depth_without_ambiguity_passes_unchanged() -> None:
    scene = make_scene(arc(8), COUNT)
    depth = replace(prediction(scene), ambiguity="none")
    world = run(depth, camera_of(scene, "moving"))
    np.testing.assert_allclose(world.depth, 1 / depth.inverse, rtol=1e-6)


@pytest.mark.parametrize("shifted", [False, True])
def test_still_camera_sees_static_surfaces_at_one_depth(shifted: bool) -> None:
    scene = make_scene(arc(0), COUNT)
    world = run(prediction(scene, shifted=shifted, noise=0.02), camera_of(scene, "still"))
    crossed = np.asarray(scene.moving.any(axis=0), np.uint8)
    static = cv2.dilate(crossed, np.ones((5, 5), np.uint8)) == 0
    changes = np.abs(np.diff(np.log(world.depth[:, static]), axis=0))
    assert changes.max() < 1e-4
    mover = [np.median(one[mask]) for one, mask in zip(world.depth, scene.moving, strict=True) if mask.sum() > 20]
    behind = [np.median(one[static]) for one in world.depth]
    assert np.median(mover) < 0.8 * np.median(behind)


def test_turning_camera_sees_static_surfaces_at_one_distance() -> None:
    def pan(t: float) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3] = cv2.Rodrigues(np.array([0.0, np.radians(20) * t, 0.0]))[0]
        return matrix

    scene = make_scene(pan, COUNT)
    world = run(prediction(scene), camera_of(scene, "turning"))
    unit = np.median(world.depth[~scene.moving] / scene.depth[~scene.moving])
    assert np.percentile(errors(replace(world, depth=world.depth / unit), scene), 90) < 0.01


def standing_scene() -> tuple[Scene, np.ndarray]:
    """The room with a board that walks over the floor instead of the flying ball, and the board's distances."""
    scene = make_scene(arc(6), COUNT)
    depth, moving = scene.depth.copy(), np.zeros_like(scene.moving)
    empty = make_scene(arc(6), COUNT, WIDTH, HEIGHT).depth
    rays = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), axis=-1)
    rays = np.concatenate([rays, np.ones((HEIGHT, WIDTH, 1))], axis=-1) @ np.linalg.inv(scene.K[0]).T
    distances = np.linspace(4.6, 5.4, COUNT)
    for index, (matrix, distance) in enumerate(zip(scene.world_from_camera, distances, strict=True)):
        depth[index] = np.where(scene.moving[index], 0, empty[index])
        along = rays @ matrix[:3, :3].T
        z = (distance - matrix[2, 3]) / along[..., 2]
        world = along * z[..., None] + matrix[:3, 3]
        board = (np.abs(world[..., 0] + 0.5) < 0.45) & (world[..., 1] > 0.3) & (world[..., 1] < GROUND)
        board &= z < empty[index]
        depth[index][board], moving[index] = z[board], board | scene.moving[index]
        depth[index][scene.moving[index] & ~board] = 9.0
    return replace(scene, depth=depth, moving=moving), distances


def test_mover_follows_the_ground_that_it_touches() -> None:
    scene, _ = standing_scene()
    depth = prediction(scene)
    board = scene.moving & (scene.depth < 6)
    random = np.random.default_rng(1)
    wrong = np.exp(0.15 + random.normal(0, 0.03, COUNT))[:, None, None]
    inverse = np.where(board, depth.inverse * wrong, depth.inverse).astype(np.float32)
    camera = replace(camera_of(scene, "moving", points_of(scene)), moving=board)
    world = run(replace(depth, inverse=inverse), camera)
    ratio = [np.median((one / true)[mask]) for one, true, mask in zip(world.depth, scene.depth, board, strict=True)]
    assert np.abs(np.log(ratio)).max() < 0.06
    assert np.abs(np.log(np.median(ratio))) < 0.03


def test_tracks_are_triangulated_with_a_given_camera(tmp_path: Path) -> None:
    scene = make_scene(arc(8), 10, 240, 160)
    points = triangulate(textured_footage(scene, tmp_path), camera_of(scene, "moving"))
    assert len(points) > 40
    column, row = (points.uv).astype(int).T
    true = scene.depth[points.frame, row, column]
    camera_from_world = np.linalg.inv(scene.world_from_camera)[points.frame]
    z = np.einsum("mi,mi->m", camera_from_world[:, 2, :3], points.xyz[points.point]) + camera_from_world[:, 2, 3]
    assert np.median(np.abs(z / true - 1)) < 0.02
    assert len(triangulate(textured_footage(scene, tmp_path / "still"), camera_of(scene, "still"))) == 0


def test_without_measured_points_depth_is_usable_and_a_note_says_so(tmp_path: Path) -> None:
    scene = make_scene(arc(8), COUNT)
    plain = textured_footage(scene, tmp_path, plain_beyond=-np.inf)
    world = run(prediction(scene, shifted=True), camera_of(scene, "moving"), plain)
    assert np.isfinite(world.depth).all()
    assert (world.depth > 0).all()
    assert any("scale is assumed" in note for note in world.notes)
    nothing = replace(prediction(scene), inverse=np.zeros_like(scene.depth))
    assert np.isfinite(run(nothing, camera_of(scene, "moving", points_of(scene)), plain).depth).all()


def test_wrong_points_alone_in_a_corner_do_not_bend_the_field() -> None:
    chance = np.random.default_rng(0)
    uv = np.concatenate([chance.uniform(0, 0.5, (400, 2)), chance.uniform(0.9, 1, (12, 2))])
    correction = np.concatenate([chance.normal(0, 0.03, 400), np.full(12, -1.7)])
    field = fit_field([Samples(uv, np.zeros(412), correction, np.ones(412))] * 2, aspect=1.5)
    corrections, error = field.at(0, np.zeros((20, 30)))
    assert abs(corrections[-1, -1]) < 0.1
    assert error[-1, -1] > 2 * error[2, 2]


def test_noisy_points_do_not_bend_depth_that_is_right() -> None:
    random = np.random.default_rng(0)

    def frame(bend: float) -> Samples:
        uv = random.random((200, 2))
        correction = bend * np.sin(3 * uv[:, 0]) + random.normal(0, 0.1, 200)
        return Samples(uv, random.uniform(0, 1, 200), correction, np.ones(200))

    def spread_of(bend: float) -> float:
        field = fit_field([frame(bend) for _ in range(COUNT)], 1.5)
        seen = np.stack([field.at(index, np.full((16, 24), 0.5))[0] for index in range(COUNT)])
        return float(seen.std())

    assert spread_of(0.0) < 0.01
    assert spread_of(0.5) > 0.1


def test_briefly_seen_points_far_from_the_networks_depth_do_not_bend_it() -> None:
    scene = make_scene(arc(8), COUNT)
    points = points_of(scene, 3)
    first = points.uv[np.unique(points.point, return_index=True)[1]]
    # Of a thing that moves along its epipolar lines: a group of points at half of their depth.
    thing = np.all(np.abs(first - (WIDTH / 4, HEIGHT / 2)) < (10, 8), axis=1)
    wrong = replace(points, xyz=np.where(thing[:, None], 0.5 * points.xyz, points.xyz))
    depth = prediction(scene, noise=0.15)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    around = (np.abs(columns - WIDTH / 4) < 8) & (np.abs(rows - HEIGHT / 2) < 6)
    for one in (points, wrong):
        world = run(depth, camera_of(scene, "moving", one))
        assert np.median((world.depth / scene.depth)[~scene.moving & around]) == pytest.approx(1, abs=0.1)
