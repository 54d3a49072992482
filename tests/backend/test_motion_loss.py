# SPDX-License-Identifier: Apache-2.0
"""The masked diffusion loss, compared with its formulas element by element."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reangle.motion.loss import masked_loss
from reangle.motion.masks import latent_mask

from tests.backend.tiny_video import tiny_pipeline


def slow_mask(visible: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Frame 0 alone, then four at a time: nothing may be hidden in any pixel of the cell in any of its frames."""
    groups = [[0], *([first, first + 1, first + 2, first + 3] for first in range(1, len(visible), 4))]
    tall, wide = visible.shape[1] // rows, visible.shape[2] // columns
    result = np.ones((len(groups), rows, columns), bool)
    for index, frames in enumerate(groups):
        for frame in frames:
            for y in range(visible.shape[1]):
                for x in range(visible.shape[2]):
                    if not visible[frame, y, x]:
                        result[index, y // tall, x // wide] = False
    return result


@given(st.integers(0, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_masks_are_reduced_as_in_the_paper(
    groups: int, rows: int, columns: int, cell: int, seen: float, seed: int
) -> None:
    visible = np.random.default_rng(seed).random((4 * groups + 1, rows * cell, columns * cell)) < seen
    assert (latent_mask(visible, rows, columns, group=4) == slow_mask(visible, rows, columns)).all()


@pytest.mark.parametrize("shape", [(8, 4, 4), (9, 5, 4), (9, 4, 6)])
def test_masks_that_do_not_divide_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        latent_mask(np.ones(shape, bool), 4, 4, group=4)


@pytest.mark.parametrize("time", [0, 137, 500, 998, 999])
def test_loss_equals_the_published_formula(time: int) -> None:
    """x0 from the scheduler's get_velocity of the prediction, weighted by 1 / (1 - alpha_bar), under the mask."""
    scheduler = tiny_pipeline().scheduler
    random = torch.Generator().manual_seed(time)
    clean, noise, prediction = (torch.randn(2, 3, 4, 6, 8, generator=random, dtype=torch.float64) for _ in range(3))
    mask = torch.rand(2, 3, 6, 8, generator=random) < 0.6
    times = torch.tensor([time, time])
    noisy = scheduler.add_noise(clean, noise, times)
    # The scheduler's table is float32; both sides read alpha_bar from it.
    alpha_bar = scheduler.alphas_cumprod[time].double()
    total = 0.0
    estimate = scheduler.get_velocity(prediction, noisy, times)
    for n in range(2):
        for frame in range(3):
            for channel in range(4):
                for y in range(6):
                    for x in range(8):
                        apart = estimate[n, frame, channel, y, x] - clean[n, frame, channel, y, x]
                        total += float(mask[n, frame, y, x]) * float(apart**2 / (1 - alpha_bar))
    published = total / clean.numel()
    ours = masked_loss(prediction, scheduler.get_velocity(clean, noise, times), mask)
    assert float(ours) == pytest.approx(published, rel=1e-3 if time == 0 else 1e-4)


def test_hidden_pixels_have_no_gradient() -> None:
    random = torch.Generator().manual_seed(1)
    prediction = torch.randn(1, 3, 4, 6, 8, generator=random, requires_grad=True)
    mask = torch.rand(1, 3, 6, 8, generator=random) < 0.5
    masked_loss(prediction, torch.randn(prediction.shape, generator=random), mask).backward()
    assert prediction.grad is not None
    hidden = ~mask[:, :, None].expand_as(prediction)
    assert (prediction.grad[hidden] == 0).all()
    assert (prediction.grad[~hidden] != 0).all()
