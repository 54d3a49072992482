# SPDX-License-Identifier: Apache-2.0
"""Words for camera paths, compared with known ones."""

from __future__ import annotations

from dataclasses import replace

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


def preset(source: VideoGeometry, kind: str, *, held: bool = False, amount: float = 0) -> CameraPath:
    chosen = Move(kind, amount or (8 if "orbit" in kind else 20), easing="linear", held=held)
    return move_path(chosen, source, 14, 8, 24, FOCUS)


@pytest.mark.parametrize("kind", NAMED)
def test_words_of_every_preset_are_its_name(source: VideoGeometry, kind: str) -> None:
    words = kind.replace("-", " ")
    assert path_words(preset(source, kind), source, FOCUS) == words
    assert path_words(preset(source, kind, held=True), source, FOCUS) == f"unchanged from {words}"
    still = replace(source, world_from_camera=np.tile(np.eye(4), (5, 1, 1)))
    assert path_words(preset(still, kind, held=True), still, FOCUS) == f"static from {words}"


def test_only_the_way_on_the_path_counts(source: VideoGeometry) -> None:
    """A camera that starts at the left and ends at the source camera moves to the right."""
    path = preset(source, "orbit-left")
    shift = source.world_from_camera @ np.linalg.inv(source.world_from_camera[0])
    back = shift @ np.linalg.inv(shift[::-1]) @ np.asarray(path.world_from_camera)[::-1]
    assert path_words(replace(path, world_from_camera=back.tolist()), source, FOCUS) == "orbit right"


def test_a_camera_that_stands_beside_a_moving_one_is_static(source: VideoGeometry) -> None:
    path = preset(source, "truck-left", held=True)
    first = [path.world_from_camera[0]] * 5
    assert path_words(replace(path, world_from_camera=first), source, FOCUS) == "static"


def test_a_longer_lens_is_a_zoom(source: VideoGeometry) -> None:
    path = preset(source, "orbit-left", amount=0.01)
    K = np.asarray(path.K)
    K[:, [0, 1], [0, 1]] *= np.linspace(1, 1.3, 5)[:, None]
    assert path_words(replace(path, K=K.tolist()), source, FOCUS) == "zoom in"


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
    assert path_words(path, still, rig.focus) == ("" if words == "static" else words)


def test_the_source_camera_itself_has_no_words(source: VideoGeometry) -> None:
    assert path_words(preset(source, "orbit-left", amount=0.01), source, FOCUS) == ""


def test_prompts_start_with_the_token() -> None:
    assert camera_prompt("orbit left", "a dog") == "CAMERA_ORBIT_LEFT Camera movement orbit left, a dog"
    assert camera_prompt("orbit left", "") == "CAMERA_ORBIT_LEFT Camera movement orbit left"
    assert camera_prompt("", "a dog") == "a dog"
