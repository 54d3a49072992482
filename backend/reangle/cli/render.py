# SPDX-License-Identifier: Apache-2.0
"""`reangle geometry`, `reangle warp` and `reangle run`: a job in this process, without a server."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import uuid4

from reangle.cli import interruption
from reangle.cli.export import check_target, export
from reangle.cli.output import Output
from reangle.cli.request import checked, read_cameras, read_clip, read_geometry
from reangle.contract import CameraPath, JobRequest, PreviewSettings, ReangleSettings
from reangle.engines.plan import plan_job
from reangle.geometry.video_geometry import VideoGeometry
from reangle.runtime.data_folder import data_folder
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import Stage
from reangle.runtime.store import Artifact, Store
from reangle.warping.moves import Move, move_path


def geometry(options: Namespace, output: Output) -> int:
    """Decode the clip and estimate depth and cameras; leaves OUT/source and OUT/geometry."""
    out = Path(options.out).expanduser()
    check_target(out / "source")
    check_target(out / "geometry")
    store = Store(data_of(options))
    request = _request(options, store)
    done = run_stages(output, "Geometry", plan_job(request, store.root), store)
    for name in ("source", "geometry"):
        export(done["decode" if name == "source" else name], out / name)
        output.result(name, out / name)
    output.done()
    return 0


def warp(options: Namespace, output: Output) -> int:
    """The clip as seen from each camera, with holes; leaves OUT/NAME for each."""
    return _cameras(options, output, last="warp", skip={"preview", "deliver"})


def run(options: Namespace, output: Output) -> int:
    """The finished clip from each camera; leaves OUT/NAME for each."""
    return _cameras(options, output, last="deliver", skip=set())


def _cameras(options: Namespace, output: Output, *, last: str, skip: Collection[str]) -> int:
    out = Path(options.out).expanduser()
    paths, moves = read_cameras(options)
    for name in [item.name for item in (*paths, *moves)]:
        check_target(out / name)
    store = Store(data_of(options))
    request = _request(options, store)
    # Named moves turn about the scene's focus, so the geometry has to be known before the cameras are.
    done: dict[str, Artifact] = {}
    if moves:
        done = run_stages(output, "Geometry", plan_job(request, store.root), store)
        paths += _moved(moves, done)
    values = {**request.model_dump(), "paths": tuple(paths)}
    request = checked("The cameras", lambda: JobRequest.model_validate(values))
    stages = [stage for stage in plan_job(request, store.root) if stage.run not in skip and stage.name not in done]
    done = run_stages(output, "Cameras", stages, store, done)
    for path in paths:
        export(done[f"{last} {path.name}"], out / path.name)
        output.result(path.name, out / path.name)
    output.done()
    return 0


def _request(options: Namespace, store: Store) -> JobRequest:
    # Geometry first: missing weights end the command before a large clip is copied.
    settings = read_geometry(options, store)
    clip = read_clip(options, store)
    given = vars(options)
    preview = PreviewSettings(method=given.get("method", "lookup"), memory=not given.get("no_memory", False))
    return checked(
        "The job",
        lambda: JobRequest(
            id=uuid4().hex,
            title=clip.files[0].name,
            clip=clip,
            geometry=settings,
            engine=given.get("engine", "preview"),
            preview=preview,
            reangle=reangle_settings(options),
            seed=options.seed,
        ),
    )


def reangle_settings(options: Namespace) -> ReangleSettings:
    """What was said of the engine reangle."""
    given = vars(options)
    said = {name: given[name] for name in ReangleSettings.model_fields if given.get(name) is not None}
    return checked("The engine's options", lambda: ReangleSettings(**said))


def run_stages(
    output: Output, title: str, stages: Sequence[Stage], store: Store, before: dict[str, Artifact] | None = None
) -> dict[str, Artifact]:
    """Run a plan in this process and show how it goes."""
    with output.plan(title, stages) as report:

        def listening(stage: Stage, fraction: float, message: str, *, cached: bool) -> None:
            interruption.check()
            report(stage, fraction, message, cached=cached)

        return run_plan(stages, store, listening, before)


def _moved(moves: list[Move], done: dict[str, Artifact]) -> list[CameraPath]:
    about = json.loads((done["decode"].folder / "clip.json").read_text(encoding="utf-8"))
    scene = VideoGeometry.load(done["geometry"].folder)
    return [move_path(move, scene, about["width"], about["height"], about["fps"]) for move in moves]


def data_of(options: Namespace) -> Path:
    return Path(options.data).expanduser().absolute() if options.data else data_folder()
