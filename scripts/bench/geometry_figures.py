# SPDX-License-Identifier: Apache-2.0
"""The figures of one clip's geometry, with a truth and without, and geometries that learn nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from reangle.evaluation.depth import abs_rel, edge_f1
from reangle.evaluation.movers import mask_scores, point_scores
from reangle.evaluation.source_camera import focal_error, motion_of, path_error, rotation_error_deg
from reangle.evaluation.tears import torn_share
from reangle.evaluation.tracks import camera_px, flicker, landing_px, true_tracks
from reangle.geometry.clip_camera import ClipCamera, Motion
from reangle.geometry.video_geometry import VideoGeometry
from reangle.warping.moves import move_path, parse_move
from reangle.warping.surface import make_surface

BLUR_SHARE = 0.011
"""Deviation of the blur control as a share of the picture's width: 8 pixels of 720."""
FLOOR_M = 0.01
SIDE_VIEWS = ("orbit-left:12", "orbit-right:12")
SIDE_FRAMES = 3


@dataclass(frozen=True, eq=False)
class Truth:
    """True geometry of T frames at H x W, and the tracks of static points through it.

    floor, moving: T x H x W bool, pixels of the ground, and of what moves. frames: T x H x W x 3 uint8.
    """

    geometry: VideoGeometry
    motion: Motion
    tracks: np.ndarray
    floor: np.ndarray
    moving: np.ndarray
    frames: np.ndarray

    @classmethod
    def of(
        cls, geometry: VideoGeometry, static: np.ndarray, world_from_first: np.ndarray | None, frames: np.ndarray
    ) -> Truth:
        """static: T x H x W bool. world_from_first: to a world whose floor is y = 0; None: the lowest points are it."""
        depth, poses = geometry.depth, geometry.world_from_camera
        height = _points(geometry)[..., 1]
        if world_from_first is not None:
            rows = world_from_first[1]
            points = _points(geometry)
            floor = np.abs(points @ rows[:3] + rows[3]) < FLOOR_M
        else:
            floor = height > 0.92 * np.percentile(height, 99)
        motion = motion_of(poses, float(np.median(depth[geometry.valid])))
        return cls(geometry, motion, true_tracks(depth, geometry.K, poses, static, step=16), floor, ~static, frames)


def judge(result: VideoGeometry, truth: Truth, motion: Motion | None = None) -> dict[str, float]:
    """All figures of a geometry. motion: what it says of its camera; None to see from the path.

    Those of `judge_depth`, and focal, rotation (degrees), path, camera_px, motion (1 right, 0 wrong). There is no
    rotation of still cameras, and no path of those that do not move.
    """
    true = truth.geometry
    K = result.K_at(true.width, true.height)
    said = motion or motion_of(result.world_from_camera, float(np.median(result.depth[result.valid])))
    figures = {
        **judge_depth(result, truth),
        "focal": focal_error(K, true.K),
        "camera_px": camera_px(truth.tracks, K, result.world_from_camera),
        "motion": float(said == truth.motion),
    }
    if truth.motion != "still":
        figures["rotation"] = rotation_error_deg(result.world_from_camera, true.world_from_camera)
    if truth.motion == "moving":
        figures["path"] = path_error(result.world_from_camera, true.world_from_camera)
    return figures


def judge_movers(result: VideoGeometry, camera: ClipCamera, truth: Truth) -> dict[str, float]:
    """mover_recall, mover_precision: of the masks of what moves, NaN if nothing does. on_movers, points_off: shares of
    the points that the camera was solved with.
    """
    on_movers, off = point_scores(camera, truth.geometry.depth, truth.moving)
    figures = {"on_movers": on_movers, "points_off": off}
    if result.dynamic is not None and truth.moving.any():
        figures["mover_recall"], figures["mover_precision"] = mask_scores(result.dynamic, truth.moving)
    return figures


