# SPDX-License-Identifier: Apache-2.0
"""`reangle evaluate`: ground-truth scenes, rendered by one engine or by several, and measured."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reangle.cli.export import check_target, export
from reangle.cli.output import Output
from reangle.cli.render import geometry_of, geometry_stages, reangle_settings, run_stages, start_settings
from reangle.cli.request import camera_and_depth_options, checked
from reangle.contract import JobRequest
from reangle.contract.engines import ENGINES
from reangle.engines.plan import plan_job
from reangle.engines.suite_choice import with_suite
from reangle.errors import UserError
from reangle.evaluation.comparison import Row, comparison_table
from reangle.evaluation.controls import CONTROLS, controlled, unknown_in
from reangle.evaluation.request import TRUTH, scene_request
from reangle.evaluation.truth import TrueScene, TrueView, open_scenes
from reangle.evaluation.view import view_figures
from reangle.finishing.spec import DELIVER, FILL
from reangle.folders import FilledFolder, ResultFolder
from reangle.media.write import read_images
from reangle.runtime.data_folder import data_folder, disk_errors, user_path, write_atomically
from reangle.runtime.stage import PlannedStage, StageId
from reangle.runtime.store import Artifact, Store


@dataclass(frozen=True)
class Contender:
    """An engine, and its suite where the command names one: ENGINE or ENGINE:SUITE."""

    engine: str
    suite: str = ""

    @classmethod
    def parse(cls, text: str) -> Contender:
        engine, _, suite = text.partition(":")
        return cls(engine, suite)

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.engine}:{self.suite}" if self.suite else self.engine

    @property
    def folder(self) -> str:
        """The name of the folder with its results."""
        return f"{self.engine}-{Path(self.suite).name}" if self.suite else self.engine


def evaluate(options: Namespace, output: Output) -> int:
    """Render every target camera of every scene and compare; leaves OUT/figures.json and OUT/SCENE/CAMERA, with several
    engines OUT/ENGINE/SCENE/CAMERA.
    """
    out = user_path(options.out)
    contenders = _contenders(options)
    several = len(contenders) > 1
    scenes = open_scenes(user_path(options.scenes))
    folders = {one: out / one.folder if several else out for one in contenders}
    for folder in folders.values():
        for scene in scenes:
            for view in scene.views:
                check_target(folder / scene.name / view.path.name)
    store = Store(data_folder(options.data))
    rows = {one: Row(one.name, one.engine) for one in contenders}
    controls = {name: Row(name, "preview") for name in (CONTROLS if several else ())}
    for scene in scenes:
        # What an engine lacks is told before another one works for hours.
        requests = {one: _request(options, one, scene, store, output) for one in contenders}
        plans = {one: plan_job(request, store.root) for one, request in requests.items()}
        for number, (one, stages) in enumerate(plans.items()):
            rows[one].suite = requests[one].reangle.suite if ENGINES[one.engine].needs else ""
            title = f"{scene.name}, {one.name}" if several else scene.name
            done = run_stages(output, title, stages, store)
            rows[one].seconds += _seconds(stages, done)
            for view in scene.views:
                camera = view.path.name
                result = ResultFolder(folders[one] / scene.name / camera)
                export(done[DELIVER.id(camera)], result.path)
                rows[one].add(scene.name, camera, _figures(read_images(result.frames), result, view))
                if number == 0:
                    # All engines start from the same fill.
                    fill = read_images(FilledFolder(done[FILL.id(camera)].folder).frames)
                    _add_controls(controls, scene, view, result, fill)
    _report(list(rows.values()), list(controls.values()), out, output)
    output.done()
    return 0


def _report(rows: Sequence[Row], controls: Sequence[Row], out: Path, output: Output) -> None:
    if len(rows) == 1:
        mean = rows[0].mean()
        about, values = rows[0].as_data(), mean
        text = "\n".join(f"{name:18}{value:9.3f}" for name, value in sorted(mean.items()))
    else:
        # The controls are what the preview is compared with, so they stand above the engines that should beat them.
        ordered = [row for row in rows if row.engine == "preview"]
        ordered += [*controls, *(row for row in rows if row.engine != "preview")]
        about = {"rows": [row.as_data() for row in ordered]}
        values = [{**row.as_data()["mean"], "name": row.name, "seconds": round(row.seconds, 1)} for row in ordered]
        text = comparison_table(ordered)
    with disk_errors(out, "choose another --out"):
        write_atomically(out / "figures.json", json.dumps(about, indent=1).encode())
    output.result("figures", out / "figures.json")
    output.data(values, text)


def _contenders(options: Namespace) -> list[Contender]:
    contenders = [Contender.parse(text) for text in options.engine]
    if len({one.folder for one in contenders}) < len(contenders):
        raise UserError("--engine names the same engine and weights twice.", advice="Name each once.")
    given = getattr(options, "ReangleSettings.suite", None)
    with_weights = [one for one in contenders if ENGINES[one.engine].needs]
    if given and len(with_weights) > 1:
        names = " ".join(f"{one.engine}:{one.suite or 'NAME'}" for one in with_weights)
        raise UserError(
            f"--suite is for one engine, but {' and '.join(one.name for one in with_weights)} both run weights.",
            advice=f"Name them with the engines: --engine {names}.",
        )
    return contenders


def _request(options: Namespace, contender: Contender, scene: TrueScene, store: Store, output: Output) -> JobRequest:
    settings = reangle_settings(options)
    if contender.suite:
        settings = checked("The engine's options", lambda: replace(settings, suite=contender.suite))
    if not settings.caption:
        settings = replace(settings, caption=scene.caption)
    request = checked(
        f"The scene {scene.folder}",
        lambda: scene_request(
            scene,
            store,
            *camera_and_depth_options(options, TRUTH),
            lambda job: geometry_of(run_stages(output, scene.name, geometry_stages(job, store), store)),
            engine=contender.engine,
            reangle=settings,
            starting=start_settings(options),
            seed=options.seed,
        ),
    )
    return with_suite(request, store.root)


def _seconds(stages: Sequence[PlannedStage], done: Mapping[StageId, Artifact]) -> float:
    """How long the stages took when they ran, now or before."""
    return sum(float(done[stage.id].about.get("seconds", 0.0)) for stage in stages)


def _figures(frames: np.ndarray, result: ResultFolder, view: TrueView) -> dict[str, float]:
    truth = view.frames()
    if frames.shape != truth.shape:
        raise UserError(
            f"{view.folder} has images of shape {truth.shape}, the result {frames.shape}.",
            advice="Correct the scene's size or the number of its frames.",
        )
    return view_figures(frames, unknown_in(result), view)


def _add_controls(
    controls: Mapping[str, Row], scene: TrueScene, view: TrueView, result: ResultFolder, fill: np.ndarray
) -> None:
    for name, row in controls.items():
        frames = controlled(fill, read_images(result.warped), unknown_in(result), CONTROLS[name])
        row.add(scene.name, view.path.name, _figures(frames, result, view))
