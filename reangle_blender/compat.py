# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between Blender versions, 4.2 LTS to 5.x. No other module depends on the version."""

from __future__ import annotations

import math
from typing import Any

import bpy
from bpy.types import ID, FCurve, Scene

VIDEO_VIEW_TRANSFORM = "Standard"
# Since 4.5 a path property must declare that it takes paths that start with //.
PATH_OPTIONS: set[str] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()

# "BLENDER_EEVEE" since 5.0.
EEVEE = ("BLENDER_EEVEE_NEXT", "BLENDER_EEVEE")

# Where an artist chooses which scene the sequencer shows.
SEQUENCER_CHOICE = "in the sequencer's header" if bpy.app.version >= (5, 0, 0) else "at the top of the window"

# Since 4.3; before, an appended scene's files are looked for when the file is next opened.
IMPORT_HANDLERS: Any = getattr(bpy.app.handlers, "blend_import_post", None)


def strips(scene: Scene) -> Any:
    """The scene's sequencer strips, creating the sequence editor if there is none."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # "sequences" until 4.3


def strips_of(scene: Scene) -> list[Any]:
    """The scene's strips, without those in meta strips; nothing is created."""
    return list(strips(scene)) if scene.sequence_editor is not None else []


def strip_start(strip: Any) -> float:
    """The scene frame of the first frame that a strip shows. Since 5.1 it has another name."""
    return strip.left_handle if hasattr(strip, "left_handle") else strip.frame_final_start


def strip_offset(strip: Any) -> float:
    """How many scene frames of its content a strip leaves out at its start."""
    return strip.left_handle_offset if hasattr(strip, "left_handle_offset") else strip.frame_offset_start


def strip_duration(strip: Any) -> float:
    """How many scene frames a strip shows."""
    return strip.duration if hasattr(strip, "left_handle") else strip.frame_final_duration


def strip_trim(strip: Any) -> float:
    """How many frames of its file a strip does not have at its start."""
    return strip.content_trim_start if hasattr(strip, "content_trim_start") else strip.animation_offset_start


def every_strip(scene: Scene) -> list[Any]:
    """All strips of a scene, also those in meta strips; none are created."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def show_in_sequencer(context: bpy.types.Context, scene: Scene) -> bool:
    """Since 5.0 a workspace chooses which scene its sequencer edits; keep a choice that has strips.

    Returns whether the scene is chosen now.
    """
    workspace = context.workspace
    if workspace is None or not hasattr(workspace, "sequencer_scene"):
        return context.scene == scene
    chosen = workspace.sequencer_scene
    if chosen is None or not every_strip(chosen):
        workspace.sequencer_scene = scene
    return workspace.sequencer_scene == scene


def new_effect(scene: Scene, name: str, kind: str, channel: int, start: int, length: int) -> Any:
    """A new effect strip without inputs."""
    span = {"length": length} if bpy.app.version >= (5, 0, 0) else {"frame_end": start + length}
    return strips(scene).new_effect(name=name, type=kind, channel=channel, frame_start=start, **span)


def _curves(id_block: ID) -> Any:
    """The curves of a data-block's own action, created if there is none."""
    animation = id_block.animation_data or id_block.animation_data_create()
    action = animation.action
    if action is None:
        action = bpy.data.actions.new(f"{id_block.name}Action")
        animation.action = action
    if not hasattr(action, "slots"):  # until 4.3 an action is one list of curves
        return action.fcurves
    slot = animation.action_slot
    if slot is None:
        slot = action.slots.new(id_block.id_type, id_block.name)
        animation.action_slot = slot
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def curves_of(id_block: ID) -> list[FCurve] | None:
    """The curves that animate a data-block; nothing is created. None if they are in more than one layer or strip."""
    animation = id_block.animation_data
    action = animation.action if animation is not None else None
    if animation is None or action is None:
        return []
    if not hasattr(action, "slots"):
        return list(action.fcurves)
    strips = [strip for layer in action.layers for strip in layer.strips]
    if animation.action_slot is None or not strips:
        return []
    if len(strips) > 1:
        return None
    bag = strips[0].channelbag(animation.action_slot)
    return list(bag.fcurves) if bag is not None else []


def unshare_action(id_block: ID) -> None:
    """Give the data-block an action of its own if others use it, too, so that keys move nothing else."""
    animation = id_block.animation_data
    action = animation.action if animation is not None else None
    if animation is None or action is None or (action.library is None and action.users - action.use_fake_user <= 1):
        return
    slot = getattr(animation, "action_slot", None)
    handle = slot.handle if slot is not None else None
    animation.action = copy = action.copy()
    if handle is not None:
        animation.action_slot = next(slot for slot in copy.slots if slot.handle == handle)


def new_fcurve(id_block: ID, data_path: str, index: int = 0) -> FCurve:
    """An empty curve for this property; an existing one is replaced."""
    remove_fcurve(id_block, data_path, index)
    return _curves(id_block).new(data_path, index=index)


def remove_fcurve(id_block: ID, data_path: str, index: int = 0) -> None:
    curve = find_fcurve(id_block, data_path, index)
    if curve is not None:
        _curves(id_block).remove(curve)


def find_fcurve(id_block: ID, data_path: str, index: int = 0) -> FCurve | None:
    if id_block.animation_data is None or id_block.animation_data.action is None:
        return None
    return _curves(id_block).find(data_path, index=index)


