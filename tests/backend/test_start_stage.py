# SPDX-License-Identifier: Apache-2.0
"""Stage `start` in real jobs, with the weights that ship, and what learning and generating take from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from reangle.contract import JobRequest, from_data
from reangle.contract.moves import Move, move_camera
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.evaluation.request import true_depth_request
from reangle.evaluation.truth import TrueScene
from reangle.finishing.spec import DELIVER
from reangle.folders import FilledFolder, ResultFolder, StartFolder, WarpFolder
from reangle.media.write import read_image, read_images
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage, StageId
from reangle.runtime.store import Artifact, Store
from reangle.starting.spec import START
from reangle.weights.checkpoints import FLUX2_KLEIN_4B
from reangle.weights.installed import InstalledWeights

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene
from scripts.train.scenes.types import Camera, Scene
from tests.backend.twins import flux2_klein_4b

WIDTH, HEIGHT, FRAMES = 96, 64, 3
QUICK = {"painter": "mini", "candidates": 2, "painting_steps": 3, "guided_to": 0.7}


class Desk:
    """A small scene with three held cameras, and the stages that ran."""

    def __init__(self, folder: Path) -> None:
        drawn = draw_scene(4, frames=FRAMES, width=WIDTH, height=HEIGHT)
        views = {"near": held(drawn, 6), "far": held(drawn, 13), "other": held(drawn, -8)}
        write_scene(replace(drawn, targets=views), folder / "scene")
        self.scene = TrueScene.open(folder / "scene")
        self.store = Store(folder / "data")
        self.ran: list[str] = []

    def request(self, **changes: object) -> JobRequest:
        paths = tuple(view.path for view in self.scene.views)
        made = true_depth_request(self.scene, self.store, paths=paths, engine="reangle", until="starts")
        return from_data(JobRequest, {**vars(made), "starting": QUICK, **changes})

    def run(self, request: JobRequest) -> Mapping[StageId, Artifact]:
        self.ran = []

        def report(stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
            if not cached and stage.title not in self.ran:
                self.ran.append(stage.title)

        return run_plan(plan_job(request, self.store.root), self.store, InstalledWeights(self.store.root), report)


def held(scene: Scene, degrees: float) -> Camera:
    kind = "orbit-left" if degrees > 0 else "orbit-right"
    moved = move_camera(Move(kind, abs(degrees), held=True), 1.0, 3.0).source_from_camera
    pose = scene.source.world_from_camera[0] @ np.array(moved)
    return replace(scene.source, world_from_camera=np.tile(pose, (scene.count, 1, 1)))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def begun(desk: Desk) -> Mapping[StageId, Artifact]:
    return desk.run(desk.request())


def start_of(done: Mapping[StageId, Artifact], name: str) -> StartFolder:
    return StartFolder(done[START.id(name)].folder)


def test_seen_pixels_are_the_warps_and_the_rest_is_painted(desk: Desk, begun: Mapping[StageId, Artifact]) -> None:
    for name in ("near", "far", "other"):
        start, warp = start_of(begun, name), WarpFolder(begun[StageId("warp", name)].folder)
        picture, painted = read_image(start.image), read_image(start.painted) > 0
        known = (read_images(warp.visibility, 0, 1)[0] | read_images(warp.memory, 0, 1)[0]) > 0
        assert np.array_equal(painted, ~known)
        assert np.array_equal(picture[known], read_images(warp.warped, 0, 1)[0][known])
        fill = read_images(FilledFolder(begun[StageId("fill", name)].folder).frames, 0, 1)[0]
        assert not np.array_equal(picture[painted], fill[painted])


def test_the_record_says_who_painted_and_who_judged(begun: Mapping[StageId, Artifact]) -> None:
    near, far = start_of(begun, "near").record(), start_of(begun, "far").record()
    assert (near.made_by, far.made_by) == ("mini-image", "mini-image")
    # The first view has nothing to agree with: the source frame does not show what it hides.
    assert (near.judge, near.judged_against, near.scores) == ("", 0, ())
    assert (far.judge, far.backbone, far.judged_against) == ("geometry", "", 2)
    assert near.changed == 0
    assert 0 < near.hidden < far.hidden
    assert [len(step) for step in far.scores] == [2] * len(far.chosen)
    assert len(list(start_of(begun, "far").candidates.glob("*.png"))) == 2


def test_a_changed_camera_paints_itself_and_its_children_only(desk: Desk, begun: Mapping[StageId, Artifact]) -> None:
    request = desk.request()
    moved = replace(request.paths[1], name="far", world_from_camera=held_poses(desk, 15))
    desk.run(replace(request, paths=(request.paths[0], moved, request.paths[2])))
    assert desk.ran == ["Warp far", "Fill far", "Start far"]
    desk.run(desk.request(starts=[{"camera": "near", "seed": 5}]))
    assert desk.ran[0] == "Start near"
    assert set(desk.ran) == {"Start near", *(f"Start {child}" for child in ("far", "other"))}
    desk.run(request)
    assert desk.ran == []


def held_poses(desk: Desk, degrees: float) -> tuple[tuple[tuple[float, ...], ...], ...]:
    pose = np.array(move_camera(Move("orbit-left", degrees, held=True), 1.0, 3.0).source_from_camera)
    return (tuple(map(tuple, pose.tolist())),) * FRAMES


def test_an_artists_image_is_taken_as_it_is(desk: Desk, begun: Mapping[StageId, Artifact], tmp_path: Path) -> None:
    picture = read_image(start_of(begun, "near").image)
    painted = read_image(start_of(begun, "near").painted) > 0
    added, changed = picture.copy(), picture.copy()
    added[painted] = (0, 200, 0)
    changed[10:30, 20:50] = (200, 0, 0)
    for name, mine in (("added", added), ("changed", changed)):
        file = tmp_path / f"{name}.png"
        cv2.imwrite(str(file), cv2.cvtColor(mine, cv2.COLOR_RGB2BGR))
        image = vars(desk.store.add_file(file, file.name))
        done = desk.run(desk.request(starts=[{"camera": "near", "image": image}]))
        start = start_of(done, "near")
        assert np.array_equal(read_image(start.image), mine)
        assert start.record().made_by == "artist"
        assert start.record().changes_the_look == (name == "changed")
        assert bool(start.record().notes) == (name == "changed")


def test_a_camera_that_shows_nothing_of_the_clip_is_painted_as_a_whole(desk: Desk) -> None:
    away = (tuple(map(tuple, np.diag([-1.0, 1.0, -1.0, 1.0]).tolist())),) * FRAMES
    aside = desk.request().paths[0]
    paths = replace(aside, world_from_camera=away), replace(aside, name="beside it", world_from_camera=away)
    done = desk.run(replace(desk.request(), paths=paths))
    for path in paths:
        start = start_of(done, path.name)
        assert (read_image(start.painted) == 255).all()
        assert read_image(start.image).std() > 0
        assert (start.record().hidden, start.record().changed, start.record().made_by) == (1, 0, "mini-image")


def test_an_edit_is_licensed_as_the_weights_that_made_it(
    desk: Desk, begun: Mapping[StageId, Artifact], tmp_path: Path
) -> None:
    file = tmp_path / "mine.png"
    shutil.copy(start_of(begun, "near").image, file)
    told = {"image": vars(desk.store.add_file(file, file.name)), "edit": {"source": "a room", "target": "a garden"}}
    folder = flux2_klein_4b(tmp_path / "FLUX.2-klein-4B")
    starting = {**QUICK, "painter": str(folder), "candidates": 1}
    done = desk.run(desk.request(starts=[{"camera": "near", **told}], starting=starting))
    record = start_of(done, "near").record()
    assert (record.made_by, record.edit) == ("artist", "a room -> a garden")
    assert record.licence == FLUX2_KLEIN_4B.terms


def test_what_an_artist_paints_comes_through_to_the_result(
    desk: Desk, begun: Mapping[StageId, Artifact], tmp_path: Path
) -> None:
    """A changed look is not covered by the clip's pixels, and what is added to the hole leaves them as they are."""
    picture, painted = read_image(start_of(begun, "far").image), read_image(start_of(begun, "far").painted) > 0
    green = picture.copy()
    green[painted] = (0, 255, 0)
    tinted = picture.copy()
    tinted[..., 1:] //= 4
    results = {}
    for name, mine in (("green", green), ("tinted", tinted)):
        file = tmp_path / f"{name}.png"
        cv2.imwrite(str(file), cv2.cvtColor(mine, cv2.COLOR_RGB2BGR))
        changes = {
            "starts": [{"camera": "far", "image": vars(desk.store.add_file(file, file.name))}],
            "until": "results",
            "paths": [path for path in desk.request().paths if path.name == "far"],
            "reangle": {"path_steps": 1, "sampling_steps": 4},
        }
        done = desk.run(desk.request(**changes))
        results[name] = ResultFolder(done[DELIVER.id("far")].folder)
    plain = results["green"]
    seen = read_images(plain.visibility) > 0
    frames, warped = read_images(plain.frames).astype(int), read_images(plain.warped).astype(int)
    assert np.array_equal(frames[seen], warped[seen])
    first, hole = frames[0], ~seen[0] & painted
    assert (first[hole][:, 1] - first[hole][:, [0, 2]].max(axis=1)).mean() > 60
    red = read_images(results["tinted"].frames).astype(int)
    assert (red[..., 0] - red[..., 2])[seen].mean() > (warped[..., 0] - warped[..., 2])[seen].mean() + 20
    manifest = json.loads(results["tinted"].manifest_file.read_text(encoding="utf-8"))
    assert manifest["start"]["made_by"] == "artist"
    assert any("generated as a whole" in note for note in manifest["start"]["notes"])


def test_words_edit_the_whole_picture_or_are_refused_at_once(
    desk: Desk, begun: Mapping[StageId, Artifact], tmp_path: Path
) -> None:
    edit = {"camera": "near", "edit": {"source": "a wall", "target": "a wall of ice"}}
    with pytest.raises(UserError, match="mini-image only paints holes"):
        plan_job(desk.request(starts=[edit]), desk.store.root)
    folder = flux2_klein_4b(tmp_path / "FLUX.2-klein-4B")
    starting = {**QUICK, "painter": str(folder), "candidates": 1}
    done = desk.run(desk.request(starts=[edit], starting=starting))
    plain = desk.run(desk.request(starting=starting))
    record = start_of(done, "near").record()
    assert record.edit == "a wall -> a wall of ice"
    assert record.made_by == "FLUX.2-klein-4B"
    assert not np.array_equal(read_image(start_of(done, "near").image), read_image(start_of(plain, "near").image))
