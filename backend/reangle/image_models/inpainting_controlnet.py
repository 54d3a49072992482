# SPDX-License-Identifier: Apache-2.0
"""The network of alimama-creative's inpainting ControlNet for FLUX.1: diffusers' `FluxControlNetModel` but a layer.

diffusers' class ignores the key `extra_condition_channels` of the checkpoint's configuration, builds an embedding of 64
channels for its weights of 68, and refuses them. The four more are the mask of a token's 2 x 2 latents.
"""

from __future__ import annotations

from collections.abc import Sequence

from diffusers import FluxControlNetModel
from diffusers.configuration_utils import register_to_config
from torch import nn


class InpaintingControlNet(FluxControlNetModel):
    """Takes the known picture's latents and its mask, 1 where the picture is known, as `controlnet_cond`."""

    @register_to_config
    def __init__(
        self,
        patch_size: int = 1,
        in_channels: int = 64,
        num_layers: int = 6,
        num_single_layers: int = 0,
        attention_head_dim: int = 128,
        num_attention_heads: int = 24,
        joint_attention_dim: int = 4096,
        pooled_projection_dim: int = 768,
        guidance_embeds: bool = True,
        axes_dims_rope: Sequence[int] = (16, 56, 56),
        extra_condition_channels: int = 4,
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            in_channels=in_channels,
            num_layers=num_layers,
            num_single_layers=num_single_layers,
            attention_head_dim=attention_head_dim,
            num_attention_heads=num_attention_heads,
            joint_attention_dim=joint_attention_dim,
            pooled_projection_dim=pooled_projection_dim,
            guidance_embeds=guidance_embeds,
            axes_dims_rope=list(axes_dims_rope),
        )
        self.controlnet_x_embedder = nn.Linear(in_channels + extra_condition_channels, self.inner_dim)
