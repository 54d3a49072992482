# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers, saved in the .blend. Live objects are in `ledger`, `connection` and `scene`."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import Object, PropertyGroup, Scene

from . import compat
from .core.contract import moves

SCHEMA = 2


def _keep_depth_files(old: ReangleScene) -> None:
    # What was never chosen is not in the file, and was depth files until schema 2.
    if not old.clip.is_property_set("provider"):
        old.clip.provider = "files"


MIGRATIONS: dict[int, Callable[[ReangleScene], None]] = {1: _keep_depth_files}
"""From each schema to the next."""

FINAL_STATES = {"done", "failed", "canceled"}

WITH_CHECKPOINT = {"dust3r", "depth-anything"}
"""Providers for which the artist may choose the weights."""


GEOMETRIES = tuple(
    (name, label, description, "NONE", number)
    # A saved file holds the number.
    for name, label, number, description in (
        (
            "mini",
            "Mini",
            3,
            "Depth and camera path from the frames, by small weights that come with the backend: no fine relief. Needs "
            "code that is not for commercial work",
        ),
        ("files", "Depth Files", 0, "A folder with depth maps (EXR, 16-bit PNG, npz) and a camera (JSON, COLMAP text)"),
        (
            "dust3r",
            "DUSt3R",
            1,
            "Depth and camera path from the frames, by large weights that you install; not for commercial work",
        ),
        ("depth-anything", "Depth Anything", 2, "Depth of each frame, seen from a camera that stands still"),
    )
)


class ReangleClip(PropertyGroup):
    """Step 1: which clip, which part of it, and where its geometry comes from."""

    path: StringProperty(
        name="Clip",
        description="A movie, or any image of an image sequence",
        subtype="FILE_PATH",
        options=compat.PATH_OPTIONS,
    )
    start: IntProperty(name="First Frame", description="First frame of the clip to use, counted from 0", min=0)
    frames: IntProperty(name="Frames", description="How many frames to use; 0 is all that remain", min=0, max=4096)
    use_own_size: BoolProperty(name="Clip's Own Size", description="Work at the size of the clip", default=True)
    width: IntProperty(name="Width", description="Working width in pixels", default=720, min=16, max=8192)
    height: IntProperty(name="Height", description="Working height in pixels", default=480, min=16, max=8192)
    sequence_fps: FloatProperty(
        name="Sequence Rate", description="Frames per second of an image sequence", default=24.0, min=0.1, max=1000
    )
    provider: EnumProperty(
        name="Geometry",
        description="Where depth and the camera of the clip come from",
        items=GEOMETRIES,
        default="mini",
    )
    geometry_folder: StringProperty(
        name="Depth Folder",
        description="Folder with depth maps and one camera file",
        subtype="DIR_PATH",
        options=compat.PATH_OPTIONS,
    )
    depth_scale: FloatProperty(
        name="Depth Scale",
        description="Multiplies the depth that is read from files",
        default=1.0,
        min=1e-6,
        precision=4,
    )
    checkpoint: StringProperty(name="Checkpoint", description="Folder or name of the weights; empty is the default")
    use_fov: BoolProperty(
        name="Set Field of View", description="Give the horizontal field of view where the geometry has none of its own"
    )
    fov_deg: FloatProperty(name="Field of View", description="Horizontal, in degrees", default=50, min=2, max=169)
    match_scene: BoolProperty(
        name="Match Scene to Clip",
        description="Set the scene's frame rate, frame range, resolution and view transform to those of the clip",
        default=True,
    )


class ReangleCamera(PropertyGroup):
    """One camera of a job: the path it was sent as, and where its result lies. `name` is the path's name."""

    camera: PointerProperty(type=Object)
    folder: StringProperty()
    width: IntProperty()
    height: IntProperty()
    fps: FloatProperty()
    frames: IntProperty()
    first_frame: IntProperty()


