# SPDX-License-Identifier: Apache-2.0
"""Points that the artist's filters leave out of the warp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reangle.geometry.flying_pixels import flying_pixels
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.parallel import in_order
from reangle.warping.mesh import PLAIN, Cut


def left_out(geometry: VideoGeometry, edge_filter: float, confidence_filter: float) -> VideoGeometry:
    """The geometry without filtered points; the same object if none is.

    edge_filter: above its default 0.5, points on steep ramps between two surfaces are left out, gentler ramps the
    higher it is. confidence_filter: points of less confidence are left out. Both from 0 to 1.
    """
    valid = geometry.valid & (geometry.confidence >= confidence_filter) if confidence_filter > 0 else geometry.valid
    jump = Cut.of_filter(edge_filter, 0).jump
    if jump < PLAIN.jump:
        flying = in_order(lambda maps: flying_pixels(*maps, jump), zip(geometry.depth, valid, strict=True))
        valid = valid & ~np.stack(list(flying))
    if valid is geometry.valid:
        return geometry
    return replace(geometry, valid=valid)