def shift_animation(id_block: ID, by: int) -> None:
    """Move all keys and strips of a data-block's animation by so many frames. Its action becomes its own."""
    animation = getattr(id_block, "animation_data", None)  # images have none
    if animation is None:
        return
    unshare_action(id_block)
    for curve in _curves(id_block) if animation.action is not None else ():
        _shift_curve(curve, by)
    for track in animation.nla_tracks:
        # Blender keeps strips between their neighbours, so the one that leads goes first.
        for strip in reversed(track.strips) if by > 0 else list(track.strips):
            strip.frame_start_ui += by
            for curve in strip.fcurves:
                _shift_curve(curve, by)


def _shift_curve(curve: FCurve, by: int) -> None:
    for point in curve.keyframe_points:
        point.co_ui.x += by  # with its handles
    for modifier in curve.modifiers:
        if modifier.use_restricted_range:
            # Blender keeps the start at or before the end.
            names = ("frame_end", "frame_start") if by > 0 else ("frame_start", "frame_end")
            for name in names:
                setattr(modifier, name, getattr(modifier, name) + by)
        if modifier.type == "NOISE":
            modifier.offset += by
        elif modifier.type == "STEPPED":
            modifier.frame_offset += by
    curve.update()


def last_frame(id_block: ID) -> float:
    """The frame at which a data-block's animation ends, -infinity without any."""
    animation = getattr(id_block, "animation_data", None)
    if animation is None:
        return -math.inf
    ends = [curve.range()[1] for curve in _curves(id_block)] if animation.action is not None else []
    ends += [strip.frame_end for track in animation.nla_tracks for strip in track.strips]
    return max(ends, default=-math.inf)


def compositor_tree(scene: Scene) -> Any:
    """The scene's compositing nodes, whether or not they are in use; None if there are none."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree


def make_compositor_tree(scene: Scene) -> Any:
    """The scene's compositing nodes in use; made, empty, if there are none."""
    if hasattr(scene, "compositing_node_group"):
        if scene.compositing_node_group is None:
            scene.compositing_node_group = bpy.data.node_groups.new(f"{scene.name} Compositing", "CompositorNodeTree")
        scene.render.use_compositing = True
        return scene.compositing_node_group
    was_there = scene.node_tree is not None
    scene.use_nodes = True
    if not was_there:
        scene.node_tree.nodes.clear()  # Blender adds its usual two
    scene.render.use_compositing = True
    return scene.node_tree


def compositor_output(tree: Any) -> Any:
    """The input of the picture that the scene renders, made if there is none. Since 5.0 it is a group's output."""
    kind = "NodeGroupOutput" if bpy.app.version >= (5, 0, 0) else "CompositorNodeComposite"
    if kind == "NodeGroupOutput" and not any(
        item.item_type == "SOCKET" and item.in_out == "OUTPUT" for item in tree.interface.items_tree
    ):
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    found = [node for node in tree.nodes if node.bl_idname == kind]
    node = next((node for node in found if getattr(node, "is_active_output", True)), None) or tree.nodes.new(kind)
    return node.inputs[0]


def math_node(tree: Any, operation: str) -> Any:
    """A compositing node that computes; since 5.0 it is the one of shaders."""
    node = tree.nodes.new("ShaderNodeMath" if bpy.app.version >= (5, 0, 0) else "CompositorNodeMath")
    node.operation = operation
    return node


def mix_node(tree: Any) -> tuple[Any, tuple[Any, Any, Any], Any]:
    """A compositing node that mixes colours, its inputs (factor, first and second colour), and its output."""
    if bpy.app.version < (5, 0, 0):
        node = tree.nodes.new("CompositorNodeMixRGB")
        return node, tuple(node.inputs[:3]), node.outputs[0]
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    named = {socket.identifier: socket for socket in (*node.inputs, *node.outputs)}
    return node, (named["Factor_Float"], named["A_Color"], named["B_Color"]), named["Result_Color"]


def depth_combine_node(tree: Any) -> tuple[Any, tuple[Any, Any, Any, Any], Any]:
    """A node that shows the nearer of two pictures by the first one's alpha; its inputs (picture and depth of the
    first, then of the second), and its output."""
    node = tree.nodes.new("CompositorNodeZcombine")
    by_name = node.inputs.get("Use Alpha")
    if by_name is not None:  # since 4.5
        by_name.default_value = True
    else:
        node.use_alpha = True
    return node, tuple(node.inputs[:4]), node.outputs[0]


def nodes_of(material: bpy.types.Material) -> Any:
    """The node tree of a new material, without nodes. Since 5.0 every material has one."""
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree: Any = material.node_tree
    tree.nodes.clear()
    return tree


def linear_image_shader_name() -> str:
    """The built-in shader for an image with linear values; before 5.0 what is drawn over a view is encoded later."""
    return "IMAGE_SCENE_LINEAR_TO_REC709_SRGB" if bpy.app.version >= (5, 0, 0) else "IMAGE"


def saved_properties(scene: Scene, name: str) -> dict[str, Any]:
    """All values that the file stores for a registered group, also of properties that no longer exist."""
    read = getattr(scene, "bl_system_properties_get", None)  # since 5.0 they are apart from custom properties
    group = ((read() or {}) if read else scene).get(name)
    return group.to_dict() if group is not None else {}
