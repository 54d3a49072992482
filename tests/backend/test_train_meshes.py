# SPDX-License-Identifier: Apache-2.0
"""Training scenes of meshes: exact depth, hierarchies against brute force, cameras, and what degrades pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scripts.train.meshes import caster as casting
from scripts.train.meshes.assets import Library
from scripts.train.meshes.caster import VIEW, Caster, Prober
from scripts.train.meshes.degrade import degrade
from scripts.train.meshes.draw import Drawn, draw, looking
from scripts.train.meshes.places import PLACES
from scripts.train.meshes.stage import Stage, tumbled
from scripts.train.meshes.stream import FAR, SceneStream

pytestmark = pytest.mark.skipif(casting.compilers()["cpu"] is None, reason="g++ is missing")


@pytest.fixture(scope="module")
def stream() -> SceneStream:
    return SceneStream(None, 7, "cpu")


@pytest.fixture(scope="module")
def library(stream: SceneStream) -> Library:
    return stream.library


def scene_of(stage: Stage, pose: np.ndarray, across: float = 1.2) -> Drawn:
    view = np.zeros(VIEW, np.float32)
    view[25:28], view[23], view[30:33], view[36:39] = 1, -1, 0.3, 1
    return Drawn(stage.built(), view, across, pose, np.zeros(3), np.zeros(3), 1.0, "test")


def test_depth_of_a_wall_is_exact_and_the_floor_below_it_too(stream: SceneStream) -> None:
    stage = Stage(stream.library, np.random.default_rng(1))
    stage.put(stage.mesh("box"), (0, 2, 4.5), (20, 2, 1))
    stage.put(stage.mesh("quad"), (0, 0, 0), 500)
    pose = looking(np.array([0.3, -1.5, -1.0]), np.array([0.3, -1.5, 5.0]), 0.0)
    batch = stream.render([scene_of(stage, pose)], 40, 60)
    K = batch.K[0, 0].numpy()
    rows = (np.arange(40) + 0.5 - K[1, 2]) / K[1, 1]
    floor = 1.5 / np.maximum(rows, 1e-9)
    depth = batch.depth[0, 0].numpy()
    below = rows > 0.02
    expected = np.minimum(floor[below], FAR)
    np.testing.assert_allclose(depth[below], np.repeat(expected[:, None], 60, 1), rtol=1e-4)
    assert batch.sky[0, 0][:18].all()
    assert (depth[:18] == FAR).all()
    stage.put(stage.mesh("box"), (0, 0, 4.5), (20, 9, 1))
    nearer = stream.render([scene_of(stage, pose)], 40, 60).depth[0, 0].numpy()
    np.testing.assert_allclose(nearer[:18], 5.0, rtol=1e-5)


def test_hierarchies_find_the_hits_of_brute_force(library: Library) -> None:
    rng = np.random.default_rng(2)
    stage = Stage(library, rng)
    for _ in range(25):
        mesh = stage.pick("vessel", "crown", "fence", "box", "solid", "cable")
        stage.put(mesh, rng.uniform(-2, 2, 3), rng.uniform(0.3, 1.5, 3), 0, turn=tumbled(rng))
    corners = []
    for row in stage.rows:
        mesh, matrix = int(row[12:13].view(np.int32)[0]), row[:12].reshape(3, 4)
        first, last = library.mesh_first[mesh : mesh + 2]
        parts = library.triangles[first:last].reshape(-1, 3, 4)[..., :3]
        points = np.stack([parts[:, 0], parts[:, 0] + parts[:, 1], parts[:, 0] + parts[:, 2]], 1)
        corners.append(points @ matrix[:, :3].T + matrix[:, 3])
    triangles = np.concatenate(corners).astype(float)
    directions = rng.normal(0, 0.4, (150, 3))
    origin = np.array([0.0, 0.0, -4.0])
    directions[:, 2] = np.abs(directions[:, 2]) + 1
    found, _ = Prober(library)(stage.built(), origin, directions)
    expected = np.array([_nearest(triangles, origin, direction) for direction in directions])
    assert (expected > 0).mean() > 0.3
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def _nearest(triangles: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> float:
    a, b, c = triangles.transpose(1, 0, 2)
    systems = np.stack([b - a, c - a, np.broadcast_to(-direction, a.shape)], -1)
    good = np.abs(np.linalg.det(systems)) > 1e-12
    u, v, t = np.linalg.solve(systems[good], (origin - a[good])[..., None])[..., 0].T
    hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-3)
    return float(t[hit].min()) if hit.any() else 0.0


def test_two_frames_agree_through_their_cameras(stream: SceneStream) -> None:
    stream._kind = "table"
    batch = stream.batch(2, 96, 144, 2)
    for scene in range(2):
        first, second = (batch.depth[scene, frame].numpy() for frame in range(2))
        K = batch.K[scene].numpy()
        pose = batch.world_from_camera[scene].numpy().astype(float)
        v, u = np.mgrid[:96, :144] + 0.5
        rays = np.stack([(u - K[0, 0, 2]) / K[0, 0, 0], (v - K[0, 1, 2]) / K[0, 1, 1], np.ones_like(u)], -1)
        world = (rays * first[..., None]) @ pose[0, :3, :3].T + pose[0, :3, 3]
        there = (world - pose[1, :3, 3]) @ pose[1, :3, :3]
        x = there[..., 0] / there[..., 2] * K[1, 0, 0] + K[1, 0, 2]
        y = there[..., 1] / there[..., 2] * K[1, 1, 1] + K[1, 1, 2]
        inside = (x > 0) & (x < 143) & (y > 0) & (y < 95) & (there[..., 2] > 0) & (first < FAR)
        seen = second[y[inside].astype(int), x[inside].astype(int)]
        agree = np.abs(seen / there[..., 2][inside] - 1) < 0.03
        assert inside.mean() > 0.3
        assert agree.mean() > 0.8


@pytest.mark.parametrize("kind", PLACES)
def test_every_place_gives_pictures_worth_seeing(library: Library, kind: str) -> None:
    prober = Prober(library)
    scenes = [draw(library, prober, np.random.default_rng(seed), kind) for seed in range(3)]
    stream = object.__new__(SceneStream)
    stream.library, stream.device, stream.caster = library, torch.device("cpu"), Caster(library, "cpu")
    batch = stream.render(scenes, 32, 48)
    assert batch.rgb.isfinite().all()
    assert ((batch.depth > 0.03) & (batch.depth <= FAR)).all()
    assert (batch.rgb.flatten(1).std(1) > 0.02).all()
    assert (batch.depth.flatten(1).log().std(1) > 0.03).all()


def test_degrading_keeps_the_picture_recognisable(stream: SceneStream) -> None:
    x = torch.linspace(0, 1, 96)
    rgb = (0.5 + 0.4 * torch.sin(12 * x)).view(1, 1, -1, 1).expand(8, 64, 96, 3).contiguous()
    out = degrade(rgb, torch.Generator().manual_seed(3))
    assert out.shape == rgb.shape
    assert out.min() >= 0
    assert out.max() <= 1
    for before, after in zip(rgb, out, strict=True):
        both = torch.stack([before.flatten(), after.flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.7
        assert (before - after).abs().mean() > 0.005
