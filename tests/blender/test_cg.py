# SPDX-License-Identifier: GPL-3.0-or-later
"""CG in the shot, rendered by Cycles and compared with rays through the tiny clip's box and wall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import bpy
import numpy as np
import pytest
import tiny
from conftest import import_clip

FRAME = 3
CUBE_AT, CUBE_SIDE = np.array([0.45, 3.2, 0.0]), 0.8
SUN = np.array([0.0, np.cos(0.5), -np.sin(0.5)])
"""Where the light goes: to the wall and down."""


@pytest.fixture
def lit(rendered: SimpleNamespace) -> SimpleNamespace:
    """The tiny clip with the results of two cameras, a cube half behind its box and one behind its wall, a sun, and a
    transparent film."""
    scene = bpy.context.scene
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.energy, sun.data.angle = 3.0, 0.01
    sun.rotation_euler = (np.pi / 2 - 0.5, 0, 0)
    scene.collection.objects.link(sun)
    bpy.ops.mesh.primitive_cube_add(size=CUBE_SIDE, location=CUBE_AT)
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(0, tiny.WALL + 1.5, 0))
    bpy.context.object.name = "Behind the Wall"
    scene.render.film_transparent = True
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.device = 8, False, "CPU"
    scene.cycles.pixel_filter_type = "BOX"  # no pixel sees its neighbours
    scene.frame_set(FRAME)
    return rendered


def render(folder: Path) -> np.ndarray:
    """The scene's picture, H x W x 4, linear, rows from the top, alpha last."""
    scene = bpy.context.scene
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "OPEN_EXR", "RGBA"
    scene.render.filepath = str(folder / "picture.exr")
    bpy.ops.render.render(write_still=True)
    return pixels_of(Path(scene.render.filepath))


def pixels_of(file: Path) -> np.ndarray:
    """H x W x 4, linear, rows from the top."""
    image = bpy.data.images.load(str(file))
    width, height = image.size
    pixels = np.array(image.pixels[:], np.float32).reshape(height, width, 4)[::-1]
    bpy.data.images.remove(image)
    return pixels


def box_of(frame: int) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the clip's box at a scene frame, in Blender's world: a flat rectangle."""
    left = 20 + 2 * (frame - 1)
    corners = np.array([[left, 34], [left + 16, 14]])
    x, y = (corners - [tiny.K()[0, 2], tiny.K()[1, 2]]).T / tiny.FOCAL * tiny.BOX
    x = x + tiny.world_from_camera()[frame - 1, 0, 3]
    return np.array([x[0], tiny.BOX, -y[0]]), np.array([x[1], tiny.BOX, -y[1]])


def entry(start: np.ndarray, way: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How far along each ray a box begins; infinite where it is missed or behind. start, way: N x 3."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (low - start) / way, (high - start) / way
    near, far = np.fmin(one, two).max(axis=-1), np.fmax(one, two).min(axis=-1)
    return np.where((near <= far) & (far > 1e-6), np.maximum(near, 0), np.inf)


def truth(camera: bpy.types.Object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of what a camera should see: the cube; its shadow on the clip's things, where the clip's box does not keep
    the light away already; and the cube's pixels that are hidden."""
    y, x = np.mgrid[: tiny.HEIGHT, : tiny.WIDTH] + 0.5
    way = np.stack([(x - tiny.K()[0, 2]) / tiny.FOCAL, -(y - tiny.K()[1, 2]) / tiny.FOCAL, -np.ones_like(x)], -1)
    matrix = np.array(camera.matrix_world)
    way, start = way.reshape(-1, 3) @ matrix[:3, :3].T, matrix[:3, 3]
    cube = CUBE_AT - CUBE_SIDE / 2, CUBE_AT + CUBE_SIDE / 2
    to_box, to_cube = entry(start, way, *box_of(FRAME)), entry(start, way, *cube)
    to_wall = (tiny.WALL - start[1]) / way[:, 1]
    to_scene = np.minimum(to_box, to_wall)
    points = start + way * to_scene[:, None]
    to_sun = np.broadcast_to(-SUN, points.shape)
    in_shade = np.isfinite(entry(points, to_sun, *cube)) & ~np.isfinite(
        entry(points - 1e-4 * SUN, to_sun, *box_of(FRAME))
    )
    shape = tiny.HEIGHT, tiny.WIDTH
    seen, hit = to_cube < to_scene, np.isfinite(to_cube)
    return seen.reshape(shape), (in_shade & ~seen).reshape(shape), (hit & ~seen).reshape(shape)


