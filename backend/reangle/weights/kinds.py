# SPDX-License-Identifier: Apache-2.0
"""The kinds of checkpoints: which code reads a folder of weights, and how it is recognised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["geometry", "video", "inpainting", "image", "features"]
"""What weights are for. video: continues a first frame. inpainting: fills what a warped clip does not show."""


@dataclass(frozen=True)
class Kind:
    """Which code reads a checkpoint, and how its folder is recognised.

    pipeline: the class in a pipeline's model_index.json. index: a key that this file must set, to neither null nor
    false. config: keys and values of config.json; None stands for any value, "" for a key that must be missing. part: a
    pipeline's part and a key that its config.json must set. refusal: why no code reads it, as one sentence; "" if some
    does.
    """

    name: str
    role: Role
    pipeline: str = ""
    config: tuple[tuple[str, str | None], ...] = ()
    index: str = ""
    part: tuple[str, str] | None = None
    refusal: str = ""

    def matches(self, config: Mapping[str, Any]) -> bool:
        """Whether a config.json is of this kind."""
        return bool(self.config) and all(
            key in config if value is None else config.get(key, "") == value for key, value in self.config
        )


DEPTH_ANYTHING = Kind("depth-anything", "geometry", config=(("model_type", "depth_anything"), ("reangle", "")))
DEPTH_ANYTHING_3 = Kind(
    "depth-anything-3", "geometry", config=(("model_name", None), ("config", None), ("model_type", ""))
)
MINI_MONOCULAR = Kind("mini-depth", "geometry", config=(("model_type", "depth_anything"), ("reangle", None)))
DUST3R = Kind("dust3r", "geometry", config=(("model_type", ""), ("enc_embed_dim", None), ("dec_depth", None)))
COGVIDEOX_15 = Kind(
    "cogvideox-1.5",
    "video",
    pipeline="CogVideoXImageToVideoPipeline",
    part=("transformer", "patch_size_t"),
    refusal="It is CogVideoX 1.5, whose frames and sizes mean something else than CogVideoX-5b-I2V's.",
)
COGVIDEOX_I2V = Kind("cogvideox", "video", pipeline="CogVideoXImageToVideoPipeline")
WAN_TI2V = Kind("wan2.2-ti2v", "video", pipeline="WanPipeline", index="expand_timesteps")
WAN_TI2V_AS_I2V = Kind("wan2.2-ti2v", "video", pipeline="WanImageToVideoPipeline", index="expand_timesteps")
WAN_TEXT = Kind(
    "wan-text-to-video",
    "video",
    pipeline="WanPipeline",
    refusal="It is a Wan that makes videos of words alone and takes no first frame.",
)
WAN_I2V = Kind(
    "wan-image-to-video",
    "video",
    pipeline="WanImageToVideoPipeline",
    refusal="It is a Wan whose first frame comes in channels of its own; of Wan's models that continue a first frame "
    "Reangle reads Wan2.2-TI2V-5B.",
)
WAN_VACE_TWO = Kind(
    "wan-vace-of-two",
    "inpainting",
    pipeline="WanVACEPipeline",
    index="boundary_ratio",
    refusal="It is a VACE of two transformers, one for each part of the denoising; Reangle reads those of one.",
)
WAN_VACE = Kind("wan-vace", "inpainting", pipeline="WanVACEPipeline")
FLUX_FILL = Kind("flux-fill", "image", pipeline="FluxFillPipeline")
DINOV2 = Kind("dinov2", "features", config=(("model_type", "dinov2"),))
FLUX = Kind("flux", "image", pipeline="FluxPipeline")
FLUX_CONTROLNET = Kind(
    "flux-inpainting-controlnet",
    "image",
    config=(("_class_name", "FluxControlNetModel"), ("extra_condition_channels", None)),
    refusal="It is a ControlNet, which runs beside FLUX.1 [dev].",
)
FLUX2_KLEIN = Kind("flux2-klein", "image", pipeline="Flux2KleinPipeline")
KINDS = (
    DEPTH_ANYTHING,
    DEPTH_ANYTHING_3,
    MINI_MONOCULAR,
    DUST3R,
    COGVIDEOX_15,
    COGVIDEOX_I2V,
    WAN_TI2V,
    WAN_TI2V_AS_I2V,
    WAN_TEXT,
    WAN_I2V,
    WAN_VACE_TWO,
    WAN_VACE,
    FLUX_FILL,
    FLUX,
    FLUX_CONTROLNET,
    FLUX2_KLEIN,
    DINOV2,
)
"""In the order in which a folder is tried: a kind with an `index` or a `part` before the rest of its pipeline."""
