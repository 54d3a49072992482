# SPDX-License-Identifier: Apache-2.0
"""Similarity of two pictures pixel by pixel, so that parts of a picture can be judged on their own."""

from __future__ import annotations

import cv2
import numpy as np

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
GRADIENT_C = 170.0


def squared_error(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """H x W mean squared error over colours, of H x W x 3 uint8."""
    return np.square(result.astype(np.float32) - truth.astype(np.float32)).mean(axis=-1)


def psnr_of(squared_error: float) -> float:
    """Decibels of a mean squared error of 8-bit values; at most 100."""
    return float(10 * np.log10(255**2 / max(squared_error, 255**2 / 1e10)))


def ssim_map(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """H x W structural similarity of luma (Wang et al., IEEE TIP 2004): Gaussian window of 11 pixels, deviation 1.5."""
    a, b = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (result, truth))

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (WINDOW, WINDOW), SIGMA)

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    return luminance * (2 * covariance + C2) / (variance_a + variance_b + C2)


def gradient_difference(result: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """H x W dissimilarity of edges, 0 where they are the same, up to 1: 1 - GMS (Xue et al., IEEE TIP 2014).

    Prewitt gradients of luma, averaged over 2 x 2 pixels first as in the paper. Learned distances such as LPIPS would
    need a download of weights.
    """
    strengths = []
    for picture in (result, truth):
        luma = cv2.blur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (2, 2))
        kernel = np.array([[1, 0, -1]] * 3, np.float32) / 3
        strengths.append(np.hypot(cv2.filter2D(luma, -1, kernel), cv2.filter2D(luma, -1, kernel.T)))
    a, b = strengths
    return 1 - (2 * a * b + GRADIENT_C) / (a**2 + b**2 + GRADIENT_C)
