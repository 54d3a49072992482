# SPDX-License-Identifier: Apache-2.0
"""Initialisation and loss of both autoencoders."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

KL_WEIGHT = 2e-4


def zero_residual_branches(model: nn.Module) -> None:
    """Let residual blocks add nothing at first, so that colours pass through from the first step."""
    for name, module in model.named_modules():
        if name.endswith("conv2"):
            for weights in module.parameters():
                nn.init.zeros_(weights)


def reconstruction_loss(
    posterior: Any, reconstruction: torch.Tensor, truth: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Sum of absolute error, squared error and a small KL term; and figures for the log.

    posterior: diffusers' diagonal Gaussian. reconstruction, truth: of one shape, in [-1, 1].
    """
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    squared = (reconstruction.float() - truth).square().mean()
    loss = (reconstruction.float() - truth).abs().mean() + squared + KL_WEIGHT * kl
    return loss, {"psnr": float(10 * torch.log10(4 / squared.detach())), "kl": kl.item(), "std": mean.std().item()}
