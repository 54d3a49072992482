# SPDX-License-Identifier: Apache-2.0
"""Surfaces drawn and looked up by torch on one device."""

from __future__ import annotations

import threading

import numpy as np
import torch

from reangle.warping.cameras import camera_from_world, pixel_transform
from reangle.warping.drawing import PROCESSOR
from reangle.warping.lookup import SAMPLES_PER_SIDE, white_of
from reangle.warping.surface import Surface
from reangle.warping.torch_lookup import Source, look_up
from reangle.warping.torch_raster import draw_pieces, pieces_of

_SIDE = SAMPLES_PER_SIDE


class OnDevice:
    """As `drawing.OnProcessor`, with the same pixels up to rounding. One thread at a time uses the device; where its
    memory is full, the processor draws.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._one_at_a_time = threading.Lock()

    def look(
        self,
        rgb: np.ndarray,
        surface: Surface,
        K_source: np.ndarray,
        target_from_source: np.ndarray,
        K_target: np.ndarray,
        width: int,
        height: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        forward = pixel_transform(K_source, target_from_source, np.diag([_SIDE, _SIDE, 1.0]) @ K_target)
        back = pixel_transform(K_target, camera_from_world(target_from_source), K_source)
        try:
            with self._one_at_a_time, torch.inference_mode():
                return self._look(rgb, surface, forward, back, width, height)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return PROCESSOR.look(rgb, surface, K_source, target_from_source, K_target, width, height)

    def _look(
        self,
        rgb: np.ndarray,
        surface: Surface,
        forward: tuple[np.ndarray, np.ndarray],
        back: tuple[np.ndarray, np.ndarray],
        width: int,
        height: int,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        depth = self._moved(surface.depth)
        samples = torch.zeros(height * _SIDE, width * _SIDE, device=self._device)
        draw_pieces(pieces_of(depth, self._moved(surface.valid), self._moved(surface.cells)), *forward, samples)
        samples = torch.where(samples > 0, 1 / samples, 0)
        # torch counts in no 16 bits without sign.
        picture = self._moved(rgb.astype(np.int32) if rgb.dtype == np.uint16 else rgb)
        source = Source(picture, depth, self._moved(surface.rough), self._moved(surface.near))
        colour, share, seen = look_up(source, samples, *back, white_of(rgb))
        return colour.cpu().numpy().astype(rgb.dtype), share.cpu().numpy(), seen.cpu().numpy()

    def draw_nearer(
        self,
        nearest: np.ndarray,
        depth: np.ndarray,
        valid: np.ndarray,
        cells: np.ndarray,
        K_source: np.ndarray,
        target_from_source: np.ndarray,
        K_target: np.ndarray,
    ) -> None:
        forward = pixel_transform(K_source, target_from_source, K_target)
        try:
            with self._one_at_a_time, torch.inference_mode():
                # A copy, also where the device shares its memory with the processor.
                out = self._moved(nearest).clone()
                draw_pieces(pieces_of(self._moved(depth), self._moved(valid), self._moved(cells)), *forward, out)
                nearest[:] = out.cpu().numpy()
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            PROCESSOR.draw_nearer(nearest, depth, valid, cells, K_source, target_from_source, K_target)

    def _moved(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
