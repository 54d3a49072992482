# SPDX-License-Identifier: Apache-2.0
"""Training of the mini depth network: loss, crops, figures, samples from other processes, and the saved network."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reangle.geometry.depth.dust3r_network import Dust3rNetwork
from reangle.geometry.depth.monocular_network import DEVIATION, MEAN, Monocular, save_ours
from reangle.weights.checkpoints import MINI_GEOMETRY
from reangle.weights.shipped import shipped_folder
from torch import nn

from scripts.train import depth, depth_pictures
from scripts.train.depth_figures import edge_f1, judge
from scripts.train.depth_pool import IN_A_FILE, FromFiles, write
from scripts.train.fresh import Makers, Store, wait_for

FIELDS = {"value": ((2,), "int64"), "seed": ((), "int64")}


def stepped(rows: int = 48, columns: int = 64) -> torch.Tensor:
    """A slope with a nearer square in front of it, and sky above."""
    z = torch.linspace(4, 8, columns).repeat(rows, 1)
    z[16:40, 20:44] = 2.5
    z[:6] = 0
    return z[None]


def test_loss_ignores_the_factor_and_bounds_the_sky() -> None:
    truth = stepped()
    exact = -(truth.clamp_min(1e-3)).log()
    exact += depth.LEVEL - exact[truth > 0].mean()
    middle = float(exact[truth > 0].median())

    def losses(sky_times: float) -> tuple[float, float]:
        prediction = torch.where(truth > 0, exact, torch.tensor(middle - np.log(sky_times), dtype=torch.float32))
        loss, error = depth.depth_loss(prediction, 3 * truth)
        return float(loss), float(error)

    for times in (10.0, 40.0):
        assert losses(times) == (pytest.approx(0, abs=1e-5), pytest.approx(0, abs=1e-5))
    for times in (1.0, 1e4):
        assert losses(times)[0] > 0.1


def test_loss_holds_the_level_that_no_picture_tells() -> None:
    truth = stepped()
    exact = torch.where(truth > 0, -(truth.clamp_min(1e-3)).log(), torch.tensor(-4.0))
    assert float(depth.depth_loss(exact - 500, truth)[0]) > 10
    assert float(depth.depth_loss(exact + 500, truth)[0]) > 10


def test_loss_prefers_a_sharp_edge_to_a_blurred_one() -> None:
    truth = stepped()
    exact = -(truth.clamp_min(1e-3)).log()
    exact[truth == 0] = -4.0
    blurred = nn.functional.avg_pool2d(exact[None], 5, stride=1, padding=2, count_include_pad=False)[0]
    blurred[truth == 0] = -4.0
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


def test_encoder_starts_as_the_geometry_networks() -> None:
    """Without a class token and with positions in the same unit, both encoders give the same tokens."""
    model: Any = depth.network().eval()
    depth.start_from_pairs(model, shipped_folder(MINI_GEOMETRY))
    theirs: Any = Dust3rNetwork.load(shipped_folder(MINI_GEOMETRY), "cpu").model
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    places = torch.stack((rows, columns), -1).flatten(0, 1)
    angles = (places[:, :, None] * model.backbone.rope_embeddings.inv_freq).flatten(1, 2).tile(2)
    mean, deviation = (torch.from_numpy(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    with torch.no_grad():
        tokens = model.backbone.embeddings((picture - mean) / deviation)[:, 1:]
        for layer in model.backbone.model.layer[: depth.TAKEN]:
            tokens = layer(tokens, position_embeddings=(angles.cos(), angles.sin()))
        expected = theirs.encode(picture * 2 - 1)
    torch.testing.assert_close(model.backbone.norm(tokens), expected, rtol=1e-3, atol=1e-4)


def test_saved_network_sees_what_the_trained_one_saw(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = depth.in_logs(depth.network()).eval()
    save_ours(model, tmp_path, 64, 16)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    with torch.no_grad():
        expected = depth.log_inverse_depth(model, torch.from_numpy(picture).permute(2, 0, 1)[None] / 255).exp()
    assert float(expected.log().std()) > 0.02
    seen = Monocular.load(tmp_path, "cpu").inverse_depth([picture])
    np.testing.assert_allclose(seen, expected.numpy(), rtol=0.05)
    assert (tmp_path / "model.safetensors").stat().st_size < 7e6


def test_thirty_steps_on_one_batch_halve_the_loss() -> None:
    torch.manual_seed(0)
    model = depth.network()
    depth.start_from_pairs(model, shipped_folder(MINI_GEOMETRY))
    model = depth.in_logs(model).train()
    rgb, truth = depth_pictures.crops(FilledStore(), 2, depth_pictures.Shape(48, 64), np.random.default_rng(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(30):
        loss, _ = depth.depth_loss(depth.log_inverse_depth(model, rgb), truth)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_pictures_rendered_beforehand_are_all_read(tmp_path: Path) -> None:
    def four_a_time(seed: int) -> Iterator[dict[str, np.ndarray]]:
        for number in range(1000):
            rgb = np.full((4, *depth_pictures.FIELDS["rgb"][0]), number + seed, np.uint8)
            yield {"rgb": rgb, "depth": np.ones((4, *depth_pictures.FIELDS["depth"][0]), np.float16)}

    write(tmp_path, "solids", four_a_time, seed=7, count=IN_A_FILE + 1)
    (tmp_path / "solids_7_0002.part").write_bytes(b"killed here")
    feed = FromFiles(tmp_path, "solids", Store(depth_pictures.FIELDS, 3 * IN_A_FILE, "cpu"))
    for _ in range(3):
        feed.refresh()
    assert feed.store.made == 2 * IN_A_FILE
    assert feed.store.arrays["rgb"][: 2 * IN_A_FILE, 0, 0, 0].tolist() == [7 + n // 4 for n in range(2 * IN_A_FILE)]
    with pytest.raises(SystemExit, match="depth_pool"):
        FromFiles(tmp_path, "meshes", Store(depth_pictures.FIELDS, 1, "cpu"))
