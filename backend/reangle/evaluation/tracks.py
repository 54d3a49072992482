# SPDX-License-Identifier: Apache-2.0
"""Points of the scene followed through a clip, and how well cameras and depth explain them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from reangle.geometry.video_geometry import VideoGeometry

SAME_DEPTH = 0.01
"""A true point is visible in another frame if the depth there is the point's within this share."""
TRACKED_BACK_PX = 0.5
MOST_POINTS = 1500
LEAST_FRAMES = 3
RANSAC_PX = 1.0


def true_tracks(
    depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray, static: np.ndarray, starts: int = 3, step: int = 12
) -> np.ndarray:
    """Static points where the true cameras see them: n x T x 2 pixels, NaN where a frame does not see the point.

    depth: T x H x W, static: T x H x W bool, K: T x 3 x 3 for that size, world_from_camera: T x 4 x 4. A grid of pixels
    `step` apart is taken from each of `starts` frames spread over the clip. Depth edges are left out.
    """
    count, height, width = depth.shape
    rows, columns = (one.ravel() for one in np.mgrid[step // 2 : height : step, step // 2 : width : step])
    tracks = []
    for start in np.unique(np.linspace(0, count - 1, starts).round().astype(int)):
        z = depth[start, rows, columns]
        around = np.stack([depth[start, np.clip(rows + dy, 0, height - 1), np.clip(columns + dx, 0, width - 1)]
                           for dy, dx in ((-2, 0), (2, 0), (0, -2), (0, 2))])  # fmt: skip
        smooth = (np.abs(around / np.maximum(z, 1e-9) - 1) < 5 * SAME_DEPTH).all(axis=0)
        chosen = static[start, rows, columns] & smooth & (z > 0)
        pixels = np.stack([columns, rows], axis=-1)[chosen] + 0.5
        world = _lift(pixels, z[chosen], K[start], world_from_camera[start])
        uv = np.full((len(pixels), count, 2), np.nan)
        for frame in range(count):
            seen, distance = _project(world, K[frame], world_from_camera[frame])
            x, y = np.floor(seen).astype(int).T
            inside = (distance > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height)
            x, y = np.where(inside, x, 0), np.where(inside, y, 0)
            visible = inside & static[frame, y, x] & (np.abs(depth[frame, y, x] / distance - 1) < SAME_DEPTH)
            uv[visible, frame] = seen[visible]
        tracks.append(uv)
    return np.concatenate(tracks)


def followed_points(frames: Iterator[np.ndarray]) -> np.ndarray:
    """Points followed from frame to frame: n x T x 2 pixels, NaN where lost. frames: H x W x 3 uint8 each.

    Lucas-Kanade there and back; new points where there are few. Steps that contradict the epipolar geometry of most
    points, by more than RANSAC_PX, end a track, so most of what moves in the world is left out.
    """
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    tracks = np.full((0, len(grey), 2), np.nan)
    for index, picture in enumerate(grey):
        if index:
            tracks = _follow(tracks, index, grey[index - 1], picture)
        here = tracks[~np.isnan(tracks[:, index, 0]), index]
        free = np.full(picture.shape, 255, np.uint8)
        for x, y in here.astype(int):
            cv2.circle(free, (int(x), int(y)), 8, 0, -1)
        wanted = MOST_POINTS - len(here)
        if wanted > 0 and index + 1 < len(grey):
            found = cv2.goodFeaturesToTrack(picture, wanted, 0.005, 8, mask=free)
            if found is not None:
                fresh = np.full((len(found), len(grey), 2), np.nan)
                fresh[:, index] = found.reshape(-1, 2) + 0.5
                tracks = np.concatenate([tracks, fresh])
    return tracks[(~np.isnan(tracks[:, :, 0])).sum(axis=1) >= LEAST_FRAMES]


def _follow(tracks: np.ndarray, index: int, before: np.ndarray, picture: np.ndarray) -> np.ndarray:
    alive = np.flatnonzero(~np.isnan(tracks[:, index - 1, 0]))
    if not len(alive):
        return tracks
    old = (tracks[alive, index - 1] - 0.5).astype(np.float32).reshape(-1, 1, 2)
    window = {"winSize": (21, 21), "maxLevel": 4}
    new, ok, _ = cv2.calcOpticalFlowPyrLK(before, picture, old, None, **window)  # pyright: ignore[reportCallIssue, reportArgumentType]
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(picture, before, new, None, **window)  # pyright: ignore[reportCallIssue, reportArgumentType]
    kept = (ok & ok_back).ravel().astype(bool) & (np.linalg.norm((back - old)[:, 0], axis=1) < TRACKED_BACK_PX)
    height, width = picture.shape
    kept &= (new[:, 0] >= 0).all(axis=1) & (new[:, 0, 0] < width) & (new[:, 0, 1] < height)
    if kept.sum() >= 16:
        cv2.setRNGSeed(0)
        _, agree = cv2.findFundamentalMat(old[kept], new[kept], cv2.USAC_MAGSAC, RANSAC_PX, 0.999, 2000)
        if agree is not None:
            kept[kept] = agree.ravel().astype(bool)
    tracks[alive[kept], index] = new[kept, 0] + 0.5
    return tracks


def camera_px(tracks: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> float:
    """Median distance in pixels between tracked points and where the camera sees them, each point triangulated from all
    of its frames (direct linear transform): an error of the camera alone, whatever the depth.

    tracks: n x T x 2, K: T x 3 x 3 in the same pixels. NaN without a track.
    """
    seen = ~np.isnan(tracks[:, :, 0])
    apart = []
    for uv, where in zip(tracks, seen, strict=True):
        frames = np.flatnonzero(where)
        if len(frames) < 2:
            continue
        rays = np.linalg.solve(K[frames], np.concatenate([uv[frames], np.ones((len(frames), 1))], axis=1)[..., None])
        P = (np.linalg.inv(world_from_camera[frames]) @ world_from_camera[frames[0]])[:, :3]
        point = _triangulated(rays[:, 0], rays[:, 1], P)
        image = (K[frames] @ (P @ point)[..., None])[..., 0]
        apart.append(np.linalg.norm(image[:, :2] / image[:, 2:] - uv[frames], axis=1))
    return float(np.median(np.concatenate(apart))) if apart else float("nan")


def _triangulated(x: np.ndarray, y: np.ndarray, P: np.ndarray) -> np.ndarray:
    """The homogeneous point (4) that n cameras P (n x 3 x 4, the first one at the origin) see at x, y (n x 1) on their
    image planes at depth 1.

    Its direction has length 1, so cameras with one centre find a far point and never that centre.
    """
    rows = np.concatenate([x * P[:, 2] - P[:, 0], y * P[:, 2] - P[:, 1]])
    directions, centre = rows[:, :3], rows[:, 3]
    squared = centre @ centre
    share = centre @ directions / squared if squared > 0 else np.zeros(3)
    direction = np.linalg.svd(directions - np.outer(centre, share))[2][-1]
    return np.append(direction, -share @ direction)


def landing_px(tracks: np.ndarray, geometry: VideoGeometry, width: int, height: int) -> float:
    """Median distance in pixels between tracked points and where depth and camera of the first frame that sees a point
    place it in its other frames.

    tracks: n x T x 2, in pixels of width x height. NaN if no point has depth.
    """
    K = geometry.K_at(width, height)
    apart = []
    for start, frame, a, b in _pairs(tracks, from_first=True):
        z, good = _depth_at(geometry, start, a, width, height)
        world = _lift(a[good], z[good], K[start], geometry.world_from_camera[start])
        landed, distance = _project(world, K[frame], geometry.world_from_camera[frame])
        apart.append(np.linalg.norm(landed - b[good], axis=1)[distance > 0])
    return float(np.median(np.concatenate(apart))) if any(len(one) for one in apart) else float("nan")


def flicker(tracks: np.ndarray, geometry: VideoGeometry, width: int, height: int) -> float:
    """Median relative change of a static point's depth from one frame to the next, beyond what the camera's motion
    explains. tracks: as in `landing_px`. NaN if no point has depth.
    """
    K = geometry.K_at(width, height)
    changes = []
    for start, frame, a, b in _pairs(tracks, from_first=False):
        z, good = _depth_at(geometry, start, a, width, height)
        there, good_there = _depth_at(geometry, frame, b, width, height)
        both = good & good_there
        world = _lift(a[both], z[both], K[start], geometry.world_from_camera[start])
        expected = _project(world, K[frame], geometry.world_from_camera[frame])[1]
        changes.append(np.abs(expected / there[both] - 1))
    return float(np.median(np.concatenate(changes))) if any(len(one) for one in changes) else float("nan")


def _pairs(tracks: np.ndarray, *, from_first: bool) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Frame a, frame b, and the pixels in both of the points that both see.

    from_first: from each point's first frame to each other; else from each frame to the next.
    """
    seen = ~np.isnan(tracks[:, :, 0])
    count = tracks.shape[1]
    first = seen.argmax(axis=1)
    for start in np.unique(first) if from_first else range(count - 1):
        mine = seen[:, start] & (first == start) if from_first else seen[:, start]
        for frame in range(start + 1, count) if from_first else (start + 1,):
            both = mine & seen[:, frame]
            if both.any():
                yield int(start), frame, tracks[both, start], tracks[both, frame]


def _depth_at(
    geometry: VideoGeometry, frame: int, uv: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Depth at the nearest pixel of each of n points of a width x height picture, and where there is some."""
    x = np.clip((uv[:, 0] * geometry.width / width).astype(int), 0, geometry.width - 1)
    y = np.clip((uv[:, 1] * geometry.height / height).astype(int), 0, geometry.height - 1)
    return geometry.depth[frame, y, x].astype(np.float64), geometry.valid[frame, y, x]


def _lift(uv: np.ndarray, depth: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> np.ndarray:
    """World points n x 3 of n pixels with planar depth."""
    rays = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ np.linalg.inv(K).T
    return rays * depth[:, None] @ world_from_camera[:3, :3].T + world_from_camera[:3, 3]


def _project(world: np.ndarray, K: np.ndarray, world_from_camera: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels n x 2 and planar depth n of world points."""
    points = (world - world_from_camera[:3, 3]) @ world_from_camera[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        image = points @ K.T
        uv = image[:, :2] / image[:, 2:]
    return np.where(np.isfinite(uv), uv, -1.0), points[:, 2]
