# SPDX-License-Identifier: Apache-2.0
"""The providers with networks, run with tiny random weights of the real classes, and their arithmetic."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from reangle.errors import UserError
from reangle.folders import GeometryFolder
from reangle.geometry.depth.disparity import default_range
from reangle.geometry.depth.dust3r import NetworkView
from reangle.geometry.depth.dust3r_network import Dust3rNetwork, network_class
from reangle.geometry.depth.monocular import Monocular
from reangle.geometry.depth.two_view_network import TwoViewNetwork
from safetensors.torch import load_file, save_file

from tests.backend.tiny_checkpoints import decoded_clip, run_geometry, save_depth_anything, save_dust3r, textured_frames


@pytest.fixture(scope="module")
def dust3r(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_dust3r(tmp_path_factory.mktemp("weights") / "tiny-dust3r")


@pytest.fixture(scope="module")
def depth_anything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_depth_anything(tmp_path_factory.mktemp("weights") / "tiny-depth-anything")


@pytest.mark.parametrize("code", ["ours", "DUSt3R's"])
def test_encoding_each_frame_once_equals_the_plain_network(code: str, dust3r: Path) -> None:
    plain = network_class().from_pretrained(str(dust3r), landscape_only=False, patch_embed_cls="PatchEmbedDust3R")
    network = Dust3rNetwork.load(dust3r, "cpu") if code == "ours" else Dust3rNetwork(plain, "cpu")
    assert isinstance(network.model, TwoViewNetwork) == (code == "ours")
    images = list(np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3)).astype(np.uint8))
    encoded = network.encode(images)
    pairs = [(0, 1), (1, 0), (2, 1)]
    outputs = network.decode([(encoded[i], encoded[j]) for i, j in pairs], 48, 64)

    def view(index: int) -> dict:
        picture = torch.from_numpy(images[index]).permute(2, 0, 1)[None].float() / 127.5 - 1
        return {"img": picture, "instance": [str(index)]}

    for (i, j), output in zip(pairs, outputs, strict=True):
        with torch.no_grad():
            first, second = plain(view(i), view(j))
        expected = first["pts3d"], first["conf"], second["pts3d_in_other_view"], second["conf"]
        got = output.first_map, output.first_confidence, output.second_map, output.second_confidence
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(one, other[0].numpy(), rtol=1e-4, atol=1e-5)


def test_eight_bits_change_little_and_need_their_scales(dust3r: Path, tmp_path: Path) -> None:
    whole = Dust3rNetwork.load(dust3r, "cpu")
    whole.model.save(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 0.3 * (dust3r / "model.safetensors").stat().st_size
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    maps = []
    for network in (whole, Dust3rNetwork.load(tmp_path, "cpu")):
        (tokens,) = network.encode([image])
        maps.append(next(iter(network.decode([(tokens, tokens)], 48, 64))).first_map)
    assert np.linalg.norm(maps[1] - maps[0]) < 0.05 * np.linalg.norm(maps[0])
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.endswith("fc1.weight_scale")}
    save_file(kept, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"lacks \d+ weights, .*fc1.weight_scale"):
        Dust3rNetwork.load(tmp_path, "cpu")


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


def test_dust3r_runs_once_for_camera_and_depth(dust3r: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(4, 50, 74))
    loaded: list[Path] = []
    load = Dust3rNetwork.load
    monkeypatch.setattr(Dust3rNetwork, "load", lambda folder, device: loaded.append(folder) or load(folder, device))
    weights = str(dust3r)
    geometry = run_geometry(
        clip, tmp_path / "out", camera="dust3r", depth="dust3r", checkpoint=weights, camera_checkpoint=weights
    )
    assert loaded == [dust3r]
    assert (geometry.camera_from, geometry.depth_from, geometry.scale) == ("dust3r", "dust3r", "relative")
    assert geometry.depth.shape == (4, 50, 74)
    assert geometry.dynamic is not None
    assert (geometry.checkpoint, geometry.licence) == (dust3r.name, "CC BY-NC-SA 4.0, not for commercial work")
    K = geometry.K[0]
    assert K[0, 0] == pytest.approx(K[1, 1], rel=1e-9)
    np.testing.assert_allclose(K[:2, 2], (37, 25))
    with np.load(GeometryFolder(tmp_path / "out").cloud, allow_pickle=False) as cloud:
        assert {"depth", "rgb", "K", "world_from_camera", "dynamic"} <= set(cloud.files)


def test_dust3r_keeps_a_given_field_of_view(dust3r: Path, tmp_path: Path) -> None:
    clip = decoded_clip(tmp_path / "clip", textured_frames(2, 48, 64))
    weights = str(dust3r)
    geometry = run_geometry(
        clip, tmp_path / "out", camera="dust3r", depth="dust3r", horizontal_fov_deg=90.0,
        checkpoint=weights, camera_checkpoint=weights,
    )  # fmt: skip
    assert geometry.K_at(64, 48)[0, 0, 0] == pytest.approx(32)


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
    if provider == "dust3r":
        load = partial(Dust3rNetwork.load, folder, "cpu")
    else:
        load = partial(Monocular.load, folder, "cpu")
    with pytest.raises(UserError, match="lacks 1 weights"):
        load()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot be loaded"):
        load()


def test_default_range_limits_the_ratio_of_far_to_near() -> None:
    disparity = np.random.default_rng(0).uniform(0, 100, (2, 200, 200)).astype(np.float32)
    scale, shift = default_range(disparity)
    depth = 1 / (disparity * scale + shift)
    assert np.median(depth) == pytest.approx(5, rel=0.05)
    assert np.percentile(depth, 98) / np.percentile(depth, 2) == pytest.approx(12, rel=0.1)
