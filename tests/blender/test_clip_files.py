# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips and depth folders as other programs leave them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from conftest import import_clip


def renamed(folder: Path, names: str) -> Path:
    """The tiny clip with other names, in which {} is the number; returns its third image."""
    clip = tiny.write(folder)
    for index, path in enumerate(sorted(clip.parent.iterdir())):
        path.rename(path.with_name(names.format(f"{index + 7:04d}")))
    return clip.with_name(names.format("0009"))


@pytest.mark.parametrize("names", ["shot_{}_x4.png", 'sh010: "{}"_v002.png', "caf\udce9 {}_x4.png"])
def test_every_image_is_imported_whatever_follows_its_number(desk: SimpleNamespace, tmp_path: Path, names: str) -> None:
    """With the files that a Mac and a renderer leave beside the depth."""
    chosen = renamed(tmp_path, names)
    depth = tmp_path / "depth"
    for name in ("._camera.json", "._depth.npz"):
        (depth / name).write_bytes(bytes.fromhex("0005160700020000") + b"Mac OS X" + bytes(4072))
    for index, image in enumerate(tiny.rgb()):
        tiny.write_png(depth / f"color_{index:04d}.png", image)
    import_clip(desk, chosen)
    scene = bpy.context.scene
    path = desk.reangle("scene.cameras").export_paths(scene, [desk.state.of(scene).source])[0]
    assert np.allclose(np.asarray(path.world_from_camera), tiny.world_from_camera(), atol=2e-6)
    assert desk.state.of(scene).clip.measured_frames == tiny.FRAMES


@pytest.mark.parametrize(
    ("names", "first"),
    [("shot.{}.png", 7), ("shot-{}.png", 7), ("shot_{}_x4.png", None), ("{}_1080p.png", None), ("f{0}_t{0}.png", None)],
)
def test_blender_is_given_sequences_that_it_can_follow(
    reangle: Callable[[str], ModuleType], tmp_path: Path, names: str, first: int | None
) -> None:
    chosen = renamed(tmp_path, names)
    footage = reangle("state.footage").measure(chosen)
    assert (footage.frames, footage.first_number) == (tiny.FRAMES, first)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    reangle("scene.background").show_clip(camera, footage, 2, 3, 1)
    image = camera.data.background_images[0].image
    shown = footage.files[0 if first else 2]
    assert (image.source, image.filepath) == ("SEQUENCE" if first else "FILE", str(shown))


def test_images_that_cannot_be_read_are_refused_before_anything_is_sent(
    reangle: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "shot_0001.psd").write_bytes(b"8BPS")
    with pytest.raises(Exception, match=r"shot_0001\.psd is no image that Reangle can read"):
        reangle("exchange.transfer").clip_files(tmp_path / "shot_0001.psd")


def test_a_false_length_is_not_believed(reangle: Callable[[str], ModuleType]) -> None:
    """Ten million frames by the header: nothing is read or made for each of them."""
    false = reangle("state.footage").Footage((Path("clip.mkv"),), 10_000_000, 64, 48, 24.0, 1)
    assert reangle("scene.given").frames_to_read(false, 0, 0) == reangle("core.contract").MAX_FRAMES
    choice = SimpleNamespace(start=0, frames=0)
    reangle("exchange.sending")._show_clip(bpy.context.scene, SimpleNamespace(match=True), choice, false)
    assert reangle("state").of(bpy.context.scene).source is None


def test_a_time_lapse_does_not_become_a_strip_of_a_million_frames(reangle: Callable[[str], ModuleType]) -> None:
    frames_at_rate = reangle("scene.sequencer").frames_at_rate
    assert frames_at_rate(4, 1 / 2500, 24) == [0, 1, 2, 3]
    assert frames_at_rate(4, 1, 3) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
