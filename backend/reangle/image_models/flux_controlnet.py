# SPDX-License-Identifier: Apache-2.0
"""FLUX.1 [dev] with alimama-creative's inpainting ControlNet, the inpainter of the paper.

No ControlNet that diffusers opens by itself inpaints with FLUX.1: the union ones (InstantX, Shakker Labs) have no such
mode. This one's network is `inpainting_controlnet`. Its authors' pipeline gives how picture and mask go in, the scale
and the guidance: https://github.com/alimama-creative/FLUX-Controlnet-Inpainting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reangle.errors import UserError
from reangle.image_models.base import Canvas, Conditions
from reangle.image_models.flux import FluxModel, arguments, packed, unpacked
from reangle.image_models.pictures import to_pixels
from reangle.weights.pipelines import open_network

SCALE = 0.9
"""Of what the ControlNet adds, as its authors use it."""


@dataclass(frozen=True, eq=False)
class _Inputs:
    """known: tokens of the known picture and its mask, 1 x tokens x channels; None without a picture."""

    known: torch.Tensor | None
    told: dict[str, Any]


class FluxControlNet(FluxModel):
    """An `ImageModel` of `FluxPipeline`'s parts and a ControlNet beside them."""

    pipeline = "FluxPipeline"
    reads_plain_text = True
    usual_steps = 28
    usual_guidance = 3.5
    controlnet: Any = None

    def open_beside(self, folders: Sequence[Path], device: str) -> None:
        from reangle.image_models.inpainting_controlnet import InpaintingControlNet

        if len(folders) != 1:
            raise UserError(
                "FLUX.1 [dev] paints holes with an inpainting ControlNet, which was not given.",
                advice="Run `reangle models download FLUX.1-dev-Controlnet-Inpainting-Beta`.",
            )
        self.controlnet = open_network(InpaintingControlNet, folders[0], device, "Copy its folder again.")

    @property
    def networks(self) -> Sequence[Any]:
        return (self.pipe.transformer, self.controlnet)

    @torch.inference_mode()
    def conditions(self, canvas: Canvas, guidance: float, generator: torch.Generator) -> Conditions:
        height, width = canvas.hole.shape
        _, rows, columns = self.latent_shape(width, height)
        told = self.told(canvas.prompt, guidance, rows, columns)
        if canvas.hole.all():
            return Conditions(_Inputs(None, told))
        hole = torch.from_numpy(canvas.hole)[None, None].to(self.device)
        black = to_pixels(canvas.picture[None], self.device, self.dtype).masked_fill(hole, -1.0)
        # The authors' pipeline draws the latents, and takes the pixel at each latent's corner for the mask.
        drawn = self.pipe.vae.encode(black).latent_dist.sample(generator)
        known = 1 - torch.nn.functional.interpolate(hole.to(self.dtype), size=(rows, columns))
        return Conditions(_Inputs(packed(torch.cat([self.scaled(drawn), known], dim=1)), told))

    def predict(self, latents: torch.Tensor, level: float, inputs: _Inputs) -> torch.Tensor:
        transformer, tokens = self.pipe.transformer, packed(latents)
        added: dict[str, Any] = {}
        if inputs.known is not None:
            blocks, single_blocks = self.controlnet(
                hidden_states=tokens,
                controlnet_cond=inputs.known.expand(len(tokens), -1, -1),
                conditioning_scale=SCALE,
                **arguments(self.controlnet, inputs.told, level, tokens),
            )
            added = {"controlnet_block_samples": blocks, "controlnet_single_block_samples": single_blocks}
        made = transformer(hidden_states=tokens, **arguments(transformer, inputs.told, level, tokens), **added)[0]
        return unpacked(made, *latents.shape[2:])
