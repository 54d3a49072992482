# SPDX-License-Identifier: Apache-2.0
"""Starting images: the sampling loop with its candidates, and the tree of views."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reangle.contract import CameraPath, from_data
from reangle.errors import UserError
from reangle.folders.start import LOOK_CHANGED
from reangle.image_models.base import Conditions, Held
from reangle.starting.given import changed_by_hand, read_given
from reangle.starting.sampling import Sampling, sample
from reangle.starting.scene import Begun
from reangle.starting.tree import begins_at_source, parents
from scipy.spatial.transform import Rotation

SIZE = 8


class TwoGreys:
    """A flow of which all is known: pictures of one grey, dark or bright, each half of the time."""

    multiple = 1

    def __init__(self) -> None:
        self.calls = 0

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int]:
        return 1, height, width

    def noise_levels(self, steps: int, width: int, height: int) -> list[float]:
        return np.linspace(1, 0, steps + 1).tolist()

    def velocity(self, latents: torch.Tensor, level: float, conditions: Conditions) -> torch.Tensor:
        self.calls += len(latents)
        if level == 0:
            return torch.zeros_like(latents)
        # The posterior mean of x0 in {-1, 1} for the whole picture, given x = (1 - s) x0 + s e.
        evidence = (latents * (1 - level) / level**2).sum(dim=(1, 2, 3), keepdim=True)
        return (latents - torch.tanh(evidence)) / level

    def sketch(self, latents: torch.Tensor) -> np.ndarray:
        grey = (127.5 + 100 * latents).clamp(0, 255).to(torch.uint8)
        return grey.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()


def drawn(seed: int, sampling: Sampling, **options: object) -> float:
    latents, _ = sample(TwoGreys(), Conditions(None), SIZE, SIZE, sampling, seed, **options)  # type: ignore[arg-type]
    return float(latents.mean())


def brightness(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(axis=(1, 2, 3))


EARLY = Sampling(steps=10, candidates=8, fresh_noise=0.8, guided_from=0.0, guided_to=0.6)


def test_guidance_leads_to_the_picture_that_scores_best() -> None:
    plain = [drawn(seed, replace(EARLY, candidates=1)) for seed in range(24)]
    guided = [drawn(seed, EARLY, scores=brightness) for seed in range(24)]
    assert 4 <= sum(value > 0.9 for value in plain) <= 20
    assert sum(value < -0.9 for value in plain) >= 4
    assert sum(value > 0.9 for value in guided) >= 23


def test_a_seed_decides_everything() -> None:
    assert drawn(5, EARLY, scores=brightness) == drawn(5, EARLY, scores=brightness)
    assert len({drawn(seed, replace(EARLY, candidates=1)) for seed in range(4)}) > 1


def test_without_fresh_noise_steps_are_those_of_euler() -> None:
    model, steps = TwoGreys(), 6
    latents, trace = sample(model, Conditions(None), SIZE, SIZE, Sampling.plain(steps), 3)  # type: ignore[arg-type]
    expected = torch.randn((1, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(3))
    levels = model.noise_levels(steps, SIZE, SIZE)
    for level, following in itertools.pairwise(levels):
        expected = expected + (following - level) * TwoGreys().velocity(expected, level, Conditions(None))
    assert torch.allclose(latents, expected, atol=1e-6)
    assert trace.calls == steps
    assert trace.scores == []


def test_a_guided_step_costs_one_call_for_each_candidate_and_the_next_step_none() -> None:
    model = TwoGreys()
    _, trace = sample(model, Conditions(None), SIZE, SIZE, EARLY, 0, brightness)  # type: ignore[arg-type]
    guided = EARLY.guided_steps
    assert guided == len(trace.scores) == len(trace.chosen) == 6
    # The first step needs a velocity of its own; each step after a guided one has its candidate's.
    assert trace.calls == model.calls == 1 + guided * EARLY.candidates + (EARLY.steps - guided - 1)
    assert all(step[best] == max(step) for step, best in zip(trace.scores, trace.chosen, strict=True))


def test_known_latents_stay_where_the_model_holds_them() -> None:
    hole = torch.zeros((1, 1, SIZE, SIZE), dtype=torch.bool)
    hole[..., SIZE // 2 :] = True
    known = torch.full((1, 1, SIZE, SIZE), 0.25)
    told = Conditions(None, Held(known, hole))
    latents, _ = sample(TwoGreys(), told, SIZE, SIZE, EARLY, 1, brightness)  # type: ignore[arg-type]
    assert torch.equal(latents[~hole], known[~hole])
    assert latents[hole].abs().mean() > 0.5


def view(name: str, sideways: float, upwards: float = 0.0, frame: int = 0) -> CameraPath:
    """A held camera on an orbit of radius 4, angles in degrees."""
    turn = Rotation.from_euler("yx", [sideways, upwards], degrees=True).as_matrix()
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = turn, np.array([0, 0, 4]) - turn @ [0, 0, 4]
    about = {
        "name": name,
        "fps": 24,
        "width": 64,
        "height": 48,
        "frames": [frame] * 2,
        "world_from_camera": [camera.tolist()] * 2,
        "K": [[[80.0, 0.0, 32.0], [0.0, 80.0, 24.0], [0.0, 0.0, 1.0]]] * 2,
    }
    return from_data(CameraPath, about)


def test_a_views_parent_is_the_nearest_one_nearer_to_the_source() -> None:
    paths = [view("far", 20), view("near", 8), view("right", -9), view("still", 0), view("farther", 27)]
    tree = parents(paths)
    assert tree == {"near": None, "right": "near", "far": "near", "farther": "far"}
    order = list(tree)
    assert all(parent is None or order.index(parent) < order.index(name) for name, parent in tree.items())


def test_mirrored_views_get_parents_whatever_their_names_and_order() -> None:
    paths = [view("a", 10), view("b", -10), view("c", 0, 10)]
    tree = parents(paths)
    assert sorted(parent is None for parent in tree.values()) == [False, False, True]
    renamed = {"a": "z", "b": "y", "c": "x"}
    other = parents([replace(path, name=renamed[path.name]) for path in reversed(paths)])
    assert other == {renamed[name]: parent and renamed[parent] for name, parent in tree.items()}


def test_views_of_other_moments_are_no_parents() -> None:
    assert parents([view("now", 8), view("later", 12, frame=3)]) == {"now": None, "later": None}


def test_a_camera_begins_at_the_source_only_in_the_first_frame_at_its_place() -> None:
    assert begins_at_source(view("a", 0))
    assert not begins_at_source(view("a", 0, frame=2))
    assert not begins_at_source(view("a", 0.01))


def write(path: Path, picture: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), picture)
    return path


def test_an_artists_image_is_taken_as_it_is_and_lies_over_the_fill_where_it_is_transparent(tmp_path: Path) -> None:
    below = np.full((40, 60, 3), 10, np.uint8)
    bgra = np.zeros((40, 60, 4), np.uint8)
    bgra[:, 30:] = (200, 100, 50, 255)
    picture = read_given("mine.png", write(tmp_path / "mine.png", bgra), below)
    assert (picture[:, :30] == 10).all()
    assert (picture[:, 30:] == (50, 100, 200)).all()
    larger = write(tmp_path / "larger.png", np.repeat(np.repeat(bgra[..., :3], 2, 0), 2, 1))
    assert (read_given("larger.png", larger, below)[:, 30:] == (50, 100, 200)).all()


def test_an_artists_image_of_another_aspect_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another aspect"):
        read_given("wide.png", write(tmp_path / "wide.png", np.zeros((40, 90, 3), np.uint8)), np.zeros((40, 60, 3)))
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(UserError):
        read_given("notes.png", tmp_path / "notes.png", np.zeros((40, 60, 3), np.uint8))


WALL = 4.0


def of_wall(width: int, height: int, known: np.ndarray, depth: float = WALL) -> Begun:
    """The picture of a grey wall from the source camera's place, black where it is unknown."""
    grey = np.full((height, width, 3), 90, np.uint8)
    K = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]])
    depths = np.full((height, width), depth, np.float32)
    return Begun(np.where(known[..., None], grey, 0).astype(np.uint8), known, grey, depths, K, np.eye(4))


