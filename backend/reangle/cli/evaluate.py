# SPDX-License-Identifier: Apache-2.0
"""`reangle evaluate`: ground-truth scenes, rendered and measured."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace

from reangle.cli.export import check_target, export
from reangle.cli.output import Output
from reangle.cli.render import geometry_of, geometry_stages, reangle_settings, run_stages, start_settings
from reangle.cli.request import camera_and_depth_options, checked
from reangle.contract import JobRequest
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.evaluation.camera import camera_error
from reangle.evaluation.judge import judge, mean_of
from reangle.evaluation.request import TRUTH, scene_request
from reangle.evaluation.truth import TrueScene, open_scenes
from reangle.finishing.spec import DELIVER
from reangle.folders import ResultFolder
from reangle.media.write import read_images
from reangle.runtime.data_folder import data_folder, disk_errors, user_path, write_atomically
from reangle.runtime.store import Store


def evaluate(options: Namespace, output: Output) -> int:
    """Render every target camera of every scene and compare; leaves OUT/figures.json and OUT/SCENE/CAMERA."""
    out = user_path(options.out)
    scenes = open_scenes(user_path(options.scenes))
    for scene in scenes:
        for view in scene.views:
            check_target(out / scene.name / view.path.name)
    store = Store(data_folder(options.data))
    rows = []
    for scene in scenes:
        request = _request(options, scene, store, output)
        done = run_stages(output, scene.name, plan_job(request, store.root), store)
        for view in scene.views:
            folder = out / scene.name / view.path.name
            export(done[DELIVER.id(view.path.name)], folder)
            truth, parts = view.frames(), view.parts()
            rendered = read_images(ResultFolder(folder).frames)
            if rendered.shape != truth.shape:
                raise UserError(
                    f"{view.folder} has images of shape {truth.shape}, the result {rendered.shape}.",
                    advice="Correct the scene's size or the number of its frames.",
                )
            figures = {**judge(rendered, truth, parts), **camera_error(rendered, truth, parts.get("static"))}
            rows.append({"scene": scene.name, "camera": view.path.name, **figures})
    figures = mean_of({name: value for name, value in row.items() if isinstance(value, float)} for row in rows)
    about = {"engine": options.engine, "views": rows, "mean": figures}
    with disk_errors(out, "choose another --out"):
        write_atomically(out / "figures.json", json.dumps(about, indent=1).encode())
    output.result("figures", out / "figures.json")
    output.data(figures, "\n".join(f"{name:18}{value:9.3f}" for name, value in sorted(figures.items())))
    output.done()
    return 0


def _request(options: Namespace, scene: TrueScene, store: Store, output: Output) -> JobRequest:
    settings = reangle_settings(options)
    if not settings.caption:
        settings = replace(settings, caption=scene.caption)
    return checked(
        f"The scene {scene.folder}",
        lambda: scene_request(
            scene,
            store,
            *camera_and_depth_options(options, TRUTH),
            lambda job: geometry_of(run_stages(output, scene.name, geometry_stages(job, store), store)),
            engine=options.engine,
            reangle=settings,
            starting=start_settings(options),
            seed=options.seed,
        ),
    )
