# SPDX-License-Identifier: Apache-2.0
"""Measure what guidance adds to starting images: do the views agree, and are they nearer to the truth?

    python3.11 scripts/bench/guidance.py [--scenes 12] [--seeds 3] [--rows none geometry s5 s10 s25 ...]

Generated scenes with true depth, each with three held cameras on one side of the source camera, whose holes overlap.
Rows sN are guided by DUSt3R's network with N candidates a step, `geometry` by the scene's own points. Controls need no
image model. The judge's network and the metric's are the same small one that ships, so `agree`, which knows the true
surfaces and uses no network, is the sharper measure: PSNR between two views' pixels that show one point, of which at
least one is painted.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from reangle.contract import CameraPath, PreviewSettings
from reangle.contract.moves import Move, move_camera
from reangle.engines.plan import plan_job
from reangle.evaluation.agreement.epipolar import pair_distance, tsed
from reangle.evaluation.agreement.met3r import met3r
from reangle.evaluation.agreement.views import Judge, SceneView
from reangle.evaluation.request import true_depth_request
from reangle.evaluation.texture import texture_ratio
from reangle.evaluation.truth import TrueScene
from reangle.finishing.spec import FILL
from reangle.folders import DecodedClip, FilledFolder, GeometryFolder, WarpFolder
from reangle.geometry.spec import GEOMETRY
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.spec import DECODE
from reangle.runtime.execute import run_plan
from reangle.runtime.store import Store
from reangle.starting.painted import paint_start
from reangle.starting.scene import Begun, source_view
from reangle.starting.spec import PaintSettings
from reangle.starting.tree import parents
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.lookup import SAME_SURFACE
from reangle.warping.spec import WARP
from reangle.weights.installed import InstalledWeights

from scripts.bench.guidance_models import Models
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene
from scripts.train.scenes.raycast import render
from scripts.train.scenes.types import Camera, Scene

WIDTH, HEIGHT, FRAMES = 224, 128, 5
VIEWS = ((("orbit", 8.0),), (("orbit", 15.0),), (("orbit", 10.0), ("up", 8.0)))
"""Each view's moves beside the source camera, in degrees; "orbit" is to one side, left or right, which scenes take in
turn.
"""
BLUR_PX, TELEA_PX = 1.0, 5


@dataclass(frozen=True)
class Row:
    """judge, candidates: of a guided row. carries: whether a view shows what was painted into its parent. control: one
    that needs no image model.
    """

    judge: str = "none"
    candidates: int = 1
    carries: bool = False
    control: str = ""


ROWS = {
    "none": Row(),
    "s5": Row("dust3r", 5),
    "s10": Row("dust3r", 10),
    "s25": Row("dust3r", 25),
    "geometry": Row("geometry", 10),
    "features": Row("features", 10),
    "carried": Row(carries=True),
    "carried_geometry": Row("geometry", 10, carries=True),
    "fill": Row(control="fill"),
    "telea": Row(control="telea"),
    "blur1": Row(control="blur1"),
    "mean_telea": Row(control="mean_telea"),
}


@dataclass(frozen=True, eq=False)
class Shown:
    """One scene: its views by name, parents first, what they hide, and the truth (views with true pictures)."""

    scene: Scene
    caption: str
    source: SceneView
    begun: dict[str, Begun]
    parent: dict[str, str | None]
    truth: dict[str, SceneView]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what guidance adds to starting images.")
    parser.add_argument("--scenes", type=int, default=12, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="write a sheet of each scene here")
    for name, kind in (("steps", int), ("fresh-noise", float), ("guided-from", float), ("guided-to", float)):
        parser.add_argument(f"--{name}", type=kind, metavar="X", help="instead of the shipped painter's own")
    args = parser.parse_args()
    models = Models.open()
    asked = {name: getattr(args, name) for name in ("steps", "fresh_noise", "guided_from", "guided_to")}
    settings = replace(models.settings, **{name: value for name, value in asked.items() if value is not None})
    rows: dict[str, list[dict[str, float]]] = {row: [] for row in args.rows}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.first, args.first + args.scenes):
            shown = read_scene(number, Path(folder))
            sheets: dict[str, dict[str, np.ndarray]] = {}
            plain: dict[int, dict[str, np.ndarray]] = {}
            for row, seed in ((row, seed) for row in args.rows for seed in range(args.seeds)):
                if seed and ROWS[row].control in ("fill", "telea"):
                    continue
                started = time.perf_counter()
                if ROWS[row].control:
                    made, calls = controls(ROWS[row].control, shown, plain.get(seed)), 0.0
                else:
                    made, calls = paint_views(shown, ROWS[row], models, settings, seed)
                if row == "none":
                    plain[seed] = made
                seconds = time.perf_counter() - started
                sheets.setdefault(row, made)
                rows[row].append({**figures(shown, made, models), "seconds": seconds / len(made), "calls": calls})
                last = rows[row][-1]
                print(
                    f"{row:10} scene {number}, seed {seed}: agree {last['agree']:.2f} dB, MEt3R {last['met3r']:.3f}, "
                    f"hole {last['hole_psnr']:.2f} dB, {last['seconds']:.1f} s a view",
                    flush=True,
                )
            if args.pictures is not None:
                write_sheet(shown, sheets, args.pictures / f"{number:03d}.png")
    means = {
        row: {name: float(np.nanmean([one[name] for one in some])) for name in some[0]} for row, some in rows.items()
    }
    print_table(means, rows, models, settings, args)
    table = {f"{name}_{row}": round(value, 5) for row, some in means.items() for name, value in some.items()}
    print(json.dumps({"bench": "guidance", "figures": table}))
    return 0


def read_scene(number: int, folder: Path) -> Shown:
    """Scene `number` with its held views, warped and filled by the product's own stages."""
    drawn = draw_scene(number, frames=FRAMES, width=WIDTH, height=HEIGHT)
    scene = replace(drawn, targets={f"view {n + 1}": _view(drawn, moves, number) for n, moves in enumerate(VIEWS)})
    place, store = folder / f"{number:06d}", Store(folder / "data")
    write_scene(scene, place)
    true = TrueScene.open(place)
    request = true_depth_request(true, store, paths=tuple(view.path for view in true.views))
    done = run_plan(plan_job(request, store.root), store, InstalledWeights(store.root))
    geometry = VideoGeometry.load(GeometryFolder(done[GEOMETRY.id()].folder))
    source = source_view(DecodedClip(done[DECODE.id()].folder), geometry, 0, PreviewSettings())
    paths = {view.path.name: view.path for view in true.views}
    tree = dict(parents(tuple(paths.values())))
    begun = {name: _begun(done[WARP.id(name)].folder, done[FILL.id(name)].folder, paths[name]) for name in tree}
    truth = {}
    for name, camera in scene.targets.items():
        seen = render(scene, camera, [0])
        pose = np.asarray(paths[name].world_from_camera[0])
        truth[name] = SceneView(seen.rgb[0], seen.depth[0], camera.K[0], pose)
    return Shown(scene, true.caption, source, begun, tree, truth)


