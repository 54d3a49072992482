# SPDX-License-Identifier: Apache-2.0
"""Measure what each part of the method contributes, on generated scenes with known truth.

    python3.11 scripts/bench/ablations.py [--full] [--scenes 3] [--first 0] [--seeds 1] [--depth true] [--rows NAME ...]

Every row renders the same cameras, a still and a moving one for each scene. The table shows the PSNR of pixels that the
source camera does not see in the same frame (hidden) and of those that it sees. `--full` takes 12 scenes, three seeds,
and estimated depth, too. With --keep, an interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import numpy as np
from reangle.contract import ReangleSettings
from reangle.engines.plan import plan_job
from reangle.evaluation.camera import camera_error
from reangle.evaluation.judge import judge, mean_of
from reangle.evaluation.request import scene_request
from reangle.evaluation.truth import TrueScene
from reangle.finishing.spec import DELIVER
from reangle.folders import GeometryFolder, ResultFolder
from reangle.geometry.spec import GEOMETRY
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.motion.spec import LEARN
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import Store
from reangle.weights.installed import InstalledWeights

from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene

FRAMES, WIDTH, HEIGHT = 25, 224, 128
SCENES, FULL_SCENES, FULL_SEEDS = 3, 12, 3


@dataclass(frozen=True)
class Row:
    """settings: of ReangleSettings. change: applied to each stage of the plan."""

    words: str
    engine: str = "reangle"
    settings: dict[str, Any] = field(default_factory=dict)
    change: Callable[[PlannedStage], PlannedStage] = lambda stage: stage


def _learning(**params: Any) -> Callable[[PlannedStage], PlannedStage]:
    """Change params of the stage that learns motion."""
    return lambda stage: replace(stage, params=replace(stage.params, **params)) if stage.spec is LEARN else stage


FREE = {"exact_where_seen": False, "warp_guidance": 0.0}
UNLEARNED = {"shared_steps": 0, "path_steps": 0}
ROWS = {
    "preview": Row("engine preview", engine="preview"),
    "base": Row("video model, nothing learned", settings={**FREE, **UNLEARNED}),
    "lora_original": Row(
        "learned from the clip only", settings={**FREE, "path_steps": 0}, change=_learning(warps=False)
    ),
    "lora_nomask": Row("learned from warps, no mask", settings=FREE, change=_learning(masked=False)),
    "unseen": Row("learned from warps to other cameras", settings={**FREE, "path_steps": 0}),
    "full": Row("learned from warps, masked", settings=FREE),
    "full_guided": Row("the same, guided by the warp", settings={"exact_where_seen": False, "warp_guidance": 1.0}),
    "full_exact": Row("guided by the warp, exact where seen", settings={"warp_guidance": 1.0, "fill_share": 0.0}),
    "default": Row("the engine's default"),
    "default_unlearned": Row("the engine's default, nothing learned", settings=UNLEARNED),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what each part of the method contributes.")
    parser.add_argument("--full", action="store_true", help="12 scenes, three seeds, true and estimated depth")
    parser.add_argument("--scenes", type=int, metavar="N", help=f"how many (default: {SCENES})")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number (default: 0)")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many (default: 1)")
    parser.add_argument("--depth", choices=["true", "estimated"], nargs="+", help="source of the depth")
    parser.add_argument("--suite", default="mini", metavar="NAME")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the outputs here; a later run continues")
    args = parser.parse_args()
    scenes = args.scenes or (FULL_SCENES if args.full else SCENES)
    seeds = range(42, 42 + (args.seeds or (FULL_SEEDS if args.full else 1)))
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or Path(temporary)
        folders = [_scene(seed, work / "scenes") for seed in range(args.first, args.first + scenes)]
        for depth in args.depth or (["true", "estimated"] if args.full else ["true"]):
            # scene x seed x row
            results = [
                [{row: _run(row, one, depth, seed, args.suite, work) for row in args.rows} for seed in seeds]
                for one in folders
            ]
            figures |= _table(results, depth)
    print(json.dumps({"bench": "ablations", "figures": figures}))
    return 0


def _scene(seed: int, folder: Path) -> TrueScene:
    place = folder / f"{seed:06d}"
    if not place.exists():
        write_scene(draw_scene(seed, frames=FRAMES, width=WIDTH, height=HEIGHT), place)
    return TrueScene.open(place)


def _run(name: str, scene: TrueScene, depth: str, seed: int, suite: str, work: Path) -> dict[str, float]:
    """Mean figures over the scene's cameras."""
    row, store = ROWS[name], Store(work / "data")
    run = partial(run_plan, store=store, weights=InstalledWeights(store.root))
    started = time.perf_counter()
    settings = ReangleSettings(suite=suite, caption=scene.caption, **row.settings)
    camera, source = ("files", "files") if depth == "true" else ("auto", "mini")
    request = scene_request(
        scene,
        store,
        camera,
        source,
        lambda job: VideoGeometry.load(GeometryFolder(run(plan_job(job, store.root))[GEOMETRY.id()].folder)),
        engine=row.engine,
        reangle=settings,
        seed=seed,
    )
    done = run([row.change(stage) for stage in plan_job(request, store.root)])
    rows = []
    for view in scene.views:
        frames = read_images(ResultFolder(done[DELIVER.id(view.path.name)].folder).frames)
        truth, parts = view.frames(), view.parts()
        rows.append({**judge(frames, truth, parts), **camera_error(frames, truth, parts["static"])})
    means = mean_of(rows)
    seconds = time.perf_counter() - started
    print(
        f"{name:18} scene {scene.name}, seed {seed}: {means['psnr_occluded']:.2f} dB where hidden, {seconds:.0f} s",
        flush=True,
    )
    return means


