# SPDX-License-Identifier: Apache-2.0
"""The geometry providers, each declared once. Imports nothing heavy: the server and the command line list them.

A new provider is a module beside this one with a `Provider` function, and an entry in `PROVIDERS`. Weights that are not
registered yet get a row in `reangle/weights/checkpoints.py`.
"""

from __future__ import annotations

from reangle.errors import UserError
from reangle.geometry.depth.spec import ProviderSpec
from reangle.weights import checkpoints
from reangle.weights.licences import OWN_FILES

PROVIDERS = (
    ProviderSpec(
        name="files",
        number=0,
        label="Depth Files",
        help="A folder with depth maps (EXR, 16-bit PNG, npz) and a camera (JSON, COLMAP text)",
        run="reangle.geometry.depth.files:provide",
        settings=("files", "depth_files_scale", "horizontal_fov_deg"),
        seconds=2,
        licence_without_weights=OWN_FILES,
    ),
    ProviderSpec(
        name="mini",
        number=3,
        label="Mini",
        help="Depth and camera path from the frames, by small weights that come with the backend: no fine relief",
        run="reangle.geometry.depth.dust3r:provide",
        settings=("horizontal_fov_deg",),
        seconds=15,
        packages=("torch", "mini_dust3r"),
        checkpoints=(checkpoints.MINI_GEOMETRY,),
    ),
    ProviderSpec(
        name="dust3r",
        number=1,
        label="DUSt3R",
        help="Depth and camera path from the frames, by large weights that you install",
        run="reangle.geometry.depth.dust3r:provide",
        settings=("checkpoint", "horizontal_fov_deg"),
        seconds=15,
        packages=("torch", "mini_dust3r"),
        checkpoints=(checkpoints.DUST3R_LARGE,),
    ),
    ProviderSpec(
        name="depth-anything",
        number=2,
        label="Depth Anything",
        help="Sharp depth of each frame; the camera stands still, or comes from DUSt3R if its weights are installed",
        run="reangle.geometry.depth.depth_anything:provide",
        settings=("checkpoint", "horizontal_fov_deg"),
        seconds=15,
        packages=("torch", "transformers"),
        checkpoints=(
            checkpoints.DEPTH_ANYTHING_SMALL,
            checkpoints.DEPTH_ANYTHING_BASE,
            checkpoints.DEPTH_ANYTHING_LARGE,
        ),
        partner="dust3r",
    ),
)
"""In the order in which they are listed."""

DEFAULT = "mini"


def provider_named(name: str) -> ProviderSpec:
    """Raises UserError that lists the providers if there is none of this name."""
    for spec in PROVIDERS:
        if spec.name == name:
            return spec
    raise UserError(
        f"There is no geometry provider {name!r}.", advice=f"Use one of: {', '.join(spec.name for spec in PROVIDERS)}."
    )