def judge_depth(result: VideoGeometry, truth: Truth) -> dict[str, float]:
    """abs_rel, edge_f1, flicker, landing_px, torn and stretched; depth is brought to the truth's size as for a warp."""
    true = truth.geometry
    size = true.width, true.height
    depth = np.stack(
        [make_surface(one, where, *size).depth for one, where in zip(result.depth, result.valid, strict=True)]
    )
    return {
        "abs_rel": abs_rel(depth, true.depth, (depth > 0) & true.valid),
        "edge_f1": edge_f1(depth, depth > 0, true.depth, true.valid),
        "flicker": flicker(truth.tracks, result, *size),
        "landing_px": landing_px(truth.tracks, result, *size),
        **_tears(result, truth),
    }


def _tears(result: VideoGeometry, truth: Truth) -> dict[str, float]:
    """torn, stretched: means over views from both sides; see `evaluation.tears`."""
    true = truth.geometry
    numbers = np.unique(np.linspace(0, true.frame_count - 1, SIDE_FRAMES).round().astype(int)).tolist()
    sides = []
    for view in SIDE_VIEWS:
        path = move_path(parse_move(view, held=True), true, true.width, true.height, fps=24)
        sides.append(torn_share(truth.frames, result, true, path, numbers))
    return {name: float(np.mean([getattr(side, name) for side in sides])) for name in ("torn", "stretched")}


def judge_unknown(result: VideoGeometry, tracks: np.ndarray, width: int, height: int) -> dict[str, float]:
    """Figures of a clip whose truth is unknown. tracks: points followed in it, n x T x 2 pixels of width x height."""
    return {
        "flicker": flicker(tracks, result, width, height),
        "landing_px": landing_px(tracks, result, width, height),
        "camera_px": camera_px(tracks, result.K_at(width, height), result.world_from_camera),
        "fov": float(np.degrees(2 * np.arctan(width / 2 / result.K_at(width, height)[0, 0, 0]))),
    }


def controls(truth: Truth) -> dict[str, VideoGeometry]:
    """Geometries with the true camera whose depth is constant, a plane through the true ground, or true but soft."""
    true = truth.geometry
    everywhere = np.ones(true.depth.shape, bool)
    depths = {
        "constant": np.full(true.depth.shape, np.median(true.depth[true.valid]), np.float32),
        "plane": ground_plane(true.depth, truth.floor),
        "blurred truth": _blurred(true),
    }
    return {name: replace(true, depth=depth, valid=everywhere) for name, depth in depths.items()}


def ground_plane(depth: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Depth of a plane through the true ground, for every pixel: inverse depth is affine in the image.

    Fitted to the true ground pixels of each frame, so it is an upper bound for estimates of a ground plane. Above the
    horizon, the depth is that of the clip's farthest 2 %.
    """
    rows, columns = np.mgrid[0 : depth.shape[1], 0 : depth.shape[2]] + 0.5
    design = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    far = np.percentile(depth, 98)
    planes = []
    for one, ground in zip(depth, floor, strict=True):
        if ground.sum() < 50:
            planes.append(np.full_like(one, np.median(one)))
            continue
        fit = np.linalg.lstsq(design[ground], 1 / one[ground], rcond=None)[0]
        planes.append(1 / np.maximum(design @ fit, 1 / far))
    return np.stack(planes).astype(np.float32)


def _blurred(true: VideoGeometry) -> np.ndarray:
    deviation = BLUR_SHARE * true.width
    inverse = np.where(true.valid, 1 / np.maximum(true.depth, 1e-9), 0).astype(np.float32)
    soft = np.stack([cv2.GaussianBlur(one, (0, 0), deviation) for one in inverse])
    return 1 / np.maximum(soft, 1e-6)


def _points(geometry: VideoGeometry) -> np.ndarray:
    """World points of all pixels: T x h x w x 3."""
    rows, columns = np.mgrid[0 : geometry.height, 0 : geometry.width] + 0.5
    inverse = np.linalg.inv(geometry.K).transpose(0, 2, 1)[:, None]
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ inverse
    R, t = geometry.world_from_camera[:, :3, :3], geometry.world_from_camera[:, :3, 3]
    return (rays * geometry.depth[..., None]) @ R.transpose(0, 2, 1)[:, None] + t[:, None, None]
