# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of one scene and of its objects."""

from __future__ import annotations

import math

from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Context, NodeTree, Object, PropertyGroup, Scene

from .. import choices, compat
from ..core.contract import moves
from ..translations import CONTEXT
from . import identity, ticks
from .cg import ReangleCG
from .clip import ReangleClip
from .engines import ReangleLearning, ReanglePreview, ReangleStarting
from .jobs import ReangleJob
from .lookahead import ReangleLookahead
from .starting import ReangleStart

SCHEMA = 5


def _suggest_amount(shot: ReangleScene, _context: Context) -> None:
    kind = moves.KINDS.get(shot.move)
    if kind is not None:
        shot.move_amount = kind.default


def _keep_in_range(shot: ReangleScene, _context: Context) -> None:
    kind = moves.KINDS.get(shot.move)
    if kind is not None and shot.move_amount > kind.maximum:
        shot.move_amount = kind.maximum


def _move_in_time(_shot: ReangleScene, context: Context) -> None:
    from ..scene import timing

    for scene in identity.scenes():
        timing.follow_first_frame(scene)


def _look_changed(_shot: ReangleScene, _context: Context) -> None:
    from ..scene import point_cloud

    point_cloud.redraw()


def _is_at_scene_start(shot: ReangleScene) -> bool:
    return not shot.is_property_set("first_frame")


def _set_at_scene_start(shot: ReangleScene, on: bool) -> None:
    if on and not shot.shot_frames:
        shot.property_unset("first_frame")
    else:
        shot.first_frame = shot.id_data.frame_start


def _get_camera_index(shot: ReangleScene) -> int:
    from ..scene import camera_list

    return camera_list.active_index(shot.id_data)


def _set_camera_index(shot: ReangleScene, index: int) -> None:
    from ..scene import camera_list

    camera_list.make_active_at(shot.id_data, index)


def _angle(shot: ReangleScene) -> float:
    return math.radians(shot.move_degrees)


def _set_angle(shot: ReangleScene, radians: float) -> None:
    shot.move_degrees = round(math.degrees(radians), 4)


class ReangleTick(PropertyGroup):
    """A camera of a library that is to be rendered."""

    camera: PointerProperty(type=Object)


