# SPDX-License-Identifier: Apache-2.0
"""Measure how well each judge of starting images tells good candidates from bad ones.

    python3.11 scripts/bench/judges.py [--scenes 12] [--samples 4] [--without-network]

On generated scenes that nothing was trained on. A view is painted whose parent, halfway to the source camera, is
known: the judge has the source frame and the parent's true picture. Candidates are the truth with its hole blurred,
shifted and under noise, OpenCV's Telea, and samples of the mini image model. Rank: Spearman's correlation of the scores
with the PSNR in the hole, mean over the scenes. Picked: by how many dB the judge's choice among the model's samples is
better than their mean; the best sample is the limit. "Depth off": the painted view's depth in its hole is wrong by a
smooth field of 3 %, as completed depth is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from mini_data import HEIGHT, psnr
from reangle.evaluation.agreement.dust3r_judge import Dust3rJudge
from reangle.evaluation.agreement.features import Features, open_features
from reangle.evaluation.agreement.geometry_judge import COLOUR_SHARE, GeometryJudge
from reangle.evaluation.agreement.judges import open_network
from reangle.evaluation.agreement.met3r import met3r
from reangle.evaluation.agreement.views import Judge, SceneView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.image_models.registry import image_model_class
from reangle.runtime.data_folder import data_folder
from reangle.starting.painting import paint
from reangle.starting.sampling import Sampling
from reangle.weights.checkpoints import MINI_GEOMETRY
from reangle.weights.shipped import check_shipped
from reangle.weights.suites import MINI
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr
from torch import Tensor

from scripts.train.disocclusion import disocclusion
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.raycast import render
from scripts.train.scenes.types import Camera, Scene

DEGREES = (7.0, 13.0)
"""Of the parent and of the painted view, around a point in the scene's middle."""
STEPS = 10
DEPTH_OFF = 0.03
SHARES = {"both": COLOUR_SHARE, "features": 0.0, "colours": 1.0}


@dataclass(frozen=True, eq=False)
class Case:
    """source, parent, painted: the last one's picture is the warp with its hole. truth: h x w x 3."""

    source: SceneView
    parent: SceneView
    painted: SceneView
    truth: np.ndarray
    hole: np.ndarray
    caption: str

    @property
    def fixed(self) -> tuple[SceneView, SceneView]:
        return self.source, self.parent


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the judges of starting images.")
    parser.add_argument("--scenes", type=int, default=12, metavar="N")
    parser.add_argument("--samples", type=int, default=4, metavar="N", help="of the mini image model")
    parser.add_argument("--without-network", action="store_true", help="leave out dust3r and MEt3R, most of the time")
    args = parser.parse_args()
    features = remembering(open_features(data_folder()))
    network = None if args.without_network else open_network(check_shipped(MINI_GEOMETRY))
    model = image_model_class(MINI.image.kind).open(check_shipped(MINI.image), "cpu")
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    best, consistency = [], []
    for seed in range(args.scenes):
        case, rng = case_of(seed), np.random.default_rng(seed)
        plain = Sampling.plain(STEPS)
        samples = [
            paint(model, case.painted.picture, case.hole, case.caption, plain, number)[0]
            for number in range(args.samples)
        ]
        candidates = np.stack([*samples, *altered(case, rng)])
        decibels = np.array([psnr(one, case.truth, case.hole) for one in candidates])
        drawn = decibels[: args.samples]
        best.append(float(drawn.max() - drawn.mean()))
        for name, make in judges(case, features, network, rng).items():
            started = time.perf_counter()
            judge = make()
            opened = time.perf_counter()
            scores = judge.scores(candidates)
            seconds = (time.perf_counter() - opened) / len(candidates)
            picked = drawn[int(np.argmax(scores[: args.samples]))] - drawn.mean()
            rank = float(np.nan_to_num(spearmanr(scores, decibels)[0]))
            rows.setdefault(name, []).append((rank, float(picked), opened - started, seconds))
            print(f"scene {seed}: {name}, rank {rank:.3f}, picked {picked:.2f} dB", file=sys.stderr, flush=True)
        if network is not None:
            consistency.append(metric(case, features, network, samples[0], rng))
    return report(rows, best, consistency, features)


def case_of(seed: int) -> Case:
    scene = draw_scene(seed, frames=2)
    camera = scene.source.cropped(HEIGHT)
    seen = render(scene, camera, [0])
    source = SceneView(seen.rgb[0], seen.depth[0], camera.K[0], camera.world_from_camera[0])
    parent, truth = (_orbit(scene, camera, source, degrees * (-1) ** seed) for degrees in DEGREES)
    poses = source.world_from_camera, truth.world_from_camera
    warped, hole = disocclusion(source.picture, source.depth, source.K, *poses, truth.K)
    return Case(source, parent, replace(truth, picture=warped), truth.picture, hole, scene.caption)


