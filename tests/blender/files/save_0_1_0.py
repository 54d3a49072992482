# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of how the add-on of version 0.1.0 saved `saved_by_0.1.0.blend`. Not run again.

    git switch --detach 384efab && python scripts/build_extension.py --out dist     # in an environment with bpy 4.5
    BLENDER_USER_RESOURCES=$(mktemp -d) python save_0_1_0.py dist/reangle-0.1.0.zip saved_by_0.1.0.blend

Scene "Chosen" has no default choices where there are others, and a finished render of one camera.
Scene "Defaults" is as the add-on prepares it.
"""

from __future__ import annotations

import importlib
import json
import sys

import bpy

MODULE = "bl_ext.user_default.reangle"
CHOICES = {
    "clip": {
        "path": "//clip/shot_0001.png",
        "start": 3,
        "frames": 12,
        "use_own_size": False,
        "width": 640,
        "height": 360,
        "sequence_fps": 25.0,
        "provider": "depth-anything",
        "geometry_folder": "//depth",
        "depth_scale": 0.5,
        "checkpoint": "depth-anything/other",
        "use_fov": True,
        "fov_deg": 40.0,
        "match_scene": False,
    },
    "learning": {
        "suite": "cogvideox-5b",
        "caption": "a dog runs",
        "exact": False,
        "use_own": True,
        "shared_steps": 300,
        "path_steps": 70,
        "rank": 64,
        "alpha": 32.0,
        "rate": 0.0005,
        "sampling_steps": 20,
        "guidance": 4.0,
        "dynamic_guidance": False,
        "warp_guidance": 0.25,
        "fill_share": 0.75,
    },
}
SCENE_CHOICES = {
    "engine": "reangle",
    "method": "splat",
    "use_memory": False,
    "use_markers": True,
    "move": "crane-up",
    "move_fraction": 0.35,
    "move_degrees": 22.0,
    "easing": "ease-out",
    "hold": True,
    "follow": False,
    "focus": 2.5,
    "first_frame": 11,
    "shot": "1" * 32,
    "shot_folder": "//reangle/Clip-111111",
    "shot_fps": 25.0,
    "shot_frames": 12,
    "shot_width": 640,
    "shot_height": 360,
}
CLIP = {
    "files": [{"name": "shot_0001.png", "sha256": "a" * 64, "size": 100}],
    "start": 3,
    "frames": 12,
    "width": 640,
    "height": 360,
    "fps": 25.0,
}
GEOMETRY = {
    "provider": "depth-anything",
    "files": [],
    "checkpoint": "depth-anything/other",
    "horizontal_fov_deg": 40.0,
    "depth_files_scale": 0.5,
    "use_dust3r": True,
}
PLACES = [{"sha256": "a" * 64, "path": "clip/shot_0001.png"}]


def add_job(shot, **values):
    job = shot.jobs.add()
    for name, value in {"state": "done", "progress": 1.0, "loaded": True, **values}.items():
        setattr(job, name, value)
    return job


def main(archive: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    state = importlib.import_module(f"{MODULE}.state")
    scene = bpy.context.scene
    scene.name = "Chosen"
    shot = state.prepare(scene)
    for group, values in CHOICES.items():
        for name, value in values.items():
            setattr(getattr(shot, group), name, value)
    for name, value in SCENE_CHOICES.items():
        setattr(shot, name, value)
    shot.shot_request = json.dumps({"clip": CLIP, "geometry": GEOMETRY, "places": PLACES})
    camera = bpy.data.objects.new("View", bpy.data.cameras.new("View"))
    scene.collection.objects.link(camera)
    camera.reangle.render = True
    shot.origin = bpy.data.objects.new("Clip Origin", None)
    scene.collection.objects.link(shot.origin)

    add_job(shot, name="1" * 32, kind="IMPORT", title="Clip", folder="//reangle/Clip-111111")
    job = add_job(
        shot,
        name="2" * 32,
        kind="RENDER",
        title="Clip 1",
        folder="//reangle/Clip 1-222222",
        notes="One note.\nTwo.",
    )
    result = job.cameras.add()
    result.name, result.camera, result.folder = "View", camera, "//reangle/Clip 1-222222/View"
    result.width, result.height, result.fps, result.frames, result.first_frame = 640, 360, 25.0, 12, 11
    shot.job_index = 1

    state.prepare(bpy.data.scenes.new("Defaults"))
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=True, check_existing=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
