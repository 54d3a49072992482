# SPDX-License-Identifier: Apache-2.0
"""What a geometry provider is, and which there are."""

from __future__ import annotations

import importlib
from typing import Protocol

from backend.engines.stage import StageContext
from backend.geometry.footage import Footage
from backend.geometry.video_geometry import VideoGeometry


class Provider(Protocol):
    """Makes the geometry of all frames of the footage. Raises UserError for what the artist can mend."""

    def __call__(self, footage: Footage, context: StageContext) -> VideoGeometry: ...


PROVIDERS: dict[str, str] = {
    "files": "backend.geometry.files:provide",
    "mini": "backend.geometry.dust3r_provider:provide",
    "dust3r": "backend.geometry.dust3r_provider:provide",
    "depth-anything": "backend.geometry.depth_anything:provide",
}


def provider_named(name: str) -> Provider:
    """The provider's function. Imported only here, since each brings libraries of its own."""
    module, function = PROVIDERS[name].split(":")
    return getattr(importlib.import_module(module), function)
