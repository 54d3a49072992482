# SPDX-License-Identifier: Apache-2.0
"""Solve lens and path of a clip's camera from points followed through the clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from reangle.folders import Distortion
from reangle.geometry.camera.solve.background import SmallFrames, changing, share_at_rest
from reangle.geometry.camera.solve.bundle import Lens
from reangle.geometry.camera.solve.choose import Solved, choose
from reangle.geometry.camera.solve.follow import follow
from reangle.geometry.camera.solve.movers import moving_masks
from reangle.geometry.camera.solve.prior import FocalPrior, fov_of
from reangle.geometry.camera.solve.tracks import Tracks, no_tracks
from reangle.geometry.clip_camera import ClipCamera, SparsePoints
from reangle.geometry.footage import Footage, K_from_fov
from reangle.geometry.undistortion import K_without_distortion, straightened

MEDIAN_DEPTH = 4.0
"""A solved world has no unit: its points are this far from the first camera, by their median."""
LEAST_ANGLE_DEG = 0.4
"""Least angle between the rays of a point, for its depth to be known."""
SURE_FRAMES, SURE_PX = 6, 0.8
"""Points are handed on that so many frames see, and whose error is below this for frames 720 pixels wide."""
LEAST_SURE = 60
"""With fewer of them, all points are handed on."""
LEAST_SHARE = 0.65
TOLD = 0.5
"""The clip tells the lens if it leaves less than this share of the prior's uncertainty."""


def solve_camera(footage: Footage, prior: FocalPrior, report: Callable[[float, str], None]) -> ClipCamera:
    """The camera of a clip; says in its notes what could not be told. Never fails for a clip that can be read.

    report: receives the share that is done and what is being done.
    """
    if footage.count < 2:
        alone = no_tracks(footage.count, footage.width, footage.height)
        return _assumed_still(alone, prior, "Camera: still, since the clip has one frame.")
    small = SmallFrames(footage)
    tracks = follow(footage, lambda share, what: report(0.5 * share, what), look=small.add)
    report(0.5, "Solving the camera")
    return camera_from_tracks(tracks, prior, small.frames)


def camera_from_tracks(tracks: Tracks, prior: FocalPrior, frames: np.ndarray | None = None) -> ClipCamera:
    """The camera that these tracks were seen with. As `solve_camera`.

    frames: of the clip, small: T x h x w x 3 uint8. They tell rest and what moves where there are no tracks.
    """
    solved = choose(tracks, prior, 0.0 if frames is None else share_at_rest(frames))
    if solved is None:
        return _assumed_still(
            tracks,
            prior,
            "Camera: taken for still, since the clip has too little texture to follow. If it moves, give a solved "
            "camera or camera files.",
        )
    solved, tracks, distortion = _straight(solved, tracks)
    lens, motion = solved.solution.lens, solved.motion
    world_from_camera, xyz = _in_first_camera(solved)
    points = SparsePoints.none()
    if motion == "moving":
        points = _points(solved, tracks, xyz)
        if len(points):
            depth = np.median(points.xyz[:, 2])
            unit = MEDIAN_DEPTH / depth if depth > 0 else 1.0
            world_from_camera[:, :3, 3] *= unit
            points = SparsePoints(points.xyz * unit, points.error, points.frame, points.point, points.uv)
    fov = fov_of(lens.focal, tracks.width)
    solved_lens = motion != "still" and 0 < solved.focal_sigma < TOLD * prior.sigma
    lens_note = f"Lens: solved; a horizontal field of view of {fov:.1f} degrees." if solved_lens else prior.note(fov)
    return ClipCamera(
        K=np.tile(lens.K, (tracks.frames, 1, 1)),
        world_from_camera=world_from_camera,
        width=tracks.width,
        height=tracks.height,
        motion=motion,
        scale="relative",
        source="solve",
        lens_source="solved" if solved_lens else prior.origin,
        points=points,
        moving=_moving(solved, tracks, frames if distortion is None else None),
        distortion=distortion,
        notes=(*_notes(solved, tracks, points), lens_note, *_bend_note(distortion, tracks)),
    )


def _moving(solved: Solved, tracks: Tracks, frames: np.ndarray | None) -> np.ndarray:
    """What moves, T x h x w bool: by whole frames if the camera has no parallax, else by tracks."""
    if frames is None or solved.motion == "moving":
        return moving_masks(tracks, solved.moves, solved.stands)
    return changing(frames, solved.solution, tracks.width)


