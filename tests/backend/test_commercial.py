# SPDX-License-Identifier: Apache-2.0
"""A way from clip to result that is free for commercial work, and no other behind what is offered as such."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reangle.api.capabilities import capabilities_of
from reangle.contract import JobRequest, from_data, new_job_id, to_data
from reangle.contract.capabilities import Capabilities, ProviderInfo
from reangle.engines import suite_choice
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.finishing.spec import DELIVER
from reangle.folders import ResultFolder
from reangle.media.write import write_images
from reangle.runtime.execute import run_plan
from reangle.runtime.stage import PlannedStage
from reangle.runtime.store import Store
from reangle.weights.checkpoints import CHECKPOINTS
from reangle.weights.identity import split_checkpoints
from reangle.weights.installed import InstalledWeights
from reangle.weights.licences import NOT_COMMERCIAL
from reangle.weights.registry import checkpoint_at

from tests.backend.preview_scene import camera, make_path
from tests.backend.tiny_checkpoints import textured_frames
from tests.backend.tiny_depth_anything_3 import save_depth_anything_3
from tests.backend.twins import TWINS, depth_anything_v2_small, flux2_klein_4b, narrow_dpt
from tests.backend.wan_twins import FIRST_FRAME, VACE, WAN_TWINS, write_small

COUNT = 9


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which all published weights are installed, as twins."""
    data = tmp_path_factory.mktemp("everything")
    with narrow_dpt():
        for name, write in {**TWINS, **WAN_TWINS}.items():
            write(data / "models" / name)
    for size in ("Base", "Large"):
        small = data / "models" / "Depth-Anything-V2-Small-hf"
        shutil.copytree(small, small.with_name(f"Depth-Anything-V2-{size}-hf"))
    for size in ("SMALL", "BASE"):
        save_depth_anything_3(data / "models" / f"DA3-{size}")
    missing = [known.name for known in CHECKPOINTS if not known.shipped and not (data / "models" / known.name).is_dir()]
    assert not missing
    return with_clip(data)


def with_clip(data: Path) -> Path:
    write_images(data / "clip", textured_frames(COUNT, 64, 96, 2))
    return data


@pytest.fixture(autouse=True)
def a_large_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite_choice, "why_not_here", lambda suite: "")


def request_for(
    data: Path,
    camera_from: str = "auto",
    depth: str = "auto",
    engine: str = "reangle",
    suite: str = "auto",
    starting: dict[str, Any] | None = None,
    fill: str = "continued",
    reangle: dict[str, Any] | None = None,
) -> JobRequest:
    store = Store(data)
    files = [to_data(store.add_file(path)) for path in sorted((data / "clip").iterdir())]
    world_from_camera = np.stack([camera(0.05 + 0.05 * index / COUNT) for index in range(COUNT)])
    path = make_path(world_from_camera)
    given = {"world_from_camera": [np.eye(4).tolist()], "K": [path.K[0]], "width": 96, "height": 64}
    return from_data(
        JobRequest,
        {
            "id": new_job_id(),
            "clip": {"files": files, "fps": 24.0},
            "geometry": {"camera": camera_from, "depth": depth, **({"given": given} if camera_from == "given" else {})},
            "engine": engine,
            "preview": {"fill": fill},
            "reangle": {"suite": suite, **(reangle or {})},
            "starting": starting or {},
            "paths": [to_data(path)],
        },
    )


def restricted(stages: list[PlannedStage]) -> set[str]:
    """The weights of a plan that are not free for commercial work."""
    found = set()
    for stage in stages:
        for folder in split_checkpoints(stage.checkpoint):
            known = checkpoint_at(Path(folder))
            assert known is not None, folder
            if not known.licence.commercial_ok:
                found.add(known.name)
    return found


def offered(infos: tuple[ProviderInfo, ...]) -> list[str]:
    """What can be chosen with Commercial Use Only and needs no files of the artist's."""
    return [info.name for info in infos if info.available and info.commercial_ok and info.name != "files"]


def engines_with_suites(capabilities: Capabilities) -> Iterator[tuple[str, str]]:
    for engine in capabilities.engines:
        assert engine.commercial_ok
        suites = [one for one in capabilities.suites if any(one.part(role) for role in engine.needs)]
        yield from ((engine.name, one.name) for one in suites if one.commercial_ok)
        if not engine.needs:
            yield engine.name, "auto"