SHOWN = {"seen": "psnr_visible", "moving": "psnr_moving", "edges": "edges_occluded", "camera px": "camera_px"}


def _table(results: list[list[dict[str, dict[str, float]]]], depth: str) -> dict[str, float]:
    """results: scene x seed x row x figure."""
    scenes, seeds, rows = len(results), len(results[0]), list(results[0][0])

    def values(row: str, figure: str) -> np.ndarray:
        """scene x seed"""
        return np.array([[one[row].get(figure, np.nan) for one in scene] for scene in results])

    print(
        f"\n{depth} depth, {scenes} scenes, {seeds} seeds: means; PSNR in dB. Against preview: mean difference of\n"
        "hidden to the engine preview, its standard error over scenes, and the number of scenes where it is positive.\n"
        "Seeds: standard deviation of hidden over seeds."
    )
    print(f"{'':40}{'hidden':>8}{'against preview':>24}{'seeds':>8}" + "".join(f"{name:>11}" for name in SHOWN))
    figures = {}
    for row in rows:
        hidden = values(row, "psnr_occluded")
        against = ""
        if "preview" in rows:
            more = (hidden - values("preview", "psnr_occluded")).mean(axis=1)
            error = more.std(ddof=1) / np.sqrt(scenes) if scenes > 1 else np.nan
            against = f"{more.mean():+.2f} ±{error:.2f}, {(more > 0).sum()} of {scenes}"
            figures[f"against_preview_{row}_{depth}"] = round(float(more.mean()), 3)
        spread = hidden.std(axis=1, ddof=1).mean() if seeds > 1 else np.nan
        others = "".join(f"{np.nanmean(values(row, figure)):11.2f}" for figure in SHOWN.values())
        print(f"{ROWS[row].words:40}{hidden.mean():8.2f}{against:>24}{spread:8.2f}{others}")
        figures[f"hidden_{row}_{depth}"] = round(float(hidden.mean()), 3)
        figures[f"seen_{row}_{depth}"] = round(float(values(row, "psnr_visible").mean()), 3)
    return figures


if __name__ == "__main__":
    sys.exit(main())
