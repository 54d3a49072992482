# SPDX-License-Identifier: GPL-3.0-or-later
"""What a comparison shows: the right file of each kind at each frame, or why there is none."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import numpy as np
import tiny
from test_render_stays import read


def picture(pictures: Any, kind: str, frame: int) -> np.ndarray | str:
    """What there is of a kind at a frame, once it is read."""
    pictures.want([kind], frame)
    deadline = time.monotonic() + 60
    while (found := pictures.get(kind, frame)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_each_kind_shows_its_own_files(rendered: SimpleNamespace, tmp_path: Path) -> None:
    scene, camera = bpy.context.scene, bpy.context.scene.objects["Left"]
    shot = rendered.state.of(scene)
    comparison = rendered.reangle("scene.comparison")
    truth = tmp_path / "truth"
    truth.mkdir()
    tiny.write_png(truth / "real_0007.png", np.full((4, 6, 3), (51, 102, 153), np.uint8))
    shot.truth = str(truth)
    pictures = comparison.Pictures(comparison.sources(scene, camera))
    folder = Path(bpy.path.abspath(shot.jobs[-1].cameras["Left"].folder))
    clip = Path(bpy.path.abspath(shot.shot_folder)) / "source" / "frames"
    files = {"clip": clip, "warp": folder / "warped", "result": folder / "frames", "preview": folder / "frames"}
    for kind, place in files.items():
        for frame in (1, tiny.FRAMES):
            np.testing.assert_allclose(picture(pictures, kind, frame), read(place / f"{frame:06d}.png"), atol=1e-6)
    assert np.allclose(picture(pictures, "truth", 1), (0.2, 0.4, 0.6, 1))
    assert picture(pictures, "truth", 2) == "has frames 1 to 1"
    assert picture(pictures, "result", tiny.FRAMES + 1) == f"has frames 1 to {tiny.FRAMES}"
    pictures.close()

    # Nothing was made for the clip's own camera, and this one is of an engine that is no preview.
    others = comparison.Pictures(comparison.sources(scene, shot.source))
    assert others.get("result", 1) == comparison.MISSING["result"]
    others.close()
    manifest = folder / "manifest.json"
    text = manifest.read_text(encoding="utf-8").replace('"engine": "preview"', '"engine": "reangle"')
    manifest.unlink()
    manifest.write_text(text.replace('"engine":"preview"', '"engine":"reangle"'), encoding="utf-8")
    pictures = comparison.Pictures(comparison.sources(scene, camera))
    assert picture(pictures, "preview", 1) == comparison.MISSING["preview"]
    assert isinstance(picture(pictures, "result", 1), np.ndarray)
    pictures.close()


def test_the_cloud_fades_where_a_result_is_shown(rendered: SimpleNamespace) -> None:
    scene = bpy.context.scene
    shot, background = rendered.state.of(scene), rendered.reangle("scene.background")
    cameras = scene.objects["Left"], shot.source
    assert [background.cloud_opacity(scene, camera) for camera in cameras] == [1, 1]
    bpy.ops.reangle.results_to_backgrounds()
    shot.cloud_over_result = 0.25
    assert [background.cloud_opacity(scene, camera) for camera in cameras] == [0.25, 1]
    cameras[0].data.show_background_images = False
    assert background.cloud_opacity(scene, cameras[0]) == 1
