# SPDX-License-Identifier: Apache-2.0
"""Replaces the depth of static surfaces by what frames agree on, and finds what moves: a plane sweep over the clip."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from reangle.geometry.anchor import confidence_of, sigma_of
from reangle.geometry.anchor_movers import follow_ground
from reangle.geometry.clip_camera import ClipCamera
from reangle.geometry.edges import sharpen
from reangle.geometry.footage import Footage
from reangle.geometry.frame_depth import WorldDepth, mask_at
from reangle.geometry.multiview_agree import agree
from reangle.geometry.multiview_movers import told_apart, unconfirmed
from reangle.geometry.multiview_plate import evenly_exposed, plate_of
from reangle.geometry.multiview_search import Pictures, Search
from reangle.geometry.multiview_sweep import spread_values
from reangle.geometry.steady import steady_static

Report = Callable[[float, str], None]
SWEEP_SIDE = 360
"""Longer side, in pixels, of the pictures that are compared."""
PRECISION = 0.3
"""Standard deviation, in pixels of parallax, of a depth that frames agree on."""
LEAST_MARGIN = 0.05
"""By how much all other depths must cost more."""
UNLIKE_COST = 0.3
"""Cost from which pictures do not show the same there."""
MOST_MOVING = 0.35
"""If more than this share of what is compared does not agree, the camera is wrong."""
COLOUR, DEPTH = 90.0, 0.15
"""Differences that separate two surfaces where a gap is filled: in grey levels, channels together, and in log depth."""
LARGEST_SPREAD = 0.2
"""Largest offset of log depth that fills gaps which are not close."""
CLOSE = np.float32(0.15)
"""Share of sure pixels around that is close."""
ANCHOR_WEIGHT = np.float32(0.02)
"""Of the expected depth against that of sure pixels around."""
SAME_SURFACE = 3.0
"""Step in planes of the search between pixels of different surfaces."""
SAME_PLATE = 1.5
"""The same, between frames that show a pixel of the static scene."""
SMOOTH_REACH = np.float32(4)
"""Standard deviation, in pixels, of the smoothing within a surface."""
UNSURE_WEIGHT = 0.1
"""Of a pixel that is not sure, against a sure one's, in that smoothing."""
DISAGREE = "Depth: the frames do not agree on what stands still, so depth is the network's alone."


def refine_static(world: WorldDepth, camera: ClipCamera, footage: Footage, report: Report) -> WorldDepth:
    """Depth whose static pixels are where frames agree that they are, if the camera's motion shows parallax.

    Every frame is searched over the whole range of depth, with the expected depth as a weak prior (semi-global
    matching, Hirschmueller 2008). What other frames confirm is kept; gaps are filled from sure pixels of like colour.
    What has texture but is not confirmed, and what differs from the static scene that other frames show, moves: it
    keeps its expected depth, set on the ground that it touches. If the depth is smaller than SWEEP_SIDE it is enlarged
    to it. Confidence (see `anchor`) rises where frames agree.
    """
    if camera.motion != "moving" or len(world.depth) < 3:
        return world
    height, width = world.depth.shape[1:]
    scale = SWEEP_SIDE / max(height, width)
    size = round(width * scale), round(height * scale)
    small = resized(world, *size)
    pictures = Pictures.of(footage, *size)
    search = Search.of(small, camera, pictures)
    if search is None:
        return world
    refined, sure = _agreed(search, report)
    if refined is None:
        return replace(world, notes=(*world.notes, DISAGREE))
    if scale >= 1:
        return refined
    return _enlarged(world, refined, sure, camera, footage)


