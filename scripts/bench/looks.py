# SPDX-License-Identifier: Apache-2.0
"""Measure whether the edited look of a starting image carries through the clip.

    python3.11 scripts/bench/looks.py [--scenes 4] [--steps 5 40] [--cameras held moving] [--sheets DIR]

Whole jobs of the engine `reangle` on generated scenes with true depth, with the starting image as it is painted and
with two edits of it: `hue` turns and tints all colours, `thing` repaints one thing. Share: how much of the edit is
there, the change of a region's mean colour along the start's own change, beside the job without an edit; 1 is all of
it. Beside: the same where the `thing` is not, 0 is right. Motion: correlation of the changes of luminance from frame
to frame with the truth's. Moved: the same from the first frame to the last.

Controls that need no video model: `repeated` shows the edited start in all frames, `carried` shows it where its own
depth puts it. `whole` has no edit but is generated as a whole, as edited starts are, so it shows what the model loses
anyway. `kept` is the job without an edit, which keeps the clip's pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from reangle.contract import CameraPath, JobRequest, from_data
from reangle.contract.moves import Move, move_camera
from reangle.engines.plan import plan_job
from reangle.evaluation.request import true_depth_request
from reangle.evaluation.truth import TrueScene
from reangle.finishing.spec import DELIVER
from reangle.folders import ResultFolder, StartFolder
from reangle.media.write import read_image, read_images
from reangle.runtime.execute import run_plan
from reangle.runtime.store import Store
from reangle.starting.scene import view_of
from reangle.starting.spec import START
from reangle.warping.memory import Memory
from reangle.warping.types import View
from reangle.weights.installed import InstalledWeights

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene
from scripts.train.scenes.raycast import render
from scripts.train.scenes.types import Camera, Scene

WIDTH, HEIGHT, FRAMES = 224, 128, 25
ORBITS = {"held": (8.0, 8.0), "moving": (4.0, 12.0)}
"""Degrees beside the source camera in the first frame and in the last."""
WHOLE = {"exact_where_seen": False, "warp_guidance": 0.0, "fill_share": 0.0}
TINT = (1.0, 0.7, 0.5)
MAGENTA = (230, 30, 200)
LEAST_SHARE = 0.01
"""Of the picture, that the repainted thing has in every frame."""
PLACES = ("first", "middle", "last")


@dataclass(frozen=True, eq=False)
class Shot:
    """One camera of a scene. truth: T x H x W x 3 uint8. thing: T x H x W bool, the thing that is repainted."""

    name: str
    request: JobRequest
    truth: np.ndarray
    thing: np.ndarray


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure whether an edited look carries through the clip.")
    parser.add_argument("--scenes", type=int, default=4, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help="of each clip")
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 40], metavar="N", help="of learning a camera")
    parser.add_argument("--cameras", nargs="+", choices=ORBITS, default=list(ORBITS), metavar="NAME")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write a PNG of each camera here")
    args = parser.parse_args()
    measured: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "data")
        for number in range(args.first, args.first + args.scenes):
            for shot in shots(number, args.frames, args.cameras, Path(folder) / "scenes", store):
                for steps in args.steps:
                    started = time.perf_counter()
                    made, edits = results(shot, steps, store)
                    for row, one in figures(shot, made, edits).items():
                        measured.setdefault(f"{row}_{shot.name}_{steps}", []).append(one)
                    print(
                        f"scene {number}, {shot.name}, {steps} steps: {time.perf_counter() - started:.0f} s",
                        flush=True,
                    )
                    if args.sheets is not None:
                        write_sheet(shot, made, args.sheets / f"{number:03d}_{shot.name}_{steps}.png")
    means = {row: mean_of(some) for row, some in measured.items()}
    print_table(means, args)
    table = {f"{name}_{row}": round(value, 4) for row, some in means.items() for name, value in some.items()}
    print(json.dumps({"bench": "looks", "figures": table}))
    return 0


def shots(number: int, frames: int, cameras: Iterable[str], folder: Path, store: Store) -> Iterable[Shot]:
    drawn = draw_scene(number, frames=frames, width=WIDTH, height=HEIGHT)
    scene = replace(drawn, targets={name: orbit(drawn, *ORBITS[name]) for name in cameras})
    write_scene(scene, folder / f"{number:06d}")
    true = TrueScene.open(folder / f"{number:06d}")
    for view in true.views:
        name = view.path.name
        request = true_depth_request(true, store, paths=(view.path,), engine="reangle")
        quick = from_data(JobRequest, {**vars(request), "starting": {"judge": "none"}})
        seen = render(scene, scene.targets[name])
        yield Shot(name, quick, seen.rgb, thing_of(seen.objects, scene.moving))


def orbit(scene: Scene, first: float, last: float) -> Camera:
    """A camera that orbits around the middle of what the source camera sees, from one angle to another."""
    depth = float(np.median(render(scene, scene.source, [0]).depth))
    moves = [
        np.array(move_camera(Move("orbit-left", degrees, held=True), 1.0, depth).source_from_camera)
        for degrees in np.linspace(first, last, scene.count)
    ]
    return replace(scene.source, world_from_camera=scene.source.world_from_camera[0] @ np.stack(moves))


def thing_of(objects: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Where the thing is that is largest in the frame where it is smallest; one that moves if any is large enough.

    objects: T x H x W, object numbers, 0 for the room.
    """
    sizes = np.array([(objects == one).mean(axis=(1, 2)).min() for one in range(len(moving))])
    sizes[0] = 0
    movers = np.where(moving, sizes, 0)
    return objects == (movers.argmax() if movers.max() > LEAST_SHARE else sizes.argmax())