def _begun(warp: Path, fill: Path, path: CameraPath) -> Begun:
    return Begun.read(WarpFolder(warp), FilledFolder(fill), path)


def _view(scene: Scene, moves: tuple[tuple[str, float], ...], number: int) -> Camera:
    depth = float(np.median(render(scene, scene.source, [0]).depth))
    pose = scene.source.world_from_camera[0]
    for way, degrees in moves:
        kind = "orbit-up" if way == "up" else ("orbit-left", "orbit-right")[number % 2]
        pose = pose @ np.array(move_camera(Move(kind, degrees, held=True), 1.0, depth).source_from_camera)
    return replace(scene.source, world_from_camera=np.tile(pose, (scene.count, 1, 1)))


def paint_views(
    shown: Shown, row: Row, models: Models, settings: PaintSettings, seed: int
) -> tuple[dict[str, np.ndarray], float]:
    """Each view's picture, and how often the network ran for a view."""
    made: dict[str, np.ndarray] = {}
    calls = 0
    guided = replace(settings, candidates=row.candidates)
    for number, (name, begun) in enumerate(shown.begun.items()):
        parent = shown.parent[name]
        fixed = [shown.source]
        if parent is not None:
            of = shown.begun[parent].view
            fixed.append(replace(of, picture=made[parent]))
        if row.carries and parent is not None:
            begun = begun.carrying(fixed[1], ~shown.begun[parent].known)
        # As in the product: the source frame does not show what the first view hides.
        judges = row.judge != "none" and parent is not None
        judge: Judge | None = models.judge(row.judge, begun, fixed) if judges else None
        painted = paint_start(begun, models.painter, judge, shown.caption, guided, 100 * seed + number)
        made[name] = painted.picture
        calls += painted.trace.calls
    return made, calls / len(made)