def test_what_was_painted_is_carried_into_a_camera_of_another_size_and_aspect() -> None:
    """A parent of 64 x 48 whose right half was painted red, and a child of 40 x 40 that hides all but its rim."""
    parent = of_wall(64, 48, np.ones((48, 64), bool))
    red = parent.filled.copy()
    painted = np.zeros((48, 64), bool)
    painted[:, 32:] = True
    red[painted] = (255, 0, 0)
    known = np.ones((40, 40), bool)
    known[4:-4, 4:-4] = False
    child = of_wall(40, 40, known)
    carried = child.carrying(replace(parent.view, picture=red), painted)
    added = carried.known & ~known
    assert np.array_equal(carried.warped[known], child.warped[known])
    assert added[8:-8, 22:-5].all()
    assert not added[:, :19].any()
    assert (carried.warped[added] == (255, 0, 0)).all()
    assert np.allclose(carried.depth[added], WALL, rtol=1e-3)


def test_nothing_is_carried_where_the_scene_has_no_depth_or_all_is_known() -> None:
    everywhere = np.ones((48, 64), bool)
    nothing_seen, all_seen = of_wall(64, 48, ~everywhere, depth=0.0), of_wall(64, 48, everywhere)
    assert nothing_seen.carrying(nothing_seen.view, everywhere) is nothing_seen
    assert all_seen.carrying(all_seen.view, everywhere) is all_seen


def test_of_two_cameras_in_one_place_one_is_the_others_parent() -> None:
    assert parents([view("a", 10), view("b", 10)]) == {"a": None, "b": "a"}


def test_a_stroke_is_a_change_by_hand_and_compression_is_none() -> None:
    texture = np.random.default_rng(1).integers(0, 255, (30, 45, 3), np.uint8)
    warped = cv2.resize(texture, (360, 240), interpolation=cv2.INTER_CUBIC)
    known = np.ones(warped.shape[:2], bool)
    known[:, :20] = False

    def changed(picture: np.ndarray) -> np.ndarray:
        return changed_by_hand(np.abs(picture.astype(int) - warped).max(-1), known)

    _, data = cv2.imencode(".jpg", warped, (cv2.IMWRITE_JPEG_QUALITY, 90))
    compressed = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert compressed is not None
    assert (np.abs(compressed.astype(int) - warped).max(-1) > 8).any()
    assert changed(compressed).mean() < LOOK_CHANGED
    stroked = warped.copy()
    stroked[100:114, 10:50] = (0, 0, 255)
    assert np.array_equal(np.argwhere(changed(stroked))[[0, -1]], [[100, 20], [113, 49]])
    assert changed(stroked).mean() > LOOK_CHANGED
