# SPDX-License-Identifier: Apache-2.0
"""The providers of depth, each declared once. Imports nothing heavy: the server and the command line list them.

A new provider is a module beside this one with a `DepthProvider` function, and an entry in `DEPTHS`. Weights that are
not registered yet get a row in `reangle/weights/checkpoints.py`.
"""

from __future__ import annotations

from reangle.geometry.provider import Cost, ProviderSpec, spec_named
from reangle.weights import checkpoints
from reangle.weights.licences import OWN_FILES

DEPTHS = (
    ProviderSpec(
        name="mini",
        number=3,
        label="Mini",
        help="Depth of each frame by small weights that come with the backend: no fine relief",
        run="reangle.geometry.depth.mini:provide",
        cost=Cost(once=8, frame=0.7, megapixel=0.3),
        packages=("torch", "transformers"),
        checkpoints=(checkpoints.MINI_DEPTH,),
    ),
    ProviderSpec(
        name="depth-anything",
        number=2,
        label="Depth Anything",
        help="Sharp depth of each frame, by weights that you install",
        run="reangle.geometry.depth.single_frames:provide",
        settings=("checkpoint",),
        cost=Cost(once=8, frame=1.5, megapixel=0.3),
        packages=("torch", "transformers"),
        checkpoints=(
            checkpoints.DEPTH_ANYTHING_SMALL,
            checkpoints.DEPTH_ANYTHING_BASE,
            checkpoints.DEPTH_ANYTHING_LARGE,
        ),
    ),
    ProviderSpec(
        name="depth-anything-3",
        number=4,
        label="Depth Anything 3",
        help="Sharp depth that follows the camera, by weights that you install",
        run="reangle.geometry.depth.depth_anything_3:provide",
        settings=("checkpoint",),
        cost=Cost(once=10, frame=5, megapixel=0.3),
        packages=("torch", "depth_anything_3"),
        checkpoints=(checkpoints.DEPTH_ANYTHING_3_SMALL, checkpoints.DEPTH_ANYTHING_3_BASE),
    ),
    ProviderSpec(
        name="dust3r",
        number=1,
        label="DUSt3R",
        help="Depth that agrees between frames, by large weights that you install",
        run="reangle.geometry.depth.dust3r:provide",
        settings=("checkpoint",),
        cost=Cost(once=20, frame=90, megapixel=0.3),
        packages=("torch", "mini_dust3r"),
        checkpoints=(checkpoints.DUST3R_LARGE,),
    ),
    ProviderSpec(
        name="files",
        number=0,
        label="Depth Files",
        help="A folder with depth maps (EXR, 16-bit PNG, npz)",
        run="reangle.geometry.depth.files:provide",
        settings=("files", "depth_files_scale"),
        cost=Cost(once=2, megapixel=0.1),
        licence_without_weights=OWN_FILES,
    ),
)
"""In the order in which they are listed. Number 5 is "auto"."""

BEST_FIRST = ("depth-anything-3", "depth-anything", "mini")
"""Which of them `auto` prefers."""


def depth_named(name: str) -> ProviderSpec:
    """Raises UserError that lists the providers if there is none of this name."""
    return spec_named(DEPTHS, "depth", name)
