# SPDX-License-Identifier: Apache-2.0
"""The providers with networks, run with tiny random weights of the real classes, and their arithmetic."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from reangle.contract import GeometrySettings
from reangle.errors import UserError
from reangle.folders import DecodedClip, GeometryFolder
from reangle.geometry.alignment import Alignment, align
from reangle.geometry.depth.availability import provider_weights
from reangle.geometry.depth.depth_anything import estimate_disparity
from reangle.geometry.depth.disparity import (
    apply,
    default_range,
    depth_from_inverse,
    match_frames,
    smooth_in_time,
    steady_scale_shift,
)
from reangle.geometry.depth.dust3r import NetworkView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.geometry.depth.fuse import fit_frames, fit_scale_shift, fuse
from reangle.geometry.footage import Footage
from reangle.geometry.stage import estimate
from reangle.geometry.video_geometry import VideoGeometry
from safetensors.torch import load_file, save_file

from tests.backend.synthetic_scene import Scene, arc, make_scene, network_maps
from tests.backend.tiny_checkpoints import context, decoded_clip, save_depth_anything, save_dust3r, textured_frames


@pytest.fixture(scope="module")
def dust3r(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dust3r(tmp_path_factory.mktemp("weights") / "tiny-dust3r")


@pytest.fixture(scope="module")
def depth_anything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_depth_anything(tmp_path_factory.mktemp("weights") / "tiny-depth-anything")


def test_encoding_each_frame_once_equals_the_plain_network(dust3r: Path) -> None:
    network = Dust3rNetwork.load(dust3r, "cpu")
    images = list(np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3)).astype(np.uint8))
    encoded = network.encode(images)
    pairs = [(0, 1), (1, 0), (2, 1)]
    outputs = network.decode([(encoded[i], encoded[j]) for i, j in pairs], 48, 64)

    def view(index: int) -> dict:
        picture = torch.from_numpy(images[index]).permute(2, 0, 1)[None].float() / 127.5 - 1
        return {"img": picture, "instance": [str(index)]}

    for (i, j), output in zip(pairs, outputs, strict=True):
        with torch.no_grad():
            first, second = network.model(view(i), view(j))
        expected = first["pts3d"], first["conf"], second["pts3d_in_other_view"], second["conf"]
        got = output.first_map, output.first_confidence, output.second_map, output.second_confidence
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, other[0].numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("width", "height"), [(720, 480), (481, 853), (64, 64), (1920, 803)])
def test_the_input_contains_every_pixel_and_the_lens_maps_back(width: int, height: int) -> None:
    view = NetworkView.of(width, height, 512)
    seen_width, seen_height = view.size
    assert seen_width % 16 == seen_height % 16 == 0
    image = np.zeros((height, width, 3), np.uint8)
    image[-max(1, height // 8) :, -max(1, width // 8) :] = 255
    shown = view.cut(view.prepare(image))
    assert shown.shape == (view.inner_height, view.inner_width, 3)
    assert shown[-1, -1, 0] == 255
    assert shown[0, 0, 0] == 0
    # fy / fx in the network's pixels reverses the rounding of the two sides, so that fx equals fy in the frame.
    fx, fy = 300.0, 300.0 * view.aspect
    assert fx * width / view.inner_width == pytest.approx(fy * height / view.inner_height, rel=1e-12)


def test_dust3r_runs_from_frames_to_geometry(dust3r: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(4, 50, 74))
    checkpoint = provider_weights(GeometrySettings(camera="dust3r", depth="dust3r", checkpoint=str(dust3r)), tmp_path)
    estimate(context(clip, tmp_path / "out", checkpoint=checkpoint, provider="dust3r"))
    geometry = VideoGeometry.load(GeometryFolder(tmp_path / "out"))
    assert geometry.frame_count == 4
    assert geometry.dynamic is not None
    assert geometry.scale == "relative"
    assert "CC BY-NC-SA" in geometry.licence
    K = geometry.K_at(74, 50)[0]
    assert K[0, 0] == pytest.approx(K[1, 1], rel=1e-9)
    np.testing.assert_allclose(K[:2, 2], (37, 25))
    with np.load(GeometryFolder(tmp_path / "out").cloud, allow_pickle=False) as cloud:
        assert set(cloud.files) == {"depth", "rgb", "K", "world_from_camera", "dynamic"}


def test_dust3r_keeps_a_given_field_of_view(dust3r: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(2, 48, 64))
    estimate(context(clip, tmp_path / "out", checkpoint=str(dust3r), provider="dust3r", horizontal_fov_deg=90.0))
    assert VideoGeometry.load(GeometryFolder(tmp_path / "out")).K_at(64, 48)[0, 0, 0] == pytest.approx(32)


def test_depth_anything_alone_and_with_dust3r(dust3r: Path, depth_anything: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(3, 56, 84))
    shutil.copytree(dust3r, tmp_path / "data" / "models" / "DUSt3R_ViTLarge_BaseDecoder_512_dpt")
    settings = GeometrySettings("dust3r", "depth-anything", checkpoint=str(depth_anything), horizontal_fov_deg=60)
    both = provider_weights(settings, tmp_path / "data")
    alone = provider_weights(replace(settings, camera="still"), tmp_path / "data")
    assert both != alone == str(depth_anything)
    for name, checkpoint in (("alone", alone), ("both", both)):
        estimate(
            context(clip, tmp_path / name, checkpoint=checkpoint, provider="depth-anything", horizontal_fov_deg=60.0)
        )
        geometry = VideoGeometry.load(GeometryFolder(tmp_path / name))
        assert geometry.depth.shape == (3, 56, 84)
        assert geometry.K[0, 0, 0] == pytest.approx(42 / np.tan(np.radians(30)), rel=1e-6)
        assert (geometry.dynamic is None) == (name == "alone")
        assert ("CC BY-NC-SA" in geometry.licence) == (name == "both")


@pytest.mark.parametrize("provider", ["dust3r", "depth-anything"])
def test_a_checkpoint_that_lacks_weights_is_refused(
    provider: str, dust3r: Path, depth_anything: Path, tmp_path: Path
) -> None:
    """Both libraries fill missing weights with random numbers."""
    folder = tmp_path / "cut"
    shutil.copytree(dust3r if provider == "dust3r" else depth_anything, folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    footage = Footage.open(DecodedClip(decoded_clip(tmp_path / "clip", textured_frames(1, 56, 56))))
    if provider == "dust3r":
        load = partial(Dust3rNetwork.load, folder, "cpu")
    else:
        load = partial(estimate_disparity, footage, folder, lambda done: None)
    with pytest.raises(UserError, match="lacks 1 weights"):
        load()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be loaded"):
        load()


def flickering(scene: Scene, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Disparity of the scene like a single-frame network's, and the true inverse depth.

    Scale and shift differ by 10 % from frame to frame.
    """
    random = np.random.default_rng(seed)
    inverse = 1 / scene.depth
    scale, shift = np.exp(0.1 * random.normal(size=scene.count)), 0.1 * inverse.mean() * random.normal(size=scene.count)
    disparity = apply(inverse, 30 * scale, 30 * shift) * np.exp(0.01 * random.normal(size=inverse.shape))
    return disparity.astype(np.float32), inverse


