# SPDX-License-Identifier: Apache-2.0
"""What `scripts/bench/full_size.py` builds and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from reangle.video_models.memory import TIERS
from reangle.video_models.published_sizes import PUBLISHED_SIZES
from reangle.weights.suites import suite_named

from scripts.bench.full_size import measure
from scripts.bench.full_size_count import by_formula, by_torch
from scripts.bench.full_size_models import ARCHITECTURES, size_of

ALL = pytest.mark.parametrize("name", ARCHITECTURES)


@ALL
def test_operations_by_formula_are_those_that_torch_counts(name: str) -> None:
    architecture = ARCHITECTURES[name]["small"]
    formula, counted = by_formula(architecture), by_torch(architecture)
    assert formula.forward == pytest.approx(counted.forward, rel=0.03)
    assert formula.learning == pytest.approx(counted.learning, rel=0.03)


@ALL
def test_what_is_measured_at_full_size_is_the_published_model(name: str) -> None:
    suite = suite_named(name)
    assert suite is not None
    published = PUBLISHED_SIZES[suite.main.name]
    built = replace(size_of(ARCHITECTURES[name]["full"], bytes_each=2), text_bytes=published.text_bytes)
    assert built.weights == pytest.approx(published.weights, rel=1e-4)
    assert built.vae_bytes == pytest.approx(published.vae_bytes, rel=1e-3)
    assert replace(built, weights=published.weights, vae_bytes=published.vae_bytes) == published


@pytest.mark.parametrize("name", ["wan2.2-5b", "wan-vace-1.3b"])
def test_a_small_model_is_measured(name: str) -> None:
    """The same calls as on a GPU, learning and generating."""
    figures = measure(ARCHITECTURES[name]["small"], TIERS[2], 1, torch.device("cpu"), published=False)
    assert figures["step_s"] > 0
    assert figures["denoise_s"] > 0
