# SPDX-License-Identifier: GPL-3.0-or-later
"""Step 1: the clip, the part of it that is used, and where its geometry comes from."""

from __future__ import annotations

from bpy.props import BoolProperty, StringProperty
from bpy.types import PropertyGroup

from .. import choices, compat
from ..core.contract import Clip, GeometrySettings
from .from_contract import setting_property, settings_of, with_settings


@with_settings(GeometrySettings, switches=True)
class ReangleClip(PropertyGroup):
    path: StringProperty(
        name="Clip",
        description="A movie, or any image of an image sequence",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    start: setting_property(Clip, "start")
    frames: setting_property(Clip, "frames", description="How many frames to use; 0 uses all that remain", min=0)
    use_own_size: BoolProperty(name="Clip's Own Size", description="Work at the size of the clip", default=True)
    width: setting_property(Clip, "width", default=720)
    height: setting_property(Clip, "height", default=480)
    sequence_fps: setting_property(Clip, "fps", default=24.0)
    provider_name: StringProperty(default=choices.DEFAULTS["provider"])
    provider: choices.enum("provider", "provider_name", "Geometry", "Where depth and the clip's camera come from")
    geometry_folder: StringProperty(
        name="Depth Folder",
        description="Folder with depth maps and one camera file",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    match_scene: BoolProperty(
        name="Match Scene to Clip",
        description="Set the scene's frame rate, frame range, resolution and view transform to those of the clip",
        default=True,
    )


def geometry_settings(provider: str) -> tuple[str, ...]:
    """The fields of `GeometrySettings` that a provider reads; all of them while the backend is not connected."""
    choice = choices.find("provider", provider)
    return choice.settings if choice is not None else ("files", *settings_of(GeometrySettings))