def controls(kind: str, shown: Shown, plain: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Each view without an image model, or made softer. plain: of the row `none`, for the controls that soften it."""
    made = {}
    for name, begun in shown.begun.items():
        hole = ~begun.known
        telea = cv2.inpaint(begun.warped, hole.astype(np.uint8), TELEA_PX, cv2.INPAINT_TELEA)
        if kind in ("fill", "telea"):
            made[name] = begun.filled if kind == "fill" else telea
            continue
        if plain is None:
            raise SystemExit(f"The row {kind} softens the row none, which must come before it.")
        picture = plain[name]
        if kind == "blur1":
            soft = cv2.GaussianBlur(picture, (0, 0), BLUR_PX)
        else:
            soft = np.rint((picture.astype(np.float32) + telea) / 2).astype(np.uint8)
        made[name] = np.where(hole[..., None], soft, begun.warped)
    return made


def figures(shown: Shown, made: dict[str, np.ndarray], models: Models) -> dict[str, float]:
    """Means over the views and their pairs."""
    holes = {name: ~begun.known for name, begun in shown.begun.items()}
    views = {name: replace(shown.truth[name], picture=picture) for name, picture in made.items()}
    pairs = list(combinations(made, 2))
    errors = [_errors(views[one], views[other], holes[one], holes[other]) for one, other in pairs]
    distances = [pair_distance(views[one], views[other]) for one, other in pairs]
    consistency = met3r(models.network, models.features, [(made[one], made[other]) for one, other in pairs])
    hole_errors, textures = [], []
    for name, picture in made.items():
        truth, hole = shown.truth[name].picture, holes[name]
        hole_errors.append(((picture.astype(float) - truth) ** 2)[hole])
        textures.append(texture_ratio(picture[None], truth[None], hole[None]))
    return {
        "agree": _decibels(np.concatenate(errors)),
        "met3r": float(np.nanmean([one.score for one in consistency])),
        "sed": float(np.nanmedian([one.sed for one in distances])),
        "tsed": tsed(distances),
        "hole_psnr": _decibels(np.concatenate(hole_errors)),
        "texture": float(np.nanmean(textures)),
    }


def _errors(one: SceneView, other: SceneView, hole: np.ndarray, other_hole: np.ndarray) -> np.ndarray:
    """Squared differences of pixels of two views that show one point, where either is painted; both ways."""
    parts = []
    for here, there, mine, theirs in ((one, other, hole, other_hole), (other, one, other_hole, hole)):
        rows, columns, x, y = same_point(here, there)
        at = cv2.remap(there.picture, x[None], y[None], cv2.INTER_LINEAR)[0]
        painted_there = cv2.remap(theirs.astype(np.float32), x[None], y[None], cv2.INTER_LINEAR)[0] > 0.5
        counts = mine[rows, columns] | painted_there
        parts.append(((here.picture[rows, columns].astype(float) - at) ** 2)[counts])
    return np.concatenate(parts)


def same_point(here: SceneView, there: SceneView) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns of pixels of one view whose point another one sees, and its pixel coordinates there (x, y)."""
    height, width = here.depth.shape
    rows, columns = (grid.ravel() for grid in np.mgrid[:height, :width])
    depth = here.depth[rows, columns].astype(np.float64)
    A, b = pixel_transform(here.K, target_from_source(there.world_from_camera, here.world_from_camera), there.K)
    x, y, z = depth * (A @ np.stack([columns + 0.5, rows + 0.5, np.ones(rows.size)])) + b[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = (x / z - 0.5).astype(np.float32), (y / z - 0.5).astype(np.float32)
    inside = (depth > 0) & (z > 0) & (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    near = there.depth[y[inside].round().astype(int), x[inside].round().astype(int)]
    kept = np.flatnonzero(inside)[np.abs(near - z[inside]) < SAME_SURFACE * z[inside]]
    return rows[kept], columns[kept], x[kept], y[kept]


def _decibels(squared: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(squared.mean(), 1e-9))) if squared.size else float("nan")


def print_table(
    means: dict[str, dict[str, float]],
    rows: dict[str, list[dict[str, float]]],
    models: Models,
    settings: PaintSettings,
    args: argparse.Namespace,
) -> None:
    print(
        f"\n{args.scenes} scenes x {len(VIEWS)} cameras x {args.seeds} seeds, {WIDTH} x {HEIGHT}; "
        f"{settings.steps} steps, "
        f"h = {settings.fresh_noise:g}, guided from {settings.guided_from:g} to {settings.guided_to:g}; "
        f"MEt3R by {models.about}"
    )
    print(f"{'':12}{'agree':>15}{'MEt3R':>9}{'SED':>8}{'TSED':>7}{'hole':>9}{'texture':>9}{'calls':>8}{'s a view':>10}")
    for row, some in means.items():
        gain = ""
        if row != "none" and "none" in rows:
            paired = list(_paired(rows[row], rows["none"]))
            gain = f"{np.mean(paired):+.2f} +-{np.std(paired) / len(paired) ** 0.5:.2f}"
        print(
            f"{row:12}{some['agree']:7.2f} dB {gain:>14}{some['met3r']:9.4f}{some['sed']:8.3f}{some['tsed']:7.3f}"
            f"{some['hole_psnr']:9.2f}{some['texture']:9.2f}{some['calls']:8.0f}{some['seconds']:10.2f}"
        )


def _paired(some: list[dict[str, float]], others: list[dict[str, float]]) -> Iterator[float]:
    """Differences of `agree`, scene by scene and seed by seed."""
    each: Iterable[dict[str, float]] = others if len(some) == len(others) else others[:: len(others) // len(some)]
    for one, other in zip(some, each, strict=True):
        if np.isfinite(one["agree"] - other["agree"]):
            yield one["agree"] - other["agree"]


def write_sheet(shown: Shown, made: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Rows of pictures: the warps, each row of the table, the truth."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [[shown.begun[name].warped for name in shown.begun]]
    lines += [[pictures[name] for name in shown.begun] for pictures in made.values()]
    lines.append([shown.truth[name].picture for name in shown.begun])
    sheet = np.concatenate([np.concatenate(line, axis=1) for line in lines])
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    sys.exit(main())