def results(shot: Shot, steps: int, store: Store) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every row's frames, T x H x W x 3 uint8, and the change of the start by each edit, H x W x 3 float."""
    weights = InstalledWeights(store.root)

    def run(image: np.ndarray | None = None, **settings: object) -> tuple[np.ndarray, StartFolder]:
        changes: dict[str, object] = {"reangle": {"path_steps": steps, **settings}}
        if image is not None:
            file = store.root / "edited.png"
            cv2.imwrite(str(file), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            changes["starts"] = [{"camera": shot.name, "image": vars(store.add_file(file, file.name))}]
        request = from_data(JobRequest, {**vars(shot.request), **changes})
        done = run_plan(plan_job(request, store.root), store, weights)
        frames = read_images(ResultFolder(done[DELIVER.id(shot.name)].folder).frames)
        return frames, StartFolder(done[START.id(shot.name)].folder)

    made, edits = {}, {}
    made["kept"], start = run()
    made["whole"], _ = run(**WHOLE)
    plain = read_image(start.image)
    for name, image in (("hue", turned(plain)), ("thing", repainted(plain, shot.thing[0]))):
        made[name], of = run(image)
        edits[name] = image.astype(float) - plain
        made[f"{name}_repeated"] = np.broadcast_to(image, shot.truth.shape)
        made[f"{name}_carried"] = carried(of, shot.request.paths[0])
    return made, edits


def turned(picture: np.ndarray) -> np.ndarray:
    """All colours by a third around the colour circle, then warmer and darker."""
    return np.rint(picture[..., [1, 2, 0]] * np.array(TINT)).astype(np.uint8)


def repainted(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    light = picture.mean(axis=-1, keepdims=True) / 255
    return np.where(where[..., None], np.rint(np.array(MAGENTA) * (0.4 + 0.6 * light)).astype(np.uint8), picture)


def carried(start: StartFolder, path: CameraPath) -> np.ndarray:
    """The starting image where its depth puts it in each frame of the camera, with the start behind what it hides."""
    seen = view_of(start)
    nowhere = np.zeros(seen.depth.shape, bool)
    memory = Memory.of_views([View(seen.picture, seen.depth, nowhere, seen.K, seen.world_from_camera)])
    frames = []
    for K, pose in zip(path.K, path.world_from_camera, strict=True):
        rgb, depth, _ = memory.recall(0, np.asarray(K), np.asarray(pose), ~nowhere)
        frames.append(np.where(depth[..., None] > 0, rgb, seen.picture))
    return np.stack(frames)


def figures(shot: Shot, made: Mapping[str, np.ndarray], edits: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Row -> figures. A region's colour is compared with the same region's in the job without an edit."""
    everywhere = np.ones_like(shot.thing)
    places = dict(zip(PLACES, (0, len(shot.truth) // 2, len(shot.truth) - 1), strict=True))
    found: dict[str, dict[str, float]] = {}
    for row, frames in made.items():
        found[row] = {"motion": motion(frames, shot.truth), "moved": motion(frames, shot.truth, places["last"])}
        edit = row.split("_")[0]
        if edit not in edits:
            continue
        region = everywhere if edit == "hue" else shot.thing
        for beside, suffix in (("kept", ""), ("whole", "_of_whole")):
            change = frames.astype(float) - made[beside]
            for place, frame in places.items():
                found[row][f"share_{place}{suffix}"] = along(change[frame], edits[edit], region[frame], region[0])
            if edit == "thing":
                last = places["last"]
                found[row][f"beside{suffix}"] = along(change[last], edits[edit], ~region[last], region[0])
    return found


def along(change: np.ndarray, edit: np.ndarray, here: np.ndarray, there: np.ndarray) -> float:
    """The mean change here along the mean edit there, as a share of it. here, there: H x W bool."""
    wanted = edit[there].mean(axis=0)
    return float(change[here].mean(axis=0) @ wanted / (wanted @ wanted))


def motion(frames: np.ndarray, truth: np.ndarray, apart: int = 1) -> float:
    """Correlation of changes of luminance between frames so far apart; 0 where nothing changes."""
    light = [one.astype(float).mean(axis=-1) for one in (frames, truth)]
    mine, true = ((one[apart:] - one[:-apart]).ravel() for one in light)
    return float(np.corrcoef(mine, true)[0, 1]) if mine.std() > 0 and true.std() > 0 else 0.0


def mean_of(some: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in some])) for name in some[0]}


def print_table(means: Mapping[str, Mapping[str, float]], args: argparse.Namespace) -> None:
    print(f"\n{args.scenes} scenes of {args.frames} frames, {WIDTH} x {HEIGHT}; share of the edit beside kept / whole")
    print(f"{'':28}{'first':>15}{'middle':>15}{'last':>15}{'beside':>15}{'motion':>8}{'moved':>8}")
    for row, some in means.items():
        names = [*(f"share_{place}" for place in PLACES), "beside"]
        cells = [f"{some[name]:.2f} / {some[f'{name}_of_whole']:.2f}" if name in some else "" for name in names]
        moves = f"{some['motion']:8.2f}{some['moved']:8.2f}"
        print(f"{row:28}" + "".join(f"{cell:>15}" for cell in cells) + moves)


def write_sheet(shot: Shot, made: Mapping[str, np.ndarray], path: Path) -> None:
    """The truth and each row without a control: first, second, middle and last frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(shot.truth)
    rows = [shot.truth, *(frames for row, frames in made.items() if not row.endswith("_repeated"))]
    lines = [np.concatenate([frames[at] for at in (0, 1, count // 2, count - 1)], axis=1) for frames in rows]
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(lines), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    sys.exit(main())