def inside(mask: np.ndarray, rim: int = 1) -> np.ndarray:
    """The mask without a rim, where pixels are mixed."""
    padded = np.pad(mask, rim, mode="edge")
    shifts = range(2 * rim + 1)
    return np.all([padded[i : i + mask.shape[0], j : j + mask.shape[1]] for i in shifts for j in shifts], axis=0)


@pytest.mark.parametrize("name", ["clip", "Left", "In"])
def test_cg_is_hidden_and_shadowed(lit: SimpleNamespace, tmp_path: Path, name: str) -> None:
    scene = bpy.context.scene
    camera = scene.camera = lit.state.of(scene).source if name == "clip" else scene.objects[name]
    scene.frame_set(FRAME)
    cube, shadow, hidden = truth(camera)
    without = render(tmp_path)
    assert bpy.ops.reangle.add_depth_mesh() == {"FINISHED"}
    picture = render(tmp_path)
    alpha, light = picture[..., 3], picture[..., :3].max(axis=-1)
    assert inside(hidden).sum() > 40
    assert inside(shadow).sum() > 20
    assert without[inside(hidden), 3].min() > 0.99
    assert alpha[inside(hidden)].max() < 0.05
    assert alpha[inside(cube, 2)].min() > 0.99
    assert alpha[inside(shadow)].mean() > 0.9
    assert light[inside(shadow)].max() < 0.05
    elsewhere = inside(~(cube | shadow))
    assert alpha[elsewhere].mean() < 0.005

    lit.state.of(scene).cg.use = "HOLDOUT"
    held = render(tmp_path)[..., 3]
    assert held[inside(hidden)].max() < 0.05
    assert held[inside(~cube)].max() < 0.05
    assert held[inside(cube, 2)].min() > 0.99

    assert bpy.ops.reangle.remove_depth_mesh() == {"FINISHED"}
    assert np.array_equal(render(tmp_path), without)
    assert not [item for item in bpy.data.materials if "Depth" in item.name]


