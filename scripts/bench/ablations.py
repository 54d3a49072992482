# SPDX-License-Identifier: Apache-2.0
"""What each part of the method is worth, on generated scenes whose truth is known.

    python3.11 scripts/bench/ablations.py [--full] [--scenes 3] [--suite mini] [--rows NAME ...]

Every row renders the same cameras: of each scene one that stands aside and one that travels. PSNR of what the source
camera saw in the same frame, and of what it did not. `--full` takes 12 scenes, three seeds, and estimated depth, too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
from environments import enter

enter("backend")

import numpy as np

from backend.contract import Clip, GeometrySettings, JobRequest, ReangleSettings
from backend.engines.execute import run_plan
from backend.engines.plan import plan_job
from backend.engines.stage import Stage
from backend.evaluation.camera import camera_error
from backend.evaluation.judge import judge, mean_of
from backend.evaluation.truth import TrueScene
from backend.geometry.files import collect_geometry_files
from backend.media.write import read_images
from backend.store import Store
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.folders import write_scene

FRAMES, WIDTH, HEIGHT = 25, 224, 128
SCENES, FULL_SCENES, FULL_SEEDS = 3, 12, 3


@dataclass(frozen=True)
class Row:
    """said: of ReangleSettings; change: made to each stage of the plan."""

    words: str
    engine: str = "reangle"
    said: dict[str, Any] = field(default_factory=dict)
    change: Callable[[Stage], Stage] = lambda stage: stage


def _learning(**params: Any) -> Callable[[Stage], Stage]:
    """Changes how motion is learned."""
    return lambda stage: replace(stage, params={**stage.params, **params}) if stage.run == "learn" else stage


ALL = {"exact_where_seen": False}
ROWS = {
    "preview": Row("engine preview", engine="preview"),
    "base": Row("video model, nothing learned", said={**ALL, "shared_steps": 0, "path_steps": 0}),
    "lora_original": Row("learned from the clip only", said={**ALL, "path_steps": 0}, change=_learning(warps=False)),
    "lora_nomask": Row("learned from warps, no mask", said=ALL, change=_learning(masked=False)),
    "unseen": Row("learned from warps to other cameras", said={**ALL, "path_steps": 0}),
    "full": Row("learned from warps, masked", said=ALL),
    "full_guided": Row("the same, held to the warp", said={**ALL, "warp_guidance": 0.6}),
    "full_exact": Row("the same, exact where seen"),
    "full_guided_exact": Row("held to the warp, exact where seen", said={"warp_guidance": 0.6}),
    "filled_exact": Row("and to the fill for 0.4, exact", said={"warp_guidance": 1.0, "fill_guidance": 0.4}),
    "filled_more_exact": Row("and to the fill for 0.7, exact", said={"warp_guidance": 1.0, "fill_guidance": 0.7}),
    "filled_all_exact": Row("and to the fill for all, exact", said={"warp_guidance": 1.0, "fill_guidance": 1.0}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="What each part of the method is worth.")
    parser.add_argument("--full", action="store_true", help="12 scenes, three seeds, true and estimated depth")
    parser.add_argument("--scenes", type=int, metavar="N", help=f"how many (default: {SCENES})")
    parser.add_argument("--suite", default="mini", metavar="NAME")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep what was made, to look at")
    chosen = parser.parse_args()
    scenes = chosen.scenes or (FULL_SCENES if chosen.full else SCENES)
    seeds = range(42, 42 + (FULL_SEEDS if chosen.full else 1))
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = chosen.keep or Path(temporary)
        folders = [_scene(seed, work / "scenes") for seed in range(scenes)]
        for geometry in ("files", "mini") if chosen.full else ("files",):
            found = {
                row: [_run(row, one, geometry, seed, chosen.suite, work) for one in folders for seed in seeds]
                for row in chosen.rows
            }
            figures |= _table(found, geometry)
    print(json.dumps({"bench": "ablations", "figures": figures}))
    return 0


def _scene(seed: int, folder: Path) -> TrueScene:
    place = folder / f"{seed:06d}"
    if not place.exists():
        write_scene(draw_scene(seed, frames=FRAMES, width=WIDTH, height=HEIGHT), place)
    return TrueScene.open(place)


def _run(name: str, scene: TrueScene, geometry: str, seed: int, suite: str, work: Path) -> dict[str, float]:
    """Mean figures over the scene's cameras."""
    row, store = ROWS[name], Store(work / "data")
    depth = GeometrySettings(provider="mini")
    if geometry == "files":
        files = (*collect_geometry_files(scene.folder / "depth"), scene.folder / "scene.json")
        depth = GeometrySettings(provider="files", files=tuple(store.add_file(path) for path in files))
    request = JobRequest(
        id=uuid4().hex,
        clip=Clip(
            files=tuple(store.add_file(path) for path in sorted((scene.folder / "source").iterdir())), fps=scene.fps
        ),
        geometry=depth,
        paths=tuple(view.path for view in scene.views),
        engine=row.engine,
        reangle=ReangleSettings(suite=suite, caption=scene.caption, **row.said),
        seed=seed,
    )
    started = time.perf_counter()
    stages = [row.change(stage) for stage in plan_job(request, store.root)]
    done = run_plan(stages, store, lambda stage, fraction, message, *, cached: None)
    rows = []
    for view in scene.views:
        frames = read_images(done[f"deliver {view.path.name}"].folder / "frames")
        truth, parts = view.frames(), view.parts()
        rows.append({**judge(frames, truth, parts), **camera_error(frames, truth, parts["static"])})
    means = mean_of(rows)
    seconds = time.perf_counter() - started
    print(
        f"{name:18} scene {scene.name}, seed {seed}: {means['psnr_occluded']:.2f} dB where hidden, {seconds:.0f} s",
        flush=True,
    )
    return means


def _table(found: dict[str, list[dict[str, float]]], geometry: str) -> dict[str, float]:
    depth = "true depth" if geometry == "files" else "estimated depth"
    print(f"\n{depth}; PSNR in dB, mean and deviation over {len(next(iter(found.values())))} runs")
    print(f"{'':38}{'hidden':>14}{'seen':>14}{'moving':>14}{'edges, hidden':>15}{'camera, px':>12}")
    figures = {}
    suffix = "" if geometry == "files" else "_estimated"
    for name, runs in found.items():
        shown = ("psnr_occluded", "psnr_visible", "psnr_moving")
        occluded, visible, moving = (np.array([run[key] for run in runs if key in run]) for key in shown)
        edges, camera = (
            float(np.mean([run[key] for run in runs if key in run])) for key in ("edges_occluded", "camera_px")
        )
        cells = "".join(f"{f'{one.mean():.2f} ±{one.std():.2f}':>14}" for one in (occluded, visible, moving))
        print(f"{ROWS[name].words:38}{cells}{edges:15.3f}{camera:12.2f}")
        figures[f"occluded_psnr_{name}{suffix}"] = round(float(occluded.mean()), 3)
        figures[f"visible_psnr_{name}{suffix}"] = round(float(visible.mean()), 3)
    return figures


if __name__ == "__main__":
    sys.exit(main())
