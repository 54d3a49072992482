# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to a clip: the file browser, drag and drop, the sequencer, the Movie Clip Editor. All end in one import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, CollectionProperty, StringProperty
from bpy.types import Context, Event, Menu, Operator, OperatorFileListElement, UILayout
from bpy_extras.io_utils import ImportHelper

from .. import choices, state
from ..core.contract import Clip
from ..core.contract.file_kinds import IMAGE_SUFFIXES, MOVIE_SUFFIXES
from ..core.contract.sequences import in_frame_order
from ..core.errors import UserError
from ..exchange import connection, ways_in
from ..exchange.transfer import is_movie
from ..scene import other_footage
from ..scene.framing import Framing
from ..state.from_contract import setting_property
from ..state.paths import stored
from ..translations import tr
from ._report import is_ready, report_error, reports_errors

OPTIONS = ("start", "frames", "use_own_size", "width", "height", "sequence_fps", "camera", "depth", "match_scene")
"""Options of an import that are settings of the Clip panel, by the same names."""


class _ImportOptions:
    """Options that the ways in have in common. They begin as the Clip panel has them."""

    start: setting_property(Clip, "start")
    frames: setting_property(Clip, "frames", description="How many frames to use; 0 uses all that remain", min=0)
    use_own_size: BoolProperty(name="Clip's Own Size", description="Work at the size of the clip", default=True)
    width: setting_property(Clip, "width", default=720)
    height: setting_property(Clip, "height", default=480)
    sequence_fps: setting_property(Clip, "fps", default=24.0)
    camera_name: StringProperty(default=choices.DEFAULTS["camera"], options={"HIDDEN"})
    camera: choices.enum("camera", "camera_name", "Camera from", "Where lens and motion of the clip's camera come from")
    depth_name: StringProperty(default=choices.DEFAULTS["depth"], options={"HIDDEN"})
    depth: choices.enum("depth", "depth_name", "Depth from", "Where the depth of every frame comes from")
    match_scene: BoolProperty(
        name="Match Scene to Clip",
        description="Set the scene's frame rate, frame range, resolution and view transform to those of the clip",
        default=True,
    )
    make_active: BoolProperty(
        name="Set Active Camera",
        description="Make the clip's camera the scene's camera. Your answer is remembered in the file",
        default=True,
    )

    def begin(self, context: Context) -> None:
        """Take what was not given over from the Clip panel, but for the part of the former clip that was used."""
        clip = state.of(context.scene).clip
        for name in (*OPTIONS, "make_active"):
            kept = {"camera": "camera_name", "depth": "depth_name"}.get(name, name)
            if name in ("start", "frames") or self.properties.is_property_set(kept):
                continue
            if name != "make_active" or clip.is_property_set(name):
                setattr(self, kept, getattr(clip, kept))

    def draw_options(self, layout: UILayout, *, is_sequence: bool, with_range: bool = True) -> None:
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        if with_range:
            column.prop(self, "start")
            column.prop(self, "frames")
        column.prop(self, "use_own_size")
        if not self.use_own_size:
            size = column.column(align=True)
            size.prop(self, "width")
            size.prop(self, "height")
        if is_sequence:
            column.prop(self, "sequence_fps")
        column.prop(self, "camera")
        column.prop(self, "depth")
        column.prop(self, "match_scene")
        column.prop(self, "make_active")

    def values(self, path: Path, **more: Any) -> dict[str, Any]:
        """What is chosen, as values of the Clip panel."""
        chosen = {name: getattr(self, name) for name in OPTIONS if name not in ("camera", "depth")}
        chosen |= {"camera_name": self.camera_name, "depth_name": self.depth_name, "make_active": self.make_active}
        return {"path": stored(path), **chosen, **more}

    def begin_import(self, context: Context, values: dict[str, Any], scene_frame: int | None = None) -> set[str]:
        if not ways_in.import_choice(context.scene, values, scene_frame, Framing(context)):
            self.report({"INFO"}, tr("The backend is starting; the clip is imported when it runs"))
        return {"FINISHED"}


