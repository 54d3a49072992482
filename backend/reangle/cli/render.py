# SPDX-License-Identifier: Apache-2.0
"""`reangle geometry`, `reangle warp` and `reangle run`: a job in this process, without a server."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from reangle.cli import interruption
from reangle.cli.export import check_target, export
from reangle.cli.output import Output
from reangle.cli.request import checked, read_cameras, read_clip, read_geometry, rest_of_sequence
from reangle.cli.settings import settings_of
from reangle.cli.starts import read_starts
from reangle.contract import CameraPath, JobRequest, PreviewSettings, ReangleSettings, StartSettings, new_job_id
from reangle.contract.moves import Move
from reangle.engines.plan import plan_job
from reangle.engines.video import check_engine
from reangle.finishing.spec import DELIVER, FILL
from reangle.folders import DecodedClip, GeometryFolder, WarpFolder
from reangle.geometry.spec import CAMERA, GEOMETRY, GLANCE
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.spec import DECODE
from reangle.runtime.data_folder import data_folder, user_path
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage, StageId, StageSpec
from reangle.runtime.store import Artifact, Store
from reangle.starting.spec import START
from reangle.warping.moves import BulletTime, move_name, move_path
from reangle.warping.spec import WARP
from reangle.weights.installed import InstalledWeights


def geometry(options: Namespace, output: Output) -> int:
    """Decode the clip and find its camera and depth; leaves OUT/source, OUT/camera and OUT/geometry."""
    out = user_path(options.out)
    parts = ((DECODE, "source"), (CAMERA, "camera"), (GEOMETRY, "geometry"))
    for _, name in parts:
        check_target(out / name)
    store = Store(data_folder(options.data))
    request = _request(options, output, store)
    done = run_stages(output, "Geometry", geometry_stages(request, store), store)
    for spec, name in parts:
        export(done[spec.id()], out / name)
        output.result(name, out / name)
    output.done()
    return 0


def warp(options: Namespace, output: Output) -> int:
    """The clip as seen from each camera, with holes; leaves OUT/NAME for each."""
    return _cameras(options, output, last=WARP, skip={FILL.kind, DELIVER.kind})


def start(options: Namespace, output: Output) -> int:
    """The first frame of each camera that does not begin at the source camera; leaves OUT/NAME for each."""
    return _cameras(options, output, last=START, skip=set(), until="starts")


def run(options: Namespace, output: Output) -> int:
    """The finished clip from each camera; leaves OUT/NAME for each."""
    return _cameras(options, output, last=DELIVER, skip=set())


def _cameras(
    options: Namespace,
    output: Output,
    *,
    last: StageSpec[Any, Any],
    skip: Collection[str],
    until: Literal["results", "starts"] = "results",
) -> int:
    out = user_path(options.out)
    paths, moves = read_cameras(options)
    for name in (*(path.name for path in paths), *map(move_name, moves)):
        check_target(out / name)
    store = Store(data_folder(options.data))
    request = _request(options, output, store)
    # Moves depend on the focus depth, so geometry comes first.
    done: dict[StageId, Artifact] = {}
    if moves:
        done = run_stages(output, "Geometry", geometry_stages(request, store), store)
        paths += _moved(moves, done)
    starts = read_starts(options, [path.name for path in paths], store) if hasattr(options, "start_image") else ()
    request = checked("The cameras", lambda: replace(request, paths=tuple(paths), starts=starts, until=until))
    stages = [stage for stage in plan_job(request, store.root) if stage.spec.kind not in skip and stage.id not in done]
    done = run_stages(output, "Cameras", stages, store, done)
    output.coverage({path.name: WarpFolder(done[WARP.id(path.name)].folder).metadata() for path in paths})
    made = [path.name for path in paths if last.id(path.name) in done]
    if not made:
        output.note("Every camera begins at the source camera, so none has a starting image of its own.")
    for name in made:
        export(done[last.id(name)], out / name)
        output.result(name, out / name)
    output.done()
    return 0


def _request(options: Namespace, output: Output, store: Store) -> JobRequest:
    # Weights and geometry first: what is missing ends the command before a large clip is copied.
    engine: Any = getattr(options, "engine", "preview")
    reangle = reangle_settings(options)
    check_engine(engine, reangle.suite, store.root)
    settings = read_geometry(options, store)
    clip = read_clip(options, store)
    if others := rest_of_sequence(options):
        output.note(f"The clip is one image; {others} more of its sequence are beside it. Give the folder to use all.")
    return checked(
        "The job",
        lambda: JobRequest(
            id=new_job_id(),
            title=clip.files[0].name,
            clip=clip,
            geometry=settings,
            engine=engine,
            preview=PreviewSettings(**settings_of(options, PreviewSettings)),
            reangle=reangle,
            starting=start_settings(options),
            seed=options.seed,
        ),
    )


def reangle_settings(options: Namespace) -> ReangleSettings:
    """The options of the engines that run a video model."""
    return checked("The engine's options", lambda: ReangleSettings(**settings_of(options, ReangleSettings)))


def start_settings(options: Namespace) -> StartSettings:
    """The options about starting images in general."""
    return checked("The options of starting images", lambda: StartSettings(**settings_of(options, StartSettings)))


def run_stages(
    output: Output,
    title: str,
    stages: Sequence[PlannedStage],
    store: Store,
    before: dict[StageId, Artifact] | None = None,
) -> dict[StageId, Artifact]:
    """Run a plan in this process and show its progress."""
    with output.plan(title, stages) as report:

        def listening(stage: PlannedStage, fraction: float, message: str, *, cached: bool) -> None:
            interruption.check()
            report(stage, fraction, message, cached=cached)

        return run_plan(stages, store, InstalledWeights(store.root), listening, before, report.warn)


def geometry_stages(request: JobRequest, store: Store) -> list[PlannedStage]:
    """The plan of a request without cameras; a first look at the depth serves Blender alone."""
    return [stage for stage in plan_job(request, store.root) if stage.spec is not GLANCE]


def _moved(moves: list[Move | BulletTime], done: dict[StageId, Artifact]) -> list[CameraPath]:
    clip = DecodedClip(done[DECODE.id()].folder).metadata()
    scene = geometry_of(done)
    return [move_path(move, scene, clip.width, clip.height, clip.fps) for move in moves]


def geometry_of(done: Mapping[StageId, Artifact]) -> VideoGeometry:
    """The geometry that a plan's stages made."""
    return VideoGeometry.load(GeometryFolder(done[GEOMETRY.id()].folder))