class ReangleJob(PropertyGroup):
    """What was last heard of a job. `name` is its id on the backend."""

    title: StringProperty()
    kind: EnumProperty(items=(("IMPORT", "Import", ""), ("RENDER", "Render", "")))
    state: StringProperty()
    stage: StringProperty()
    progress: FloatProperty(min=0, max=1)
    eta_s: FloatProperty(description="Seconds to go; below zero while unknown", default=-1)
    learning: StringProperty(description="Step, loss, speed and time left of the model that learns now")
    picture: StringProperty(description="Where the last picture of what the model makes was put")
    message: StringProperty()
    advice: StringProperty()
    traceback: StringProperty()
    folder: StringProperty(description="Where its files were fetched to")
    notes: StringProperty(description="One note per line")
    loaded: BoolProperty(description="Its results have been fetched")
    request: StringProperty(description="The clip and geometry it was sent with, as JSON")
    cameras: CollectionProperty(type=ReangleCamera)

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES


MOVES = tuple((name, kind.label, kind.help) for name, kind in moves.KINDS.items())
EASINGS = tuple((name, easing.label, "") for name, easing in moves.EASINGS.items())


def amount_property(move: str) -> str:
    """Which property holds the amount of this kind of move."""
    return "move_degrees" if moves.KINDS[move].unit == "degrees" else "move_fraction"


def _offer_amount(shot: ReangleScene, _context: bpy.types.Context) -> None:
    kind = moves.KINDS[shot.move]
    setattr(shot, amount_property(shot.move), kind.default / 100 if kind.unit == "percent" else kind.default)


def move_amount(shot: ReangleScene) -> float:
    """The chosen amount in the unit of the chosen move: degrees, or percent of the distance to the focus."""
    return 100 * shot.move_fraction if moves.KINDS[shot.move].unit == "percent" else shot.move_degrees


class ReangleLearning(PropertyGroup):
    """The engine `reangle`: which weights, and how they learn and generate where the artist wants to say so."""

    suite: EnumProperty(
        name="Weights",
        items=(
            ("mini", "Mini", "Small weights that come with the backend; a rough preview of the method on any machine"),
            ("cogvideox-5b", "CogVideoX 5B", "Large weights that you install; wants a GPU"),
        ),
    )
    caption: StringProperty(name="Shows", description="What the clip shows, in a few words, for the video model")
    exact: BoolProperty(
        name="Keep the Clip's Pixels",
        description="Wherever a new camera sees the clip, show its own pixels; the video model makes the rest",
        default=True,
    )
    use_own: BoolProperty(name="Advanced", description="Use these numbers instead of what suits the weights")
    shared_steps: IntProperty(
        name="Shared Steps",
        description="Steps of learning from the clip and its warps to preset moves, once for all cameras",
        default=400,
        min=0,
        max=100_000,
    )
    path_steps: IntProperty(
        name="Camera Steps",
        description="Steps of learning from each camera's own warp",
        default=100,
        min=0,
        max=100_000,
    )
    rank: IntProperty(name="Rank", description="Rank of the LoRA", default=128, min=1, max=1024)
    alpha: FloatProperty(name="Alpha", description="Strength of the LoRA", default=128, min=0.01, max=4096)
    rate: FloatProperty(name="Learning Rate", default=1e-4, min=1e-7, max=1, precision=6)
    sampling_steps: IntProperty(
        name="Sampling Steps", description="Steps in which a video is made", default=50, min=1, max=1000
    )
    guidance: FloatProperty(
        name="Guidance", description="How closely the description is followed", default=6, min=1, max=50
    )
    dynamic_guidance: BoolProperty(
        name="Dynamic", description="Let the guidance change while the video is made", default=True
    )
    warp_guidance: FloatProperty(
        name="Warp Guidance",
        description="How long, while the video is made, what the camera saw is held to the clip",
        default=0,
        min=0,
        max=1,
        subtype="FACTOR",
    )
    fill_share: FloatProperty(
        name="Fill Share",
        description="With the clip's pixels kept: how much of the preview's fill is mixed into the rest",
        default=0,
        min=0,
        max=1,
        subtype="FACTOR",
    )


