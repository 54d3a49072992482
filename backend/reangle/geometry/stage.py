# SPDX-License-Identifier: Apache-2.0
"""The geometry stage: a decoded clip becomes VideoGeometry and a point cloud for Blender."""

from __future__ import annotations

from reangle.geometry.cloud import save_cloud
from reangle.geometry.depth.providers import provider_named
from reangle.geometry.footage import Footage
from reangle.runtime.stage import StageContext


def estimate(context: StageContext) -> None:
    """Write `VideoGeometry` and `cloud.npz` into `context.out`.

    params: GeometrySettings without `files` and `checkpoint`, and `start`, the clip's first used frame.
    inputs: decode. files: geometry, for provider "files".
    """
    footage = Footage.open(context.inputs["decode"])
    geometry = provider_named(context.params["provider"]).load()(footage, context)
    geometry.save(context.out)
    save_cloud(geometry, footage, context.out)
    for note in geometry.notes:
        context.report(1.0, note)
