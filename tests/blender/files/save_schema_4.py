# SPDX-License-Identifier: GPL-3.0-or-later
"""A record of how the add-on with schema 4 saved `saved_by_schema_4.blend`. Not run again.

    git switch --detach 28d5cb4 && python scripts/build_extension.py --out dist     # in an environment with bpy 4.5
    BLENDER_USER_RESOURCES=$(mktemp -d) python save_schema_4.py dist/reangle-0.1.0.zip saved_by_schema_4.blend

Two scenes that render with the engine `reangle`: in "untouched" nobody chose weights, in "chosen" somebody did.
"""

from __future__ import annotations

import importlib
import sys

import bpy

MODULE = "bl_ext.user_default.reangle"


def main(archive: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    state = importlib.import_module(f"{MODULE}.state")
    bpy.context.scene.name = "untouched"
    state.prepare(bpy.context.scene).engine = "reangle"
    chosen = state.prepare(bpy.data.scenes.new("chosen"))
    chosen.engine, chosen.learning.suite = "reangle", "cogvideox-5b"
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=out, compress=True, check_existing=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
