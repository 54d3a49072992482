# SPDX-License-Identifier: Apache-2.0
"""What a geometry provider is, and which there are."""

from __future__ import annotations

import importlib
from typing import Protocol

from reangle.geometry.footage import Footage
from reangle.geometry.video_geometry import VideoGeometry
from reangle.runtime.stage import StageContext


class Provider(Protocol):
    """Makes the geometry of all frames of the footage. Raises UserError for what the artist can mend."""

    def __call__(self, footage: Footage, context: StageContext) -> VideoGeometry: ...


PROVIDERS: dict[str, str] = {
    "files": "reangle.geometry.files:provide",
    "mini": "reangle.geometry.dust3r_provider:provide",
    "dust3r": "reangle.geometry.dust3r_provider:provide",
    "depth-anything": "reangle.geometry.depth_anything:provide",
}


def provider_named(name: str) -> Provider:
    """The provider's function. Imported only here, since each brings libraries of its own."""
    module, function = PROVIDERS[name].split(":")
    return getattr(importlib.import_module(module), function)
