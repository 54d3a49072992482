# SPDX-License-Identifier: Apache-2.0
"""Training of the mini depth network: loss, crops, figures, samples from other processes, and the saved network."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from reangle.geometry.depth.monocular_network import HeadInFloat32, Monocular
from torch import nn

from scripts.train import depth, depth_pictures
from scripts.train.depth_figures import edge_f1, judge
from scripts.train.fresh import Makers, Store, wait_for

FIELDS = {"value": ((2,), "int64"), "seed": ((), "int64")}


def stepped(rows: int = 48, columns: int = 64) -> torch.Tensor:
    """A slope with a nearer square in front of it, and sky above."""
    z = torch.linspace(4, 8, columns).repeat(rows, 1)
    z[16:40, 20:44] = 2.5
    z[:6] = 0
    return z[None]


def test_loss_ignores_the_factor_and_how_far_the_sky_is() -> None:
    truth = stepped()
    exact = -(truth.clamp_min(1e-3) * 3).log()
    exact[truth == 0] = -20.0
    loss, error = depth.depth_loss(exact, truth)
    assert float(loss) == pytest.approx(0, abs=1e-5)
    assert float(error) == pytest.approx(0, abs=1e-5)
    farther = exact.clone()
    farther[truth == 0] = -30.0
    assert float(depth.depth_loss(farther, truth)[0]) == pytest.approx(0, abs=1e-5)
    nearer = exact.clone()
    nearer[truth == 0] = -1.0
    assert float(depth.depth_loss(nearer, truth)[0]) > 0.1


def test_loss_prefers_a_sharp_edge_to_a_blurred_one() -> None:
    truth = stepped()
    exact = -(truth.clamp_min(1e-3)).log()
    exact[truth == 0] = -20.0
    blurred = nn.functional.avg_pool2d(exact[None], 5, stride=1, padding=2, count_include_pad=False)[0]
    blurred[truth == 0] = -20.0
    plain, edges = (float(depth.depth_loss(blurred, truth, edges=share)[0]) for share in (0.0, 0.5))
    assert plain > 0.005
    assert edges > 2 * plain


class FilledStore(Store):
    """Two pictures whose red is their depth and whose blue is the column."""

    def __init__(self) -> None:
        z = torch.linspace(1, 255, depth_pictures.HEIGHT).round()[:, None].repeat(1, depth_pictures.WIDTH)
        columns = torch.linspace(0, 255, depth_pictures.WIDTH).round()[None].repeat(depth_pictures.HEIGHT, 1)
        rgb = torch.stack([z, torch.zeros_like(z), columns], dim=-1)
        self.capacity, self.made = 2, 2
        self.arrays = {"rgb": rgb.to(torch.uint8).repeat(2, 1, 1, 1), "depth": z.to(torch.float16).repeat(2, 1, 1)}


@pytest.mark.parametrize("shape", [*depth.SMALL, *depth.FULL])
def test_crops_keep_colours_and_depth_together(shape: depth_pictures.Shape) -> None:
    rgb, z = depth_pictures.crops(FilledStore(), 6, shape, np.random.default_rng(0))
    assert rgb.shape == (6, 3, shape.height, shape.width)
    assert z.shape == (6, shape.height, shape.width)
    inner = np.s_[:, 2:-2, 2:-2]
    assert float((rgb[:, 0] * 255 - z)[inner].abs().max()) < 2.5
    rising = rgb[:, 2, 0, -1] > rgb[:, 2, 0, 0]
    assert rising.any()
    assert not rising.all()


def test_edges_are_matched_within_three_pixels() -> None:
    def square(left: int) -> torch.Tensor:
        z = torch.full((60, 80), 5.0)
        z[20:40, left : left + 20] = 2.0
        return z

    assert edge_f1(square(30), square(30)) == 1
    assert edge_f1(square(32), square(30)) > 0.95
    assert edge_f1(square(45), square(30)) < 0.7
    assert edge_f1(torch.full((60, 80), 5.0), square(30)) == 0
    figures = judge([square(30) * 4], [square(30)])
    assert figures == {"abs_rel": pytest.approx(0), "f1": 1}


def counting(last: int, seed: int) -> Iterator[dict[str, np.ndarray]]:
    """Numbers from 0 up in groups of three; stops after `last`."""
    for first in range(0, last, 3):
        numbers = np.arange(first, first + 3)
        yield {"value": np.stack([numbers, -numbers], 1), "seed": np.full(3, seed)}


def test_samples_of_other_processes_arrive_complete_and_the_newest_stay() -> None:
    store = Store(FIELDS, 700, "cpu")
    makers = Makers(functools.partial(counting, 300), store, 2, seed=5)
    wait_for(makers, 600)
    value, seed = (store.arrays[name][:600] for name in ("value", "seed"))
    assert torch.equal(value[:, 0], -value[:, 1])
    for one in seed.unique():
        assert torch.equal(value[seed == one, 0], torch.arange(300))
    assert len(seed.unique()) == 2
    with pytest.raises(RuntimeError, match="have stopped"):
        wait_for(makers, 700)


def test_saved_network_sees_what_the_trained_one_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = depth.glpn().eval()
    model.head = HeadInFloat32(model.head)
    monkeypatch.setattr(depth, "INPUT", {"longest_side": 64, "multiple": 32})
    depth.save_average(model, tmp_path)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    with torch.no_grad():
        expected = depth.log_inverse_depth(model, torch.from_numpy(picture).permute(2, 0, 1)[None] / 255).exp()
    seen = Monocular.load(tmp_path, "cpu").inverse_depth([picture])
    np.testing.assert_allclose(seen, expected.numpy(), rtol=0.02)
    size = (tmp_path / "model.safetensors").stat().st_size
    assert size < 12e6
