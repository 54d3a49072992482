# SPDX-License-Identifier: Apache-2.0
"""A result compared with the truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from reangle.evaluation.metrics import gradient_difference, psnr_of, squared_error, ssim_map


def judge(result: np.ndarray, truth: np.ndarray, parts: Mapping[str, np.ndarray]) -> dict[str, float]:
    """psnr_X, ssim_X and edges_X over all pixels (X = all) and over each part that has pixels.

    result, truth: N x H x W x 3 uint8. parts: name -> N x H x W bool. edges: `gradient_difference`, lower is better.
    """
    maps = {
        "error": np.stack([squared_error(a, b) for a, b in zip(result, truth, strict=True)]),
        "ssim": np.stack([ssim_map(a, b) for a, b in zip(result, truth, strict=True)]),
        "edges": np.stack([gradient_difference(a, b) for a, b in zip(result, truth, strict=True)]),
    }
    figures = {}
    for name, where in {"all": np.ones(truth.shape[:3], bool), **parts}.items():
        if where.any():
            figures[f"psnr_{name}"] = psnr_of(float(maps["error"][where].mean()))
            figures[f"ssim_{name}"] = float(maps["ssim"][where].mean())
            figures[f"edges_{name}"] = float(maps["edges"][where].mean())
    return figures


def mean_of(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over the rows that have it."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: float(np.mean(numbers)) for name, numbers in values.items()}