def _straight(solved: Solved, tracks: Tracks) -> tuple[Solved, Tracks, Distortion | None]:
    """The same with a pinhole, for frames without distortion, and the distortion."""
    lens = solved.solution.lens
    if lens.k1 == 0 and lens.k2 == 0:
        return solved, tracks, None
    distortion = Distortion(model="RADIAL", params=(lens.focal, lens.centre_x, lens.centre_y, lens.k1, lens.k2))
    K = K_without_distortion(distortion, tracks.width, tracks.height)
    plain = Lens(float(K[0, 0]), lens.centre_x, lens.centre_y)
    uv = straightened(tracks.uv, distortion, K, tracks.width, tracks.height)
    inside = np.logical_and.reduce((uv > 0) & (uv < (tracks.width, tracks.height)), axis=1)
    straight = replace(tracks, uv=uv).only(inside)
    return replace(solved, solution=replace(solved.solution, lens=plain)), straight, distortion


def _bend_note(distortion: Distortion | None, clip: Tracks) -> tuple[str, ...]:
    if distortion is None:
        return ()
    focal, x, y, k1, k2 = distortion.params
    corner = (x**2 + y**2) / focal**2
    shift = (k1 * corner + k2 * corner**2) * corner**0.5 * focal / clip.width
    way = "in" if shift < 0 else "out"
    return (f"Lens: it bends the corners {way} by {100 * abs(shift):.1f} % of the width; the frames are straightened.",)


def _in_first_camera(solved: Solved) -> tuple[np.ndarray, np.ndarray]:
    """world_from_camera and points in the world of the first camera."""
    R, t = solved.solution.R, solved.solution.t
    pose = np.tile(np.eye(4), (len(R), 1, 1))
    pose[:, :3, :3], pose[:, :3, 3] = R, t
    first = pose[0]
    world_from_camera = first @ np.linalg.inv(pose)
    world_from_camera[0] = np.eye(4)
    return world_from_camera, solved.solution.xyz @ R[0].T + t[0]


def _points(solved: Solved, tracks: Tracks, xyz: np.ndarray) -> SparsePoints:
    # Along an edge a point may be far from its track and yet agree with it: its depth is then not known.
    plain = replace(tracks, weights=np.tile(np.eye(2), (tracks.count, 1, 1)))
    away = np.linalg.norm(solved.solution.residuals(plain), axis=1)
    keep = solved.stands & (solved.angle > LEAST_ANGLE_DEG)
    used = keep[tracks.track] & (away < 2.0 * tracks.width / 720)
    seen = np.bincount(tracks.track[used], minlength=tracks.count)
    square = np.bincount(tracks.track[used], weights=away[used] ** 2, minlength=tracks.count)
    error = np.sqrt(square / np.maximum(seen, 1))
    keep &= (seen >= 2) & (seen >= 0.5 * tracks.lengths)
    sure = keep & _sure(seen, error, tracks)
    if sure.sum() >= LEAST_SURE:
        keep = sure
    used &= keep[tracks.track]
    number = np.cumsum(keep) - 1
    return SparsePoints(
        xyz[keep],
        error[keep],
        tracks.frame[used],
        number[tracks.track[used]],
        tracks.uv[used],
    )


def _sure(seen: np.ndarray, error: np.ndarray, tracks: Tracks) -> np.ndarray:
    """Points that more than chance makes agree with a camera: N bool. seen: observations. error: root mean square.

    A thing that moves along its epipolar line looks like a point at rest at a wrong depth. Few do for long, and what is
    seen in three frames nearly always agrees: a point takes up three of six coordinates.
    """
    left = np.maximum(2 * seen - 3, 1) / np.maximum(2 * seen, 1)
    unbiased = error / np.sqrt(left)
    long = seen >= min(SURE_FRAMES, max(3, tracks.frames // 4))
    usual = float(np.median(unbiased[long])) if long.any() else 0.0
    return long & (unbiased < max(SURE_PX * tracks.width / 720, 3 * usual))


def _notes(solved: Solved, tracks: Tracks, points: SparsePoints) -> tuple[str, ...]:
    if solved.motion == "still":
        return ("Camera: it stands still.",)
    share = f"{100 * solved.share:.0f} % of the picture agrees"
    if solved.motion == "turning":
        note = f"Camera: it turns and does not move; {share}."
    else:
        note = f"Camera: its path was solved from {len(points)} points; {share}."
    if solved.share < LEAST_SHARE:
        note += " That is little: check the path, or give a solved camera or camera files."
    return (note,)


def _assumed_still(clip: Tracks, prior: FocalPrior, note: str) -> ClipCamera:
    K = K_from_fov(clip.width, clip.height, prior.horizontal_fov_deg)
    return ClipCamera(
        K=np.tile(K, (clip.frames, 1, 1)),
        world_from_camera=np.tile(np.eye(4), (clip.frames, 1, 1)),
        width=clip.width,
        height=clip.height,
        motion="still",
        scale="relative",
        source="solve",
        lens_source=prior.origin,
        notes=(note, prior.note(prior.horizontal_fov_deg)),
    )