def flicker(depth: np.ndarray, still: np.ndarray) -> float:
    """Median over static pixels of the standard deviation in time of log depth."""
    return float(np.median(np.log(depth).std(axis=0)[still]))


def test_disparity_becomes_temporally_stable() -> None:
    scene = make_scene(arc(0), count=12)
    disparity, _ = flickering(scene)
    steady = apply(disparity, *steady_scale_shift(match_frames(disparity, scene.pictures()), scene.count))
    still = np.asarray(~scene.moving.any(axis=0))
    depths = []
    for one in (disparity, steady):
        scale, shift = default_range(one)
        depths.append(depth_from_inverse(one * scale + shift, 1e3))
    before, after = (flicker(depth, still) for depth in depths)
    print(f"\nflicker of log depth: {before:.4f} predicted, {after:.4f} steady")
    assert before > 0.05
    assert after < 0.015


def aligned(scene: Scene, noise: float) -> Alignment:
    return align(network_maps(scene, noise), scene.count)


@pytest.mark.parametrize("degrees", [0, 8])
def test_point_maps_fix_scale_and_shift_of_every_frame(degrees: float) -> None:
    scene = make_scene(arc(degrees), count=10)
    disparity, _ = flickering(scene)
    disparity = apply(disparity, *steady_scale_shift(match_frames(disparity, scene.pictures()), scene.count))
    alignment = aligned(scene, 0.03)
    geometry = fuse(disparity, alignment, checkpoint="", licence="", notes=())
    unit = np.median(scene.depth / geometry.depth)
    error = float(np.abs(geometry.depth * unit / scene.depth - 1).mean())
    point_map_error = float(np.abs(alignment.depth * unit / scene.depth - 1).mean())
    drift = float(np.median(scene.depth / geometry.depth, axis=(1, 2)).std() / unit)
    print(
        f"\n{degrees} degrees: depth error {error:.4f} fused, {point_map_error:.4f} point maps; scale drift {drift:.4f}"
    )
    assert error < 0.03
    assert drift < 0.02