def _check_free(scene: bpy.types.Scene) -> None:
    """Raises UserError if no clip can be imported now, whichever it is."""
    state.check_editable(scene)
    if any(job.kind == "IMPORT" and not job.is_final for job in state.of(scene).jobs):
        raise UserError("An import is running.", advice="Wait for it, or cancel it.")
    if connection.now.state == "failed" and connection.now.failure is not None:
        raise UserError(connection.now.failure.message, advice=connection.now.failure.advice)


class REANGLE_OT_import_footage(_ImportOptions, Operator, ImportHelper):
    bl_idname = "reangle.import_footage"
    bl_label = "Import into Reangle"
    bl_description = "Choose a movie, or images of a sequence, and import it: its camera, and its depth as a cloud"
    bl_options = {"UNDO", "PRESET"}  # no redo panel, since each change there would send another job

    directory: StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: CollectionProperty(type=OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})
    filter_movie: BoolProperty(default=True, options={"HIDDEN"})
    filter_image: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, _check_free, context.scene)

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.begin(context)
        is_dropped = self.properties.is_property_set("filepath") or len(self.files) > 0
        if is_dropped:
            return context.window_manager.invoke_props_dialog(self, title=self._title(), confirm_text="Import")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: Context) -> None:
        paths = self._paths()
        is_sequence = bool(paths) and not is_movie(paths[0])
        if len(paths) > 1:
            self.layout.label(text=tr("{paths} images are chosen", paths=len(paths)), icon="RENDERLAYERS")
        elif is_sequence:
            self.layout.label(text="The image stands for its sequence", icon="RENDERLAYERS")
        self.draw_options(self.layout, is_sequence=is_sequence, with_range=len(paths) < 2)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        paths = self._paths()
        if not paths:
            raise UserError("No file is chosen.", advice="Choose a movie, or an image of a sequence.")
        _check_free(context.scene)
        if len(paths) == 1:
            return self.begin_import(context, self.values(paths[0]))
        if any(is_movie(path) for path in paths):
            raise UserError("Several movies are chosen.", advice="Choose one movie, or the images of one sequence.")
        names = in_frame_order([path.name for path in paths])
        start, count = other_footage.run_of(paths[0].parent, names)
        return self.begin_import(context, self.values(paths[0].with_name(names[0]), start=start, frames=count))

    def _paths(self) -> list[Path]:
        named = [Path(bpy.path.abspath(self.directory)) / file.name for file in self.files if file.name]
        if not named and self.filepath:
            named = [Path(bpy.path.abspath(self.filepath))]
        return [path for path in named if not path.is_dir()]

    def _title(self) -> str:
        paths = self._paths()
        if len(paths) > 1:
            return tr("Import {name} and {others} more", name=paths[0].name, others=len(paths) - 1)
        return tr("Import {name}", name=paths[0].name) if paths else ""


class REANGLE_OT_import_strip(_ImportOptions, Operator):
    bl_idname = "reangle.import_strip"
    bl_label = "Import Active Strip"
    bl_description = "Import the part of a movie or image sequence that the sequencer's active strip shows"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if other_footage.active_strip(context) is None:
            cls.poll_message_set(tr("No strip is active. Click a movie or an image strip in the sequencer."))
            return False
        return is_ready(cls, _check_free, context.scene)

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.begin(context)
        return context.window_manager.invoke_props_dialog(self, title=self.bl_label, confirm_text="Import")

    def draw(self, context: Context) -> None:
        strip = other_footage.active_strip(context)
        if strip is not None:
            self.layout.label(text=strip.name, icon="SEQUENCE")
        self.draw_options(self.layout, is_sequence=False, with_range=False)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        _check_free(context.scene)
        scene = getattr(context, "sequencer_scene", None) or context.scene
        found = other_footage.of_strip(other_footage.active_strip(context), scene)
        values = self.values(found.path, start=found.start, frames=found.frames, sequence_fps=found.fps)
        is_new = scene == context.scene and not state.of(scene).shot_frames
        return self.begin_import(context, values, found.scene_frame if is_new else None)


