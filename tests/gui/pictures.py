# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a Blender window: the way from a clip to an edit, with the pictures of README and guide, or with a film.

CONFIG as in `drive.py`; film: take the pictures for a film in place of the others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))

import drive
import mouse
from mouse import CONFIG, MODULE, Steps, click, screenshot, view3d

MARGIN = 60
"""Pixels that stay free around a camera's picture."""

PLAYED = 3
"""Every how many frames of the scene the film shows one."""


def preferences_page() -> Steps:
    """The add-on's preferences in place of the 3D view."""
    _, area, _ = view3d()
    preferences = bpy.context.preferences
    preferences.active_section = "ADDONS"
    area.type = "PREFERENCES"
    yield 0.5
    bpy.context.window_manager.addon_search = "Reangle"
    bpy.ops.preferences.addon_expand(module=MODULE)
    area.tag_redraw()
    yield 2.0
    yield from screenshot("preferences", area)
    area.type = "VIEW_3D"
    yield 0.5
    area.spaces.active.show_region_ui = True
    yield 0.5
    view3d()[2].active_panel_category = "Reangle"
    yield 0.5


def through_camera(camera: bpy.types.Object) -> Steps:
    """Look through a camera, with its picture as large as there is room between toolbar and sidebar."""
    window, area, sidebar = view3d()
    space, region = area.spaces.active, mouse.canvas()
    frame_rectangle = drive.module("scene.wipe_drawing").frame_rectangle
    layer = bpy.context.scene.view_layers[0]
    for item in layer.objects:
        item.select_set(item == camera, view_layer=layer)
    layer.objects.active = camera
    with bpy.context.temp_override(window=window, area=area, region=region):
        bpy.ops.reangle.look_through(camera=camera.name)
    view = space.region_3d
    left, right = MARGIN, sidebar.x - region.x - MARGIN

    def shown() -> tuple[float, float, float, float]:
        return frame_rectangle(bpy.context.scene, camera, region, view) or (0.0, 0.0, 0.0, 0.0)

    view.view_camera_offset = (0, 0)
    for zoom in range(30, -30, -2):
        view.view_camera_zoom = zoom
        area.tag_redraw()
        yield 0.15
        x, y, far_x, far_y = shown()
        if far_x - x <= right - left and far_y - y <= region.height - 2 * MARGIN:
            break
    before = shown()[0]
    view.view_camera_offset[0] = 0.1
    area.tag_redraw()
    yield 0.5
    moved = (shown()[0] - before) / 0.1
    if moved:
        view.view_camera_offset[0] = ((left + right) / 2 - region.width / 2) / moved
    area.tag_redraw()
    yield 0.5


def orbiting() -> bpy.types.Object:
    """The camera that moves around the scene."""
    return next(
        item for item in drive.module("scene.cameras").artist_cameras(bpy.context.scene) if "Orbit" in item.name
    )


def play(caption: str) -> Steps:
    """Film every third frame of the scene."""
    scene = bpy.context.scene
    for frame in range(scene.frame_start, scene.frame_end + 1, PLAYED):
        scene.frame_set(frame)
        yield 0.15
        yield from mouse.filmed(caption, 0.1)


def film() -> Steps:
    yield from drive.install()
    scene = bpy.context.scene
    shot = scene.reangle
    yield from drive.start_and_import()
    yield from through_camera(shot.source)
    yield from mouse.filmed("The clip as a moving cloud, with its camera", 1.0)
    drive.look_from(*CONFIG["look"])
    yield from mouse.filmed("The clip as a moving cloud, with its camera", 0.4)
    yield from play("The clip as a moving cloud, with its camera")
    yield from drive.add_cameras()
    yield from drive.measure()
    shot.lookahead.show_view = "HOLES"
    camera = orbiting()
    yield from through_camera(camera)
    yield 2.0
    yield from mouse.filmed("Before rendering: red is what no frame of the clip shows", 1.5)
    shot.lookahead.show_view = "NONE"
    yield from click("reangle.render", lambda: len(shot.jobs) == 2, film="Render")
    yield from drive.done(-1, film="The backend renders; Blender stays free")
    yield from mouse.to_top()
    yield from click("reangle.results_to_backgrounds", lambda: len(drive.cameras_with_background()) > 1, film="Results")
    yield from play("The result behind its camera")
    yield from click("reangle.results_to_sequencer", lambda: shot.edit is not None, film="To the sequencer")
    yield from edit_layout(compositor=False)
    yield from play("The cameras as strips, with a selector to cut them")


