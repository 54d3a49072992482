# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera paths from and to files of other programs, in the menus File > Import and Export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty
from bpy.types import Context, Event, Menu, Object, Operator, Scene

from .. import compat, state
from ..core.errors import UserError
from ..core.interchange import FORMATS
from ..scene import cameras, interchange
from ..state import paths
from ..translations import tr
from ._report import is_ready, reports_errors
from .cameras import make_active

_WRITTEN = tuple(
    (one.id, one.label, f"Axes: {one.axes}", "NONE", one.number) for one in FORMATS.values() if one.write is not None
)
_READ = (
    ("AUTO", "By Its Content", "Find out which format the file has", "NONE", 0),
    *((one.id, one.label, f"Axes: {one.axes}", "NONE", one.number) for one in FORMATS.values() if one.read is not None),
)
_ORDERS = tuple(
    (name, name, f"Turn about {name[0]}, then {name[1]}, then {name[2]}", "NONE", number)
    for number, name in enumerate(("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"))
)


def _world(direction: str) -> Any:
    return EnumProperty(
        name="World",
        description=f"The world that the poses are {direction}",
        items=(
            ("CLIP", "Clip", "That of the clip: its camera in the first frame, in the unit of its depth", "NONE", 0),
            ("BLENDER", "Blender", "Blender's own, where your other objects are", "NONE", 1),
        ),
    )


def _rotation_order() -> Any:
    return EnumProperty(
        name="Rotation Order",
        description="In which order the file's angles turn, which it does not say; Nuke's cameras have ZXY by default",
        items=_ORDERS,
        default="ZXY",
    )


class _FileOperator(Operator):
    """Base of operators that ask for a file or a folder."""

    filepath: StringProperty(
        name="File",
        description="The file, or the folder, of the path",
        subtype="FILE_PATH",
        options={"SKIP_SAVE", *compat.PATH_OPTIONS},
    )
    filter_glob: StringProperty(default="*.json;*.npz;*.txt;*.bin;*.chan", options={"HIDDEN"})

    def file(self) -> Path:
        if not self.filepath:
            raise UserError("No file is chosen.", advice="Give its path.")
        return paths.absolute(self.filepath)


class REANGLE_OT_export_path(_FileOperator):
    bl_idname = "reangle.export_path"
    bl_label = "Export Camera Path"
    bl_description = "Write the path of the active camera, or of the ticked ones, over the clip's frames"
    bl_options = {"PRESET"}

    check_existing: BoolProperty(default=True, options={"HIDDEN"})
    format: EnumProperty(name="Format", description="Which program is to read it", items=_WRITTEN, default="REANGLE")
    which: EnumProperty(
        name="Cameras",
        description="Whose paths are written",
        items=(
            ("ACTIVE", "Active", "The active object, which may be the clip's own camera", "NONE", 0),
            ("TICKED", "Ticked", "All cameras that are ticked to be rendered, each into a file of its own", "NONE", 1),
        ),
    )
    world: _world("written in")
    rotation_order: _rotation_order()

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, lambda scene: _check_export(scene, context), context.scene)

    def invoke(self, context: Context, _event: Event) -> set[str]:
        active = context.active_object
        if active is None or active.type != "CAMERA":
            self.which = "TICKED"
        if not self.filepath:
            [name] = cameras.path_names([active]) if self.which == "ACTIVE" else ["cameras"]
            self.filepath = with_suffix(str((paths.blend_folder() or Path.home()) / name), FORMATS[self.format].suffix)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, _context: Context) -> bool:
        """Follow a change of the format in the file browser."""
        before, self.filepath = self.filepath, with_suffix(self.filepath, FORMATS[self.format].suffix)
        return self.filepath != before

    def draw(self, _context: Context) -> None:
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for name in ("format", "which", "world", *(("rotation_order",) if self.format == "CHAN" else ())):
            column.prop(self, name)
        column.label(text="In the file:")
        for line in FORMATS[self.format].axes.split("; "):
            column.label(text=tr(line[:1].upper() + line[1:]))

    def file_options(self) -> interchange.Options:
        return interchange.Options(world=self.world, rotation_order=self.rotation_order)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        chosen = _ticked(scene) if self.which == "TICKED" else [_active(context)]
        if not chosen:
            raise UserError("No camera is ticked.", advice="Tick one in the list, or export the active one.")
        for file, notes in interchange.write(scene, chosen, self.file(), self.format, self.file_options()).items():
            self.report({"INFO"}, tr("Wrote {file}.", file=file))
            for note in notes:
                self.report({"WARNING"}, tr(note))
        return {"FINISHED"}


