# SPDX-License-Identifier: Apache-2.0
"""Filled frames and the delivered folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from preview_scene import BOX, HEIGHT, MOVER, WALL, WIDTH, K, camera, film, make_path
from reangle.contract import CameraPath
from reangle.finishing.fill import Filler
from reangle.finishing.spec import DELIVER, FILL, DeliverParams, FillParams
from reangle.finishing.stage import deliver, fill
from reangle.folders import ClipMetadata, DecodedClip, GeometryFolder
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.media.spec import DECODE
from reangle.media.write import read_images, write_images
from reangle.runtime.stage import StageContext, StageSpec
from reangle.warping.background import background_views
from reangle.warping.memory import Memory
from reangle.warping.spec import WARP, WarpParams
from reangle.warping.stage import warp
from reangle.warping.video import Warper, warp_frames

SCENE = (WALL, BOX, MOVER)
COUNT = 6


def finish(cards, path: CameraPath):
    """(warped frames, filled frames) of a small clip."""
    frames, geometry = film(cards, COUNT)
    warper = Warper(frames, geometry, Memory.of_clip(frames, geometry))
    warped = list(warp_frames(warper, path))
    unknown = [float(np.mean(~frame.known)) for frame in warped]
    filler = Filler(background_views(warper, path, unknown))
    cameras = zip(warped, np.asarray(path.K), np.asarray(path.world_from_camera), strict=True)
    filled = [filler.fill(w.rgb, w.known, w.depth, K_n, at) for w, K_n, at in cameras]
    return warped, filled


def test_filling_keeps_known_pixels_and_is_repeatable() -> None:
    path = make_path(np.stack([camera(0.4)] * COUNT))
    warped, filled = finish(SCENE, path)
    _, again = finish(SCENE, path)
    for frame, done, twice in zip(warped, filled, again, strict=True):
        known = frame.known
        assert (~known).mean() > 0.02
        assert np.array_equal(done[known], frame.rgb[known])
        assert np.array_equal(done, twice)


def test_hole_is_filled_from_the_background_not_the_foreground() -> None:
    warped, filled = finish((WALL, BOX), make_path(np.stack([camera(0.5)] * COUNT)))
    hole = ~(warped[0].visible | warped[0].remembered)
    beside_the_box = hole.copy()
    beside_the_box[:, int(0.85 * WIDTH) :] = False
    assert beside_the_box.sum() > 100
    colours = filled[0][beside_the_box].astype(int)
    assert (colours[:, 2] > colours[:, 0]).mean() > 0.97, "the box is red, the wall is blue"


@pytest.mark.parametrize("moving_camera", [False, True])
def test_fill_flickers_less_than_frames_filled_separately(moving_camera: bool) -> None:
    steps = np.linspace(0.3, 0.5, COUNT) if moving_camera else np.full(COUNT, 0.4)
    passer = replace(MOVER, left=0.5, right=0.9)
    warped, filled = finish((WALL, BOX, passer), make_path(np.stack([camera(x) for x in steps])))
    alone = [cv2.inpaint(w.rgb, (~w.known).astype(np.uint8), 5, cv2.INPAINT_TELEA) for w in warped]
    assert _flicker(warped, filled, steps) < 0.7 * _flicker(warped, alone, steps)


def _flicker(warped, frames, steps) -> float:
    """Mean change from one frame to the next of wall points that are filled in both."""
    changes = []
    for n in range(COUNT - 1):
        shift = K[0, 0] * (steps[n + 1] - steps[n]) / WALL.z
        matrix = np.array([[1, 0, -shift], [0, 1, 0]])
        moved = cv2.warpAffine(frames[n].astype(np.float32), matrix, (WIDTH, HEIGHT))
        holes = [(~w.known).astype(np.float32) for w in warped[n : n + 2]]
        both = (cv2.warpAffine(holes[0], matrix, (WIDTH, HEIGHT)) > 0.99) & (holes[1] > 0)
        changes.append(np.abs(moved - frames[n + 1])[both].ravel())
    return float(np.concatenate(changes).mean())


def run_stages(root: Path, path: CameraPath, times: Sequence[float] | None = None) -> tuple[Path, list[str]]:
    """Run the three stages on a tiny clip. Returns the delivered folder and the notes."""
    frames, geometry = film(SCENE, COUNT)
    specs = (DECODE, CAMERA, GEOMETRY, WARP, FILL, DELIVER)
    folders = {spec.kind: spec.writes(root / spec.kind) for spec in specs}
    for folder in folders.values():
        folder.path.mkdir(parents=True)
    clip = DecodedClip(root / "decode")
    write_images(clip.frames, frames)
    clip.write_metadata(
        ClipMetadata(
            fps=24,
            fps_is_variable=times is not None,
            timestamps=tuple(times or [n / 24 for n in range(COUNT)]),
            width=WIDTH,
            height=HEIGHT,
            frames=COUNT,
        )
    )
    geometry.save(GeometryFolder(root / "geometry"))
    settings = {"method": "lookup", "memory": True}
    notes: list[str] = []
    stages: list[tuple[Callable[[Any], None], StageSpec[Any, Any], object]] = [
        (warp, WARP, WarpParams(path=path)),
        (fill, FILL, FillParams(path=path)),
        (deliver, DELIVER, DeliverParams(path=path, engine="preview", settings=settings, seed=42, title="A room")),
    ]
    for function, spec, params in stages:
        function(
            StageContext(
                params=params,
                out=folders[spec.kind],
                inputs={role: folders[role] for role in spec.inputs if role in folders},
                warn=lambda warning: notes.append(warning.about("it")),
            )
        )
    return root / "deliver", notes


def test_the_manifest_matches_the_result(tmp_path: Path) -> None:
    path = make_path(np.stack([camera(0.3)] * COUNT), name="Left")
    result, _ = run_stages(tmp_path, path)
    manifest = json.loads((result / "manifest.json").read_text(encoding="utf-8"))
    listed = {file["path"]: file for file in manifest["files"]}
    written = {file.relative_to(result).as_posix() for file in result.rglob("*") if file.is_file()}
    assert written == {*listed, "manifest.json"}
    for name, file in listed.items():
        data = (result / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["size"])
    for folder in ("frames", "visibility", "memory", "warped", "depth"):
        assert len(read_images(result / folder)) == COUNT
    visible, remembered = read_images(result / "visibility") > 0, read_images(result / "memory") > 0
    assert manifest["coverage"]["visible"] == pytest.approx(visible.mean())
    assert manifest["coverage"]["remembered"] == pytest.approx(remembered.mean())
    assert manifest["camera"] == "Left"
    assert manifest["seed"] == 42
    assert manifest["geometry"]["depth_from"] == "files"
    known = visible | remembered
    assert np.array_equal(read_images(result / "frames")[known], read_images(result / "warped")[known])
    with av.open(str(result / "preview.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == COUNT


def test_movie_of_a_variable_frame_rate_clip_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.55, 0.9, 1.0]
    result, _ = run_stages(tmp_path, make_path(np.stack([camera(0.3)] * COUNT)), times)
    with av.open(str(result / "preview.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times, abs=1e-3)


def test_camera_without_visible_pixels_is_delivered_with_a_warning(tmp_path: Path) -> None:
    away = np.diag([-1.0, 1.0, -1.0, 1.0])
    result, warnings = run_stages(tmp_path, make_path(np.stack([away] * 2)))
    assert len(read_images(result / "frames")) == 2
    assert not read_images(result / "visibility").any()
    (warning,) = warnings
    assert warning.startswith("it, frames 1 to 2: This camera shows nothing of the clip")
    manifest = json.loads((result / "manifest.json").read_text(encoding="utf-8"))
    assert [(one["kind"], one["amount"]) for one in manifest["trouble"]] == [("unseen", 1)]
    assert [frame["hole"] for frame in manifest["trouble_by_frame"]] == [1, 1]