def _agreed(search: Search, report: Report) -> tuple[WorldDepth | None, np.ndarray]:
    """The refined depth and where it is sure, T x h x w bool; None if the pictures do not fit the camera."""
    world, count = search.world, len(search.world.depth)
    with ThreadPoolExecutor(cv2.getNumberOfCPUs()) as pool:
        found = []
        for frame, one in enumerate(pool.map(search.measure, range(count))):
            found.append(one)
            report(0.8 * (frame + 1) / count, "")
        inverse = np.stack([one.inverse for one in found])
        merged, agreed, judged = (
            np.stack(part)
            for part in zip(*pool.map(lambda frame: agree(inverse, search, frame), range(count)), strict=True)
        )
        merged = np.stack(list(pool.map(search.finer, range(count), merged)))
    report(0.9, "")
    textured = np.stack([one.textured for one in found]) & search.usable
    agreed &= ~(textured & np.stack([one.cost > UNLIKE_COST for one in found]))
    compared = textured & judged
    doubtful = compared & ~agreed
    if doubtful.sum() > MOST_MOVING * max(compared.sum(), 1):
        return None, agreed
    # What has no texture agrees with anything.
    sure = agreed & textured & np.stack([one.margin > LEAST_MARGIN for one in found])
    known = world.moving & ~sure
    unsure, doubtful = (world.valid & ~agreed) | known, doubtful | known
    moving = np.stack([unconfirmed(*both) for both in zip(unsure, doubtful, strict=True)])
    moving |= world.moving & ~search.usable
    sure &= ~moving
    offset = np.where(sure, -np.log(np.where(sure, merged, 1) * np.where(world.valid, world.depth, 1)), 0)
    offset = offset.astype(np.float32)
    around = np.empty_like(offset)
    for frame in range(count):
        around[frame] = _fill(offset[frame], sure[frame], search.pictures.colour[frame], world.depth[frame])
    refined = (world.depth * np.exp(offset)).astype(np.float32)
    still = search.usable & ~moving
    for frame in range(count):
        _smooth(refined[frame], still[frame], sure[frame], search.step)
    refined, _ = steady_static(refined, still, search.K, search.world_from_camera, moving_camera=True)
    moving, behind = _behind_movers(search, refined, still, moving, sure)
    still = world.valid & ~moving
    refined = np.where(moving, world.depth * np.exp(around), refined)
    refined = follow_ground(refined, moving, still, search.K[:, 0, 0], behind)
    before = sigma_of(world.confidence)
    precision = PRECISION / np.maximum(np.stack([one.parallax for one in found]), 0.1)
    confidence = np.where(sure, confidence_of(np.minimum(precision, before)), world.confidence)
    valid = world.valid
    return replace(
        world,
        depth=np.where(valid, refined, 0),
        confidence=np.where(valid, confidence, 0).astype(np.float32),
        moving=moving,
    ), sure


