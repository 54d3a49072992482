# SPDX-License-Identifier: Apache-2.0
"""Measure what each part of the method contributes, on generated scenes with known truth.

    python3.11 scripts/bench/ablations.py [--full] [--scenes 3] [--first 0] [--seeds 1] [--depth true] [--rows NAME ...]
                                          [--shared 60] [--own 60] [--frames 25] [--workers 1] [--keep DIR]

Every row renders the same cameras, a still and a moving one for each scene. The tables show the PSNR of pixels that the
source camera does not see in the same frame (hidden) and of those that it sees, and the texture of hidden pixels that
no other frame shows either. PSNR rewards blur, so a row counts as better only if it beats two controls that know
nothing: the preview with its fill blurred, and with its fill averaged with another.

`--full` takes 12 scenes, three seeds, and estimated depth, too. `--frames` above the video model's window makes it work
in several windows. `--workers 2` measures two scenes at once, each with half of the cores. With --keep, an interrupted
run continues.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from math import nan
from multiprocessing import get_context
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
from reangle.contract import PreviewSettings, ReangleSettings
from reangle.engines.plan import plan_job
from reangle.evaluation.controls import CONTROLS, Control, controlled, unknown_in
from reangle.evaluation.request import scene_request
from reangle.evaluation.truth import TrueScene
from reangle.evaluation.verdict import HIDDEN, Results
from reangle.evaluation.view import view_figures
from reangle.finishing.spec import DELIVER
from reangle.folders import FramesFolder, GeometryFolder, ResultFolder
from reangle.generation.spec import GENERATE
from reangle.geometry.spec import GEOMETRY
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.write import read_images
from reangle.motion.spec import LEARN
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import Store
from reangle.video_models.memory import config_of
from reangle.video_models.windows import Windows, plan_windows
from reangle.weights.installed import InstalledWeights
from reangle.weights.registry import find_checkpoint
from reangle.weights.suites import suite_named

from scripts.bench.ablation_figures import by_camera, kind_of_camera, overlap_figures
from scripts.bench.ablation_tables import print_tables
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene

FRAMES, WIDTH, HEIGHT = 25, 224, 128
SCENES, FULL_SCENES, FULL_SEEDS = 3, 12, 3
SHARED, OWN = "shared_steps", "path_steps"


@dataclass(frozen=True)
class Row:
    """learns: phases with the bench's number of steps, the others have none; None: as the recipe has it. settings: of
    ReangleSettings. painted: whether an image model fills holes. change: applied to each stage of the plan. control:
    replaces pixels that no frame saw.
    """

    words: str
    engine: str = "reangle"
    learns: tuple[str, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    painted: bool = False
    change: Callable[[PlannedStage], PlannedStage] = lambda stage: stage
    control: Control | None = None

    def steps(self, steps: dict[str, int]) -> dict[str, int]:
        """steps: of each phase where a row learns in it."""
        return {} if self.learns is None else {phase: steps[phase] * (phase in self.learns) for phase in steps}


def _learning(**params: Any) -> Callable[[PlannedStage], PlannedStage]:
    """Change params of the stage that learns motion."""
    return lambda stage: replace(stage, params=replace(stage.params, **params)) if stage.spec is LEARN else stage


BOTH = (SHARED, OWN)
FREE = {"exact_where_seen": False, "warp_guidance": 0.0}
ROWS = {
    "preview": Row("engine preview", "preview"),
    "blur1": Row("control: the preview's fill blurred", "preview", control=CONTROLS["blur1"]),
    "mean_telea": Row("control: the fill averaged with Telea's", "preview", control=CONTROLS["mean_telea"]),
    "painted": Row("engine preview, holes painted once", "preview", painted=True),
    "base": Row("video model, nothing learned", learns=(), settings=FREE),
    "lora_original": Row("learned from the clip only", learns=(SHARED,), settings=FREE, change=_learning(warps=False)),
    "lora_nomask": Row("learned from warps, no mask", learns=BOTH, settings=FREE, change=_learning(masked=False)),
    "unseen": Row("learned from warps to other cameras", learns=(SHARED,), settings=FREE),
    "full": Row("learned from warps, masked", learns=BOTH, settings=FREE),
    "full_guided": Row(
        "the same, guided by the warp", learns=BOTH, settings={"exact_where_seen": False, "warp_guidance": 1.0}
    ),
    "full_exact": Row(
        "guided by the warp, exact where seen", learns=BOTH, settings={"warp_guidance": 1.0, "fill_share": 0.0}
    ),
    "default": Row("the engine's default"),
    "default_unlearned": Row("the engine's default, nothing learned", learns=()),
    "lora_shared": Row("the default, but the shared phase only", learns=(SHARED,)),
    "lora_own": Row("the default, but longer on its own warp", learns=(OWN,)),
}


@dataclass(frozen=True)
class Options:
    """What every scene is measured with. work: folder of all outputs. steps: see Row."""

    rows: tuple[str, ...]
    depths: tuple[str, ...]
    seeds: tuple[int, ...]
    suite: str
    frames: int
    steps: dict[str, int]
    work: Path


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what each part of the method contributes.")
    parser.add_argument("--full", action="store_true", help="12 scenes, three seeds, true and estimated depth")
    parser.add_argument("--scenes", type=int, metavar="N", help=f"how many (default: {SCENES})")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first scene's number (default: 0)")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many (default: 1)")
    parser.add_argument("--depth", choices=["true", "estimated"], nargs="+", help="source of the depth")
    parser.add_argument("--suite", default="mini", metavar="NAME")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--shared", type=int, default=60, metavar="N", help="steps from preset warps (default: 60)")
    parser.add_argument("--own", type=int, default=60, metavar="N", help="steps from a camera's own warp (default: 60)")
    parser.add_argument("--frames", type=int, default=FRAMES, metavar="N", help=f"of each clip (default: {FRAMES})")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="scenes at once (default: 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the outputs here; a later run continues")
    args = parser.parse_args()
    scenes = args.scenes or (FULL_SCENES if args.full else SCENES)
    seeds = args.seeds or (FULL_SEEDS if args.full else 1)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        options = Options(
            rows=tuple(args.rows),
            depths=tuple(args.depth or (["true", "estimated"] if args.full else ["true"])),
            seeds=tuple(range(42, 42 + seeds)),
            suite=args.suite,
            frames=args.frames,
            steps={SHARED: args.shared, OWN: args.own},
            work=args.keep or Path(temporary),
        )
        measured = list(_measured(options, range(args.first, args.first + scenes), args.workers))
    for depth in options.depths:
        title = (
            f"{depth} depth, {scenes} scenes of {args.frames} frames, {seeds} seeds;\n"
            f"{args.shared} shared and {args.own} own steps where a row learns in that phase, but the default learns "
            "as in its recipe"
        )
        results: Results = [one[depth] for one in measured]
        table = print_tables(results, {row: ROWS[row].words for row in args.rows}, title)
        figures |= {f"{name}_{depth}": value for name, value in table.items()}
    print(json.dumps({"bench": "ablations", "figures": figures}))
    return 0


SceneResults = dict[str, list[dict[str, dict[str, float]]]]
"""depth x seed x row x figure"""


def _measured(options: Options, numbers: Iterable[int], workers: int) -> Iterable[SceneResults]:
    if workers == 1:
        return map(partial(_measure, options), numbers)
    threads = max(1, (os.cpu_count() or 1) // workers)
    os.environ |= {name: str(threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (threads,)) as pool:
        return list(pool.map(partial(_measure, options), numbers))


def _measure(options: Options, number: int) -> SceneResults:
    """All rows of one scene."""
    scene = _scene(number, options)
    return {
        depth: [{row: _run(row, scene, depth, seed, options) for row in options.rows} for seed in options.seeds]
        for depth in options.depths
    }


def _scene(number: int, options: Options) -> TrueScene:
    place = options.work / f"scenes-{options.frames}" / f"{number:06d}"
    if not place.exists():
        write_scene(draw_scene(number, frames=options.frames, width=WIDTH, height=HEIGHT), place)
    return TrueScene.open(place)


def _run(name: str, scene: TrueScene, depth: str, seed: int, options: Options) -> dict[str, float]:
    """Mean figures over the scene's cameras, see `by_camera`."""
    row, store = ROWS[name], Store(options.work / "data")
    run = partial(run_plan, store=store, weights=InstalledWeights(store.root))
    started = time.perf_counter()
    settings = ReangleSettings(suite=options.suite, caption=scene.caption, **row.steps(options.steps), **row.settings)
    camera, source = ("files", "files") if depth == "true" else ("auto", "mini")
    request = scene_request(
        scene,
        store,
        camera,
        source,
        lambda job: VideoGeometry.load(GeometryFolder(run(plan_job(job, store.root))[GEOMETRY.id()].folder)),
        engine=row.engine,
        preview=PreviewSettings(fill="painted" if row.painted else "continued"),
        reangle=settings,
        seed=seed,
    )
    done = run([row.change(stage) for stage in plan_job(request, store.root)])
    windows, views = _windows(options, store.root), []
    for view in scene.views:
        camera = view.path.name
        result = ResultFolder(done[DELIVER.id(camera)].folder)
        frames, unknown = read_images(result.frames), unknown_in(result)
        if row.control is not None:
            frames = controlled(frames, read_images(result.warped), unknown, row.control)
        measured = view_figures(frames, unknown, view)
        if windows is not None and (made := done.get(GENERATE.id(camera))):
            measured |= overlap_figures(read_images(FramesFolder(made.folder).frames), view, windows)
        views.append((kind_of_camera(view.path), measured))
    figures = by_camera(views)
    seconds = time.perf_counter() - started
    print(
        f"{name:18} scene {scene.name}, seed {seed}, {depth} depth: {figures[HIDDEN]:.2f} dB where hidden, "
        f"texture {figures.get('texture', nan):.2f}, {seconds:.0f} s",
        flush=True,
    )
    return figures


def _windows(options: Options, data: Path) -> Windows | None:
    """The video model's windows. None: the clip needs only one, or the model's configuration does not tell."""
    suite = suite_named(options.suite)
    about = config_of(find_checkpoint(suite.main.name if suite else options.suite, data) / "transformer")
    if options.frames <= about.get("sample_frames", options.frames):
        return None
    return plan_windows(options.frames, about["sample_frames"], about["temporal_compression_ratio"])


if __name__ == "__main__":
    sys.exit(main())