def test_smoothing_removes_jitter_and_keeps_the_mean() -> None:
    random = np.random.default_rng(0)
    scene = make_scene(arc(0), count=16, width=48, height=32)
    alignment = aligned(scene, 0.0)
    jitter = np.exp(0.05 * random.normal(size=scene.count)).astype(np.float32)
    jittered = Alignment(**{**vars(alignment), "depth": alignment.depth * jitter[:, None, None]})
    disparity = (1 / scene.depth).astype(np.float32)
    rough, smooth = (fit_frames(disparity, jittered, smoothing)[0] for smoothing in (0.0, 3.0))
    assert np.log(smooth).std() < 0.5 * np.log(rough).std()
    np.testing.assert_allclose(smooth_in_time(np.full((7, 2), 3.0), 2), 3.0)


def test_moving_pixels_do_not_decide_the_scale() -> None:
    """Point maps are wrong on moving pixels, here on most of the image."""
    scene = make_scene(arc(0), count=3)
    moving = np.zeros(scene.depth.shape, bool)
    moving[:, :, :60] = True
    alignment = aligned(scene, 0.0)
    depth = np.where(moving, 3 * alignment.depth, alignment.depth)
    wrong = Alignment(**{**vars(alignment), "depth": depth, "dynamic": moving})
    scale, shift = fit_frames(1 / alignment.depth, wrong)
    np.testing.assert_allclose(scale, 1, atol=0.01)
    np.testing.assert_allclose(shift, 0, atol=0.005)


def test_scale_and_shift_are_recovered_despite_outliers() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(1, 5, 4000)
    y = 0.3 * x + 0.1 + 0.002 * random.normal(size=x.size)
    y[:800] = random.uniform(0, 5, 800)
    scale, shift = fit_scale_shift(x, y, np.ones(x.size))
    assert scale == pytest.approx(0.3, rel=0.01)
    assert shift == pytest.approx(0.1, rel=0.05)
    assert np.isnan(fit_scale_shift(x, -y, np.ones(x.size))[0])


def test_default_range_limits_the_ratio_of_far_to_near() -> None:
    disparity = np.random.default_rng(0).uniform(0, 100, (2, 200, 200)).astype(np.float32)
    scale, shift = default_range(disparity)
    depth = depth_from_inverse(disparity * scale + shift, 1e6)
    assert np.median(depth) == pytest.approx(5, rel=0.05)
    assert np.percentile(depth, 98) / np.percentile(depth, 2) == pytest.approx(12, rel=0.1)
