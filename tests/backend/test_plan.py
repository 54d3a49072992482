# SPDX-License-Identifier: Apache-2.0
"""What a change to a job makes run again, and what it does not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reangle.contract import CameraPath, Clip, FileRef, GeometrySettings, JobRequest, PreviewSettings
from reangle.engines.plan import plan_job
from reangle.errors import UserError
from reangle.runtime.stage_process import stage_from_json, stage_to_json


def path(name: str, shift: float = 0.0, frames: int = 2) -> CameraPath:
    camera = np.eye(4)
    camera[0, 3] = shift
    K = ((80.0, 0.0, 32.0), (0.0, 80.0, 24.0), (0.0, 0.0, 1.0))
    return CameraPath.model_validate(
        {
            "name": name,
            "fps": 24,
            "width": 64,
            "height": 48,
            "frames": range(frames),
            "world_from_camera": [camera.tolist()] * frames,
            "K": [K] * frames,
        }
    )


def job(*paths: CameraPath, clip: str = "clip", frames: int = 8, **changes: object) -> JobRequest:
    def ref(name: str, content: str) -> FileRef:
        return FileRef(name=name, sha256=hashlib.sha256(content.encode()).hexdigest(), size=1)

    values = {
        "id": "0" * 32,
        "clip": Clip(files=(ref("clip.mp4", clip),), frames=frames),
        "geometry": GeometrySettings(provider="files", files=(ref("depth.npz", "depth"),)),
        "paths": paths,
        **changes,
    }
    return JobRequest.model_validate(values)


def keys(request: JobRequest) -> dict[str, str]:
    """Stage name -> key, where every stage writes something that depends on nothing but its key."""
    done: dict[str, str] = {}
    for stage in plan_job(request, Path("unused")):
        done[stage.name] = stage.key({role: done[name] for role, name in stage.inputs.items()})
    return done


def changed(before: JobRequest, after: JobRequest) -> set[str]:
    old = set(keys(before).values())
    return {name for name, key in keys(after).items() if key not in old}


def test_the_same_job_under_another_id_runs_nothing() -> None:
    assert changed(job(path("a")), job(path("a"), id="1" * 32, title="")) == set()


def test_a_changed_camera_runs_only_its_own_stages() -> None:
    before, after = job(path("a"), path("b")), job(path("a"), path("b", 0.5))
    assert changed(before, after) == {"warp b", "fill b", "deliver b"}


def test_a_new_camera_leaves_the_others_alone() -> None:
    assert changed(job(path("a")), job(path("a"), path("b", 1.0))) == {"warp b", "fill b", "deliver b"}


def test_a_renamed_camera_is_only_delivered_again() -> None:
    assert changed(job(path("a")), job(path("z"))) == {"deliver z"}


def test_another_clip_or_selection_runs_everything() -> None:
    everything = {"decode", "geometry", "warp a", "fill a", "deliver a"}
    assert changed(job(path("a")), job(path("a"), clip="other")) == everything
    assert changed(job(path("a")), job(path("a"), frames=9)) == everything


def test_preview_settings_run_no_geometry() -> None:
    after = job(path("a"), preview=PreviewSettings(method="splat"))
    assert changed(job(path("a")), after) == {"warp a", "fill a", "deliver a"}


def test_without_cameras_the_job_ends_after_geometry() -> None:
    assert list(keys(job())) == ["decode", "geometry"]


def test_frames_that_the_clip_lacks_are_refused_before_any_work() -> None:
    with pytest.raises(UserError, match=r"Camera 'a' asks for the clip's frame 2, but only frames 0 to 1"):
        plan_job(job(path("a", frames=3), frames=2), Path("unused"))


def test_a_stage_crosses_to_its_process_unchanged() -> None:
    for stage in plan_job(job(path("a")), Path("unused")):
        assert stage_from_json(stage_to_json(stage)) == stage


@pytest.fixture
def video(tmp_path: Path) -> str:
    """A folder that looks like a video model."""
    folder = tmp_path / "video model"
    for part in ("transformer", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        (folder / part / "model.safetensors").write_bytes(b"weights")
    (folder / "model_index.json").write_text('{"_class_name": "CogVideoXImageToVideoPipeline"}', encoding="utf-8")
    return str(folder)


def learning(*paths: CameraPath, video: str, seed: int = 42, **said: Any) -> JobRequest:
    return job(*paths, engine="reangle", seed=seed, reangle={"suite": video, **said})


def test_a_changed_camera_learns_only_its_own(video: str) -> None:
    before = learning(path("a"), path("b", 1.0), video=video)
    own = {f"{step} b" for step in ("warp", "fill", "learn", "generate", "finish", "deliver")}
    assert changed(before, learning(path("a"), path("b", 0.5), video=video)) == own
    assert changed(learning(path("a"), video=video), before) == own


def test_what_is_asked_of_generation_learns_nothing_again(video: str) -> None:
    before = learning(path("a"), video=video)
    later = {"finish a", "deliver a"}
    assert changed(before, learning(path("a"), video=video, sampling_steps=7)) == {"generate a", *later}
    assert changed(before, learning(path("a"), video=video, exact_where_seen=False)) == later
    everything = {"learn the motion", "learn a", "generate a", *later}
    assert changed(before, learning(path("a"), video=video, caption="a dog")) == everything
    assert changed(before, learning(path("a"), video=video, seed=1)) == everything


def test_phases_of_no_steps_are_left_out(video: str) -> None:
    stages = {stage.name: stage for stage in plan_job(learning(path("a"), video=video, path_steps=0), Path("x"))}
    assert "learn a" not in stages
    assert stages["generate a"].inputs["learned"] == "learn the motion"
    none = learning(path("a"), video=video, shared_steps=0, path_steps=0)
    stages = {stage.name: stage for stage in plan_job(none, Path("x"))}
    assert not any(stage.run == "learn" for stage in stages.values())
    assert "learned" not in stages["generate a"].inputs


def test_the_same_warp_serves_both_engines(video: str) -> None:
    assert changed(job(path("a")), learning(path("a"), video=video)).isdisjoint(
        {"decode", "geometry", "warp a", "fill a"}
    )


def test_a_checkpoint_that_makes_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "depth_anything"}', encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match="does not hold a video model"):
        plan_job(learning(path("a"), video=str(tmp_path)), Path("unused"))
