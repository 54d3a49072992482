# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository that `build_extension.py --repository` writes: Blender subscribes to it and installs from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from build_extension import backend_version, write_repository

SUBSCRIBE = """
import sys
import bpy

repos = bpy.context.preferences.extensions.repos
repo = repos.new(name="Studio", module="studio", remote_url=sys.argv[-1])
index = list(repos).index(repo)
bpy.ops.extensions.repo_sync(repo_index=index)
bpy.ops.extensions.package_install(repo_index=index, pkg_id="reangle", enable_on_install=True)
assert hasattr(bpy.types, "REANGLE_PT_clip"), "the add-on is not enabled"
print("installed", "bl_ext.studio.reangle" in bpy.context.preferences.addons)
sys.stdout.flush()
import os
os._exit(0)
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_blender_installs_from_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "reangle-0.0.1.zip").write_bytes(b"an earlier version")
    index = json.loads(write_repository(folder).read_text(encoding="utf-8"))
    assert [(entry["id"], entry["version"]) for entry in index["data"]] == [("reangle", backend_version())]
    assert {path.name for path in folder.iterdir()} == {
        "index.json",
        "index.html",
        f"reangle-{backend_version()}.zip",
    }

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "subscribe.py").write_text(SUBSCRIBE, encoding="utf-8")
    try:
        done = subprocess.run(
            [
                sys.executable,
                *(
                    "-c",
                    "import bpy, runpy, sys; bpy.context.preferences.system.use_online_access = True;"
                    "runpy.run_path(sys.argv[1], run_name='__main__')",
                ),
                str(tmp_path / "subscribe.py"),
                f"http://127.0.0.1:{server.server_address[1]}/index.json",
            ],
            env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "resources")},
            capture_output=True,
            text=True,
            timeout=300,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert "installed True" in done.stdout, done.stdout + done.stderr