class REANGLE_OT_import_path(_FileOperator):
    bl_idname = "reangle.import_path"
    bl_label = "Import Camera Path"
    bl_description = (
        "Add a camera that follows a path of another program, from the clip's first frame on. Without a clip it comes "
        "into Blender's world"
    )
    bl_options = {"REGISTER", "UNDO", "PRESET"}

    format: EnumProperty(name="Format", description="Which program wrote it", items=_READ, default="AUTO")
    name: StringProperty(name="Name", description="Of the new camera; empty uses the file's", options={"SKIP_SAVE"})
    world: _world("in")
    start: BoolProperty(
        name="At Clip's Camera",
        description="Put the first pose on the clip's camera, because the file has a world of its own",
    )
    scale: FloatProperty(
        name="Scale", description="Length of the file's unit, which no file tells", default=1.0, min=1e-6, soft_max=100
    )
    rotation_order: _rotation_order()

    @classmethod
    def poll(cls, context: Context) -> bool:
        return is_ready(cls, state.check_editable, context.scene)

    def invoke(self, context: Context, _event: Event) -> set[str]:
        if self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: Context) -> None:
        column = self.layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        for name in ("format", "name", "world", "start", "scale"):
            column.prop(self, name)
        browser = getattr(context.space_data, "params", None)
        file = getattr(browser, "filename", self.filepath)
        if self.format == "CHAN" or file.lower().endswith(".chan"):
            column.prop(self, "rotation_order")

    def file_options(self) -> interchange.Options:
        return interchange.Options(self.world, self.rotation_order, self.start, self.scale)

    @reports_errors
    def execute(self, context: Context) -> set[str]:
        scene = context.scene
        state.check_editable(scene)
        camera, notes = interchange.read(scene, self.file(), self.format, self.file_options(), self.name)
        make_active(context, camera)
        self.report({"INFO"}, tr("{name} follows the path of {name2}.", name=camera.name, name2=self.file().name))
        for note in notes:
            self.report({"WARNING"}, tr(note))
        return {"FINISHED"}


def with_suffix(file: str, suffix: str) -> str:
    """The file with a format's suffix in place of another format's; a camera's own name may have a dot, too."""
    known = Path(file).suffix
    if known and known in {one.suffix for one in FORMATS.values()}:
        file = file.removesuffix(known)
    return file + suffix


def _ticked(scene: Scene) -> list[Object]:
    return [camera for camera in cameras.artist_cameras(scene) if state.is_ticked(scene, camera)]


def _active(context: Context) -> Object:
    camera = context.active_object
    if camera is None or camera.type != "CAMERA":
        raise UserError("The active object is not a camera.", advice="Select the camera to export.")
    return camera


def _check_export(scene: Scene, context: Context) -> None:
    interchange.check_export(scene)
    active = context.active_object
    if (active is None or active.type != "CAMERA") and not _ticked(scene):
        raise UserError("No camera is active or ticked.", advice="Select the camera to export.")


def _import_menu(menu: Menu, _context: Context) -> None:
    menu.layout.operator(REANGLE_OT_import_path.bl_idname, text="Reangle Camera Path")


def _export_menu(menu: Menu, _context: Context) -> None:
    menu.layout.operator(REANGLE_OT_export_path.bl_idname, text="Reangle Camera Path")


_register, _unregister = bpy.utils.register_classes_factory((REANGLE_OT_export_path, REANGLE_OT_import_path))


def register() -> None:
    _register()
    bpy.types.TOPBAR_MT_file_import.append(_import_menu)
    bpy.types.TOPBAR_MT_file_export.append(_export_menu)


def unregister() -> None:
    bpy.types.TOPBAR_MT_file_import.remove(_import_menu)
    bpy.types.TOPBAR_MT_file_export.remove(_export_menu)
    _unregister()
