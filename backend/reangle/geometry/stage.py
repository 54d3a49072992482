# SPDX-License-Identifier: Apache-2.0
"""Stage `geometry`: a decoded clip to VideoGeometry and a point cloud for Blender."""

from __future__ import annotations

from reangle.folders import DecodedClip
from reangle.geometry.cloud import save_cloud
from reangle.geometry.depth.providers import provider_named
from reangle.geometry.footage import Footage
from reangle.geometry.spec import GeometryContext


def estimate(context: GeometryContext) -> None:
    """Write the clip's `VideoGeometry` and its cloud. files: role geometry, for provider `files`."""
    footage = Footage.open(context.read("decode", DecodedClip))
    geometry = provider_named(context.params.provider).load()(footage, context)
    geometry.save(context.out)
    save_cloud(geometry, footage, context.out)
    for note in geometry.notes:
        context.report(1.0, note)
