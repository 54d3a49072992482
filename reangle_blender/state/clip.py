# SPDX-License-Identifier: GPL-3.0-or-later
"""The Clip panel: the clip, the part of it that is used, and where its camera and depth come from."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import BoolProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import Context, Object, PropertyGroup

from .. import choices, compat
from ..core.contract import Clip, GeometrySettings
from . import footage, paths, starts
from .from_contract import setting_property, settings_of, with_settings


def _measure(clip: ReangleClip, _context: Context) -> None:
    if paths.is_rewriting:
        return
    starts.mark(clip.id_data)
    seen = footage.measure(Path(bpy.path.abspath(clip.path))) if clip.path else None
    clip.measured_frames = seen.frames if seen is not None else 0
    clip.measured_width, clip.measured_height = (seen.width, seen.height) if seen is not None else (0, 0)


@with_settings(GeometrySettings, switches=True)
class ReangleClip(PropertyGroup):
    path: StringProperty(
        name="Clip",
        description="A movie, or any image of an image sequence",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
        update=_measure,
    )
    measured_frames: IntProperty(description="Of the whole clip; 0 is unknown")
    measured_width: IntProperty()
    measured_height: IntProperty()
    start: setting_property(Clip, "start")
    frames: setting_property(Clip, "frames", description="How many frames to use; 0 uses all that remain", min=0)
    use_own_size: BoolProperty(name="Clip's Own Size", description="Work at the size of the clip", default=True)
    width: setting_property(Clip, "width", default=720)
    height: setting_property(Clip, "height", default=480)
    sequence_fps: setting_property(Clip, "fps", default=24.0)
    camera_name: StringProperty(default=choices.DEFAULTS["camera"])
    camera: choices.enum("camera", "camera_name", "Camera from", "Where lens and motion of the clip's camera come from")
    depth_name: StringProperty(default=choices.DEFAULTS["depth"])
    depth: choices.enum("depth", "depth_name", "Depth from", "Where the depth of every frame comes from")
    given_camera: PointerProperty(
        name="My Camera",
        description="The camera that filmed the clip, as any matchmove gives it: solved by Blender's tracker, or "
        "imported. Its frames are those of the scene, from Scene Frame on",
        type=Object,
        poll=lambda _group, item: item.type == "CAMERA",
    )
    geometry_folder: StringProperty(
        name="Files",
        description="Folder with depth maps, a camera file, or both",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    match_scene: BoolProperty(
        name="Match Scene to Clip",
        description="Set the scene's frame rate, frame range, resolution and view transform to those of the clip, go "
        "to its frames, and lock the interface while a render runs, because the cloud changes then",
        default=True,
    )

    make_active: BoolProperty(
        name="Set Active Camera",
        description="Make the clip's camera the scene's camera as it is added. A scene without a camera gets it anyway",
    )

    @property
    def used_frames(self) -> int:
        """How many frames of the clip will be used; 0 is unknown."""
        rest = max(0, self.measured_frames - self.start)
        return min(rest, self.frames) if self.frames else rest

    @property
    def used_size(self) -> tuple[int, int]:
        """Working width and height; 0 is unknown."""
        own = self.measured_width, self.measured_height
        return own if self.use_own_size else (self.width, self.height)


EVERY_SETTING = ("files", "given", *settings_of(GeometrySettings))
"""The fields of `GeometrySettings` that sources of camera and depth may read."""


def reads(kind: choices.Kind, name: str, setting: str) -> bool:
    """Whether a source of camera or depth reads this setting; yes if neither the backend nor the add-on knows it."""
    choice = choices.known(kind, name)
    return choice is None or setting in choice.settings


def geometry_settings(clip: ReangleClip) -> tuple[str, ...]:
    """The fields of `GeometrySettings` that the chosen sources of camera and depth read."""
    return tuple(
        name for name in EVERY_SETTING if reads("camera", clip.camera, name) or reads("depth", clip.depth, name)
    )
