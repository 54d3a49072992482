# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of how the add-on with schema 3 saved `saved_by_schema_3.blend`. Not run again.

    git switch --detach d14a0f4 && python scripts/build_extension.py --out dist     # in an environment with bpy 4.5
    BLENDER_USER_RESOURCES=$(mktemp -d) python save_schema_3.py dist/reangle-0.1.0.zip saved_by_schema_3.blend

One scene per geometry provider, named after it; "no-dust3r" is depth-anything without DUSt3R's scale, and "defaults"
is as the add-on prepares it. Each but the last has an imported clip.
"""

from __future__ import annotations

import importlib
import json
import sys

import bpy

MODULE = "bl_ext.user_default.reangle"
PROVIDERS = ("files", "dust3r", "depth-anything", "no-dust3r", "mini", "from-2030")
CLIP = {"files": [{"name": "shot_0001.png", "sha256": "a" * 64, "size": 100}], "frames": 12}


def main(archive: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    state = importlib.import_module(f"{MODULE}.state")
    for name in PROVIDERS:
        scene = bpy.data.scenes.new(name)
        shot = state.prepare(scene)
        clip = shot.clip
        clip.provider_name = "depth-anything" if name == "no-dust3r" else name
        clip.use_dust3r = name != "no-dust3r"
        clip.path, clip.geometry_folder, clip.depth_files_scale = "//clip/shot_0001.png", "//depth", 0.5
        clip.checkpoint, clip.use_horizontal_fov_deg, clip.horizontal_fov_deg = "other", True, 40.0
        geometry = {
            "provider": clip.provider_name,
            "files": [{"name": "depth.npz", "sha256": "b" * 64, "size": 9}] if name == "files" else [],
            "checkpoint": None if name in ("files", "mini") else "other",
            "horizontal_fov_deg": 40.0,
            "depth_files_scale": 0.5 if name == "files" else 1.0,
            "use_dust3r": clip.use_dust3r,
        }
        shot.shot, shot.shot_frames, shot.shot_fps = "1" * 32, 12, 25.0
        shot.shot_request = json.dumps({"clip": CLIP, "geometry": geometry, "places": []})
        job = shot.jobs.add()
        job.name, job.kind, job.state, job.loaded, job.request = "1" * 32, "IMPORT", "done", True, shot.shot_request
    bpy.context.scene.name = "defaults"
    state.prepare(bpy.context.scene)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=True, check_existing=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
