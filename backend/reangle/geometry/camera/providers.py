# SPDX-License-Identifier: Apache-2.0
"""The providers of the source camera, each declared once. Imports nothing heavy.

A new provider is a module beside this one with a `CameraProvider` function, and an entry in `CAMERAS`.
"""

from __future__ import annotations

from reangle.geometry.provider import Cost, ProviderSpec, spec_named
from reangle.weights import checkpoints
from reangle.weights.licences import OWN_FILES

CAMERAS = (
    ProviderSpec(
        name="solve",
        number=1,
        label="Solve",
        help="Lens and path from points that are followed through the clip; what moves is left out",
        run="reangle.geometry.camera.solved:provide",
        settings=("horizontal_fov_deg",),
        cost=Cost(once=5, frame=0.25, megapixel=0.1),
        packages=("pycolmap",),
    ),
    ProviderSpec(
        name="still",
        number=2,
        label="Still",
        help="A camera on a tripod that does not move or turn",
        run="reangle.geometry.camera.still:provide",
        settings=("horizontal_fov_deg",),
    ),
    ProviderSpec(
        name="dust3r",
        number=3,
        label="DUSt3R",
        help="Lens and path from large weights that you install",
        run="reangle.geometry.camera.dust3r:provide",
        settings=("horizontal_fov_deg",),
        cost=Cost(once=20, frame=90),
        packages=("torch", "mini_dust3r"),
        checkpoints=(checkpoints.DUST3R_LARGE,),
    ),
    ProviderSpec(
        name="files",
        number=4,
        label="Camera File",
        help="A camera file (JSON, COLMAP's model or MonST3R's scene) in the folder of depth files",
        run="reangle.geometry.camera.files:provide",
        settings=("files", "horizontal_fov_deg"),
        licence_without_weights=OWN_FILES,
    ),
    ProviderSpec(
        name="given",
        number=5,
        label="Given",
        help="A camera that you solved: Blender's tracker, GeoTracker, FBX, Alembic",
        run="reangle.geometry.camera.given:provide",
        settings=("given",),
        licence_without_weights=OWN_FILES,
    ),
)
"""In the order in which they are listed. Number 0 is "auto"."""


def camera_named(name: str) -> ProviderSpec:
    """Raises UserError that lists the providers if there is none of this name."""
    return spec_named(CAMERAS, "camera", name)
