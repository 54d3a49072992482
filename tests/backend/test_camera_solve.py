# SPDX-License-Identifier: Apache-2.0
"""Solving the camera: on made-up tracks whose truth is known, and on a small rendered clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.folders import ClipMetadata, DecodedClip
from reangle.geometry.camera.solve.bundle import Freedom, Lens, Solution, adjust
from reangle.geometry.camera.solve.choose import choose
from reangle.geometry.camera.solve.movers import moving_masks
from reangle.geometry.camera.solve.poses import triangulate
from reangle.geometry.camera.solve.prior import FocalPrior, fov_of
from reangle.geometry.camera.solve.solve import camera_from_tracks, solve_camera
from reangle.geometry.camera.solve.tracks import Tracks
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.footage import Footage
from scipy.spatial.transform import Rotation

from tests.backend.tiny_checkpoints import decoded_clip

WIDTH, HEIGHT, FOCAL, FRAMES = 640, 400, 560.0, 20
K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])


def path(degrees: float, metres: float) -> np.ndarray:
    """world_from_camera of a camera that turns right and up, and moves right, down and ahead: T x 4 x 4."""
    progress = np.linspace(0, 1, FRAMES)[:, None]
    pose = np.tile(np.eye(4), (FRAMES, 1, 1))
    pose[:, :3, :3] = Rotation.from_rotvec(np.radians(degrees) * progress * [0.3, -1, 0.1]).as_matrix()
    pose[:, :3, 3] = metres * progress * [1, 0.2, 0.3] + 0.1 * metres * np.sin(6 * progress) * [0, 1, 0]
    return pose


def tracks_of(world_from_camera: np.ndarray, *, movers: int = 0, k1: float = 0.0, noise: float = 0.08) -> Tracks:
    """400 points in a room and `movers` points on a thing that walks left through the picture; movers come last."""
    rng = np.random.default_rng(3)
    points = rng.uniform([-4, -2.5, 3], [4, 2.5, 9], (400, 3))
    thing = rng.uniform([0.2, -0.5, 3.0], [0.9, 0.5, 3.3], (movers, 3))
    frame, track, uv = [], [], []
    for index in range(FRAMES):
        walked = thing + np.array([-1.2 * index / FRAMES, 0.1 * np.sin(index), 0])
        camera_from_world = np.linalg.inv(world_from_camera[index])
        inside = np.concatenate([points, walked]) @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        plane = inside[:, :2] / inside[:, 2:]
        plane = plane * (1 + k1 * (plane**2).sum(axis=1, keepdims=True))
        seen = FOCAL * plane + K[:2, 2] + rng.normal(0, noise, plane.shape)
        within = (inside[:, 2] > 0.1) & (seen > 1).all(axis=1) & (seen < [WIDTH - 1, HEIGHT - 1]).all(axis=1)
        frame.append(np.full(within.sum(), index))
        track.append(np.flatnonzero(within))
        uv.append(seen[within])
    return Tracks.of(*(np.concatenate(part) for part in (frame, track, uv)), frames=FRAMES, width=WIDTH, height=HEIGHT)


def degrees_off(camera: ClipCamera, truth: np.ndarray) -> float:
    off = camera.world_from_camera[:, :3, :3].transpose(0, 2, 1) @ truth[:, :3, :3]
    return float(np.degrees(Rotation.from_matrix(off).magnitude()).max())


def path_off(camera: ClipCamera, truth: np.ndarray) -> float:
    """Largest distance of the path from the truth after scaling, as a share of its extent."""
    found, true = camera.world_from_camera[:, :3, 3], truth[:, :3, 3]
    scale = (found * true).sum() / (found**2).sum()
    return float(np.linalg.norm(scale * found - true, axis=1).max() / np.linalg.norm(np.ptp(true, axis=0)))


def test_a_still_camera_is_found_still_although_things_move() -> None:
    camera = camera_from_tracks(tracks_of(path(0, 0), movers=60), FocalPrior())
    assert camera.motion == "still"
    assert np.array_equal(camera.world_from_camera, np.tile(np.eye(4), (FRAMES, 1, 1)))
    assert camera.lens_source == "assumed"


def test_a_still_camera_is_found_still_although_half_of_the_picture_moves() -> None:
    tracks = tracks_of(path(0, 0))
    start = tracks.uv[tracks.starts(tracks.count)[:-1]]
    driven = (start[:, 0] < 0.5 * WIDTH)[tracks.track]
    drift = np.stack([2.0 * tracks.frame, 0.3 * tracks.frame], axis=1)
    camera = camera_from_tracks(replace(tracks, uv=tracks.uv + drift * driven[:, None]), FocalPrior())
    assert camera.motion == "still"


def test_the_adjustment_follows_the_valley_between_turn_and_shift() -> None:
    truth = path(0, 0.1)
    tracks = tracks_of(truth)
    exact = np.linalg.inv(truth)
    # Wrongly turned cameras with the points that fit them best, as a first guess leaves them.
    turn = Rotation.from_rotvec(np.radians(2) * np.linspace(0, 1, FRAMES)[:, None] * [0, 1, 0]).as_matrix()
    R, t = turn @ exact[:, :3, :3], np.einsum("tij,tj->ti", turn, exact[:, :3, 3])
    lens = Lens(FOCAL, WIDTH / 2, HEIGHT / 2)
    start = Solution(lens, R, t, triangulate(lens, R, t, tracks, 100.0)[0])
    found = adjust(start, tracks, Freedom(FOCAL, iterations=12)).solution
    off = Rotation.from_matrix(found.R.transpose(0, 2, 1) @ exact[:, :3, :3]).magnitude()
    assert np.degrees(off.max()) < 0.03


def test_a_camera_that_only_turns_gets_no_translation_and_its_lens() -> None:
    truth = path(9, 0)
    camera = camera_from_tracks(tracks_of(truth, movers=60), FocalPrior())
    assert camera.motion == "turning"
    assert not camera.world_from_camera[:, :3, 3].any()
    assert degrees_off(camera, truth) < 0.05
    assert camera.K[0, 0, 0] == pytest.approx(FOCAL, rel=0.02)


@pytest.mark.parametrize("movers", [0, 120])
def test_a_path_is_solved_and_movers_do_not_bend_it(movers: int) -> None:
    truth = path(6, 0.8)
    tracks = tracks_of(truth, movers=movers)
    camera = camera_from_tracks(tracks, FocalPrior())
    assert camera.motion == "moving"
    assert degrees_off(camera, truth) < 0.2
    assert path_off(camera, truth) < 0.01
    assert camera.K[0, 0, 0] == pytest.approx(FOCAL, rel=0.05)
    assert len(camera.points) > 250
    assert np.median(camera.points.error) < 0.2


@pytest.mark.parametrize("metres", [0.0, 0.8])
def test_a_lens_that_bends_is_solved_and_taken_out(metres: float) -> None:
    truth = path(9, metres)
    camera = camera_from_tracks(tracks_of(truth, movers=40, k1=-0.12), FocalPrior())
    assert camera.distortion is not None
    focal, _, _, k1, k2 = camera.distortion.params
    corner = (WIDTH**2 + HEIGHT**2) / 4 / FOCAL**2
    assert k1 * corner + k2 * corner**2 == pytest.approx(-0.12 * corner, abs=0.004)
    assert focal == pytest.approx(FOCAL, rel=0.03)
    assert degrees_off(camera, truth) < 0.2
    assert "straightened" in " ".join(camera.notes)


def test_a_straight_lens_is_left_alone() -> None:
    for metres in (0.0, 0.8):
        assert camera_from_tracks(tracks_of(path(6, metres), movers=60), FocalPrior()).distortion is None


def test_what_moves_is_masked_where_it_is() -> None:
    tracks = tracks_of(path(6, 0.8), movers=120)
    solved = choose(tracks, FocalPrior())
    assert solved is not None
    assert solved.moves[400:].mean() > 0.9
    assert solved.moves[:400].mean() < 0.02
    masks = camera_from_tracks(tracks, FocalPrior()).moving
    assert masks is not None
    middle = masks[10]
    u, v = tracks.uv[(tracks.frame == 10) & (tracks.track >= 400)].mean(axis=0)
    assert middle[int(v * middle.shape[0] / HEIGHT), int(u * middle.shape[1] / WIDTH)]
    assert middle.mean() < 0.15


def test_a_plain_thing_with_tracks_at_its_sides_only_is_masked_whole() -> None:
    rng = np.random.default_rng(4)
    sides = np.concatenate([rng.normal((x, y), 4, (12, 2)) for x in (250, 340) for y in (150, 230)])
    wall = rng.uniform([0, 0], [WIDTH, HEIGHT], (300, 2))
    wall = wall[(np.abs(wall - (295, 190)) > (60, 60)).any(axis=1)]
    uv = np.concatenate([sides, wall])
    moves = np.arange(len(uv)) < len(sides)
    tracks = Tracks.of(np.zeros(len(uv)), np.arange(len(uv)), uv, frames=1, width=WIDTH, height=HEIGHT)
    mask = moving_masks(tracks, moves, ~moves)[0]
    rows = (np.array([150, 190, 230]) * mask.shape[0] / HEIGHT).astype(int)
    columns = (np.array([250, 295, 340]) * mask.shape[1] / WIDTH).astype(int)
    assert mask[np.ix_(rows, columns)].all()
    assert mask.mean() < 0.1


def test_the_artists_lens_is_held() -> None:
    prior = FocalPrior(fov_of(1.1 * FOCAL, WIDTH), "set")
    camera = camera_from_tracks(tracks_of(path(6, 0.8)), prior)
    assert camera.K[0, 0, 0] == pytest.approx(1.1 * FOCAL)
    assert camera.lens_source == "set"


def test_the_clips_metadata_are_the_prior_of_its_own_frames() -> None:
    whole = ClipMetadata(fps=24, frames=2, width=960, height=540, source_width=1920, source_height=1080, focal_35mm=24)
    assert FocalPrior.of_clip(whole, None).focal(960) == pytest.approx(24 / 36 * 960)
    upright = replace(whole, width=270, height=480, source_width=1080, source_height=1920)
    assert FocalPrior.of_clip(upright, None).focal(270) == pytest.approx(24 / 36 * 480)
    square = replace(whole, width=540, source_crop=(420.0, 0.0, 1080.0, 1080.0))
    assert FocalPrior.of_clip(square, None).focal(540) == pytest.approx(24 / 36 * 960)
    assert FocalPrior.of_clip(whole, 50.0).held
    assert FocalPrior.of_clip(replace(whole, focal_35mm=None), None) == FocalPrior()


def test_a_lens_by_metadata_is_used_and_noted(tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", [np.zeros((48, 72, 3), np.uint8)] * 2, focal_35mm=30)
    footage = Footage.open(DecodedClip(clip))
    camera = solve_camera(footage, FocalPrior.of_clip(footage.metadata, None), lambda share, doing: None)
    assert camera.K[0, 0, 0] == pytest.approx(30 / 36 * 72)
    assert camera.lens_source == "metadata"
    assert camera.notes[-1] == "Lens: a horizontal field of view of 61.9 degrees, by the clip's metadata."


def test_a_lens_that_a_small_shift_cannot_tell_stays_near_its_prior() -> None:
    prior = FocalPrior(fov_of(1.3 * FOCAL, WIDTH))
    camera = camera_from_tracks(tracks_of(path(0.3, 0.12), noise=0.15), prior)
    assert camera.motion == "moving"
    assert camera.K[0, 0, 0] == pytest.approx(1.3 * FOCAL, rel=0.1)
    assert camera.lens_source == "assumed"


def test_points_project_to_where_the_frames_see_them() -> None:
    camera = camera_from_tracks(tracks_of(path(6, 0.8), movers=60), FocalPrior())
    points = camera.points
    camera_from_world = np.linalg.inv(camera.world_from_camera)[points.frame]
    inside = (
        np.einsum("mij,mj->mi", camera_from_world[:, :3, :3], points.xyz[points.point]) + camera_from_world[:, :3, 3]
    )
    seen = inside @ camera.K[0].T
    off = np.linalg.norm(seen[:, :2] / seen[:, 2:] - points.uv, axis=1)
    assert np.median(off) < 0.2
    assert off.max() < 3


def test_briefly_seen_points_on_a_thing_that_moves_against_the_camera_are_not_handed_on() -> None:
    truth = path(0, 0.8)
    tracks = tracks_of(truth)
    rng = np.random.default_rng(8)
    # Seen from the camera it is a point at rest at a third of its distance. Its corners are lost after four frames.
    thing = rng.uniform([-1.5, -1, 6], [1.5, 1, 6.5], (80, 3))
    frame, track = (one.ravel() for one in np.mgrid[0:4, 0:80])
    frame = frame + rng.integers(0, FRAMES - 4, 80)[track]
    local = thing[track] - 3 * truth[frame, :3, 3]
    uv = FOCAL * local[:, :2] / local[:, 2:] + K[:2, 2] + rng.normal(0, 0.08, (len(frame), 2))
    both = Tracks.of(
        np.concatenate([tracks.frame, frame]),
        np.concatenate([tracks.track, tracks.count + track]),
        np.concatenate([tracks.uv, uv]),
        frames=FRAMES,
        width=WIDTH,
        height=HEIGHT,
    )
    points = camera_from_tracks(both, FocalPrior()).points
    known = {tuple(one) for one in uv.round(6).tolist()}
    on_thing = np.array([tuple(one) in known for one in points.uv.round(6).tolist()])
    assert len(points) > 200
    assert not on_thing.any()


def test_the_same_tracks_give_the_same_camera() -> None:
    tracks = tracks_of(path(6, 0.8), movers=60)
    first, second = (camera_from_tracks(tracks, FocalPrior()) for _ in range(2))
    assert np.array_equal(first.world_from_camera, second.world_from_camera)
    assert np.array_equal(first.points.xyz, second.points.xyz)


@dataclass(frozen=True)
class Clip:
    """Frames in memory, with the part of `Footage` that is read."""

    images: list[np.ndarray]

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        return self.images[0].shape[0]

    @property
    def width(self) -> int:
        return self.images[0].shape[1]

    def image(self, index: int) -> np.ndarray:
        return self.images[index]


def test_a_rendered_clip_is_solved_from_its_pixels() -> None:
    truth = path(4, 0.5)
    camera = solve_camera(rendered(truth), FocalPrior(fov_of(FOCAL, WIDTH), "set"), lambda *_: None)  # pyright: ignore[reportArgumentType]
    assert camera.motion == "moving"
    assert degrees_off(camera, truth) < 0.2
    assert path_off(camera, truth) < 0.02


def test_a_clip_without_texture_is_taken_for_still_and_says_so() -> None:
    clip = Clip([np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 5)
    camera = solve_camera(clip, FocalPrior(), lambda *_: None)  # pyright: ignore[reportArgumentType]
    assert camera.motion == "still"
    assert "too little texture" in " ".join(camera.notes)


def rendered(world_from_camera: np.ndarray) -> Clip:
    """A back wall and two boards before it, with textures of noise."""
    rng = np.random.default_rng(5)
    boards = [(-6, -4, 7, 12, 8), (-1.8, -0.8, 3.6, 1.5, 1.4), (0.5, -0.3, 4.6, 1.4, 1.6)]
    textures = []
    for _, _, _, wide, high in boards:
        coarse = rng.uniform(0, 255, (int(high * 25), int(wide * 25), 3)).astype(np.float32)
        textures.append(cv2.GaussianBlur(cv2.resize(coarse, None, fx=4, fy=4), (0, 0), 2).astype(np.uint8))
    frames = []
    for pose in world_from_camera:
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        camera_from_world = np.linalg.inv(pose)
        for (x, y, z, _, _), texture in zip(boards, textures, strict=True):
            # Texture pixels are 1 cm of the board.
            board = np.array([[0.01, 0, x], [0, 0.01, y], [0, 0, z]])
            to_picture = K @ (camera_from_world[:3, :3] @ board + camera_from_world[:3, 3:] @ [[0, 0, 1.0]])
            drawn = cv2.warpPerspective(texture, to_picture, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
            there = cv2.warpPerspective(np.full(texture.shape[:2], 255, np.uint8), to_picture, (WIDTH, HEIGHT)) > 127
            picture[there] = drawn[there]
        frames.append(picture)
    return Clip(frames)
