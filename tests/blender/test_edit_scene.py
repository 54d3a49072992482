# SPDX-License-Identifier: GPL-3.0-or-later
"""The edit of a scene: versions, the selector above the cameras, the clip's sound, the colours of video."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import pytest
import tiny
from conftest import wait_for_jobs
from test_render_stays import read, render
from test_results_again import render_again, strips_of


def selector_of(desk: SimpleNamespace) -> Any:
    return next(strip for strip in strips_of(desk).values() if strip.type == "MULTICAM")


def picture(desk: SimpleNamespace, file: Path) -> np.ndarray:
    """What the edit renders of its current frame."""
    edit = desk.state.of(bpy.context.scene).edit
    edit.render.image_settings.file_format = "PNG"
    return render(edit, file)


def frame_of(job: Any, camera: str, number: int = 1) -> np.ndarray:
    return read(Path(bpy.path.abspath(job.cameras[camera].folder)) / "frames" / f"{number:06d}.png")


def test_the_selector_shows_the_chosen_camera_and_its_newest_version(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    first = rendered.state.of(scene).jobs[-1]
    bpy.ops.reangle.results_to_sequencer()
    strips, selector = strips_of(rendered), selector_of(rendered)
    assert selector.channel > max(strips[name].channel for name in ("Left", "In"))
    assert (selector.frame_final_start, selector.frame_final_duration) == (1, tiny.FRAMES)
    for name in ("Left", "In"):
        selector.multicam_source = strips[name].channel
        np.testing.assert_allclose(picture(rendered, tmp_path / f"{name}.png"), frame_of(first, name), atol=0.01)

    name = first.name
    scene.objects["Left"].data.lens *= 1.5
    selector.multicam_source = strips["Left"].channel
    second = render_again(rendered)
    bpy.ops.reangle.results_to_sequencer(versions="STACK")
    strips, selector = strips_of(rendered), selector_of(rendered)
    assert {"Left v001", "Left v002", "In v001", "In v002"} <= strips.keys()
    assert [strips[f"Left v00{n}"].mute for n in (1, 2)] == [True, False]
    assert strips["Left v002"].channel > strips["Left v001"].channel
    assert selector.channel > max(strip.channel for strip in strips.values() if strip.type == "IMAGE")
    shown = picture(rendered, tmp_path / "newer.png")
    np.testing.assert_allclose(shown, frame_of(second, "Left"), atol=0.01)
    assert np.abs(shown - frame_of(rendered.state.of(scene).jobs[name], "Left")).max() > 0.1

    # Shown again, nothing is stacked; replaced, the newest version shows the new files and the oldest keeps its own.
    bpy.ops.reangle.results_to_sequencer(versions="STACK")
    assert strips_of(rendered).keys() == strips.keys()
    third = render_again(rendered)
    bpy.ops.reangle.results_to_sequencer()
    assert strips_of(rendered).keys() == strips.keys()
    folders = [Path(bpy.path.abspath(strips_of(rendered)[f"Left v00{n}"].directory)).parent for n in (1, 2)]
    jobs = rendered.state.of(scene).jobs[name], third
    assert folders == [Path(bpy.path.abspath(job.cameras["Left"].folder)) for job in jobs]


def test_a_cut_selector_stays_cut(rendered: SimpleNamespace) -> None:
    bpy.ops.reangle.results_to_sequencer()
    strips = strips_of(rendered)
    selector = selector_of(rendered)
    selector.multicam_source = strips["Left"].channel
    selector.split(frame=3, split_method="SOFT").multicam_source = strips["In"].channel
    render_again(rendered)
    bpy.ops.reangle.results_to_sequencer(versions="STACK")
    strips = strips_of(rendered)
    cuts = sorted(
        (strip.frame_final_start, strip.frame_final_end, strip.multicam_source)
        for strip in strips.values()
        if strip.type == "MULTICAM"
    )
    assert cuts == [(1, 3, strips["Left v002"].channel), (3, 1 + tiny.FRAMES, strips["In v002"].channel)]


MOVIE = """
import sys, av
import numpy as np
frames = np.load(sys.argv[1])
with av.open(sys.argv[2], "w") as file:
    video = file.add_stream("libx264", rate=int(sys.argv[3]), options={"crf": "1"})
    video.height, video.width, video.pix_fmt = *frames.shape[1:3], "yuv420p"
    sound = file.add_stream("aac", rate=48000, layout="mono") if sys.argv[4] == "loud" else None
    for frame in frames:
        file.mux(video.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
    file.mux(video.encode(None))
    if sound is not None:
        count = 48000 * len(frames) // int(sys.argv[3])
        wave = (0.3 * np.sin(np.arange(count) * 0.05)).astype(np.float32)[None]
        piece = av.AudioFrame.from_ndarray(wave, "fltp", layout="mono")
        piece.sample_rate = 48000
        file.mux(sound.encode(piece))
        file.mux(sound.encode(None))
"""


def movie(folder: Path, *, loud: bool) -> Path:
    """The tiny clip thrice over as a movie, with or without sound."""
    file, frames = folder / "talk.mp4", folder / "frames.npy"
    np.save(frames, np.concatenate([tiny.rgb()] * 3))
    python = os.environ["REANGLE_BACKEND_PYTHON"]
    kind = "loud" if loud else "silent"
    subprocess.run([python, "-c", MOVIE, str(frames), str(file), str(int(tiny.FPS)), kind], check=True)
    return file


def import_movie(desk: SimpleNamespace, folder: Path, *, loud: bool = True, start: int = 4) -> None:
    """Import frames from `start` on at scene frame 11."""
    scene = bpy.context.scene
    settings = desk.state.of(scene).clip
    settings.path = str(movie(folder, loud=loud))
    geometry = folder / "depth"
    geometry.mkdir()
    np.savez(geometry / "depth.npz", depth=np.concatenate([tiny.depth()] * 3))
    about = {"width": tiny.WIDTH, "height": tiny.HEIGHT, "K": tiny.K().tolist(),
             "world_from_camera": np.concatenate([tiny.world_from_camera()] * 3).tolist()}  # fmt: skip
    (geometry / "camera.json").write_text(json.dumps(about), encoding="utf-8")
    settings.camera = settings.depth = "files"
    settings.geometry_folder = str(geometry)
    settings.start, settings.frames = start, 6
    desk.state.of(scene).first_frame = 11
    bpy.ops.reangle.import_clip()
    wait_for_jobs(desk)
    bpy.ops.reangle.apply_move(move="orbit-left", amount=5, name="Left")
    bpy.ops.reangle.render()
    wait_for_jobs(desk)


needs_sound = pytest.mark.skipif(
    not getattr(bpy.app.build_options, "audaspace", False), reason="this Blender is built without sound"
)


@needs_sound
@pytest.mark.parametrize("rate", [12, 24])
def test_the_sound_is_in_sync(desk: SimpleNamespace, tmp_path: Path, rate: int) -> None:
    import_movie(desk, tmp_path)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = rate, 1
    bpy.ops.reangle.results_to_sequencer()
    per_frame = rate // 12
    strips = strips_of(desk)
    sound = next(strip for strip in strips.values() if strip.type == "SOUND")
    places = [(strip.frame_final_start, strip.frame_final_end) for strip in (sound, strips["Left"])]
    assert places == [(11, 11 + 6 * per_frame)] * 2
    # The movie's first frame would be heard four of its frames earlier.
    assert sound.frame_start == 11 - 4 * per_frame
    bpy.ops.reangle.results_to_sequencer()
    assert [strip.type for strip in strips_of(desk).values()].count("SOUND") == 1
    if rate == 24:
        edit = desk.state.of(scene).edit
        desk.reangle("compat").strips(edit).remove(next(s for s in strips_of(desk).values() if s.type == "SOUND"))
        bpy.ops.reangle.results_to_sequencer(timing="FRAMES")
        assert "SOUND" not in {strip.type for strip in strips_of(desk).values()}


@needs_sound
def test_a_movie_without_sound_gets_none(desk: SimpleNamespace, tmp_path: Path) -> None:
    import_movie(desk, tmp_path, loud=False)
    assert bpy.ops.reangle.results_to_sequencer() == {"FINISHED"}
    assert {strip.type for strip in strips_of(desk).values()} == {"IMAGE"}


def test_the_colours_of_video_are_asked_for(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    job = rendered.state.of(scene).jobs[-1]
    bpy.ops.reangle.results_to_sequencer()
    edit = rendered.state.of(scene).edit
    assert edit.view_settings.view_transform == "Standard"
    edit.view_settings.view_transform = "AgX"
    bpy.ops.reangle.results_to_sequencer()
    assert edit.view_settings.view_transform == "AgX", "the artist's choice stays unless told otherwise"
    washed_out = picture(rendered, tmp_path / "agx.png")
    bpy.ops.reangle.results_to_sequencer(colours="STANDARD")
    true = picture(rendered, tmp_path / "standard.png")
    np.testing.assert_allclose(true, frame_of(job, "In"), atol=0.01)
    assert np.abs(washed_out - true).max() > 0.1
