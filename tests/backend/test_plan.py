# SPDX-License-Identifier: Apache-2.0
"""Which stages run again after a change to a job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reangle.contract import CameraPath, Clip, FileRef, GeometrySettings, JobRequest, PreviewSettings, from_data
from reangle.engines.plan import plan_job
from reangle.engines.video import video_checkpoint
from reangle.errors import UserError
from reangle.finishing.spec import FILL, FillParams
from reangle.media.spec import DECODE, DecodeParams
from reangle.motion.spec import LEARN, LearnParams
from reangle.runtime.stage import PlannedStage, StageId, StageSpec
from reangle.runtime.stage_process import stage_from_json, stage_to_json
from reangle.stages import STAGES
from reangle.video_models.windows import plan_windows
from reangle.weights.recipes import PACES, RECIPES


def path(name: str, shift: float = 0.0, frames: int = 2) -> CameraPath:
    camera = np.eye(4)
    camera[0, 3] = shift
    K = ((80.0, 0.0, 32.0), (0.0, 80.0, 24.0), (0.0, 0.0, 1.0))
    return from_data(
        CameraPath,
        {
            "name": name,
            "fps": 24,
            "width": 64,
            "height": 48,
            "frames": tuple(range(frames)),
            "world_from_camera": [camera.tolist()] * frames,
            "K": [K] * frames,
        },
    )


def job(*paths: CameraPath, clip: str = "clip", frames: int = 8, **changes: object) -> JobRequest:
    def ref(name: str, content: str) -> FileRef:
        return FileRef(name=name, sha256=hashlib.sha256(content.encode()).hexdigest(), size=1)

    values = {
        "id": "0" * 32,
        "clip": Clip(files=(ref("clip.mp4", clip),), frames=frames),
        "geometry": GeometrySettings(camera="files", depth="files", files=(ref("depth.npz", "depth"),)),
        "paths": paths,
        **changes,
    }
    return from_data(JobRequest, values)


def keys(request: JobRequest) -> dict[str, str]:
    """Stage title -> key, if the output of every stage depends only on its key."""
    done: dict[StageId, str] = {}
    for stage in plan_job(request, Path("unused")):
        done[stage.id] = stage.key({role: done[earlier] for role, earlier in stage.inputs.items()})
    return {stage.title: key for stage, key in done.items()}


def changed(before: JobRequest, after: JobRequest) -> set[str]:
    old = set(keys(before).values())
    return {name for name, key in keys(after).items() if key not in old}


def test_the_same_job_under_another_id_runs_nothing() -> None:
    assert changed(job(path("a")), job(path("a"), id="1" * 32, title="")) == set()


def test_a_changed_camera_runs_only_its_own_stages() -> None:
    before, after = job(path("a"), path("b")), job(path("a"), path("b", 0.5))
    assert changed(before, after) == {"Warp b", "Fill b", "Deliver b"}


def test_a_new_camera_leaves_the_others_alone() -> None:
    assert changed(job(path("a")), job(path("a"), path("b", 1.0))) == {"Warp b", "Fill b", "Deliver b"}


def test_renamed_camera_runs_only_delivery() -> None:
    assert changed(job(path("a")), job(path("z"))) == {"Deliver z"}


def test_another_clip_or_selection_runs_everything() -> None:
    everything = {"Decode", "Camera", "Geometry", "Warp a", "Fill a", "Deliver a"}
    assert changed(job(path("a")), job(path("a"), clip="other")) == everything
    assert changed(job(path("a")), job(path("a"), frames=9)) == everything


def test_preview_settings_run_no_geometry() -> None:
    for preview in (
        PreviewSettings(memory=False),
        PreviewSettings(edge_filter=0.25),
        PreviewSettings(confidence_filter=0.5),
    ):
        after = job(path("a"), preview=preview)
        assert changed(job(path("a")), after) == {"Warp a", "Fill a", "Deliver a"}


def test_without_cameras_the_job_ends_after_geometry() -> None:
    assert list(keys(job())) == ["Decode", "Camera", "Geometry"]


def test_estimated_geometry_is_seen_early_where_nothing_else_is_asked_for() -> None:
    estimated = GeometrySettings(camera="still", depth="mini", horizontal_fov_deg=40)
    stages = {stage.title: stage for stage in plan_job(job(geometry=estimated), Path("unused"))}
    assert list(stages) == ["Decode", "Glance", "Camera", "Geometry"]
    assert [stage.publishes for stage in stages.values()] == ["source", "glance", "camera", "geometry"]
    assert stages["Glance"].weight < stages["Geometry"].weight
    assert "Glance" not in keys(job(path("a"), geometry=estimated))


def test_another_depth_does_not_find_the_camera_again() -> None:
    before = job(path("a"), geometry=GeometrySettings(camera="still", depth="mini", horizontal_fov_deg=40))
    rest = {"Geometry", "Warp a", "Fill a", "Deliver a"}
    files = job().geometry.files
    assert changed(before, job(path("a"), geometry=replace(before.geometry, depth="files", files=files))) == rest
    assert changed(before, job(path("a"), geometry=replace(before.geometry, horizontal_fov_deg=41))) == {
        "Camera",
        *rest,
    }
    scaled = replace(job().geometry, depth_files_scale=2.0)
    assert changed(job(path("a")), job(path("a"), geometry=scaled)) == rest


def test_a_choice_of_auto_has_the_key_of_the_named_provider() -> None:
    files = replace(
        job().geometry, camera="auto", depth="auto", files=(*job().geometry.files, FileRef("c.json", "1" * 64, 1))
    )
    named = replace(files, camera="files", depth="files")
    assert changed(job(path("a"), geometry=named), job(path("a"), geometry=files)) == set()
    assert all(stage.note for stage in plan_job(job(geometry=files), Path("unused"))[1:])


def test_frames_that_the_clip_lacks_are_refused_before_any_work() -> None:
    with pytest.raises(UserError, match=r"Camera 'a' asks for the clip's frame 2, but only frames 0 to 1"):
        plan_job(job(path("a", frames=3), frames=2), Path("unused"))


def test_stage_is_equal_after_json(video: str) -> None:
    precise = PreviewSettings(frame_format="exr-half")
    request = job(path("a", 0.5), engine="reangle", reangle={"suite": video}, preview=precise)
    stages = plan_job(request, Path("unused"))
    assert {stage.spec.kind for stage in stages} == set(STAGES) - {"glance"}
    for stage in stages:
        assert stage_from_json(json.loads(json.dumps(stage_to_json(stage))), STAGES) == stage


@pytest.mark.parametrize("name", ["the motion", *STAGES, "a b", "Geometry"])
def test_any_camera_name_is_accepted(name: str, video: str) -> None:
    request = learning(path("a"), path(name), video=video)
    stages = plan_job(request, Path("unused"))
    assert len({stage.id for stage in stages}) == len({stage.title for stage in stages}) == len(stages) == 16
    assert len(set(keys(request).values())) == 4 + 6 + 1


def test_each_input_is_the_output_of_an_earlier_stage_of_the_right_type(video: str) -> None:
    done: dict[StageId, StageSpec[Any, Any]] = {}
    for stage in plan_job(learning(path("a"), video=video), Path("unused")):
        for role, earlier in stage.inputs.items():
            assert role == earlier.kind
            assert done[earlier].writes is stage.spec.inputs[role]
        done[stage.id] = stage.spec


def test_unknown_params_are_refused() -> None:
    values = LEARN.params_json(LearnParams())
    assert LEARN.params_from_json(values) == LearnParams()
    for wrong in ({**values, "mask": True}, {**values, "learning": {"rank": "4"}}, {**values, "caption": None}):
        with pytest.raises(ValueError, match="validation error"):
            LEARN.params_from_json(wrong)
    with pytest.raises(ValueError, match="DecodeParams"):
        PlannedStage(spec=LEARN, params=DecodeParams())
    with pytest.raises(ValueError, match="does not read"):
        PlannedStage(spec=DECODE, params=DecodeParams(), inputs={"warp": StageId("warp")})
    with pytest.raises(ValueError, match="no input"):
        PlannedStage(spec=FILL, params=FillParams(path=path("a")))


@pytest.fixture
def video(tmp_path: Path) -> str:
    """A folder with the layout of a video model."""
    folder = tmp_path / "video model"
    for part in ("transformer", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        (folder / part / "model.safetensors").write_bytes(b"weights")
    (folder / "model_index.json").write_text('{"_class_name": "CogVideoXImageToVideoPipeline"}', encoding="utf-8")
    return str(folder)


def learning(*paths: CameraPath, video: str, seed: int = 42, **settings: Any) -> JobRequest:
    return job(*paths, engine="reangle", seed=seed, reangle={"suite": video, **settings})


def test_changed_camera_trains_only_its_own_phase(video: str) -> None:
    before = learning(path("a"), path("b", 1.0), video=video)
    own = {f"{step} b" for step in ("Warp", "Fill", "Start", "Learn", "Generate", "Finish", "Deliver")}
    assert changed(before, learning(path("a"), path("b", 0.5), video=video)) == own
    assert changed(learning(path("a"), video=video), before) == own


def test_changed_sampling_settings_do_not_train_again(video: str) -> None:
    before = learning(path("a"), video=video)
    later = {"Finish a", "Deliver a"}
    assert changed(before, learning(path("a"), video=video, sampling_steps=7)) == {"Generate a", *later}
    assert changed(before, learning(path("a"), video=video, exact_where_seen=False)) == later
    everything = {"Learn", "Learn a", "Generate a", *later}
    assert changed(before, learning(path("a"), video=video, caption="a dog")) == everything
    assert changed(before, learning(path("a"), video=video, seed=1)) == everything


@pytest.mark.parametrize("preview", [PreviewSettings(confidence_filter=0.5), PreviewSettings(edge_filter=1.0)])
def test_a_changed_filter_trains_again(preview: PreviewSettings, video: str) -> None:
    before = learning(path("a"), video=video)
    everything = {"Warp a", "Fill a", "Learn", "Learn a", "Generate a", "Finish a", "Deliver a"}
    assert changed(before, replace(before, preview=preview)) == everything


def test_phases_without_steps_are_left_out(video: str) -> None:
    stages = {stage.title: stage for stage in plan_job(learning(path("a"), video=video, path_steps=0), Path("x"))}
    assert "Learn a" not in stages
    assert stages["Generate a"].inputs["learn"] == StageId("learn")
    none = learning(path("a"), video=video, shared_steps=0, path_steps=0)
    stages = {stage.title: stage for stage in plan_job(none, Path("x"))}
    assert not any(stage.spec.kind == "learn" for stage in stages.values())
    assert "learn" not in stages["Generate a"].inputs


def test_both_engines_use_the_same_warp(video: str) -> None:
    assert changed(job(path("a")), learning(path("a"), video=video)).isdisjoint(
        {"Decode", "Camera", "Geometry", "Warp a", "Fill a"}
    )


def test_checkpoint_that_is_not_a_video_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "depth_anything"}', encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(UserError, match="does not hold a video model"):
        plan_job(learning(path("a"), video=str(tmp_path)), Path("unused"))


def test_a_large_video_model_wants_a_graphics_card(video: str, monkeypatch: pytest.MonkeyPatch) -> None:
    header = json.dumps(
        {"a": {"dtype": "BF16", "shape": [5_000_000_000], "data_offsets": [0, 10_000_000_000]}}
    ).encode()
    weights = Path(video) / "transformer" / "model.safetensors"
    weights.write_bytes(len(header).to_bytes(8, "little") + header)
    request = learning(path("left"), video=video)
    monkeypatch.setattr("reangle.engines.video.why_no_card", lambda: "there is none here")
    with pytest.raises(
        UserError, match=r"5\.0 billion weights and needs a graphics card, but there is none here"
    ) as caught:
        plan_job(request, Path("unused"))
    assert "mini" in caught.value.advice
    monkeypatch.setattr("reangle.engines.video.why_no_card", lambda: "")
    assert plan_job(request, Path("unused"))


@pytest.mark.parametrize("count", [25, 26, 41, 42, 97])
def test_training_is_estimated_for_the_windows_that_are_made(count: int) -> None:
    request = job(path("a", frames=count), frames=count, engine="reangle", reangle={"suite": "mini"})
    stage = next(one for one in plan_job(request, Path("unused")) if one.spec is LEARN)
    steps_s = PACES["mini"].step * RECIPES["mini"].path_steps
    folder = Path(video_checkpoint(request.engine, request.reangle.suite, Path("unused")))
    model = json.loads((folder / "transformer" / "config.json").read_text())
    windows = plan_windows(count, model["sample_frames"], model["temporal_compression_ratio"]).starts
    assert stage.weight * (1 - stage.preparation) == pytest.approx(steps_s * len(windows))


def starting(*paths: CameraPath, **changes: Any) -> JobRequest:
    return job(*paths, engine="reangle", **{"starting": {"painter": "mini"}, **changes})


OWN = ("Warp", "Fill", "Start", "Learn", "Generate", "Finish", "Deliver")
NEAR, MIDDLE, FAR = path("near", 0.2), path("middle", 0.5), path("far", -1.0)


def test_a_camera_that_begins_at_the_source_has_no_start() -> None:
    stages = keys(starting(path("source"), NEAR))
    assert "Start near" in stages
    assert "Start source" not in stages


def test_a_changed_camera_paints_its_own_start_and_its_childrens() -> None:
    before = starting(NEAR, MIDDLE, FAR)
    stages = {stage.title: stage for stage in plan_job(before, Path("unused"))}
    assert "start" not in stages["Start near"].inputs
    assert stages["Start middle"].inputs["start"] == StageId("start", "near")
    assert stages["Start far"].inputs["start"] == StageId("start", "near")
    of_middle = {f"{step} middle" for step in OWN}
    assert changed(before, starting(NEAR, path("middle", 0.55), FAR)) == of_middle
    # A start that was made again has other children to judge, and what is generated from it begins anew.
    later = {f"{step} {name}" for step in OWN[2:] for name in ("middle", "far")}
    assert changed(before, starting(path("near", 0.25), MIDDLE, FAR)) == {f"{step} near" for step in OWN} | later
    assert changed(before, starting(NEAR, MIDDLE)) == set()


def test_another_seed_or_an_artists_image_redoes_what_begins_from_it() -> None:
    before = starting(NEAR, MIDDLE)
    of_middle = {f"{step} middle" for step in OWN[2:]}
    assert changed(before, starting(NEAR, MIDDLE, starts=[{"camera": "middle", "seed": 7}])) == of_middle
    image = {"name": "mine.png", "sha256": "5" * 64, "size": 9}
    given = starting(NEAR, MIDDLE, starts=[{"camera": "middle", "image": image}])
    assert changed(before, given) == of_middle
    (stage,) = (stage for stage in plan_job(given, Path("unused")) if stage.title == "Start middle")
    assert stage.checkpoint == ""
    assert "start" not in stage.inputs
    # Neither seed nor caption plays a part in an image that is given.
    assert stage.key(dict.fromkeys(stage.inputs, "")) == next(
        other.key(dict.fromkeys(other.inputs, ""))
        for other in plan_job(replace(given, seed=5), Path("unused"))
        if other.title == "Start middle"
    )
    assert given.file_refs()[-1].name == "mine.png"


def test_a_job_until_the_starts_is_the_beginning_of_the_whole_one() -> None:
    whole, first = starting(NEAR, MIDDLE), starting(NEAR, MIDDLE, until="starts")
    titles = list(keys(first))
    assert titles[-2:] == ["Start near", "Start middle"]
    assert changed(whole, first) == set()
    assert [stage.publishes for stage in plan_job(first, Path("unused"))][-2:] == ["starts/near", "starts/middle"]
    assert list(keys(whole))[: len(titles)] == titles


def test_the_preview_engine_ends_no_job_with_starts() -> None:
    with pytest.raises(UserError, match="engine preview makes no starting images"):
        job(NEAR, until="starts")


def test_what_begins_at_the_source_has_a_start_only_if_the_artist_gives_one() -> None:
    image = {"name": "mine.png", "sha256": "5" * 64, "size": 9}
    given = starting(path("source"), NEAR, starts=[{"camera": "source", "image": image}])
    stages = {stage.title: stage for stage in plan_job(given, Path("unused"))}
    for step in ("Learn", "Generate", "Finish", "Deliver"):
        assert stages[f"{step} source"].inputs["start"] == StageId("start", "source")
    assert "start" not in stages["Start near"].inputs
    assert "Start source" not in keys(starting(path("source"), starts=[{"camera": "source", "seed": 3}]))


def test_an_edit_needs_an_image_model_that_reads_words() -> None:
    told = [{"camera": "near", "edit": {"source": "a red box", "target": "a blue box"}}]
    with pytest.raises(UserError, match="no image model is chosen"):
        plan_job(starting(NEAR, starts=told, starting={"painter": "fill"}), Path("unused"))
    with pytest.raises(UserError, match="mini-image only paints holes"):
        plan_job(starting(NEAR, starts=told), Path("unused"))


def test_all_that_the_clip_shows_is_known_before_anything_learns() -> None:
    titles = list(keys(starting(path("source"), NEAR)))
    assert titles.index("Start near") < min(number for number, title in enumerate(titles) if title.startswith("Learn"))
    assert titles.index("Deliver source") < titles.index("Learn near")


def test_a_start_of_an_unknown_camera_or_a_frame_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="no camera 'other'"):
        starting(NEAR, starts=[{"camera": "other"}])
    anchor = {"frame": 2, "image": {"name": "later.png", "sha256": "5" * 64, "size": 9}}
    with pytest.raises(UserError, match="2 frames"):
        starting(NEAR, starts=[{"camera": "near", "anchors": [anchor]}])
    twice = [{"frame": 1, "image": {"name": f"{letter}.png", "sha256": letter * 64, "size": 9}} for letter in "ab"]
    with pytest.raises(UserError, match="two images for a frame"):
        starting(NEAR, starts=[{"camera": "near", "anchors": twice}])
    long = path("long", 0.2, frames=49)
    with pytest.raises(UserError, match="no image for frame 3") as caught:
        plan_job(starting(long, starts=[{"camera": "long", "anchors": [anchor]}], frames=49), Path("unused"))
    assert caught.value.advice == "Give images for these frames: 17, 33."


def test_another_fill_warps_nothing_again() -> None:
    before, after = job(path("a")), job(path("a"), preview=PreviewSettings(fill="painted"))
    assert changed(before, after) == {"Fill a", "Deliver a"}
    fills = [stage for stage in plan_job(after, Path("unused")) if stage.title == "Fill a"]
    assert Path(fills[0].checkpoint).name == "image"
    learned = starting(NEAR, preview=PreviewSettings(fill="painted"))
    assert not {title for title in changed(starting(NEAR), learned) if title.startswith("Warp")}


def test_another_format_of_the_frames_repeats_no_work() -> None:
    before, after = job(path("a")), job(path("a"), preview=PreviewSettings(frame_format="exr-half"))
    assert changed(before, after) == {"Decode-16", "Warp-16 a", "Deliver a"}
    assert "Decode-16" not in keys(job(preview=PreviewSettings(frame_format="exr-half")))


def test_all_cameras_are_warped_before_anything_learns(video: str) -> None:
    titles = list(keys(learning(path("a"), path("b"), video=video)))
    first = min(titles.index(title) for title in titles if title.startswith(("Learn", "Generate")))
    assert titles[:first] == ["Decode", "Camera", "Geometry", "Warp a", "Fill a", "Warp b", "Fill b"]
    preview = list(keys(job(path("a"), path("b"))))
    assert preview.index("Deliver a") < preview.index("Warp b"), "results come as early as they can"