def remembering(features: Features) -> Features:
    """The same features; those of pictures that came before are not computed again."""
    made: dict[bytes, Tensor] = {}

    def run(values: Tensor) -> Tensor:
        key = values.numpy().tobytes()
        if key not in made:
            made[key] = features.run(values)
        return made[key]

    return replace(features, run=run)


def judges(
    case: Case, features: Features, network: Dust3rNetwork | None, rng: np.random.Generator
) -> dict[str, Callable[[], Judge]]:
    off = DEPTH_OFF * _smooth(rng, case.hole.shape)
    wrong = replace(case.painted, depth=np.where(case.hole, case.painted.depth * (1 + off), case.painted.depth))
    made: dict[str, Callable[[], Judge]] = {}
    for words, view in (("", case.painted), (", depth off", wrong)):
        for name, share in SHARES.items():
            made[f"geometry {name}{words}"] = lambda view=view, share=share: GeometryJudge(
                features, view, case.hole, case.fixed, share
            )
    if network is not None:
        made["dust3r"] = lambda: Dust3rJudge(network, features, case.hole, [one.picture for one in case.fixed])
    return made


def altered(case: Case, rng: np.random.Generator) -> list[np.ndarray]:
    """The truth with its hole made worse in ways that inpainting has."""
    truth, values = case.truth, case.truth.astype(np.float64)
    holes = case.hole.astype(np.uint8)
    made = [
        values + rng.normal(0, 25, truth.shape),
        *(values + level * np.stack([_smooth(rng, case.hole.shape) for _ in range(3)], axis=2) for level in (10, 40)),
        *(cv2.GaussianBlur(truth, (0, 0), deviation) for deviation in (1.5, 6)),
        np.roll(truth, 6, axis=1),
        cv2.inpaint(case.painted.picture, holes, 5, cv2.INPAINT_TELEA),
    ]
    return [np.where(case.hole[..., None], np.clip(one, 0, 255).astype(np.uint8), truth) for one in made]


def metric(
    case: Case, features: Features, network: Dust3rNetwork, sample: np.ndarray, rng: np.random.Generator
) -> list[float]:
    """MEt3R of the parent with the truth, a sample, the truth with noise in its hole, and noise."""
    noise = rng.integers(0, 256, case.truth.shape).astype(np.uint8)
    filled = np.where(case.hole[..., None], noise, case.truth)
    pairs = [(case.parent.picture, one) for one in (case.truth, sample, filled, noise)]
    return [result.score for result in met3r(network, features, pairs)]


def report(
    rows: dict[str, list[tuple[float, float, float, float]]],
    best: Sequence[float],
    consistency: Sequence[Sequence[float]],
    features: Features,
) -> int:
    print(
        f"{len(best)} scenes, features of {features.name}; the best sample is {np.mean(best):.2f} dB above the mean\n"
    )
    print(f"{'judge':30} {'rank':>6} {'picked, dB':>11} {'to open, s':>11} {'a candidate, s':>15}")
    timed = "geometry both", "dust3r"  # the others find their features computed
    figures: dict[str, float] = {"best_sample_db": float(np.mean(best))}
    for name, values in rows.items():
        rank, picked = (np.mean([row[column] for row in values]) for column in (0, 1))
        opened, seconds = (np.median([row[column] for row in values]) for column in (2, 3))
        took = f"{opened:11.2f} {seconds:15.3f}" if name in timed else ""
        print(f"{name:30} {rank:6.3f} {picked:11.2f} {took}".rstrip())
        key = name.replace(", ", "_").replace(" ", "_")
        figures |= {f"{key}_rank": float(rank), f"{key}_picked_db": float(picked)}
        figures |= {f"{key}_s": float(seconds)} if name in timed else {}
    if consistency:
        names = "truth", "sample", "noise_in_hole", "noise"
        means = dict(zip(names, np.nanmean(consistency, axis=0).tolist(), strict=True))
        print("\nMEt3R with the parent: " + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
        figures |= {f"met3r_{name}": value for name, value in means.items()}
    print(json.dumps({"bench": "judges", "figures": {key: round(value, 4) for key, value in figures.items()}}))
    return 0


def _orbit(scene: Scene, camera: Camera, source: SceneView, degrees: float) -> SceneView:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec([0, degrees, 0], degrees=True).as_matrix()
    focus = np.array([0, 0, float(np.median(source.depth))])
    turn[:3, 3] = focus - turn[:3, :3] @ focus
    pose = source.world_from_camera @ turn
    seen = render(scene, replace(camera, world_from_camera=np.tile(pose, (camera.count, 1, 1))), [0])
    return SceneView(seen.rgb[0], seen.depth[0], source.K, pose)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A field of deviation about 1 that varies over a quarter of the picture's height."""
    height, width = shape
    return cv2.resize(rng.normal(0, 1, (5, 8)), (width, height), interpolation=cv2.INTER_CUBIC)


if __name__ == "__main__":
    sys.exit(main())
