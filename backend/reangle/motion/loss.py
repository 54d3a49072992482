# SPDX-License-Identifier: Apache-2.0
"""The masked diffusion loss."""

from __future__ import annotations

import torch


def masked_loss(prediction: torch.Tensor, target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean squared error where the mask is set.

    For v-prediction the published form weights the error of the clean latents by 1 / (1 - alpha_bar); since x0 =
    sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v, that is the error of v itself, without a quotient of small numbers. The
    mean is over all elements, masked ones too, so a clip that shows little teaches little (Reangle-A-Video, eq. 5).

    prediction, target: n x frames x channels x h x w. mask: n x frames x h x w, 1 to learn from, 0 not to.
    """
    error = (prediction.float() - target.float()).square()
    return (error * mask[:, :, None].to(error.dtype)).mean()
