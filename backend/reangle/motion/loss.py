# SPDX-License-Identifier: Apache-2.0
"""The masked diffusion loss."""

from __future__ import annotations

import torch


def masked_velocity_loss(found: torch.Tensor, velocity: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the predicted velocity, nothing counted where the clip was not seen.

    The published form weighs the error of the clean latents by 1 / (1 - alpha_bar); since x0 = sqrt(alpha_bar) x_t -
    sqrt(1 - alpha_bar) v, that is the error of v itself, without a quotient of small numbers. The mean is over all
    elements, the hidden ones too, so a clip that shows little teaches little (Reangle-A-Video, equation 5).

    found, velocity: n x frames x channels x h x w. mask: n x frames x h x w, 1 where seen, 0 where not.
    """
    error = (found.float() - velocity.float()).square()
    return (error * mask[:, :, None].to(error.dtype)).mean()