def pictures() -> Steps:
    yield from drive.install()
    scene = bpy.context.scene
    shot = scene.reangle
    yield from screenshot("before", view3d()[1])
    yield from drive.start_and_import()
    yield from preferences_page()
    drive.look_from(*CONFIG["look"])
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    yield from drive.add_cameras()
    yield from mouse.to_top()
    yield from screenshot("panel", view3d()[1])
    yield from drive.measure()
    yield from mouse.to_top()
    yield from screenshot("cameras", view3d()[1])

    camera = orbiting()
    yield from through_camera(camera)
    shot.lookahead.show_view = "HOLES"
    scene.frame_set(scene.frame_end)
    yield 4.0
    timeline = next(item for item in view3d()[0].screen.areas if item.type == "DOPESHEET_EDITOR")
    with bpy.context.temp_override(
        window=view3d()[0], area=timeline, region=next(part for part in timeline.regions if part.type == "WINDOW")
    ):
        bpy.ops.action.view_all()
    for found in mouse.find("reangle.measure_coverage"):
        yield found if isinstance(found, float) else 0.1
    yield 1.0
    yield from screenshot("coverage", view3d()[1], timeline)
    shot.lookahead.show_view = "NONE"

    yield from click("reangle.render", lambda: len(shot.jobs) == 2)
    yield from drive.done(-1)
    yield from through_camera(camera)
    yield from drive.compare()
    yield from mouse.to_top()
    yield from screenshot("after", view3d()[1])
    yield from light_theme()
    yield from click("reangle.results_to_sequencer", lambda: shot.edit is not None)
    yield from click("reangle.results_to_backgrounds", lambda: len(drive.cameras_with_background()) > 1)
    yield from click(
        "reangle.results_to_compositor", lambda: any(image.name.endswith(" depth") for image in bpy.data.images)
    )
    yield from edit_layout(compositor=True)


def light_theme() -> Steps:
    """A screenshot in Blender's light theme; then the former theme again."""
    folders = bpy.utils.preset_paths("interface_theme")
    light = next(Path(folder) / name for folder in folders for name in os.listdir(folder) if "ight" in name)
    bpy.ops.script.execute_preset(filepath=str(light), menu_idname="USERPREF_MT_interface_theme_presets")
    yield 1.0
    yield from screenshot("light", view3d()[1])
    bpy.ops.preferences.reset_default_theme()
    yield 0.5


def edit_layout(compositor: bool) -> Steps:
    """The edit's picture above its strips, with the compositor's nodes beside it if asked for; a picture of them."""
    window, area, _ = view3d()
    timeline = next(item for item in window.screen.areas if item.type == "DOPESHEET_EDITOR")
    shot = bpy.context.scene.reangle
    window.scene, group = shot.edit, shot.result_nodes
    scene = window.scene
    scene.frame_set((scene.frame_start + scene.frame_end) // 2)
    with bpy.context.temp_override(window=window, area=area):
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.3)
    yield 0.3
    lower = next(item for item in window.screen.areas if item.type == "VIEW_3D" and item.y < view3d()[1].y)
    upper = view3d()[1]
    if not compositor:
        shown = [_sequencer(upper, "PREVIEW", bpy.ops.sequencer.view_all_preview)]
    else:
        with bpy.context.temp_override(window=window, area=upper):
            bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
        yield 0.3
        halves = [item for item in window.screen.areas if item.type == "VIEW_3D" and item != lower]
        shown = [_sequencer(halves[0], "PREVIEW", bpy.ops.sequencer.view_all_preview)]
        yield from _nodes(halves[1], scene, group)
        shown.append((halves[1], "WINDOW", bpy.ops.node.view_all))
    shown.append(_sequencer(lower, "SEQUENCER", bpy.ops.sequencer.view_all))
    timeline.type = "DOPESHEET_EDITOR"
    yield 0.5
    for item, kind, operator in shown:
        region = next(part for part in item.regions if part.type == kind)
        with bpy.context.temp_override(window=window, area=item, region=region):
            operator()
        yield 0.5
    yield from screenshot("results", *(item for item, _, _ in shown))


def _sequencer(area: bpy.types.Area, view: str, operator: Callable[..., object]) -> tuple:
    """Make an area a sequencer; returns it, the region that shows its content, and the operator that frames that."""
    area.type = "SEQUENCE_EDITOR"
    area.spaces.active.view_type = view
    return area, "PREVIEW" if view == "PREVIEW" else "WINDOW", operator


def _nodes(area: bpy.types.Area, scene: bpy.types.Scene, group: bpy.types.NodeTree) -> Steps:
    """Show the results' nodes. One window shows one scene, so for the picture they are put into the edit, too."""
    area.ui_type = "CompositorNodeTree"
    area.spaces.active.show_region_ui = False
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = group
        return
    scene.use_nodes = True
    inner = scene.node_tree.nodes.new("CompositorNodeGroup")
    inner.node_tree = group
    yield 0.5
    area.spaces.active.path.append(group, node=inner)


if __name__ == "__main__":
    mouse.run(film() if CONFIG.get("film") else pictures())
