# SPDX-License-Identifier: Apache-2.0
"""Drawing by torch, on the processor here, against the compiled kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from reangle.errors import UserError
from reangle.warping import torch_drawing, torch_raster
from reangle.warping.drawing import PROCESSOR, VARIABLE, drawing_here
from reangle.warping.memory import Memory
from reangle.warping.mesh import PLAIN, find_cells
from reangle.warping.surface import make_surface
from reangle.warping.torch_drawing import OnDevice
from reangle.warping.video import Warper, warp_frames

from tests.backend.preview_scene import BOX, MOVER, WALL, camera, film, make_path
from tests.backend.warping_scene import intrinsics, noise_depth, rigid

ON_CPU = OnDevice(torch.device("cpu"))


@settings(max_examples=40, deadline=None)
@given(
    depth=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.floats(0, 10, width=32)
    ),
    rotation=st.tuples(*[st.floats(-60, 60)] * 3),
    translation=st.tuples(*[st.floats(-4, 4)] * 3),
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_any_mesh_from_anywhere_is_drawn_alike(depth, rotation, translation, size) -> None:
    """Also where it reaches behind the camera. A pixel's centre may lie on an edge, within rounding."""
    height, width = depth.shape
    K, K_target = intrinsics(width, height, width), intrinsics(size[0], size[1], size[0])
    cells = find_cells(depth, depth > 0, PLAIN)
    drawn = [np.zeros(size[::-1], np.float32) for _ in range(2)]
    for drawing, out in zip((PROCESSOR, ON_CPU), drawn, strict=True):
        drawing.draw_nearer(out, depth, depth > 0, cells, K, rigid(rotation, translation), K_target)
    alike = np.isclose(*drawn, rtol=2e-3, atol=1e-5)
    assert (~alike).sum() <= 0.02 * alike.size + 2


@pytest.mark.parametrize("bits", [8, 16])
def test_a_clip_is_warped_alike(bits: int) -> None:
    """Its own frames, the memory's plates, and where one surface hides another."""
    frames, geometry = film((WALL, BOX, MOVER), 5, np.stack([camera(0.04 * t) for t in range(5)]))
    frames = frames if bits == 8 else frames.astype(np.uint16) * 257
    path = make_path(np.stack([camera(0.2 + 0.05 * t, 0.1) for t in range(5)]))
    warped = []
    for drawing in (PROCESSOR, ON_CPU):
        memory = Memory.of_clip(frames, geometry, drawing=drawing)
        warped.append(list(warp_frames(Warper(frames, geometry, memory, drawing=drawing), path)))
    for here, there in zip(*warped, strict=True):
        assert here.visible.any()
        assert here.remembered.any()
        differs = (here.visible != there.visible) | (here.remembered != there.remembered)
        differs |= ~np.isclose(here.depth, there.depth, rtol=1e-3)
        assert differs.mean() < 0.002
        step = 1 if bits == 8 else 257
        colours = np.abs(here.rgb.astype(np.int64) - there.rgb).max(-1)
        assert (colours[~differs] > step).mean() < 0.0005


def test_boxes_are_divided_into_parts_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    depth, valid = noise_depth(40, 30)
    K = intrinsics(40, 30, 40)
    cells = find_cells(depth, valid, PLAIN)
    drawn = []
    for at_once in (torch_raster.AT_ONCE, 50):
        monkeypatch.setattr(torch_raster, "AT_ONCE", at_once)
        out = np.zeros((90, 120), np.float32)
        ON_CPU.draw_nearer(out, depth, valid, cells, K, rigid((3, 5, 0), (-0.2, 0, 0.1)), np.diag([3, 3, 1]) @ K)
        drawn.append(out)
    assert (drawn[0] > 0).mean() > 0.5
    assert np.array_equal(drawn[0], drawn[1])


def test_a_full_device_leaves_its_work_to_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(torch_drawing, "draw_pieces", full)
    frames, geometry = film((WALL, BOX), 1)
    surface, K = make_surface(geometry.depth[0], geometry.valid[0], *frames.shape[2:0:-1]), geometry.K[0]
    view = K, rigid((0, 3, 0), (-0.2, 0, 0)), K
    for ours, right in zip(*(d.look(frames[0], surface, *view, 96, 64) for d in (ON_CPU, PROCESSOR)), strict=True):
        assert np.array_equal(ours, right)
    drawn = [np.zeros((64, 96), np.float32) for _ in range(2)]
    for drawing, out in zip((ON_CPU, PROCESSOR), drawn, strict=True):
        drawing.draw_nearer(out, surface.depth, surface.valid, surface.cells, *view)
    assert drawn[0].any()
    assert np.array_equal(drawn[0], drawn[1])


def test_the_device_is_the_artists_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "cpu")
    assert drawing_here() is PROCESSOR
    monkeypatch.setenv(VARIABLE, "meta")
    assert isinstance(drawing_here(), OnDevice)
    monkeypatch.delenv(VARIABLE)
    assert drawing_here() is PROCESSOR
    monkeypatch.setenv(VARIABLE, "cuda:77")
    with pytest.raises(UserError, match=r"cuda:77.*torch cannot use"):
        drawing_here()
