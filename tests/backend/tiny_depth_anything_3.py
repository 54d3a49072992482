# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""A tiny random checkpoint that is laid out like the published ones of Depth Anything 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from reangle.geometry.depth import depth_anything_3
from reangle.geometry.depth.depth_anything_3 import UNUSED
from safetensors.torch import save_file

WIDE = 48


def config() -> dict[str, Any]:
    """The published config.json of DA3-SMALL with smaller numbers."""

    def part(module: str, name: str) -> dict[str, str]:
        return {"path": f"depth_anything_3.model.{module}", "name": name, "args": "as_params"}

    return {
        "model_name": "da3-small",
        "config": {
            "__object__": part("da3", "DepthAnything3Net"),
            "net": {
                "__object__": part("dinov2.dinov2", "DinoV2"),
                "name": "vits",
                "out_layers": [5, 7, 9, 11],
                "alt_start": 4,
                "qknorm_start": 4,
                "rope_start": 4,
                "cat_token": True,
            },
            "head": {
                "__object__": part("dualdpt", "DualDPT"),
                "dim_in": 2 * WIDE,
                "output_dim": 2,
                "features": 16,
                "out_channels": [8, 8, 16, 16],
            },
            "cam_enc": {"__object__": part("cam_enc", "CameraEnc"), "dim_out": WIDE},
            "cam_dec": {"__object__": part("cam_dec", "CameraDec"), "dim_in": 2 * WIDE},
        },
    }


MISSING = [f"{UNUSED}{level}.2.{kind}" for level in (1, 2, 3) for kind in ("weight", "bias")]


def narrow(patch: pytest.MonkeyPatch) -> None:
    """Let the network be 48 wide and its input 84 pixels long. Checkpoints name the backbone by its size alone."""
    from depth_anything_3.model.dinov2 import dinov2
    from depth_anything_3.model.dinov2.vision_transformer import DinoVisionTransformer

    def small(**settings: Any) -> DinoVisionTransformer:
        return DinoVisionTransformer(embed_dim=WIDE, depth=12, num_heads=3, mlp_ratio=2, **settings)

    patch.setattr(dinov2, "vit_small", small)
    patch.setattr(depth_anything_3, "LONGEST_SIDE", 84)


def save_depth_anything_3(folder: Path) -> Path:
    """Write the checkpoint; needs `narrow`."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config()))
    torch.manual_seed(0)
    parts = {
        name: depth_anything_3._part(config()["config"][name], known, name)
        for name, known in depth_anything_3.PARTS.items()
    }
    network = depth_anything_3._class(depth_anything_3.NETWORK)(**parts)
    # As published: without the layer norms of the coarser rays.
    kept = {name: value for name, value in network.state_dict().items() if not name.endswith(tuple(MISSING))}
    assert len(network.state_dict()) - len(kept) == len(MISSING)
    save_file({f"model.{name}": value.contiguous() for name, value in kept.items()}, folder / "model.safetensors")
    return folder
