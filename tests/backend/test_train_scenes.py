# SPDX-License-Identifier: Apache-2.0
"""Generated scenes: depth, visibility and motion are true, from both ray casters and in scene folders."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from reangle.contract import CameraPath, from_data
from reangle.contract.geometry_folders import collect_geometry_files
from reangle.geometry.camera_files import PLAIN_PNG, read_camera_json
from reangle.geometry.depth.depth_maps import read_depth
from reangle.media.write import read_images
from train import text

from scripts.train.scenes import folders, raycast, raycast_torch
from scripts.train.scenes.draw import draw_scene
from scripts.train.scenes.types import Camera, Frames, Scene

SEEDS = range(6)
"""Together they have all kinds of solids and textures; half are outdoors."""


def small_scene(seed: int, frames: int = 3) -> Scene:
    return draw_scene(seed, frames=frames, width=80, height=48)


def world_points(camera: Camera, frame: int, depth: np.ndarray) -> np.ndarray:
    """World point of each pixel, h x w x 3."""
    v, u = np.indices(depth.shape) + 0.5
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.K[frame]).T
    pose = camera.world_from_camera[frame]
    return (rays * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]


def reproject(points: np.ndarray, camera: Camera, frame: int, seen: Frames) -> tuple[np.ndarray, ...]:
    """Compare world points with what `camera` sees: their depth in it, the depth and colour seen there, and the object
    of all four pixels around (-1: they differ, the surface bends between them, or the point is outside).
    """
    local = (points - camera.world_from_camera[frame, :3, 3]) @ camera.world_from_camera[frame, :3, :3]
    ahead = np.maximum(local[..., 2], 1e-6)
    x, y = np.moveaxis(local @ camera.K[frame].T / ahead[..., None], -1, 0)[:2].astype(np.float32) - np.float32(0.5)
    # On a plane, inverse depth is linear in the image.
    inverse = 1 / seen.depth[frame]
    shown = 1 / cv2.remap(inverse, x, y, cv2.INTER_LINEAR, borderValue=1)
    objects = np.where(np.abs(cv2.Laplacian(inverse, -1)) < 0.05 * inverse, seen.objects[frame].astype(int), -1)
    colour = cv2.remap(seen.rgb[frame].astype(np.float32), x, y, cv2.INTER_LINEAR)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (left >= 0) & (top >= 0) & (left < camera.width - 1) & (top < camera.height - 1) & (local[..., 2] > 0)
    left, top = np.where(inside, left, 0), np.where(inside, top, 0)
    around = np.stack([objects[top + down, left + right] for down in (0, 1) for right in (0, 1)])
    same = inside & (around == around[0]).all(0)
    return local[..., 2], shown, colour, np.where(same, around[0], -1)


def test_same_seed_gives_the_same_scene() -> None:
    first, again, other = (small_scene(seed) for seed in (3, 3, 4))
    images = [raycast.render(scene, scene.source).rgb for scene in (first, again, other)]
    assert np.array_equal(images[0], images[1])
    assert first.prompt == again.prompt != other.prompt
    assert (images[0] != images[2]).mean() > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_and_visibility_agree_between_cameras(seed: int) -> None:
    scene = small_scene(seed)
    source = raycast.render(scene, scene.source)
    for camera in scene.targets.values():
        truth = raycast.render(scene, camera)
        sees = raycast.visible(scene, camera, truth.depth, scene.source)[2]
        points = world_points(camera, 2, truth.depth[2])
        depth, shown, colour, hit = reproject(points, scene.source, 2, source)
        compared = sees & (hit == truth.objects[2])
        assert compared.sum() > 0.75 * sees.sum() > 0.2 * sees.size
        assert (np.abs(shown / depth - 1) < 0.01)[compared].mean() > 0.99
        assert np.median(np.abs(colour - truth.rgb[2])[compared]) <= 3
        hidden = ~sees & (hit >= 0)
        assert np.count_nonzero(hidden & (shown > depth * 0.999)) <= 2 + 0.1 * hidden.sum()


def test_only_objects_marked_as_moving_move() -> None:
    travellers = 0
    for seed in range(60):
        scene = small_scene(seed, frames=9)
        away = np.ptp(scene.world_from_solid, axis=0).max(axis=(1, 2))
        assert np.array_equal(away > 0.02, scene.moving[scene.objects]), seed
        if seed not in SEEDS:
            continue
        seen = raycast.render(scene, scene.source)
        points = world_points(scene.source, 0, seen.depth[0])
        depth, shown, _, hit = reproject(points, scene.source, 4, seen)
        agrees = (hit == seen.objects[0]) & (np.abs(shown / depth - 1) < 0.01)
        still = ~scene.moving[seen.objects[0]] & (hit == seen.objects[0])
        assert agrees[still].mean() > 0.98
        gone = np.ptp(scene.world_from_solid[:5, :, :, 3], axis=0).max(axis=1) > 0.3
        moved = np.isin(seen.objects[0], scene.objects[gone])
        if moved.sum() > 30:
            travellers += 1
            assert agrees[moved].mean() < 0.5
    assert travellers >= 2


def test_torch_renders_the_same_images() -> None:
    for seed in SEEDS:
        scene = small_scene(seed)
        expected = raycast.render(scene, scene.source, [0, 2])
        rendered = raycast_torch.render(scene, scene.source, [0, 2])
        assert (rendered.objects == expected.objects).mean() > 0.995
        assert np.median(np.abs(rendered.depth / expected.depth - 1)) < 1e-4
        assert np.abs(rendered.rgb.astype(int) - expected.rgb).mean() < 0.05
        assert np.abs(rendered.rgb.astype(int) - expected.rgb).max(axis=(1, 2, 3)).mean() < 20


def test_torch_renders_the_same_in_parts_and_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = small_scene(1)
    whole = raycast_torch.render(scene, scene.source, device=torch.device("cpu"))
    monkeypatch.setattr(raycast_torch, "RAYS_AT_ONCE", 2 * 48 * 80)
    assert np.array_equal(raycast_torch.render(scene, scene.source).rgb, whole.rgb)


def test_a_scene_folder_reads_back(tmp_path: Path) -> None:
    scene = small_scene(5)
    folders.write_scene(scene, tmp_path / "scene")
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]
    seen = raycast.render(scene, scene.source)
    assert np.array_equal(read_images(tmp_path / "scene" / "source"), seen.rgb)
    masks = read_images(tmp_path / "scene" / "masks")
    assert np.array_equal(masks == 255, scene.moving[seen.objects])
    assert np.unique(masks).tolist() == [0, 255]

    *depth, camera = collect_geometry_files(tmp_path / "scene")
    assert [path.name for path in depth] == ["000001.exr", "000002.exr", "000003.exr"]
    assert np.array_equal(np.concatenate([read_depth(path.name, path, PLAIN_PNG) for path in depth]), seen.depth)
    track = read_camera_json(camera.name, camera)
    assert np.allclose(track.world_from_camera[0], np.eye(4), atol=1e-12)
    world = scene.source.world_from_camera[0]
    assert np.allclose(world @ track.world_from_camera, scene.source.world_from_camera)

    about = json.loads(camera.read_text(encoding="utf-8"))
    assert (about["prompt"], about["caption"], about["frames"]) == (scene.prompt, scene.caption, 3)
    size = {key: about[key] for key in ("fps", "width", "height")}
    for target, truth in zip(about["targets"], scene.targets.values(), strict=True):
        path = from_data(CameraPath, {**size, **target})
        assert np.allclose(world @ np.asarray(path.world_from_camera), truth.world_from_camera)
        rendered = raycast.render(scene, truth)
        assert np.array_equal(read_images(tmp_path / "scene" / "targets" / path.name), rendered.rgb)
        sees = read_images(tmp_path / "scene" / "visibility" / path.name) == 255
        assert np.array_equal(sees, raycast.visible(scene, truth, rendered.depth, scene.source))


def test_failed_scene_folder_leaves_nothing(tmp_path: Path) -> None:
    scene = small_scene(5)
    broken = dataclasses.replace(scene, targets={"a/\0": scene.source})
    with pytest.raises(ValueError, match="null"):
        folders.write_scene(broken, tmp_path / "scene")
    assert list(tmp_path.iterdir()) == []


def test_lower_image_is_the_middle_rows_of_a_higher_one() -> None:
    low, high = draw_scene(2, height=128), draw_scene(2)
    for rendered, whole in zip((low.source, *low.targets.values()), (high.source, *high.targets.values()), strict=True):
        cropped = whole.cropped(128)
        assert (rendered.width, rendered.height) == (cropped.width, cropped.height) == (224, 128)
        assert np.array_equal(rendered.K, cropped.K)
        assert np.array_equal(rendered.world_from_camera, cropped.world_from_camera)


def test_every_word_of_held_out_prompts_is_in_the_vocabulary() -> None:
    learned = [draw_scene(1000 + index, frames=2).prompt for index in range(400)]
    tokenizer = text.t5_tokenizer(learned, 64)
    for seed in range(24):
        prompt = draw_scene(seed, frames=2).prompt
        tokens = tokenizer.tokenize(prompt)
        assert tokens == [f"▁{word}" if word != "," else word for word in prompt.replace(",", " ,").split()]
        assert len(tokens) < 64
