# SPDX-License-Identifier: Apache-2.0
"""Where surfaces are drawn and looked up: on the processor, or on a graphics card."""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np

from reangle.errors import UserError
from reangle.runtime.graphics_card import why_no_card
from reangle.warping.cameras import camera_from_world, pixel_transform
from reangle.warping.lookup import SAMPLES_PER_SIDE, look_up
from reangle.warping.mesh import draw_nearer, mesh_depth
from reangle.warping.surface import Surface

VARIABLE = "REANGLE_WARP_DEVICE"
"""Environment variable that chooses: `cpu`, or a device of torch such as `cuda`."""


class Drawing(Protocol):
    """The two steps of warping that take most of its time."""

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
        """Colour of each target pixel, the share of it that the source shows, and its depth: as `lookup.look_up`.

        rgb: H x W x 3 uint8 or uint16, the source picture, with its surface. Matrices: as in `mesh.mesh_depth`.
        """
        ...

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
        """As `mesh.draw_nearer`."""
        ...


class OnProcessor:
    """Drawn by compiled kernels, each on the thread that calls."""

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
        samples = mesh_depth(
            surface.depth,
            surface.valid,
            K_source,
            target_from_source,
            K_target,
            width,
            height,
            scale=SAMPLES_PER_SIDE,
            cells=surface.cells,
        )
        back = pixel_transform(K_target, camera_from_world(target_from_source), K_source)
        return look_up(rgb, surface, samples, *back)

    draw_nearer = staticmethod(draw_nearer)


PROCESSOR = OnProcessor()


def drawing_here(*, at_once: bool = False) -> Drawing:
    """What draws on this machine: what VARIABLE says, else the processor.

    at_once: somebody waits for each single picture. That is when a graphics card, if torch can use one, is worth the
    seconds that torch takes to import; many frames in a row keep all cores of the processor busy. Raises UserError if
    VARIABLE names a device that torch does not have.
    """
    device = os.environ.get(VARIABLE, "")
    if device == "cpu" or (not device and (not at_once or why_no_card())):
        return PROCESSOR
    import torch

    from reangle.warping.torch_drawing import OnDevice

    if not device:
        return OnDevice(torch.device("cuda")) if torch.cuda.is_available() else PROCESSOR
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"{VARIABLE} is {device!r}, which torch cannot use here.", advice="Set it to cpu, or remove it."
        ) from error
    return OnDevice(torch.device(device))
