# SPDX-License-Identifier: Apache-2.0
"""Results with more than 8 bits, from a clip that has them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from preview_scene import HEIGHT, WALL, WIDTH, camera, film, make_path
from reangle.contract import PreviewSettings
from reangle.finishing.spec import DELIVER, FILL, DeliverParams, FillParams
from reangle.finishing.stage import deliver, fill
from reangle.folders import GeometryFolder
from reangle.geometry.spec import CAMERA, GEOMETRY
from reangle.media.probe import probe_clip
from reangle.media.spec import DECODE, DECODE_16, DecodeParams
from reangle.media.srgb import srgb_to_linear
from reangle.media.stage import decode, decode_16
from reangle.media.write import read_images
from reangle.runtime.stage import StageContext, StageSpec
from reangle.warping.precise import warp_16
from reangle.warping.spec import WARP, WARP_16, WarpParams
from reangle.warping.stage import warp

COUNT = 2
SHIFT = 0.2
"""How far the new camera stands to the right, in the scene's units."""


def gradient() -> np.ndarray:
    """HEIGHT x WIDTH x 3 uint16: red rises by 37 levels a pixel, which 8 bits cannot hold."""
    ramp = np.arange(WIDTH, dtype=np.uint16) * 37
    return np.broadcast_to(np.stack([ramp + 20000, ramp + 5001, np.full_like(ramp, 30123)], -1), (HEIGHT, WIDTH, 3))


def run(root: Path, suffix: str, frame_format: str) -> Path:
    """The delivered folder of a gradient on a wall, filmed as files of this kind, for a camera beside the clip's."""
    specs = (DECODE, DECODE_16, CAMERA, GEOMETRY, WARP, WARP_16, FILL, DELIVER)
    folders: dict[str, Any] = {spec.kind: spec.writes(root / spec.kind) for spec in specs}
    for folder in folders.values():
        folder.path.mkdir(parents=True)
    files = [root / f"shot_{number:04d}.{suffix}" for number in range(1, COUNT + 1)]
    for file in files:
        if suffix == "png":
            cv2.imwrite(str(file), gradient()[..., ::-1])
        else:
            light = srgb_to_linear(gradient() / 65535).astype(np.float32)
            OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": light}).write(str(file))
    clip = tuple((file.name, file) for file in files)
    film((WALL,), COUNT)[1].save(GeometryFolder(root / "geometry"))
    path = make_path(np.stack([camera(SHIFT)] * COUNT))
    precise = {"warp-16": folders["warp-16"]} if frame_format != "png" else {}
    delivered = DeliverParams(path=path, title="", engine="preview", settings={}, seed=1, frame_format=frame_format)
    stages: list[tuple[Callable[[Any], None], StageSpec[Any, Any], object]] = [
        (decode, DECODE, DecodeParams(fps=24)),
        (decode_16, DECODE_16, DecodeParams(fps=24)),
        (warp, WARP, WarpParams(path=path)),
        (warp_16, WARP_16, WarpParams(path=path)),
        (fill, FILL, FillParams(path=path)),
        (deliver, DELIVER, delivered),
    ]
    for function, spec, params in stages:
        inputs = {role: folders[role] for role in spec.inputs if role in folders and role != "warp-16"}
        context = StageContext(
            params=params, out=folders[spec.kind], inputs={**inputs, **(precise if spec == DELIVER else {})},
            files={"clip": clip} if spec.files else {},
        )  # fmt: skip
        function(context)
    return root / "deliver"


def levels(image: np.ndarray) -> int:
    return len(np.unique(image[..., 0]))


@pytest.mark.parametrize("suffix", ["png", "exr"])
def test_a_warp_keeps_sixteen_bits_of_a_clip_that_has_them(suffix: str, tmp_path: Path) -> None:
    result = run(tmp_path, suffix, "png-16-bit")
    frames, warped = read_images(result / "frames"), read_images(result / "warped")
    assert frames.dtype == warped.dtype == np.uint16
    seen = read_images(result / "visibility")[0] > 0
    # A wall before a camera beside it: the picture moves by whole columns of the ramp and parts of them.
    step = np.diff(frames[0][HEIGHT // 2, 8 : int(0.7 * WIDTH), 0].astype(int))
    assert np.abs(step - 37).max() <= 2, "the slope of the gradient, in 16-bit levels"
    assert levels(frames[0][seen]) > 2 * len(np.unique(frames[0][seen][..., 0] >> 8)), (
        "8 bits have one level of 7 columns"
    )
    assert np.array_equal(frames[0][seen], warped[0][seen])
    old = read_images(tmp_path / "fill" / "frames")[0]
    assert np.abs(frames[0] / 257 - old).max() < 1, "the same picture as with 8 bits, whose source is rounded, too"
    assert np.array_equal(frames[0][~seen], old[~seen].astype(np.uint16) * 257), "8 bits in what is filled"
    said = json.loads((result / "manifest.json").read_text(encoding="utf-8"))["frame_format"]
    assert (said["bits"], said["encoding"], said["primaries"]) == (16, "sRGB", "Rec.709")
    assert said["of_clip"] == pytest.approx(seen.mean(), abs=0.001)


def test_exr_holds_light(tmp_path: Path) -> None:
    result = run(tmp_path / "exr", "png", "exr-half")
    encoded = read_images(run(tmp_path / "png", "png", "png-16-bit") / "frames")[0]
    with OpenEXR.File(str(result / "frames" / "000001.exr")) as file:
        light = np.array(file.channels()["RGB"].pixels)
    assert light.dtype == np.float16
    np.testing.assert_allclose(light, srgb_to_linear(encoded / 65535), rtol=2**-10)
    said = json.loads((result / "manifest.json").read_text(encoding="utf-8"))["frame_format"]
    assert (said["kind"], said["encoding"]) == ("exr-half", "scene-linear")
    assert not list((result / "frames").glob("*.png"))


def test_the_default_is_what_it_was(tmp_path: Path) -> None:
    result = run(tmp_path, "png", PreviewSettings().frame_format)
    for name in ("frames", "warped"):
        source = tmp_path / ("fill" if name == "frames" else "warp") / name
        for file in source.iterdir():
            assert (result / name / file.name).read_bytes() == file.read_bytes()
    assert read_images(result / "frames").dtype == np.uint8


def test_a_movie_of_ten_bits_comes_with_more_than_eight(tmp_path: Path) -> None:
    import av

    file = tmp_path / "ramp.mov"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("prores_ks", rate=24, options={"profile": "3"})
        stream.width, stream.height, stream.pix_fmt = 512, 64, "yuv422p10le"
        ramp = np.broadcast_to(np.linspace(20000, 30000, 512)[None, :, None], (64, 512, 3)).astype(np.uint16)
        for packet in stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp), "rgb48le")):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    out = DECODE_16.writes(tmp_path / "out")
    out.path.mkdir()
    assert probe_clip([(file.name, file)]).frames == 1
    decode_16(StageContext(params=DecodeParams(), out=out, inputs={}, files={"clip": ((file.name, file),)}))
    picture = read_images(out.frames)[0]
    assert picture.dtype == np.uint16
    assert levels(picture) > 120, "8 bits have 40 levels in this ramp"