def _behind_movers(
    search: Search, depth: np.ndarray, still: np.ndarray, moving: np.ndarray, sure: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What moves, T x h x w bool, once each frame is compared with the static scene that other frames show, and that
    scene's depth, T x h x w float32, 0 where unknown.

    depth (T x h x w, in place) becomes that scene's where `moving` has hidden it by mistake.
    """
    inverse = np.divide(1, depth, out=np.zeros_like(depth), where=still & (depth > 0))
    colour = evenly_exposed(inverse, search.pictures.colour, search.K, search.world_from_camera)
    tolerance = SAME_PLATE * search.step

    def compare(frame: int) -> tuple[np.ndarray, np.ndarray]:
        plate = plate_of(frame, inverse, colour, search.K, search.world_from_camera, tolerance)
        moves = told_apart(colour[frame], plate, moving[frame], sure[frame])
        shown = moving[frame] & ~moves & plate.known
        behind = np.divide(1, plate.inverse, out=np.zeros_like(plate.inverse), where=plate.known)
        depth[frame][shown] = behind[shown]
        return moves, behind

    with ThreadPoolExecutor(cv2.getNumberOfCPUs()) as pool:
        moves, behind = zip(*pool.map(compare, range(len(depth))), strict=True)
    return np.stack(moves), np.stack(behind)


def _fill(offset: np.ndarray, sure: np.ndarray, colour: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Replace a frame's offsets of log depth (h x w, in place) where it is not sure: by those of sure pixels around of
    like colour and expected depth. Returns the offsets for movers: of all in a wide neighbourhood, whose expected depth
    errs alike.
    """
    width = offset.shape[1]
    steps = _surface_steps(colour, depth)
    # A large offset is an edge that the expected depth has elsewhere, and says nothing of pixels farther away.
    small = sure & (np.abs(offset) < LARGEST_SPREAD)
    passes = []
    for support, reach in ((sure, width / 60), (small, width / 24)):
        values, weights = offset.copy(), support.astype(np.float32)
        spread_values(values, weights, *steps, np.float32(reach))
        passes.append((values, weights))
    (near, near_weight), (far, far_weight) = passes
    still = np.where(near_weight > CLOSE, near / np.maximum(near_weight, CLOSE), far / (far_weight + ANCHOR_WEIGHT))
    wide, support = (
        cv2.GaussianBlur(one, (0, 0), width / 12, borderType=cv2.BORDER_CONSTANT)
        for one in (np.where(small, offset, np.float32(0)), small.astype(np.float32))
    )
    offset[:] = np.where(sure, offset, still)
    return wide / (support + ANCHOR_WEIGHT)


def _smooth(depth: np.ndarray, still: np.ndarray, sure: np.ndarray, step: float) -> None:
    """Smooth a frame's depth (h x w, in place) within surfaces, where what the search cannot tell apart is noise."""
    inverse = (1 / np.maximum(depth, 1e-9)).astype(np.float32)
    planes = inverse / np.float32(SAME_SURFACE * step)
    values, weights = inverse.copy(), np.where(sure, 1, UNSURE_WEIGHT).astype(np.float32) * still
    spread_values(values, weights, np.abs(np.diff(planes, axis=1)), np.abs(np.diff(planes, axis=0)), SMOOTH_REACH)
    depth[:] = np.where(still, weights / np.maximum(values, 1e-9), depth)


def _surface_steps(colour: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How unlike neighbours in rows and in columns are, in units of COLOUR and of DEPTH, added up."""
    levels = colour.astype(np.float32) / np.float32(COLOUR)
    log_depth = np.log(np.maximum(depth, 1e-9)) / np.float32(DEPTH)
    across, down = (
        np.abs(np.diff(levels, axis=axis)).sum(-1) + np.abs(np.diff(log_depth, axis=axis)) for axis in (1, 0)
    )
    return across, down


def _enlarged(
    world: WorldDepth, refined: WorldDepth, sure: np.ndarray, camera: ClipCamera, footage: Footage
) -> WorldDepth:
    """Depth of `world`, at its size, replaced where the refined one is sure."""
    height, width = world.depth.shape[1:]
    depth, confidence, moving = world.depth.copy(), world.confidence.copy(), world.moving.copy()

    for frame in range(len(depth)):
        picture = cv2.resize(footage.image(frame), (width, height), interpolation=cv2.INTER_AREA)
        parts = refined.depth[frame], refined.valid[frame], refined.confidence[frame]
        fine, known, confident = sharpen(*parts, picture)
        moving[frame] |= mask_at(refined.moving[frame], width, height)
        use = mask_at(sure[frame], width, height) & known & world.valid[frame]
        depth[frame][use], confidence[frame][use] = fine[use], confident[use]
    return replace(
        world,
        depth=follow_ground(depth, moving, world.valid & ~moving, camera.K_at(width, height)[:, 0, 0]),
        confidence=confidence,
        moving=moving,
    )


def resized(world: WorldDepth, width: int, height: int) -> WorldDepth:
    """The same depth at another size: inverse depth is interpolated, invalid pixels stay invalid."""
    if world.depth.shape[1:] == (height, width):
        return world
    shrinks = width < world.depth.shape[2]

    def soft(one: np.ndarray) -> np.ndarray:
        return cv2.resize(one, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    known = np.stack([soft(one.astype(np.float32)) for one in world.valid])
    inverse = np.stack(
        [soft(np.where(v, 1 / np.where(v, z, 1), 0)) for z, v in zip(world.depth, world.valid, strict=True)]
    )
    valid = known > 0.5
    return WorldDepth(
        np.where(valid, known / np.where(valid, inverse, 1), 0).astype(np.float32),
        valid,
        np.stack([soft(one) for one in world.confidence]),
        np.stack([mask_at(one, width, height) for one in world.moving]),
        world.notes,
    )
