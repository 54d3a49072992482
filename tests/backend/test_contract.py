# SPDX-License-Identifier: Apache-2.0
"""The contract refuses invalid values and names their field; the add-on has the same contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reangle.api.capabilities import capabilities_of
from reangle.contract import (
    CONTRACT_VERSION,
    CameraPath,
    ContractError,
    GeometrySettings,
    JobRequest,
    JobStatus,
    SourceCamera,
    check_file_name,
    file_name_from,
    from_data,
    from_json,
    read_request,
    to_data,
    to_json,
)
from reangle.contract.engines import ENGINES
from vendor_contract import outdated

from reangle_blender.core import contract as addon

SHA = "ab" * 32
JOB = "0123456789abcdef" * 2


def path_values(frames: int = 3) -> dict[str, Any]:
    return {
        "name": "orbit left",
        "fps": 24.0,
        "width": 64,
        "height": 48,
        "frames": list(range(frames)),
        "world_from_camera": [np.eye(4).tolist() for _ in range(frames)],
        "K": [[[80.0, 0.0, 32.0], [0.0, 80.0, 24.0], [0.0, 0.0, 1.0]] for _ in range(frames)],
    }


def given_values() -> dict[str, Any]:
    return {name: path_values()[name] for name in ("width", "height", "world_from_camera", "K")}


def request_values() -> dict[str, Any]:
    return {
        "id": JOB,
        "clip": {"files": [{"name": "a.mp4", "sha256": SHA, "size": 1}]},
        "geometry": {"depth": "mini", "given": given_values()},
        "paths": [path_values()],
        "reangle": {"rate": 1e-4},
    }


def test_path_is_bit_identical_after_json() -> None:
    values = path_values()
    values["world_from_camera"][1][0][3] = 0.1 + 0.2
    values["K"][0][0][0] = 80
    path = from_data(CameraPath, values)
    assert from_json(CameraPath, to_json(path)) == path
    assert path.world_from_camera[1][0][3] == 0.1 + 0.2
    assert type(path.K[0][0][0]) is float


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("world_from_camera", 2, 0, 0), -1.0, "mirrored"),
        (("world_from_camera", 2, 1, 1), 2.0, "not rigid"),
        (("world_from_camera", 2, 2, 2), 0.0, "not rigid"),
        (("world_from_camera", 2, 3, 0), 1.0, "last row"),
        (("world_from_camera", 2), [[1, 0], [0, 1]], "4 x 4"),
        (("K", 2, 0, 0), 0.0, "focal length"),
        (("K", 2, 1, 1), -5.0, "focal length"),
        (("K", 2, 0, 1), 1.0, "fx, 0, cx"),
        (("K", 2, 0, 0), float("nan"), "finite"),
        (("K", 2, 0, 0), "80", "number"),
        (("frames", 2), -1, "at least 0"),
    ],
)
def test_a_camera_that_cannot_be_rendered_is_refused_by_frame(place: tuple[Any, ...], value: Any, words: str) -> None:
    values = path_values()
    _put(values, place, value)
    with pytest.raises(ContractError, match=f"camera 'orbit left', frame 2.*{words}") as caught:
        from_data(CameraPath, values)
    assert caught.value.field.startswith(f"{place[0]}[2]")


def _put(values: Any, place: tuple[Any, ...], value: Any) -> None:
    for step in place[:-1]:
        values = values.setdefault(step, {}) if isinstance(values, dict) else values[step]
    values[place[-1]] = value


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("id",), "A" * 32),
        (("title",), "x" * 201),
        (("title",), "\ud800"),
        (("seed",), -1),
        (("seed",), 2**63),
        (("seed",), 1.0),
        (("seed",), True),
        (("engine",), "guess"),
        (("command",), "rm"),
        (("clip", "files"), []),
        (("clip", "frames"), 4097),
        (("clip", "width"), 15),
        (("clip", "fps"), 0),
        (("clip", "files", 0, "sha256"), SHA + "\n"),
        (("clip", "files", 0, "name"), "CON"),
        (("geometry", "depth"), ""),
        (("geometry", "camera"), 1),
        (("geometry", "horizontal_fov_deg"), 170),
        (("geometry", "use_dust3r"), True),
        (("geometry", "given", "width"), 0),
        (("preview", "edge_filter"), 1.5),
        (("preview", "method"), "splat"),
        (("preview", "memory"), None),
        (("reangle", "rank"), 0),
        (("reangle", "rate"), float("inf")),
        (("reangle", "guidance"), 0.5),
        (("paths", 0, "fps"), float("nan")),
        (("paths", 0, "width"), 8193),
        (("paths", 0, "world_from_camera"), 5),
        (("paths", 0), []),
    ],
)
def test_error_names_the_field(place: tuple[Any, ...], value: Any) -> None:
    values = request_values()
    _put(values, place, value)
    with pytest.raises(ContractError) as caught:
        from_data(JobRequest, values)
    field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")
    assert caught.value.message.startswith(field)


def test_values_that_contradict_each_other_are_refused() -> None:
    twins = [path_values(), {**path_values(), "name": "Orbit LEFT"}]
    with pytest.raises(ContractError, match="two cameras"):
        from_data(JobRequest, {**request_values(), "paths": twins})
    with pytest.raises(ContractError, match="go together"):
        from_data(JobRequest, {**request_values(), "clip": {**request_values()["clip"], "width": 64}})
    with pytest.raises(ContractError, match="must be equal"):
        from_data(CameraPath, {**path_values(), "frames": [0]})


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"id": 1e999}', "[]", "null", '"x"'])
def test_broken_json_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        read_request(text)


@pytest.mark.parametrize(("version", "advice"), [(1, "Update the Reangle add-on"), (5, "Update the backend")])
def test_another_version_is_refused_before_its_fields_are_read(version: int, advice: str) -> None:
    with pytest.raises(ContractError, match=f"version {version}") as caught:
        read_request(json.dumps({"contract": version, "unknown": 1}))
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("old", "camera", "depth"),
    [
        ({"provider": "files"}, "files", "files"),
        ({"provider": "mini"}, "auto", "mini"),
        ({"provider": "dust3r"}, "dust3r", "dust3r"),
        ({"provider": "depth-anything"}, "auto", "depth-anything"),
        ({"provider": "depth-anything", "use_dust3r": False}, "still", "depth-anything"),
    ],
)
def test_a_request_of_version_2_keeps_its_geometry(old: dict[str, Any], camera: str, depth: str) -> None:
    settings = {"checkpoint": "weights", "horizontal_fov_deg": 40.0, "depth_files_scale": 2.0}
    request = read_request(json.dumps({**request_values(), "contract": 2, "geometry": {**old, **settings}}))
    assert request.geometry == from_data(GeometrySettings, {"camera": camera, "depth": depth, **settings})
    assert read_request(to_json(request)) == request
    with pytest.raises(ContractError, match=r"geometry\.guess"):
        read_request(json.dumps({**request_values(), "contract": 2, "geometry": {**old, "guess": 1}}))


@pytest.mark.parametrize(("names", "camera"), [(("1.exr",), "still"), (("1.exr", "camera.json"), "files")])
def test_depth_maps_of_version_2_without_a_camera_file_stand_still(names: tuple[str, ...], camera: str) -> None:
    files = [{"name": name, "sha256": f"{index:064x}", "size": 1} for index, name in enumerate(names)]
    old = {"provider": "files", "files": files}
    assert read_request(json.dumps({**request_values(), "contract": 2, "geometry": old})).geometry.camera == camera


def test_a_given_camera_is_checked_like_a_path() -> None:
    values = given_values()
    values["K"][1][0][0] = -5.0
    with pytest.raises(ContractError, match=r"the given camera, frame 1\): the focal length"):
        from_data(SourceCamera, values)
    with pytest.raises(ContractError, match="must be equal"):
        from_data(SourceCamera, {**given_values(), "K": given_values()["K"][:1]})


def test_answers_of_a_newer_backend_are_read() -> None:
    values = {"id": JOB, "title": "", "state": "queued", "created": 1, "mood": "good"}
    assert from_data(JobStatus, values, ignore_unknown=True).state == "queued"
    with pytest.raises(ContractError, match="mood"):
        from_data(JobStatus, values)


@given(st.text(max_size=130))
def test_labels_become_valid_file_names_on_every_system(label: str) -> None:
    name = file_name_from(label)
    assert check_file_name(name) == name
    assert not set(name) & set('<>:"/\\|?*\0\n')
    assert name.split(".")[0].lower() not in {"con", "nul", "com1"}


@pytest.mark.parametrize(
    "name", ["CON", "nul.png", "a/b", "a\\b", "C:x", "..", ".", "", " a", "a.", "x" * 121, "\ud800"]
)
def test_names_that_some_system_cannot_store_are_refused(name: str) -> None:
    with pytest.raises(ContractError, match="cannot be a file name"):
        check_file_name(name)


@pytest.mark.parametrize("name", ["Kamera süd 2", "カメラ", "orbit-left.001", "💡"])
def test_common_names_are_kept_unchanged(name: str) -> None:
    assert check_file_name(name) == file_name_from(name) == name


def test_every_engine_can_be_requested() -> None:
    for engine in ENGINES:
        assert from_data(JobRequest, {**request_values(), "engine": engine}).engine == engine


def test_add_on_has_the_same_contract() -> None:
    assert outdated() == []


def test_request_of_the_add_on_arrives_unchanged() -> None:
    sent = addon.from_data(addon.JobRequest, request_values())
    received = read_request(addon.to_json(sent))
    assert to_data(received) == addon.to_data(sent)
    assert addon.from_json(addon.JobRequest, to_json(received)) == sent


def test_capabilities_before_downloads_are_still_read(tmp_path: Path) -> None:
    """An add-on that knows fields which a backend of the same contract does not have, and the reverse."""
    now = json.loads(to_json(capabilities_of(tmp_path)))
    assert any(info["weights"] for info in now["depth_providers"])
    before = json.loads(json.dumps(now))
    for info in (*before["camera_providers"], *before["depth_providers"]):
        del info["weights"]
    for part in (part for suite in before["suites"] for part in suite["parts"]):
        del part["page"]
    read = addon.from_data(addon.Capabilities, before)
    assert not any(info.weights for info in read.depth_providers)
    assert not any(part.can_be_downloaded for suite in read.suites for part in suite.parts)
    now["depth_providers"][0]["weights"] = [{**now["depth_providers"][1]["weights"][0], "later": 1}]
    assert addon.from_data(addon.Capabilities, {**now, "later": 1}, ignore_unknown=True).depth_providers


def test_a_request_of_version_3_has_default_starting_images() -> None:
    values = {name: value for name, value in request_values().items() if name not in ("starting", "starts", "until")}
    request = read_request(json.dumps({**values, "contract": 3}))
    assert request == read_request(json.dumps({**request_values(), "contract": CONTRACT_VERSION}))
    assert (request.starts, request.until) == ((), "results")
