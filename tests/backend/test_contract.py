# SPDX-License-Identifier: Apache-2.0
"""The contract refuses what could not be rendered, naming the frame."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reangle.contract import CameraPath, JobRequest, check_file_name


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


def test_a_path_survives_json_to_the_last_bit() -> None:
    values = path_values()
    values["world_from_camera"][1][0][3] = 0.1 + 0.2
    path = CameraPath.model_validate(values)
    assert CameraPath.model_validate_json(path.model_dump_json()) == path
    assert path.extrinsics()[1, 0, 3] == 0.1 + 0.2


def broken(change: str) -> dict[str, Any]:
    values = path_values()
    matrix, K = values["world_from_camera"][2], values["K"][2]
    match change:
        case "mirrored":
            matrix[0][0] = -1.0
        case "scaled":
            matrix[1][1] = 2.0
        case "singular":
            matrix[2][2] = 0.0
        case "last row":
            matrix[3][0] = 1.0
        case "focal zero":
            K[0][0] = 0.0
        case "focal negative":
            K[1][1] = -5.0
        case "skew":
            K[0][1] = 1.0
    return values


@pytest.mark.parametrize(
    "change", ["mirrored", "scaled", "singular", "last row", "focal zero", "focal negative", "skew"]
)
def test_a_camera_that_is_none_is_refused_by_frame(change: str) -> None:
    with pytest.raises(ValidationError, match="frame 2"):
        CameraPath.model_validate(broken(change))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    text = json.dumps(path_values()).replace("80.0", number, 1)
    with pytest.raises(ValidationError, match=r"K\.0\.0\.0"):
        CameraPath.model_validate_json(text)


@pytest.mark.parametrize("field", ["frames", "world_from_camera", "K"])
def test_lengths_must_agree(field: str) -> None:
    values = path_values()
    values[field] = values[field][:-1]
    with pytest.raises(ValidationError, match="as many"):
        CameraPath.model_validate(values)


@given(st.text(max_size=80))
def test_an_accepted_name_is_one_file_name_everywhere(name: str) -> None:
    try:
        checked = check_file_name(name)
    except ValueError:
        return
    assert checked == check_file_name(checked)
    assert not set(checked) & set('<>:"/\\|?*\0\n')
    assert checked.split(".")[0].lower() not in {"con", "nul", "com1"}
    checked.encode("utf-8")


@pytest.mark.parametrize(
    "name", ["CON", "nul.png", "a/b", "a\\b", "C:x", "..", ".", "", " a", "a.", "x" * 121, "com1.tar.gz"]
)
def test_names_that_some_system_cannot_store_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a file name"):
        check_file_name(name)


@pytest.mark.parametrize("name", ["Kamera süd 2", "カメラ", "orbit-left.001", "💡"])
def test_names_that_artists_use_are_kept(name: str) -> None:
    assert check_file_name(name) == name


def test_unknown_fields_and_commands_are_refused() -> None:
    clip = {"files": [{"name": "a.mp4", "sha256": "0" * 64, "size": 1}]}
    request = {"id": "0" * 32, "clip": clip, "geometry": {"provider": "dust3r"}}
    JobRequest.model_validate(request)
    for extra in ({"command": "rm"}, {"entrypoint": "x"}, {"contract": 2}):
        with pytest.raises(ValidationError):
            JobRequest.model_validate({**request, **extra})


def test_two_cameras_cannot_share_a_folder() -> None:
    clip = {"files": [{"name": "a.mp4", "sha256": "0" * 64, "size": 1}]}
    twins = [path_values(), {**path_values(), "name": "Orbit LEFT"}]
    with pytest.raises(ValidationError, match="names must differ"):
        JobRequest.model_validate({"id": "0" * 32, "clip": clip, "geometry": {"provider": "dust3r"}, "paths": twins})
