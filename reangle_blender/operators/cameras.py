# SPDX-License-Identifier: GPL-3.0-or-later
"""The Cameras panel: new cameras and their moves."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context, Object, Operator, Scene

from .. import choices, readiness, state
from ..core.contract import CameraPath
from ..core.contract.moves import KINDS, Move
from ..core.errors import UserError
from ..scene import camera_list, cameras, focus, moves
from ..translations import CONTEXT, tr
from ._amounts import amount_of, property_of, with_amounts
from ._report import is_ready, reports_errors


def new_camera(scene: Scene, name: str, path: CameraPath) -> Object:
    """A ticked camera in the origin's collection, at the first pose of the path, with a colour of its own."""
    origin = state.of(scene).origin
    camera = cameras.add_camera(scene, cameras.collection_of(scene, origin), name, origin)
    cameras.set_values(camera, cameras.channel_values(camera, path, state.of(scene).unit)[0])
    source = state.of(scene).source
    camera.data.display_size, camera.data.clip_end = source.data.display_size, source.data.clip_end
    camera.reangle.render = True
    camera_list.give_colors(scene)
    return camera


CAMERA_NAME = "Its name, if the button names no object"


def named_camera(context: Context, name: str) -> Object:
    """The camera that a button names as `reangle_camera`, else the scene's of this name. Raises UserError if it has
    none."""
    camera = getattr(context, "reangle_camera", None) or context.scene.objects.get(name)
    if camera is None or camera.type != "CAMERA":
        about = f"There is no camera {name!r} in this scene." if name else "No camera is named."
        raise UserError(about, advice="Name a camera of this scene.")
    return camera


def make_active(context: Context, camera: Object) -> None:
    """Select the camera alone, if its collection is in the view layer."""
    camera_list.select_only(context.view_layer, camera)


class REANGLE_OT_add_camera(Operator):
    bl_idname = "reangle.add_camera"
    bl_label = "Add Camera"
    bl_description = "Add a camera with the pose and lens of the clip's camera"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", description="Name of the new camera", default="View", options={"SKIP_SAVE"})
    follow: BoolProperty(
        name="Follow Clip Camera", description="Copy its motion; otherwise stay at its pose of this frame"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_new_cameras, context.scene)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        readiness.check_new_cameras(scene)
        path = moves.source_path(scene, follow=self.follow)
        camera = new_camera(scene, self.name, path)
        if self.follow:
            cameras.key_path(camera, path, state.of(scene).first_frame, state.of(scene).unit)
        make_active(context, camera)
        return {"FINISHED"}