class REANGLE_OT_import_movie_clip(_ImportOptions, Operator):
    bl_idname = "reangle.import_movie_clip"
    bl_label = "Import Tracked Clip"
    bl_description = "Import the clip of the Movie Clip Editor, with the camera that Blender's tracker solved"
    bl_options = {"UNDO"}

    use_solved: BoolProperty(
        name="Solved Camera",
        description="Use the camera that Blender's tracker solved as the one that filmed the clip",
        default=True,
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        if other_footage.edited_clip(context) is None:
            cls.poll_message_set(tr("There is no clip. Open one in the Movie Clip Editor."))
            return False
        return is_ready(cls, _check_free, context.scene)

    def invoke(self, context: Context, event: Event) -> set[str]:
        self.begin(context)
        return context.window_manager.invoke_props_dialog(self, title=self.bl_label, confirm_text="Import")

    def draw(self, context: Context) -> None:
        clip = other_footage.edited_clip(context)
        if clip is not None:
            self.layout.label(text=clip.name, icon="TRACKER")
        if other_footage.is_solved(clip):
            self.layout.prop(self, "use_solved")
        self.draw_options(self.layout, is_sequence=clip is not None and clip.source == "SEQUENCE", with_range=False)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene, clip = context.scene, other_footage.edited_clip(context)
        _check_free(scene)
        found = other_footage.of_movie_clip(clip, scene)
        values = self.values(found.path, start=found.start, frames=found.frames, sequence_fps=self.sequence_fps)
        if clip is None or not (self.use_solved and other_footage.is_solved(clip)):
            is_new = not state.of(scene).shot_frames
            return self.begin_import(context, values, found.scene_frame if is_new else None)
        camera = other_footage.solved_camera(scene, clip)
        added = camera is None
        camera = camera or other_footage.add_solved_camera(scene, clip)
        values |= {"camera_name": "given", "given_camera": camera}
        try:
            return self.begin_import(context, values, found.scene_frame)  # the solution's frames are the scene's
        except UserError as error:
            if added:
                data = camera.data
                bpy.data.objects.remove(camera)
                bpy.data.cameras.remove(data)
            return report_error(self, error)


class REANGLE_FH_footage(bpy.types.FileHandler):
    bl_idname = "REANGLE_FH_footage"
    bl_label = "Import footage into Reangle"
    bl_import_operator = "reangle.import_footage"
    bl_file_extensions = ";".join((*MOVIE_SUFFIXES, *IMAGE_SUFFIXES))

    @classmethod
    def poll_drop(cls, context: Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


def _file_menu(menu: Menu, _context: Context) -> None:
    menu.layout.operator_context = "INVOKE_DEFAULT"
    menu.layout.operator(REANGLE_OT_import_footage.bl_idname, text="Reangle Footage (movie, images)")


def _strip_menu(menu: Menu, _context: Context) -> None:
    menu.layout.separator()
    menu.layout.operator_context = "INVOKE_DEFAULT"
    menu.layout.operator(REANGLE_OT_import_strip.bl_idname, text="Import into Reangle")


def _clip_menu(menu: Menu, _context: Context) -> None:
    menu.layout.separator()
    menu.layout.operator_context = "INVOKE_DEFAULT"
    menu.layout.operator(REANGLE_OT_import_movie_clip.bl_idname, text="Import into Reangle")


_MENUS = {"TOPBAR_MT_file_import": _file_menu, "SEQUENCER_MT_strip": _strip_menu, "CLIP_MT_clip": _clip_menu}
_register, _unregister = bpy.utils.register_classes_factory(
    (REANGLE_OT_import_footage, REANGLE_OT_import_strip, REANGLE_OT_import_movie_clip, REANGLE_FH_footage)
)


def register() -> None:
    _register()
    for name, draw in _MENUS.items():
        getattr(bpy.types, name).append(draw)


def unregister() -> None:
    for name, draw in _MENUS.items():
        getattr(bpy.types, name).remove(draw)
    _unregister()
