# SPDX-License-Identifier: Apache-2.0
"""Which layer of an EXR is the picture and which the depth, and what its header says of colours and pixels."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from reangle.errors import UserError
from reangle.folders import DecodedClip
from reangle.geometry.camera_files import PLAIN_PNG
from reangle.geometry.depth.depth_maps import read_depth
from reangle.media.exr import depth_note, read_exr_depth, read_exr_image
from reangle.media.exr_colour import BT709, to_bt709
from reangle.media.probe import probe_clip

from tests.backend.clips import images, probe, run_stage
from tests.backend.tiny_checkpoints import run_geometry

HEIGHT, WIDTH = 8, 12
RAMP = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
FLAT = np.full((HEIGHT, WIDTH), 0.1, np.float32)
Part = tuple[str, dict[str, np.ndarray]]


def rgb(values: np.ndarray, layer: str = "") -> dict[str, np.ndarray]:
    return {f"{layer}{letter}": values for letter in "RGB"}


def write(path: Path, *parts: Part, **header: object) -> Path:
    about = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, **header}
    made = [OpenEXR.Part({**about, **({"name": name} if name else {})}, channels) for name, channels in parts]
    OpenEXR.File(made).write(str(path))
    return path


PICTURES: dict[str, list[Part]] = {
    "rgba": [("rgba", rgb(RAMP)), ("albedo", rgb(FLAT))],
    "Beauty": [("AO", rgb(FLAT)), ("Beauty", rgb(RAMP)), ("depth", {"Z": FLAT})],
    "C": [("C", rgb(RAMP)), ("AO", rgb(FLAT))],
    "main_cam": [("main_cam", rgb(RAMP)), ("crypto_object", rgb(FLAT)), ("diffuse", rgb(FLAT, "diffuse."))],
    "first": [("first", rgb(RAMP)), ("another", rgb(FLAT))],
    "beauty": [("", {**rgb(RAMP, "beauty."), **rgb(FLAT, "albedo.")})],
    "plain R, G, B": [("", {**rgb(RAMP), **rgb(FLAT, "albedo."), **rgb(FLAT, "Color.")})],
    "View.Combined": [("", {**rgb(RAMP, "View.Combined."), **rgb(FLAT, "View.Color."), **rgb(FLAT, "View.AO.")})],
    "Composite.Combined": [("", {**rgb(RAMP, "Composite.Combined."), **rgb(FLAT, "A.Combined.")})],
    "FinalImage": [("", {**rgb(FLAT, "ActorHitProxyMask00."), **rgb(RAMP, "FinalImage."), **rgb(FLAT, "GI.")})],
    "Denoised beauty": [("", {**rgb(FLAT, "Albedo."), **rgb(RAMP, "Denoised beauty."), **rgb(FLAT, "Z-depth.")})],
    "plate": [("", {**rgb(RAMP, "plate."), **rgb(FLAT, "KeyLight."), **rgb(FLAT, "aCryptoAsset.")})],
    "R": [("R", rgb(RAMP)), ("albedo", rgb(FLAT))],
    "rgba_left": [("rgba_left", rgb(RAMP)), ("rgba_right", rgb(FLAT)), ("albedo_left", rgb(FLAT))],
}


@pytest.mark.parametrize("layer", PICTURES)
def test_the_picture_is_the_beauty_and_the_note_names_it(layer: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.exr", *PICTURES[layer])
    assert np.array_equal(read_exr_image(path)[0][..., 0], RAMP)
    assert any(f"; {layer} is used as the picture" in note for note in probe(path).notes)


@pytest.mark.parametrize("split", [False, True])
def test_of_several_views_the_main_one_is_used(split: bool, tmp_path: Path) -> None:
    """As Blender 4.5 and 5 write views that the artist named: names end with them, and only the header lists them."""
    layers = {"A.AO": FLAT, "A.Combined": RAMP, "A.Depth": RAMP + 3, "A.Denoising Depth": FLAT, "A.Mist": FLAT}
    channels: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for layer, values in layers.items():
        for view in ("tele", "wide"):
            name, pixels = f"{layer}." if split else f"{layer}.{view}.", values + (view == "tele")
            is_colour = layer in ("A.AO", "A.Combined")
            channels[layer, view] = rgb(pixels, name) if is_colour else {f"{name}Z": pixels}
    if split:
        about = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
        parts = [
            OpenEXR.Part({**about, "name": f"{layer}-{view}", "view": view}, channels[layer, view])
            for layer, view in sorted(channels, key=lambda one: one[1] == "tele")
        ]
        OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    else:
        together = {key: one for found in channels.values() for key, one in found.items()}
        write(tmp_path / "a.exr", ("", together), multiView=["wide", "tele"])
    assert np.array_equal(read_exr_image(tmp_path / "a.exr")[0][..., 0], RAMP)
    assert np.array_equal(read_exr_depth(tmp_path / "a.exr"), RAMP + 3)
    assert any("A.Combined.wide is used as the picture" in note for note in probe(tmp_path / "a.exr").notes)
    assert "(A.Depth.wide.Z, A.Depth.tele.Z); A.Depth.wide.Z is used" in depth_note(tmp_path / "a.exr")


def test_images_of_different_layers_are_no_sequence(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a1.exr", ("rgba", rgb(RAMP))), write(tmp_path / "a2.exr", ("albedo", rgb(RAMP)))]
    with pytest.raises(UserError, match=r"picture of a2\.exr is layer 'albedo'"):
        probe_clip([(path.name, path) for path in paths])


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("letter", ["Z", "V"])
def test_depth_is_the_planar_one(split: bool, letter: str, tmp_path: Path) -> None:
    channels = {
        f"A.Denoising Depth.{letter}": FLAT,
        f"A.Depth.{letter}": RAMP,
        f"A.Mist.{letter}": FLAT,
        f"Z.Depth.{letter}": FLAT,
        **rgb(FLAT, "A.Combined."),
    }
    parts = [("", channels)]
    if split:
        parts = [(key.rpartition(".")[0] + f".{at}", {key: one}) for at, (key, one) in enumerate(channels.items())]
    path = write(tmp_path / "z.exr", *parts)
    assert np.array_equal(read_exr_depth(path), RAMP)
    assert f"A.Depth.{letter} is used" in depth_note(path)


GREY_DEPTH = {
    "Depth.R": {"Depth.R": RAMP},
    "VRayZDepth.R": rgb(RAMP, "VRayZDepth."),
    "FinalImageMovieRenderQueue_WorldDepth.R": rgb(RAMP, "FinalImageMovieRenderQueue_WorldDepth."),
    "Pz": {"Pz": RAMP},
    "Pz.r": {"Pz.r": RAMP},
    "CGeometry_ZDepth.R": rgb(RAMP, "CGeometry_ZDepth."),
}


@pytest.mark.parametrize("name", GREY_DEPTH)
def test_depth_of_other_renderers_beside_colour(name: str, tmp_path: Path) -> None:
    others = {**rgb(FLAT), **rgb(FLAT, "Depth AO.Mask."), **rgb(FLAT, "DepthOfField."), "P.Z": FLAT}
    assert np.array_equal(read_exr_depth(write(tmp_path / "z.exr", ("", {**others, **GREY_DEPTH[name]}))), RAMP)
    with pytest.raises(UserError, match="no depth channel"):
        read_exr_depth(write(tmp_path / "bent.exr", ("", {**others, **rgb(FLAT, "Depth."), "Depth.G": RAMP})))


def test_pixels_without_depth_and_depth_behind_the_camera(tmp_path: Path) -> None:
    depth = RAMP + 2
    depth[0, :6] = 1e10, np.inf, np.nan, -1, 65504, 0
    assert read_depth("z.exr", write(tmp_path / "z.exr", ("", {"Z": depth})), PLAIN_PNG)[0, 0, :6].tolist() == [0] * 6
    with pytest.raises(UserError, match=r"n\.exr has only negative depth"):
        read_depth("n.exr", write(tmp_path / "n.exr", ("", {"Z": -1 - RAMP})), PLAIN_PNG)


@pytest.mark.parametrize(
    "name",
    [
        "A.Denoising Depth.Z",
        "A.Mist.Z",
        "Mist.V",
        "Denoising Depth.V",
        "N.Z",
        "Pworld.Z",
        "InverseDepth.Z",
        "inv_depth.V",
        "disparity.Z",
        "RayLength.Z",
    ],
)
def test_other_passes_are_never_planar_depth(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no depth channel") as caught:
        read_exr_depth(write(tmp_path / "z.exr", ("", {name: RAMP})))
    assert "Mist" in caught.value.advice


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    """The clip is stretched with a note; depth of either shape and a camera of the stored pixels belong to it."""
    for index in range(2):
        write(tmp_path / f"a{index}.exr", ("", {**rgb(RAMP), "Z": RAMP + 2}), pixelAspectRatio=2.0)
    out, about = run_stage(tmp_path, tmp_path / "a0.exr", tmp_path / "a1.exr")
    assert (about["width"], about["height"], about["pixel_aspect"]) == (2 * WIDTH, HEIGHT, 2)
    assert sum("2.000 times as wide" in note for note in about["notes"]) == 1
    np.save(tmp_path / "stored.npy", np.stack([RAMP + 2] * 2))
    (tmp_path / "camera.json").write_text(
        f'{{"width": {WIDTH}, "height": {HEIGHT}, "K": [[9, 0, 6], [0, 18, 4], [0, 0, 1]], '
        '"world_from_camera": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}'
    )
    for number, depth in enumerate(([tmp_path / "a0.exr", tmp_path / "a1.exr"], [tmp_path / "stored.npy"])):
        geometry = run_geometry(
            DecodedClip(out).path,
            tmp_path / f"out{number}",
            camera="files",
            depth="files",
            files=[*depth, tmp_path / "camera.json"],
        )
        assert geometry.depth.shape[1:] == (HEIGHT, 2 * WIDTH)
        assert geometry.depth[0][0, ::2].tolist() == (RAMP + 2)[0].tolist()
        np.testing.assert_allclose(geometry.K[0], [[18, 0, 12], [0, 18, 4], [0, 0, 1]])


def test_colours_of_other_primaries_are_converted(tmp_path: Path) -> None:
    """White stays white, and BT.709's red, written with AP0's primaries, is red again."""
    ap0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    matrix = to_bt709(ap0)
    assert matrix is not None
    assert to_bt709(BT709) is None
    # The published matrix from ACES 2065-1 to linear BT.709.
    assert np.allclose(matrix[0], [2.5217, -1.1341, -0.3876], atol=2e-3)
    red = np.linalg.inv(matrix) @ [0.5, 0, 0]
    channels = {letter: np.full((HEIGHT, WIDTH), value, np.float32) for letter, value in zip("RGB", red, strict=True)}
    path = write(tmp_path / "ap0.exr", ("", channels), chromaticities=ap0)
    assert images(probe(path))[0][0, 0].tolist() == [188, 0, 0]
    assert any("AP0" in note for note in probe(path).notes)


def test_luminance_and_chroma_give_colour(tmp_path: Path) -> None:
    path = tmp_path / "yc.exr"
    red, green, blue = 0.4, 0.2, 0.1
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    write_chroma(path, luminance, red / luminance - 1, blue / luminance - 1)
    colour, _ = read_exr_image(path)
    assert np.allclose(colour, [red, green, blue], atol=2e-3)


def test_deep_images_are_refused(tmp_path: Path) -> None:
    samples = np.empty((2, 2), dtype=object)
    samples[:] = [[np.array([1, 2], np.float32) for _ in range(2)] for _ in range(2)]
    OpenEXR.File({"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}, {"Z": samples}).write(
        str(tmp_path / "deep.exr")
    )
    for read in (probe, read_exr_depth):
        with pytest.raises(UserError, match="deep EXR") as caught:
            read(tmp_path / "deep.exr")
        assert "Flatten" in caught.value.advice


def write_chroma(path: Path, luminance: float, red: float, blue: float) -> None:
    """An EXR of Y and half as many RY and BY, which OpenEXR's Python cannot write."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value

    channels = b"".join(
        f"{name}\0".encode() + struct.pack("<iB3xii", 1, 0, step, step)
        for name, step in (("BY", 2), ("RY", 2), ("Y", 1))
    )
    window = struct.pack("<4i", 0, 0, WIDTH - 1, HEIGHT - 1)
    head = struct.pack("<ii", 20000630, 2)
    head += attribute("channels", "chlist", channels + b"\0") + attribute("compression", "compression", b"\0")
    head += attribute("dataWindow", "box2i", window) + attribute("displayWindow", "box2i", window)
    head += attribute("lineOrder", "lineOrder", b"\0") + attribute("pixelAspectRatio", "float", struct.pack("<f", 1))
    head += attribute("screenWindowCenter", "v2f", bytes(8)) + attribute("screenWindowWidth", "float", bytes(4)) + b"\0"
    lines = []
    for y in range(HEIGHT):
        values = [] if y % 2 else [blue] * (WIDTH // 2) + [red] * (WIDTH // 2)
        data = np.array([*values, *[luminance] * WIDTH], "<f2").tobytes()
        lines.append(struct.pack("<ii", y, len(data)) + data)
    starts = np.cumsum([len(head) + 8 * HEIGHT, *map(len, lines[:-1])])
    path.write_bytes(head + starts.astype("<u8").tobytes() + b"".join(lines))