@with_amounts
class REANGLE_OT_apply_move(Operator):
    bl_idname = "reangle.apply_move"
    bl_label = "Move Camera"
    bl_description = "Key a move over the clip, as a few keyframes that can be edited"
    bl_options = {"REGISTER", "UNDO"}

    move: EnumProperty(
        name="Move", description="How the camera moves", translation_context=CONTEXT, items=choices.items("move")
    )
    amount: FloatProperty(
        name="Amount",
        description="Degrees, or percent of the distance to the focus; by default that of the move",
        options={"HIDDEN", "SKIP_SAVE"},
    )
    easing: EnumProperty(
        name="Easing",
        description="How the move starts and ends",
        translation_context=CONTEXT,
        items=choices.items("easing"),
        default=choices.DEFAULTS["easing"],
    )
    hold: BoolProperty(name="Still", description="Stay at the end of the move for the whole clip")
    focus: EnumProperty(
        name="Focus", description="The point that the move goes around and keeps in view", items=focus.KINDS
    )
    track: BoolProperty(
        name="Track Focus", description="Keep looking at the focus by a Track To constraint, also after keys are edited"
    )
    seed: IntProperty(name="Seed", description="Selects one of many shakes, for Handheld", min=0)
    new: BoolProperty(name="New Camera", description="Add a camera; else move the active one", default=True)
    follow: BoolProperty(name="Follow Clip Camera", description="Add the move to its motion", default=True)
    freeze: BoolProperty(
        name="Bullet Time", description="Freeze the clip at the current frame; the camera moves around that instant"
    )
    name: StringProperty(
        name="Name", description="Name of the new camera; empty uses the name of the move", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, readiness.check_new_cameras, context.scene)

    @classmethod
    def description(cls, _context: Context, properties: bpy.types.OperatorProperties) -> str:
        if properties.new:
            return tr(
                "Add a camera that starts at the clip's camera and makes this move, as keyframes that can be edited"
            )
        return tr("Add this move to the active camera's own motion, as keyframes that can be edited")

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        readiness.check_new_cameras(scene)
        amount = amount_of(self)
        move = Move(self.move, amount, easing=self.easing, held=self.hold, seed=self.seed)
        on = context.active_object if self.focus == "ACTIVE" else None
        target = focus.object_of(scene, self.focus, on)
        if self.new:
            # At a frozen instant the clip's camera stands still, too.
            base = moves.source_path(scene, follow=self.follow and not self.freeze)
            label = f"{'Bullet ' if self.freeze else ''}{choices.label_of('move', self.move)}"
            camera = new_camera(scene, self.name or f"{label} {amount:g}", base)
            camera.reangle.is_frozen, camera.reangle.freeze_frame = self.freeze, moves.shown_frame(scene)
        else:
            camera = self._active(context)
            base = cameras.export_paths(scene, [camera])[0]
        keys = moves.apply(scene, camera, base, move, self.focus, on)
        if self.track:
            focus.track(camera, target or focus.add_empty(scene, camera.reangle.focus, f"{camera.name} Focus"))
        make_active(context, camera)
        self.report(
            {"INFO"},
            tr(
                "{name}: {frames} keys, within {angle_error_deg} degrees of the move.",
                name=camera.name,
                frames=len(keys.frames),
                angle_error_deg=f"{keys.angle_error_deg:.3f}",
            ),
        )
        return {"FINISHED"}

    def draw(self, _context: Context) -> None:
        """The redo panel: what counts for the chosen move."""
        column = self.layout.column()
        column.use_property_split = True
        column.prop(self, "move")
        column.prop(self, property_of(self.move))
        always_held = KINDS[self.move].always_held
        if not always_held:
            column.prop(self, "seed" if self.move == "handheld" else "easing")
        column.prop(self, "focus")
        column.prop(self, "track")
        names = ("hold", "freeze", "follow", "name") if self.new else ("hold",)
        for name in names[1:] if always_held else names:
            if name != "follow" or not self.freeze:
                column.prop(self, name)

    def _active(self, context: Context) -> Object:
        camera = context.active_object
        if camera is None or camera.type != "CAMERA":
            raise UserError("The active object is not a camera.", advice="Select the camera to move.")
        if camera == state.of(context.scene).source:
            raise UserError("This is the clip's own camera.", advice="Add a new camera and move that.")
        moves.check_movable(context.scene, camera)
        return camera


class REANGLE_OT_look_through(Operator):
    bl_idname = "reangle.look_through"
    bl_label = "Look Through"
    bl_description = "Make this the scene's camera and look through it"
    bl_options = {"UNDO"}

    camera: StringProperty(description=CAMERA_NAME, options={"HIDDEN"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        camera = named_camera(context, self.camera)
        context.scene.camera = camera
        space = context.space_data
        if space is not None and space.type == "VIEW_3D":
            if space.use_local_camera:
                space.camera = camera
            space.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}


class REANGLE_OT_tick_camera(Operator):
    bl_idname = "reangle.tick_camera"
    bl_label = "Render"
    bl_description = "Render the clip from this camera of a library"
    bl_options = {"UNDO", "INTERNAL"}

    camera: StringProperty(description=CAMERA_NAME, options={"HIDDEN", "SKIP_SAVE"})

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        camera = named_camera(context, self.camera)
        camera.reangle.render = not state.is_ticked(context.scene, camera)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_add_camera, REANGLE_OT_apply_move, REANGLE_OT_look_through, REANGLE_OT_tick_camera)
)
