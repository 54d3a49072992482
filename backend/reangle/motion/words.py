# SPDX-License-Identifier: Apache-2.0
"""Describe a camera path in the words of a video model's prompt."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from reangle.contract import CameraPath
from reangle.geometry.video_geometry import VideoGeometry

STILL = 0.005
"""Cameras that differ less are the same: radians, shares of the focus depth, or the logarithm of the lens' factor."""
HELD = 0.1
"""A path is held if its place beside the source camera changes by less than this share of its distance."""

HALF = 0.5**0.5
SIDEWAYS = {"orbit": (HALF, -HALF), "pan": (-1.0, 0.0), "truck": (0.0, -1.0)}
"""Each move to the left: its turn about y (down) and its shift along x as a share of the focus depth."""
UPWARDS = {"orbit": (-HALF, -HALF), "tilt": (1.0, 0.0), "crane": (0.0, -1.0)}
"""Each move up: its turn about x (right) and its shift along y (down)."""


def camera_prompt(words: str, caption: str) -> str:
    """The prompt of a clip: the camera's token, its words, the caption (Reangle-A-Video, published prompts).

    Without words, as for the clip itself, the caption alone.
    """
    camera = f"CAMERA_{words.upper().replace(' ', '_')} Camera movement {words}" if words else ""
    return ", ".join(part for part in (camera, caption) if part)


def path_words(path: CameraPath, geometry: VideoGeometry, focus_depth: float) -> str:
    """What the camera does beside the source camera.

    "": it is the source camera. "orbit left": it moves there on the way. "static from orbit left": it stands still
    there all the time. "unchanged from orbit left": from there it moves as the source camera does. "static": it stands
    still while the source camera moves. focus_depth: in the geometry's unit.
    """
    frames = np.array(path.frames)
    world_from_source, world_from_camera = geometry.world_from_camera[frames], np.asarray(path.world_from_camera)
    lens = np.log(np.asarray(path.K)[:, 0, 0] / geometry.K_at(path.width, path.height)[frames, 0, 0])
    beside = np.linalg.inv(world_from_source) @ world_from_camera
    apart = _motions(beside, lens, focus_depth)
    moved = _motions(np.linalg.inv(beside[0]) @ beside, lens - lens[0], focus_depth)
    own = _motions(np.linalg.inv(world_from_camera[0]) @ world_from_camera, lens - lens[0], focus_depth)
    if _most(apart) < STILL:
        return ""
    stands = _most(own) < STILL
    if _most(moved) < max(STILL, HELD * _most(apart)):
        return f"{'static' if stands else 'unchanged'} from {_move_words(apart)}"
    return "static" if stands else _move_words(moved)


def _motions(steps: np.ndarray, lens: np.ndarray, focus_depth: float) -> np.ndarray:
    """T x 7: turn in radians, shift in focus depths, lens. steps: T x 4 x 4, lens: T, logarithm of its factor."""
    turns = Rotation.from_matrix(steps[:, :3, :3]).as_rotvec()
    return np.column_stack([turns, steps[:, :3, 3] / focus_depth, lens])


def _most(motions: np.ndarray) -> float:
    return float(np.linalg.norm(motions, axis=1).max())


def _move_words(motions: np.ndarray) -> str:
    """The frame that differs most decides, by the direction in which it differs most.

    A turn around the focus point is an orbit, a turn alone a pan or tilt, a shift alone a truck or crane, a longer lens
    alone a zoom; moving in or out with a lens that compensates is a dolly zoom.
    """
    turn_x, turn_y, _, way_x, way_y, way_z, lens = motions[np.argmax(np.linalg.norm(motions, axis=1))]
    sideways, upwards = np.array([turn_y, way_x]), np.array([turn_x, way_y])
    largest = max(np.linalg.norm(sideways), np.linalg.norm(upwards))
    if abs(way_z) > largest:
        kind = "dolly zoom" if lens * way_z < 0 and abs(lens) > abs(way_z) / 2 else "dolly"
        return f"{kind} {'in' if way_z > 0 else 'out'}"
    if abs(lens) > largest:
        return f"zoom {'in' if lens > 0 else 'out'}"
    if np.linalg.norm(sideways) >= np.linalg.norm(upwards):
        return _nearest(sideways, SIDEWAYS, "left", "right")
    return _nearest(upwards, UPWARDS, "up", "down")


def _nearest(motion: np.ndarray, moves: dict[str, tuple[float, float]], way: str, back: str) -> str:
    likeness = {name: float(motion @ np.array(move)) for name, move in moves.items()}
    name = max(likeness, key=lambda one: abs(likeness[one]))
    return f"{name} {way if likeness[name] > 0 else back}"
