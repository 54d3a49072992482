# SPDX-License-Identifier: Apache-2.0
"""Words for camera paths, compared with known ones."""

from __future__ import annotations

import numpy as np
import pytest
from reangle.contract import CameraPath
from reangle.contract.moves import KINDS, Move
from reangle.geometry.video_geometry import VideoGeometry
from reangle.motion.words import camera_prompt, path_words
from reangle.warping.moves import move_path

from scripts.train.scenes.cameras import MOVES, Rig, moving_camera

FOCUS = 4.0


def geometry(poses: np.ndarray, K: np.ndarray) -> VideoGeometry:
    shape = (len(poses), 8, 14)
    return VideoGeometry(
        depth=np.full(shape, FOCUS, np.float32),
        valid=np.ones(shape, bool),
        confidence=np.ones(shape, np.float32),
        K=np.tile(K, (len(poses), 1, 1)),
        world_from_camera=poses,
        scale="metric",
        camera_from="files",
        depth_from="files",
        checkpoint="",
        licence="",
    )


@pytest.fixture
def source() -> VideoGeometry:
    """A moving source camera."""
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, 0, 3] = np.linspace(0, 0.4, 5)
    return geometry(poses, np.array([[12.0, 0, 7], [0, 12.0, 4], [0, 0, 1]]))


NAMED = [kind for kind in KINDS if kind.startswith(("orbit", "dolly", "truck"))]
"""Arcs, cranes, rolls and shakes have no words in the prompts."""


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("held", [True, False])
def test_words_of_every_preset_are_its_name(source: VideoGeometry, kind: str, held: bool) -> None:
    amount = 8 if "orbit" in kind else 20
    path = move_path(Move(kind, amount, easing="linear", held=held), source, 14, 8, 24, FOCUS)
    assert path_words(path, source, FOCUS) == kind.replace("-", " ")


@pytest.mark.parametrize("words", [name for name in MOVES if name != "handheld"])
def test_words_match_the_training_prompts_of_the_mini_suite(words: str) -> None:
    rng = np.random.default_rng(1)
    rig = Rig.draw(rng, 14, 8)
    camera = moving_camera(rng, rig, words, 5)
    still = geometry(np.tile(rig.world_from_camera, (5, 1, 1)), camera.K[0])
    path = CameraPath(
        name="x",
        fps=24,
        width=14,
        height=8,
        frames=tuple(range(5)),
        world_from_camera=camera.world_from_camera.tolist(),
        K=camera.K.tolist(),
    )
    assert path_words(path, still, rig.focus) == words


def test_the_source_camera_itself_is_static(source: VideoGeometry) -> None:
    path = move_path(Move("orbit-left", 0.01, easing="linear"), source, 14, 8, 24, FOCUS)
    assert path_words(path, source, FOCUS) == "static"


def test_prompts_start_with_the_token() -> None:
    assert camera_prompt("orbit left", "a dog") == "CAMERA_ORBIT_LEFT Camera movement orbit left, a dog"