class ReangleScene(PropertyGroup):
    """Everything that a scene saves of Reangle."""

    SCHEMA = SCHEMA

    schema: IntProperty()
    uid: StringProperty(description="Identifies the scene after it is renamed, undone or reloaded")
    starts_from: IntProperty(description="Number of the folder that its paths start from, in this session")
    clip: PointerProperty(type=ReangleClip)
    engine_name: StringProperty(default=choices.DEFAULTS["engine"])
    engine: choices.enum("engine", "engine_name", "Engine", "How the new views are made")
    preview: PointerProperty(type=ReanglePreview)
    learning: PointerProperty(type=ReangleLearning)
    starting: PointerProperty(type=ReangleStarting)
    use_markers: BoolProperty(
        name="Scene Camera with Markers",
        description="Also render the scene's camera, switched by the markers of the timeline",
    )
    move_name: StringProperty(default=choices.DEFAULTS["move"])
    move: choices.enum("move", "move_name", "Move", "How the new camera moves", update=_suggest_amount)
    move_degrees: FloatProperty(
        name="Degrees", description="How far, over the clip", default=10, min=0, max=180, update=_keep_in_range
    )
    move_angle: FloatProperty(
        name="Angle",
        description="How far, over the clip",
        subtype="ANGLE",
        min=0,
        max=math.pi,
        get=_angle,
        set=_set_angle,
    )
    move_fraction: FloatProperty(
        name="Distance",
        description="How far, as a part of the distance to the focus",
        subtype="FACTOR",
        default=0.2,
        min=0,
        max=4,
        update=_keep_in_range,
    )
    easing_name: StringProperty(default=choices.DEFAULTS["easing"])
    easing: choices.enum("easing", "easing_name", "Easing", "How the move starts and ends")
    hold: BoolProperty(name="Still", description="Stay at the end of the move for the whole clip")
    follow: BoolProperty(
        name="Follow Clip Camera",
        description="Add the move to the motion of the clip's camera; otherwise start at its current position",
        default=True,
    )
    bullet_time: BoolProperty(
        name="Bullet Time",
        description="Freeze the clip at the current frame while the new camera moves around that instant",
    )
    focus: FloatProperty(
        name="Focus",
        subtype="DISTANCE",
        description="Distance of the point that the move keeps in view, in the units of the clip's origin; 0 measures "
        "it in the middle of the cloud",
        min=0,
    )
    focus_object: PointerProperty(
        name="Focus Object",
        translation_context=CONTEXT,
        description="What new moves go around and keep in view, in place of the focus distance",
        type=Object,
    )
    show_paths: BoolProperty(
        name="Camera Paths",
        description="Draw the path, the frames and the focus of each camera in its colour",
        default=True,
    )
    camera_index: IntProperty(
        name="Camera",
        description="The active camera; a click on a row selects it",
        get=_get_camera_index,
        set=_set_camera_index,
        options={"SKIP_SAVE"},
    )
    unit: FloatProperty(
        description="Length of the geometry's unit in the space of the clip's origin. It is chosen so that a refined "
        "or repeated import keeps the cloud's size, and cameras that were placed before stay right",
        default=1.0,
        min=1e-9,
    )
    origin: PointerProperty(type=Object)
    cloud: PointerProperty(type=Object)
    source: PointerProperty(type=Object)
    plane: PointerProperty(type=Object)
    cg: PointerProperty(type=ReangleCG)
    lookahead: PointerProperty(type=ReangleLookahead)
    edit: PointerProperty(type=Scene, description="The scene with the strips of the results")
    result_nodes: PointerProperty(type=NodeTree, description="The node group with the results")
    is_borrowed: BoolProperty(description="Origin, cloud and camera belong to the scene that this is a copy of")
    shot_title: StringProperty(description="Title of the clip, after which its objects are named")
    library_cameras: CollectionProperty(type=ReangleTick)
    shot: StringProperty(description="Job of the imported clip")
    shot_request: StringProperty(description="Clip and geometry of the import, as JSON of the contract")
    shot_folder: StringProperty(description="Folder of the imported files")
    shot_is_glance: BoolProperty(description="Its depth is the first guess, which a running import refines")
    about: StringProperty(description="What is known of camera and depth, one line each")
    shot_fps: FloatProperty()
    shot_frames: IntProperty()
    shot_width: IntProperty()
    shot_height: IntProperty()
    first_frame: IntProperty(
        name="Scene Frame",
        description="Scene frame of the clip's first used frame",
        default=1,
        update=_move_in_time,
        options=set(),  # keys of its own would move the cloud alone
    )
    at_scene_start: BoolProperty(
        name="At Scene Start",
        description="Put the clip's first used frame where the scene starts; otherwise at a scene frame of your choice",
        get=_is_at_scene_start,
        set=_set_at_scene_start,
    )
    keyed_from: IntProperty(description="The scene frame that the clip's camera is keyed from")
    jobs: CollectionProperty(type=ReangleJob)
    job_index: IntProperty(name="Job", description="The job that is selected in the list of results")
    point_size: FloatProperty(
        name="Point Size", description="In pixels", default=3, min=1, max=20, subtype="PIXEL", update=_look_changed
    )
    playing_share: FloatProperty(
        name="While Playing",
        description="Share of the points that are drawn while the animation plays, as larger ones. Fewer are drawn "
        "where it would not play smoothly, as without a graphics card",
        default=1.0,
        min=0.1,
        max=1.0,
        subtype="FACTOR",
        options=set(),
        update=_look_changed,
    )

    cloud_over_result: FloatProperty(
        name="Cloud over Result",
        description="How much of the cloud is drawn over a result, in the view of its camera",
        default=0.15,
        min=0,
        max=1,
        subtype="FACTOR",
        options=set(),
    )
    truth: StringProperty(
        name="Truth",
        description="Folder of images that a real second camera filmed, to compare results with. Its first image is at "
        "the clip's first frame",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )

    @property
    def is_newer(self) -> bool:
        """Saved by a newer Reangle: shown, never changed."""
        return self.schema > SCHEMA

    @property
    def amount_property(self) -> str:
        """Name of the property that holds the amount of the chosen move."""
        kind = moves.KINDS.get(self.move)
        return "move_degrees" if kind is None or kind.unit == "degrees" else "move_fraction"

    @property
    def shown_amount(self) -> str:
        """Name of the property that shows the amount of the chosen move in Blender's own units."""
        return "move_angle" if self.amount_property == "move_degrees" else self.amount_property

    @property
    def move_amount(self) -> float:
        """Amount of the chosen move in its own unit: degrees, or percent of the distance to the focus."""
        return self.move_degrees if self.amount_property == "move_degrees" else 100 * self.move_fraction

    @move_amount.setter
    def move_amount(self, amount: float) -> None:
        in_degrees = self.amount_property == "move_degrees"
        setattr(self, self.amount_property, amount if in_degrees else amount / 100)


def _store_tick(item: ReangleObject, _context: Context) -> None:
    ticks.store(item.id_data)


class ReangleObject(PropertyGroup):
    """What an object saves of Reangle."""

    render: BoolProperty(
        name="Render", description="Render the clip from this camera", default=False, update=_store_tick
    )
    start: PointerProperty(type=ReangleStart)
    has_color: BoolProperty(description="The camera has a colour of its own")
    color: FloatVectorProperty(
        name="Colour",
        description="Colour of the camera's path in the view, and of the camera in lists",
        subtype="COLOR_GAMMA",
        size=3,
        min=0,
        max=1,
        default=(0.5, 0.5, 0.5),
        options=set(),
    )
    has_focus: BoolProperty(description="A move of the camera goes around its focus point")
    focus: FloatVectorProperty(
        description="The point that its move keeps in view, in the space of the clip's origin", size=3, options=set()
    )
    is_frozen: BoolProperty(
        name="Freeze",
        description="Bullet time: this camera shows one frame of the clip all the time, while it moves itself",
        options=set(),
    )
    freeze_frame: IntProperty(
        name="Freeze at Frame",
        description="Scene frame at which the clip stands still for this camera",
        default=1,
        options=set(),  # one instant for the whole clip
    )
