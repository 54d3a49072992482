# SPDX-License-Identifier: GPL-3.0-or-later
"""What the desk writes the workshop reads, and back; what one refuses the other refuses."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import reangle.contract as workshop
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from reangle.api import app

from reangle_blender.core import contract as desk
from reangle_blender.core import names, wire
from reangle_blender.core.moves import Move, move_camera

SHA = "ab" * 32
JOB = "0123456789abcdef" * 2
PAIRS = {
    "FileRef": workshop.FileRef,
    "Clip": workshop.Clip,
    "GeometrySettings": workshop.GeometrySettings,
    "PreviewSettings": workshop.PreviewSettings,
    "ReangleSettings": workshop.ReangleSettings,
    "CameraPath": workshop.CameraPath,
    "JobRequest": workshop.JobRequest,
    "JobError": workshop.JobError,
    "JobStatus": workshop.JobStatus,
    "JobEvent": workshop.JobEvent,
    "ResultFile": workshop.ResultFile,
    "Result": workshop.Result,
    "Health": app.Health,
    "Provider": app.Provider,
    "Events": app.Events,
}


@pytest.mark.parametrize("name", PAIRS)
def test_both_sides_have_the_same_fields_and_defaults(name: str) -> None:
    here = {field.name: field for field in dataclasses.fields(getattr(desk, name))}
    there = PAIRS[name].model_fields
    assert set(here) == set(there)
    for field, about in there.items():
        # The desk makes ids itself, so it may require more; it never leaves out what the workshop wants.
        if about.is_required():
            assert here[field].default is dataclasses.MISSING
        else:
            assert wire.to_data(here[field].default) == json.loads(json.dumps(_plain(about.default)))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def test_both_sides_agree_on_numbers() -> None:
    assert desk.CONTRACT_VERSION == workshop.CONTRACT_VERSION
    assert (desk.MAX_SIDE, desk.MAX_FRAMES) == (workshop.MAX_SIDE, workshop.MAX_FRAMES)
    assert desk.FINAL_STATES == workshop.FINAL_STATES


def path(name: str = "left") -> desk.CameraPath:
    moved = move_camera(Move("handheld", 5), np.linspace(0, 1, 5), np.eye(4), 3.0)
    K = np.tile(np.array([[500.0, 0, 359.5], [0, 510, 241], [0, 0, 1]]), (5, 1, 1))
    return desk.CameraPath.from_arrays(
        name=name, fps=23.976, width=720, height=480, frames=range(5), world_from_camera=moved.world_from_camera, K=K
    )


def request(**change: Any) -> desk.JobRequest:
    clip = desk.Clip((desk.FileRef("größe 1.mp4", SHA, 12),), start=3, frames=5, width=720, height=480)
    geometry = desk.GeometrySettings("files", files=(desk.FileRef("z.exr", SHA, 0),), depth_files_scale=0.001)
    reangle = desk.ReangleSettings(caption="ein Hund", path_steps=0, rate=1e-4, warp_guidance=0.5)
    values = {"id": JOB, "clip": clip, "geometry": geometry, "paths": (path(),), "title": "Shot 1"}
    return desk.JobRequest(**{**values, "engine": "reangle", "reangle": reangle, **change})


def test_a_request_goes_over_and_comes_back_unchanged() -> None:
    sent = request()
    understood = workshop.JobRequest.model_validate_json(wire.to_json(sent), strict=True)
    assert wire.from_json(desk.JobRequest, understood.model_dump_json()) == sent
    assert np.array_equal(understood.paths[0].extrinsics(), sent.paths[0].extrinsics())


@pytest.mark.parametrize("provider", ["mini", "dust3r", "depth-anything"])
def test_both_know_the_learned_providers(provider: Any) -> None:
    sent = request(geometry=desk.GeometrySettings(provider))
    understood = workshop.JobRequest.model_validate_json(wire.to_json(sent), strict=True)
    assert wire.from_json(desk.JobRequest, understood.model_dump_json()).geometry.provider == provider


def test_answers_come_over() -> None:
    error = workshop.JobError(message="No depth.", advice="Choose one.", traceback="...")
    status = workshop.JobStatus(id=JOB, title="ü", state="failed", error=error, created=12.5, notes=("a", "b"))
    events = [
        workshop.JobEvent(n=1, job=JOB, time=1, type="state", state="running"),
        workshop.JobEvent(n=2, job=JOB, time=2.5, type="progress", progress=0.5, eta_s=3),
        workshop.JobEvent(
            n=2, job=JOB, time=2.7, type="progress", stage="learn", loss=0.5, message="step 1", picture="aGk="
        ),
        workshop.JobEvent(n=3, job=JOB, time=3, type="error", error=error),
    ]
    file = workshop.ResultFile(path="frames/000001.png", sha256=SHA, size=3)
    result = workshop.Result(name="cameras/left", files=(file,))
    for here, there in (
        (desk.JobStatus, status),
        (desk.Events, app.Events(events=events, last=3)),
        (desk.Result, result),
        (desk.Health, app.Health(contract=1, version="0.1", pid=4, data="/data")),
    ):
        text = there.model_dump_json()
        assert json.loads(wire.to_json(wire.from_json(here, text))) == json.loads(text)


def _both_refuse(cls: Any, data: Any) -> None:
    with pytest.raises(wire.ContractError):
        wire.from_data(cls, data)
    with pytest.raises(ValidationError):
        PAIRS[cls.__name__].model_validate_json(json.dumps(data))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("id",), "A" * 32),
        (("title",), "x" * 201),
        (("seed",), -1),
        (("seed",), 2**63),
        (("contract",), 2),
        (("engine",), "guess"),
        (("clip", "files"), []),
        (("clip", "start"), -1),
        (("clip", "frames"), 0),
        (("clip", "frames"), 4097),
        (("clip", "width"), None),
        (("clip", "width"), 15),
        (("clip", "fps"), 0),
        (("clip", "files", 0, "sha256"), SHA + "\n"),
        (("clip", "files", 0, "size"), -1),
        (("geometry", "provider"), "dust3r"),
        (("geometry",), {"provider": "mini", "checkpoint": "naver/other"}),
        (("geometry",), {"provider": "guess"}),
        (("geometry", "files"), []),
        (("geometry", "horizontal_fov_deg"), 170),
        (("geometry", "depth_files_scale"), 0),
        (("preview", "method"), "guess"),
        (("reangle", "suite"), ""),
        (("reangle", "caption"), "x" * 2001),
        (("reangle", "shared_steps"), -1),
        (("reangle", "path_steps"), 1.5),
        (("reangle", "rank"), 0),
        (("reangle", "alpha"), 0),
        (("reangle", "rate"), 0),
        (("reangle", "rate"), float("nan")),
        (("reangle", "sampling_steps"), 0),
        (("reangle", "guidance"), 0.5),
        (("reangle", "warp_guidance"), 1.1),
        (("reangle", "exact_where_seen"), None),
        (("paths", 0, "fps"), 0),
        (("paths", 0, "fps"), float("nan")),
        (("paths", 0, "width"), 8193),
        (("paths", 0, "height"), 0),
        (("paths", 0, "frames"), []),
        (("paths", 0, "frames", 2), -1),
        (("paths", 0, "frames"), [0, 1]),
        (("paths", 0, "K", 1, 0, 0), 0),
        (("paths", 0, "K", 1, 0, 1), 0.1),
        (("paths", 0, "K", 1, 2, 2), 2),
        (("paths", 0, "world_from_camera", 1, 0, 0), 1.1),
        (("paths", 0, "world_from_camera", 1, 0, 3), float("inf")),
        (("paths", 0, "world_from_camera", 1, 3, 0), 0.1),
        (("paths", 0, "world_from_camera", 0), np.diag([1, 1, -1, 1]).tolist()),
        (("paths", 0, "world_from_camera", 0), [[1, 0], [0, 1]]),
    ],
)
def test_both_refuse_the_same(where: tuple, value: Any) -> None:
    data = wire.to_data(request())
    place = data
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    _both_refuse(desk.JobRequest, data)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "soon"])
def test_both_refuse_answers_without_a_number(value: Any) -> None:
    _both_refuse(desk.JobStatus, {"id": JOB, "title": "", "state": "queued", "created": 1.0, "eta_s": value})


def test_both_refuse_cameras_of_one_name() -> None:
    data = wire.to_data(request())
    data["paths"] = [wire.to_data(path("Left")), wire.to_data(path("left"))]
    _both_refuse(desk.JobRequest, data)


NAMES = st.one_of(
    st.text(max_size=130),
    st.sampled_from(["con", "Con .txt", "com1.png", "com0", "nul", "a.", " a", ".", "..", "a/b", "a:b", "\ud800", "é"]),
    st.text(alphabet="abc.ü \x7f/", max_size=12),
)


@settings(max_examples=300)
@given(name=NAMES)
def test_both_take_the_same_names(name: str) -> None:
    try:
        there = workshop.check_file_name(name)
    except ValueError:
        there = None
    try:
        here = names.check_file_name(name)
    except wire.ContractError:
        here = None
    assert here == there


@settings(max_examples=300)
@given(label=NAMES)
def test_any_blender_name_becomes_a_file_name(label: str) -> None:
    name = names.file_name_from(label)
    assert workshop.check_file_name(name) == name
    assert names.file_name_from(name) == name