def test_nothing_that_is_offered_for_commercial_work_runs_other_weights(everything: Path) -> None:
    capabilities = capabilities_of(everything)
    engines = list(engines_with_suites(capabilities))
    assert {("preview", "auto"), ("reangle", "mini"), ("reangle", "wan2.2-5b"), ("inpaint", "wan-vace-14b")} < {
        *engines
    }
    axes = (
        offered(capabilities.camera_providers),
        offered(capabilities.depth_providers),
        engines,
        offered(capabilities.painters),
        offered(capabilities.judges),
        ("continued", "painted"),
    )
    assert all(len(axis) > 1 for axis in axes)
    for camera_from, depth, (engine, suite), painter, judge, fill in product(*axes):
        starting = {"painter": painter, "judge": judge}
        stages = plan_job(request_for(everything, camera_from, depth, engine, suite, starting, fill), everything)
        assert not restricted(stages), (camera_from, depth, engine, suite, painter, judge, fill)


@pytest.mark.parametrize(
    "choice",
    [
        {"camera_from": "dust3r"},
        {"depth": "dust3r"},
        {"suite": "cogvideox-5b"},
        {"starting": {"painter": "flux-fill"}},
        {"starting": {"painter": "flux-controlnet"}},
        {"starting": {"painter": "flux2-klein", "judge": "dust3r"}},
    ],
)
def test_what_is_not_offered_would_run_restricted_weights(choice: dict[str, Any], everything: Path) -> None:
    """So the walk above would find them."""
    request = request_for(everything, **choice)
    # The second view is judged against the first.
    further = make_path(np.stack([camera(0.2)] * COUNT), name="further")
    assert restricted(plan_job(replace(request, paths=(*request.paths, further)), everything))
    capabilities = capabilities_of(everything)
    names = {
        *offered(capabilities.camera_providers),
        *offered(capabilities.painters),
        *(suite for _, suite in engines_with_suites(capabilities)),
    }
    assert not names & {"dust3r", "cogvideox-5b", "flux-fill", "flux-controlnet"}


def test_defaults_never_take_restricted_weights_that_are_installed(everything: Path, tmp_path: Path) -> None:
    data = with_clip(tmp_path)
    for known in CHECKPOINTS:
        if not known.shipped and not known.licence.commercial_ok:
            shutil.copytree(everything / "models" / known.name, data / "models" / known.name)
    for engine in ("preview", "reangle"):
        assert not restricted(plan_job(request_for(data, engine=engine, fill="painted"), data))
    with pytest.raises(UserError, match="no weights on this machine") as caught:
        plan_job(request_for(data, engine="inpaint"), data)
    assert "Apache-2.0" in caught.value.advice
    assert "GB" in caught.value.advice


@pytest.mark.parametrize(("engine", "suite"), [("reangle", "wan2.2-5b"), ("inpaint", "wan-vace-1.3b")])
def test_defaults_go_from_clip_to_result(engine: str, suite: str, tmp_path: Path) -> None:
    """Depth, camera, starting image, video: all by the suite's own weights, all of them free for commercial work."""
    data = with_clip(tmp_path)
    for name in (FIRST_FRAME, VACE):
        write_small(name, data / "models" / name)
    depth_anything_v2_small(data / "models" / "Depth-Anything-V2-Small-hf")
    flux2_klein_4b(data / "models" / "FLUX.2-klein-4B")
    steps: dict[str, Any] = {
        "sampling_steps": 2,
        **({"shared_steps": 1, "path_steps": 1, "rank": 2} if engine == "reangle" else {}),
    }
    request = request_for(data, "still", engine=engine, starting={"candidates": 2}, reangle=steps)
    stages = plan_job(request, data)
    used = {Path(folder).name for stage in stages for folder in split_checkpoints(stage.checkpoint)}
    video = FIRST_FRAME if engine == "reangle" else VACE
    assert used == {"Depth-Anything-V2-Small-hf", "FLUX.2-klein-4B", video}
    done = run_plan(stages, Store(data), InstalledWeights(data))
    manifest = ResultFolder(done[DELIVER.id(request.paths[0].name)].folder).manifest()
    assert manifest.start is not None
    assert manifest.generation is not None
    licences = [manifest.geometry["licence"], manifest.start.licence, manifest.generation.licence]
    assert licences == ["Apache-2.0"] * 3
    assert NOT_COMMERCIAL not in str(manifest)
    assert manifest.settings["suite"] == suite