def test_rendered_points_show_the_clip(lit: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    shot = lit.state.of(scene)
    scene.camera = shot.source
    for name in ("Cube", "Behind the Wall"):
        bpy.data.objects.remove(scene.objects[name])
    assert not render(tmp_path).any()
    shot.cg.points = True
    picture = render(tmp_path)
    # At the border the renderer's filter looks beyond the clip.
    assert picture[1:-1, 1:-1, 3].min() > 0.99
    encoded = tiny.rgb()[FRAME - 1] / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    for value in np.unique(tiny.rgb()[FRAME - 1].reshape(-1, 3), axis=0):
        same = inside((tiny.rgb()[FRAME - 1] == value).all(axis=-1))
        same[[0, -1]] = same[:, [0, -1]] = False
        assert np.abs(picture[same, :3] - linear[same]).max() < 0.01
    shot.cg.points = False
    assert not render(tmp_path).any()
    assert not bpy.data.node_groups
    assert "reangle_radius" not in shot.cloud.data.attributes


def test_the_mesh_follows_frame_and_camera(lit: SimpleNamespace) -> None:
    scene = bpy.context.scene
    shot = lit.state.of(scene)
    scene.camera = shot.source
    bpy.ops.reangle.add_depth_mesh()
    mesh = shot.cg.mesh.data
    assert not mesh.vertices  # nothing is computed while it is seen nowhere
    shot.cg.in_viewport = True
    for frame, name in ((1, None), (4, None), (4, "Left")):
        scene.frame_set(frame)
        if name:
            scene.timeline_markers.new(name, frame=2).camera = scene.objects[name]
            scene.frame_set(frame)
        lit.main_thread.pump_until(lambda: not lit.main_thread.is_busy(), timeout_s=60)
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        rows, columns = tiny.HEIGHT + 2, tiny.WIDTH + 2
        depth = points.reshape(rows, columns, 3)[1:-1, 1:-1, 1]
        if name is None:
            assert np.abs(depth - tiny.depth()[frame - 1]).max() < 1e-4
        else:
            # The nearest surface stands where the box does, seen from the camera's own place.
            assert np.abs(np.median(depth) - tiny.WALL) < 0.05
            assert not np.allclose(depth, tiny.depth()[frame - 1], atol=0.01)
    shot.cg.every = 2
    lit.main_thread.pump_until(lambda: len(mesh.vertices) == 34 * 26, timeout_s=60)
    shot.cg.in_viewport = False
    assert not mesh.vertices


def test_a_mesh_of_a_new_size_is_whole(reangle: Callable[[str], ModuleType]) -> None:
    meshes, grids = reangle("scene.depth_mesh"), reangle("core.depth_grid")
    item = bpy.data.objects.new("Depth", bpy.data.meshes.new("Depth"))
    for width, height in ((40, 30), (7, 90), (64, 48)):
        depth = np.full((height, width), 3, np.float32)
        grid = grids.make_grid(depth, tiny.K(), np.eye(4), None, 0)
        assert meshes.fill(item, grid, is_own=True)
        assert not item.data.validate()  # which returns whether it had to mend anything
        first = np.arange(grid.columns * grid.rows).reshape(grid.rows, grid.columns)[:-1, :-1].ravel()
        expected = [[at, at + grid.columns, at + grid.columns + 1, at + 1] for at in first.tolist()]
        assert [list(face.vertices) for face in item.data.polygons] == expected


def test_a_result_of_another_import_is_not_used(lit: SimpleNamespace) -> None:
    scene = bpy.context.scene
    shot, source = lit.state.of(scene), lit.reangle("scene.depth_source")
    scene.camera = scene.objects["Left"]
    own = source.source_at(scene, FRAME)
    assert (own.folder, own.index, own.is_own) == (Path(shot.jobs[-1].cameras["Left"].folder), FRAME - 1, True)
    shot.cg.depth_of = "CLIP"
    assert source.source_at(scene, FRAME).folder is None
    shot.cg.depth_of = "CAMERA"
    shot.jobs[-1].request += " "
    other = source.source_at(scene, FRAME)
    assert other.folder is None
    assert not other.is_own
    assert "earlier import" in other.note


def test_missing_depth_is_told(lit: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.camera = scene.objects["Left"]
    (Path(lit.state.of(scene).jobs[-1].cameras["Left"].folder) / "depth" / f"{FRAME:06d}.exr").write_bytes(b"v/1\1 cut")
    bpy.ops.reangle.add_depth_mesh()
    render(tmp_path)
    assert "cannot be read" in lit.reangle("scene.depth_frames").note_of(scene)
    assert not lit.state.of(scene).cg.mesh.data.vertices


def test_undo_takes_the_mesh_and_the_points_back(shot: SimpleNamespace) -> None:
    scene = bpy.context.scene
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.reangle.add_depth_mesh("EXEC_DEFAULT", True) == {"FINISHED"}
    shot.state.of(scene).cg.points = True
    bpy.ops.ed.undo_push(message="points")
    bpy.ops.ed.undo()
    known = shot.state.of(bpy.context.scene)
    assert known.cg.mesh is not None
    assert not known.cg.points
    assert not known.cloud.modifiers
    bpy.ops.ed.undo()
    assert shot.state.of(bpy.context.scene).cg.mesh is None
    assert not any("Depth" in item.name for item in bpy.data.objects)
    bpy.ops.ed.redo()
    assert shot.state.of(bpy.context.scene).cg.mesh.name.endswith("Depth Mesh")


def test_an_import_keeps_what_is_rendered(shot: SimpleNamespace, clip: Path) -> None:
    scene = bpy.context.scene
    known = shot.state.of(scene)
    bpy.ops.reangle.add_depth_mesh()
    known.cg.points = True
    known.clip.depth_files_scale = 2.0
    mesh = known.cg.mesh
    import_clip(shot, clip)
    assert known.cg.mesh == mesh
    assert [item.node_group.name for item in known.cloud.modifiers] == ["Reangle Points"]
    radii = np.empty(len(known.cloud.data.vertices), np.float32)
    known.cloud.data.attributes["reangle_radius"].data.foreach_get("value", radii)
    assert radii.max() == pytest.approx(0.75 * 2 * tiny.WALL / tiny.FOCAL, rel=1e-3)


def test_nothing_can_be_added_without_a_clip(reangle: Callable[[str], ModuleType]) -> None:
    with pytest.raises(RuntimeError, match=r"no clip with depth.*Import a clip"):
        bpy.ops.reangle.add_depth_mesh()
    with pytest.raises(RuntimeError, match="no depth mesh"):
        bpy.ops.reangle.remove_depth_mesh()


def test_an_animation_is_as_its_frames(lit: SimpleNamespace, tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.camera = scene.objects["Left"]
    bpy.ops.reangle.add_depth_mesh()
    stills = []
    for frame in (1, 4):
        scene.frame_set(frame)
        stills.append(render(tmp_path)[..., 3])
    assert np.abs(stills[0] - stills[1]).max() > 0.5
    scene.frame_start, scene.frame_end, scene.frame_step = 1, 4, 3
    scene.render.filepath = str(tmp_path / "film_")
    bpy.ops.render.render(animation=True)
    for frame, still in zip((1, 4), stills, strict=True):
        assert np.abs(pixels_of(tmp_path / f"film_{frame:04d}.exr")[..., 3] - still).max() < 0.01
