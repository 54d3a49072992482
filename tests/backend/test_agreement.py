# SPDX-License-Identifier: Apache-2.0
"""Judges of candidates, and the metrics MEt3R, SED and TSED, on views whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.api.capabilities import capabilities_of
from reangle.errors import UserError
from reangle.evaluation.agreement.dust3r_judge import Dust3rJudge
from reangle.evaluation.agreement.epipolar import (
    PairDistance,
    epipolar_distances,
    fundamental,
    pair_distance,
    tsed,
)
from reangle.evaluation.agreement.features import Features, open_features
from reangle.evaluation.agreement.geometry_judge import GeometryJudge
from reangle.evaluation.agreement.judges import open_judge, open_network
from reangle.evaluation.agreement.met3r import met3r
from reangle.evaluation.agreement.views import SceneView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.weights.checkpoints import DINOV2_SMALL, DUST3R_LARGE, MINI_GEOMETRY
from reangle.weights.shipped import shipped_folder

from scripts.train.disocclusion import disocclusion
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render
from tests.backend import twins
from tests.backend.warping_scene import intrinsics, rigid

WIDTH, HEIGHT = 192, 128
WALL = 4.0
"""Depth of a textured wall in the first camera."""
K = intrinsics(WIDTH, HEIGHT, 170.0)
AWAY = rigid((0, 180, 0), (0, 0, 0))


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Features:
    return open_features(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def network() -> Dust3rNetwork:
    return open_network(shipped_folder(MINI_GEOMETRY))


def wall_from(world_from_camera: np.ndarray) -> SceneView:
    """An exact picture of the wall, and its depth."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], axis=2)
    turned = rays @ world_from_camera[:3, :3].T
    depth = (WALL - world_from_camera[2, 3]) / turned[..., 2]
    points = world_from_camera[:3, 3] + depth[..., None] * turned
    side, reach = 1200, 6.0
    rng = np.random.default_rng(3)
    texture = sum(
        cv2.resize(rng.uniform(0, 1, (cells, cells, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        for cells in (12, 40, 120)
    )
    pixels = ((points[..., :2] / reach + 1) / 2 * side).astype(np.float32)
    colours = cv2.remap(np.asarray(texture), pixels[..., 0], pixels[..., 1], cv2.INTER_LINEAR)
    return SceneView(np.clip(colours * 85, 0, 255).astype(np.uint8), depth.astype(np.float32), K, world_from_camera)


FIRST, SECOND = wall_from(np.eye(4)), wall_from(rigid((0, 6, 0), (-0.35, 0.1, 0.2)))
HOLE = np.zeros((HEIGHT, WIDTH), bool)
HOLE[24:104, 60:140] = True


def candidates(view: SceneView, hole: np.ndarray) -> np.ndarray:
    """The true picture, then with its hole blurred, shifted and under noise."""
    truth, rng = view.picture, np.random.default_rng(0)
    worse = [
        cv2.GaussianBlur(truth, (0, 0), 3),
        np.roll(truth, 12, axis=1),
        np.clip(truth + rng.normal(0, 60, truth.shape), 0, 255).astype(np.uint8),
        rng.integers(0, 256, truth.shape).astype(np.uint8),
    ]
    return np.stack([truth, *(np.where(hole[..., None], one, truth) for one in worse)])


def test_the_judge_with_geometry_prefers_the_true_picture_at_any_size(features: Features) -> None:
    painted = replace(SECOND, picture=np.where(HOLE[..., None], 0, SECOND.picture).astype(np.uint8))
    judge = GeometryJudge(features, painted, HOLE, [FIRST])
    pictures = candidates(SECOND, HOLE)
    scores = judge.scores(pictures)
    assert scores[0] > scores[1:].max()
    assert scores.argmin() == 4
    halves = np.stack([cv2.resize(one, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA) for one in pictures])
    assert judge.scores(halves).argmax() == 0
    assert judge.scores(pictures[2:3]) == pytest.approx(scores[2:3], abs=1e-6)


def test_only_what_a_fixed_view_sees_is_compared(features: Features) -> None:
    pictures = candidates(SECOND, HOLE)
    unseen = [
        replace(FIRST, world_from_camera=AWAY),
        replace(FIRST, depth=FIRST.depth / 2),  # something stands before the wall
        replace(FIRST, depth=np.zeros_like(FIRST.depth)),
    ]
    for fixed in (unseen, []):
        judge = GeometryJudge(features, SECOND, HOLE, fixed)
        assert judge.overlap == 0
        assert judge.scores(pictures).tolist() == [0.0] * 5
    with_unknown_depth = replace(SECOND, depth=np.where(HOLE, 0, SECOND.depth).astype(np.float32))
    seams = GeometryJudge(features, with_unknown_depth, HOLE, [FIRST])
    assert 0 < seams.overlap < GeometryJudge(features, SECOND, HOLE, [FIRST]).overlap / 5
    assert seams.scores(pictures).argmin() == 4


def test_the_judge_with_a_network_prefers_the_true_picture(features: Features, network: Dust3rNetwork) -> None:
    scores = Dust3rJudge(network, features, HOLE, [FIRST.picture]).scores(candidates(SECOND, HOLE))
    assert scores[0] > scores[2:].max()
    assert scores.argmin() == 4
    assert Dust3rJudge(network, features, HOLE, []).scores(candidates(SECOND, HOLE)).tolist() == [0.0] * 5


def test_met3r_grows_with_what_disagrees(features: Features, network: Dust3rNetwork) -> None:
    scene = draw_scene(1, frames=2)
    views = [scene.source, scene.targets["1-view"]]
    seen = [render(scene, camera.cropped(HEIGHT), [0]) for camera in views]
    poses = [camera.world_from_camera[0] for camera in views]
    lens = views[0].cropped(HEIGHT).K[0]
    first, truth = (one.rgb[0] for one in seen)
    _, hole = disocclusion(first, seen[0].depth[0], lens, poses[0], poses[1], lens)
    noise = np.random.default_rng(0).integers(0, 256, truth.shape).astype(np.uint8)
    filled = np.where(hole[..., None], noise, truth)
    same, true, holes, noisy = met3r(network, features, [(first, one) for one in (first, truth, filled, noise)])
    assert same.score < 0.03
    assert same.score < true.score < holes.score - 0.02
    assert noisy.score > 0.3
    assert same.overlap > 0.5
    assert same.features == "mini-depth"


def test_symmetric_epipolar_distance_is_exact() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.uniform(-1, 1, (50, 2)), rng.uniform(3, 6, (50, 1)), np.ones((50, 1))], axis=1)
    aside = replace(FIRST, world_from_camera=rigid((0, 0, 0), (0.5, 0, 0)))

    def project(view: SceneView) -> np.ndarray:
        seen = (points @ np.linalg.inv(view.world_from_camera).T)[:, :3] @ view.K.T
        return seen[:, :2] / seen[:, 2:]

    for other in (aside, SECOND):
        F = fundamental(FIRST, other)
        assert epipolar_distances(project(FIRST), project(other), F).max() < 1e-9
    # Epipolar lines of a camera that moves along x are rows.
    F = fundamental(FIRST, aside)
    assert epipolar_distances(project(FIRST), project(aside) + np.array([0, 3]), F) == pytest.approx(np.full(50, 3.0))
    assert epipolar_distances(project(FIRST), project(aside) + np.array([7, 0]), F).max() < 1e-9


def test_matches_between_true_views_fit_their_cameras() -> None:
    true = pair_distance(FIRST, SECOND)
    assert true.matches > 30
    assert true.sed < 0.5
    lower = replace(SECOND, picture=np.roll(SECOND.picture, 6, axis=0))
    assert pair_distance(FIRST, lower).sed == pytest.approx(6, abs=0.6)
    empty = replace(SECOND, picture=np.zeros_like(SECOND.picture))
    assert pair_distance(FIRST, empty).matches == 0
    assert tsed([true, PairDistance(1.9, 10), PairDistance(2.0, 10), PairDistance(0.1, 9)]) == 0.5
    assert tsed([pair_distance(FIRST, empty)]) == 0


def test_features_are_of_the_best_weights_there(tmp_path: Path, features: Features) -> None:
    twins.dinov2_small(tmp_path / "models" / DINOV2_SMALL.name)
    better = open_features(tmp_path)
    assert (features.name, better.name, better.licence) == ("mini-depth", "dinov2-small", "Apache-2.0")
    pictures = np.stack([np.roll(FIRST.picture, shift, axis=1) for shift in range(10)])
    for one, shape in ((features, (144 // 16, 224 // 16)), (better, (154 // 14, 224 // 14))):
        made = one.of(pictures)
        assert made.shape[2:] == shape
        assert made.norm(dim=1).numpy() == pytest.approx(1, abs=1e-4)
        assert made[9:].numpy() == pytest.approx(one.of(pictures[9:]).numpy(), abs=1e-4)


def test_the_judges_are_listed_and_opened(tmp_path: Path, features: Features) -> None:
    infos = capabilities_of(tmp_path).judges
    listed = [(info.name, info.available, info.commercial_ok) for info in infos]
    assert listed == [("geometry", True, True), ("dust3r", False, False), ("none", True, True)]
    assert DUST3R_LARGE.name in infos[1].advice
    with twins.narrow_dpt():
        network = open_network(twins.dust3r_large(tmp_path / "models" / DUST3R_LARGE.name))
        assert capabilities_of(tmp_path).judges[1].available
        judge = open_judge("dust3r", SECOND, HOLE, [FIRST], features, network)
        assert judge is not None
        assert np.isfinite(judge.scores(candidates(SECOND, HOLE)[:2])).all()
    assert isinstance(open_judge("geometry", SECOND, HOLE, [FIRST], features), GeometryJudge)
    assert open_judge("none", SECOND, HOLE, [FIRST], features) is None
    with pytest.raises(UserError, match="not open"):
        open_judge("dust3r", SECOND, HOLE, [FIRST], features)