class ReangleScene(PropertyGroup):
    """All that Reangle knows about a scene."""

    schema: IntProperty()
    uid: StringProperty(description="Finds the scene again after it was renamed, undone or reloaded")
    clip: PointerProperty(type=ReangleClip)
    engine: EnumProperty(
        name="Engine",
        items=(
            ("preview", "Preview", "Moves the pixels of the clip; no diffusion and no weights"),
            ("reangle", "Reangle", "Learns the clip's motion and lets a video model make what nobody saw"),
        ),
    )
    learning: PointerProperty(type=ReangleLearning)
    method: EnumProperty(
        name="Method",
        description="How the clip is looked at from the new camera",
        items=(
            ("lookup", "Look-up", "Every new pixel is looked up in the clip; the sharpest"),
            ("splat", "Splat", "Points drawn as small squares; the fastest"),
            ("mesh", "Mesh", "A surface cut at the edges of depth"),
        ),
    )
    use_memory: BoolProperty(
        name="Use Other Frames",
        description="Where the scene stands still, use what other frames saw",
        default=True,
    )
    use_markers: BoolProperty(
        name="Scene Camera with Markers",
        description="Also render the scene's camera, switched by the markers of the timeline",
    )
    move: EnumProperty(name="Move", description="How the new camera moves", items=MOVES, update=_offer_amount)
    move_degrees: FloatProperty(name="Degrees", description="How far, over the clip", default=10, min=0, max=180)
    move_fraction: FloatProperty(
        name="Distance", description="How far, as a part of the distance to the focus", default=0.2, min=0, max=4
    )
    easing: EnumProperty(name="Easing", description="How the move begins and ends", items=EASINGS, default="smooth")
    hold: BoolProperty(name="Still", description="Stay at the end of the move for the whole clip")
    follow: BoolProperty(
        name="Follow Clip Camera",
        description="Let the new camera move as the clip's camera does; else it stands where that is now",
        default=True,
    )
    focus: FloatProperty(
        name="Focus",
        description="Distance of the point that the move keeps in view, in the geometry's units; 0 measures it in the "
        "middle of the cloud",
        min=0,
    )
    origin: PointerProperty(type=Object)
    cloud: PointerProperty(type=Object)
    source: PointerProperty(type=Object)
    shot: StringProperty(description="Job of the imported clip")
    shot_request: StringProperty(description="Clip and geometry of the import, as JSON of the contract")
    shot_folder: StringProperty(description="Where the import was downloaded to")
    shot_fps: FloatProperty()
    shot_frames: IntProperty()
    shot_width: IntProperty()
    shot_height: IntProperty()
    first_frame: IntProperty(name="Start at", description="Scene frame of the clip's first frame", default=1)
    jobs: CollectionProperty(type=ReangleJob)
    job_index: IntProperty(name="Job")
    show_traceback: BoolProperty(name="Details", description="Show the whole error")
    point_size: FloatProperty(name="Point Size", description="In pixels", default=3, min=1, max=20, subtype="PIXEL")

    @property
    def is_newer(self) -> bool:
        """Saved by a newer Reangle: shown, never changed."""
        return self.schema > SCHEMA


class ReangleObject(PropertyGroup):
    """What Reangle knows about an object."""

    render: BoolProperty(name="Render", description="Render the clip from this camera", default=False)


CLASSES = (ReangleClip, ReangleCamera, ReangleJob, ReangleLearning, ReangleScene, ReangleObject)


def of(scene: Scene) -> ReangleScene:
    return scene.reangle


def prepare(scene: Scene) -> ReangleScene:
    """The scene's state, given an identity if it has none yet."""
    state = of(scene)
    if not state.uid:
        state.uid = uuid.uuid4().hex
        state.schema = SCHEMA
    return state


def find_scene(uid: str) -> Scene | None:
    return next((scene for scene in bpy.data.scenes if of(scene).uid == uid), None)


def alive(scene: Scene, item: Object | None) -> Object | None:
    """The object if it is still in the scene; a deleted one lives on in the pointers that name it."""
    return item if item is not None and scene.objects.get(item.name) == item else None


def migrate(scene: Scene) -> None:
    """Bring the state of an older file up to date. One from a newer Reangle is left as it is."""
    state = of(scene)
    while state.uid and state.schema < SCHEMA:
        MIGRATIONS[state.schema](state)
        state.schema += 1


def register() -> None:
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    Scene.reangle = PointerProperty(type=ReangleScene)
    Object.reangle = PointerProperty(type=ReangleObject)


def unregister() -> None:
    del Object.reangle
    del Scene.reangle
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
