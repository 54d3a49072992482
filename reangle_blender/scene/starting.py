# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's hand on starting images: files that become one, and images that are painted in Blender. Main thread."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
from bpy.types import Image, Object, Scene

from .. import state
from ..core.contract import CameraPath, PromptEdit
from ..core.errors import UserError
from ..core.files import disk_errors, hash_file
from ..exchange import start_files
from ..exchange.start_files import OwnImage, Wish
from ..state import paths, ticks
from ..state.starting import JOB_SEED

SAME_ASPECT = 0.01
"""Largest relative difference between the aspects of two images that may be scaled onto each other."""


def check_own(camera: Object | None, name: str) -> Object:
    """The camera's object, which keeps what is asked of its starting image. Raises UserError if it cannot."""
    if camera is None:
        raise UserError(
            f"{name!r} has no camera object of its own in this scene, which would keep its starting image.",
            advice="Tick the cameras themselves in the Render panel, and render again.",
        )
    if ticks.is_from_library(camera):
        raise UserError(
            f"Camera {camera.name!r} is from a library, and what is set on it here would be lost.",
            advice="Make it local with Object > Relations > Make Local > All.",
        )
    return camera


def wish_of(camera: Object | None) -> Wish:
    """What the camera asks of its starting image."""
    if camera is None:
        return Wish()
    start = camera.reangle.start
    edit = None
    if start.edit_target:
        edit = PromptEdit(start.edit_source or start.edit_target, start.edit_target, start.edit_strength)
    return Wish(
        seed=None if start.seed == JOB_SEED else start.seed,
        image=_file(start.image),
        edit=edit,
        anchors=tuple(
            (anchor.frame, file)
            for anchor in sorted(start.anchors, key=lambda anchor: anchor.frame)
            if (file := _file(anchor.image)) is not None
        ),
    )


def _file(image: state.ReangleStartImage) -> OwnImage | None:
    return OwnImage(paths.absolute(image.path), image.sha256) if image.path else None


def take_over(camera: Object | None, sent: Wish, path: CameraPath) -> None:
    """Note the content that the camera's files had when they were sent, and for which view."""
    if camera is None or ticks.is_from_library(camera):
        return
    found = {image.path: image.sha256 for image in sent.images}
    start = camera.reangle.start
    for file in (start.image, *(anchor.image for anchor in start.anchors)):
        if file.path:
            file.sha256 = found.get(paths.absolute(file.path), file.sha256)
    if start.image.path and not start.made_for:
        start.made_for = json.dumps([path.world_from_camera[0], path.K[0]])


def notes(camera: Object | None, path: CameraPath) -> list[str]:
    """What the artist should know about their own image of a camera that is sent along this path."""
    made_for = camera.reangle.start.made_for if camera is not None else ""
    if camera is None or not made_for:
        return []
    pairs = zip(json.loads(made_for), (path.world_from_camera[0], path.K[0]), strict=True)
    if all(start_files.is_close(before, now) for before, now in pairs):
        return []
    return [
        f"Camera {camera.name!r} begins elsewhere than when your starting image was made. Revert or replace the image "
        "if it does not fit."
    ]


def new_seed(camera: Object) -> None:
    """Another seed than before."""
    before, start = camera.reangle.start.seed, camera.reangle.start
    while start.seed == before:
        start.seed = random.getrandbits(31)


def set_file(image: state.ReangleStartImage, file: Path) -> None:
    """Name the file, and note what it holds now."""
    with disk_errors(file):
        image.sha256 = hash_file(file)
    image.path = paths.stored(file)


def new_file(folder: Path, stem: str) -> Path:
    """A file name that is free in the folder: own-1.png. Raises UserError if the folder cannot be made."""
    with disk_errors(folder, writing=True):
        folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (place := folder / f"{stem}-{number}.png").exists():
        number += 1
    return place


def convert(file: Path, target: Path, size: tuple[int, int]) -> None:
    """Write an image of any kind as an opaque PNG with 8 bits of this size (width, height).

    Raises UserError if Blender cannot read it, or it has another aspect.
    """
    with _loaded(file) as image:
        width, height = image.size
        if abs(width / height * size[1] / size[0] - 1) > SAME_ASPECT:
            raise UserError(
                f"{file.name} has {width} x {height} pixels, the camera {size[0]} x {size[1]}, which is another shape.",
                advice="Crop the image to the camera's shape.",
            )
        if (width, height) != size:
            image.scale(*size)
        write_opaque(image, target)


@contextmanager
def _loaded(file: Path) -> Iterator[Image]:
    if not file.is_file():
        raise UserError(f"There is no file {file}.", advice="Choose the image again.")
    try:
        image = bpy.data.images.load(str(file), check_existing=False)
    except RuntimeError as error:
        raise UserError(f"Blender cannot read {file.name}.", advice="Choose a PNG, JPEG or EXR image.") from error
    try:
        if image.source != "FILE" or not (image.size[0] and image.size[1]):
            raise UserError(
                f"{file.name} is no image that Blender can read.", advice="Choose a PNG, JPEG or EXR image."
            )
        yield image
    finally:
        bpy.data.images.remove(image)


def write_opaque(image: Image, target: Path) -> None:
    """Write what the image holds in memory as an RGB PNG with 8 bits. Raises UserError."""
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    if image.is_float and image.colorspace_settings.name != "Non-Color":  # Blender holds these in linear light
        values = np.clip(values, 0, 1)
        values = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    values = values.reshape(-1, 4)
    values[:, 3] = 1
    copy = bpy.data.images.new("Reangle Start", width, height, alpha=False)
    try:
        copy.pixels.foreach_set(values.astype(np.float32).ravel())
        copy.file_format, copy.filepath_raw = "PNG", str(target)
        copy.save()
    except RuntimeError as error:
        raise UserError(f"{target} cannot be written.", advice="Check the folder and its permissions.") from error
    finally:
        bpy.data.images.remove(copy)


def begin_painting(camera: Object, shown: Path) -> Image:
    """Copy the starting image that is shown to a new file beside it, and load that to be painted; a copy that is there
    is painted on. Raises UserError if the starting image is not there.
    """
    start = camera.reangle.start
    if not (start.is_painting and start.source.path and paths.absolute(start.source.path).is_file()):
        place = new_file(shown.parent, "own")
        with disk_errors(shown):
            content = shown.read_bytes()
        with disk_errors(place, writing=True):
            place.write_bytes(content)
        set_file(start.source, place)
        start.is_painting = True
    place = paths.absolute(start.source.path)
    image = image_of(place)
    if image is None:
        image = bpy.data.images.load(str(place))
        image.filepath = paths.stored(place)
        image.name = f"{camera.name} start"
    return image


def image_of(place: Path) -> Image | None:
    """The image data-block of a file."""
    own = (image for image in bpy.data.images if image.library is None and image.filepath)
    return next((image for image in own if paths.absolute(image.filepath) == place), None)


def is_changed(camera: Object | None, digest_of: Callable[[Path], str]) -> bool:
    """Whether the file that the artist works on holds something that was not taken back yet: painted here, or saved by
    another program. digest_of: gives "" while it is unknown.
    """
    source = camera.reangle.start.source if camera is not None else None
    if source is None or not source.path:
        return False
    place = paths.absolute(source.path)
    return _is_painted(image_of(place)) or digest_of(place) not in ("", source.sha256)


def _is_painted(image: Image | None) -> bool:
    return image is not None and (image.is_dirty or image.packed_file is not None)


def take_back(camera: Object, size: tuple[int, int], folder: Path) -> None:
    """Let what the artist made of the file become the camera's starting image. folder: for the copy that is sent.

    Raises UserError if there is no such file, nothing was changed in it, or it is of another shape.
    """
    start = camera.reangle.start
    if not start.source.path:
        raise UserError(f"Nothing is painted for {camera.name!r}.", advice="Press Paint or Replace first.")
    place = paths.absolute(start.source.path)
    image = image_of(place)
    if image is not None and _is_painted(image):
        write_opaque(image, place)
        image.reload() if image.packed_file is None else image.unpack(method="REMOVE")
    if not place.is_file():
        raise UserError(f"The painting of {camera.name!r} is not there: {place}.", advice="Press Paint again.")
    if hash_file(place) == start.source.sha256:
        raise UserError(
            f"Nothing was painted on {place.name} yet.",
            advice="Paint on it, here or in another program, and take it back then.",
        )
    take(camera, place, size, folder)


def take(camera: Object, file: Path, size: tuple[int, int], folder: Path) -> None:
    """Let this file be the camera's starting image. See `convert`."""
    start = camera.reangle.start
    taken = new_file(folder, "taken")
    convert(file, taken, size)
    set_file(start.image, taken)
    set_file(start.source, file)
    start.made_for = ""


def anchor(camera: Object, frame: int, file: Path, size: tuple[int, int], folder: Path) -> None:
    """Let this file be what a later frame shows; an anchor of that frame is replaced. See `convert`."""
    taken = new_file(folder, f"anchor-{frame}")
    convert(file, taken, size)
    anchors = camera.reangle.start.anchors
    found = next((anchor for anchor in anchors if anchor.frame == frame), None) or anchors.add()
    found.frame = frame
    set_file(found.image, taken)


def show_in_editor(context: bpy.types.Context, image: Image) -> str:
    """Show the image in an image editor, ready to be painted. Returns where, in words.

    An image editor that is open is used; else the view's own area is split. Without a window nothing is shown.
    """
    if bpy.app.background or context.window is None:
        return "load it in an image editor to paint"
    area = next((area for area in context.window.screen.areas if area.type == "IMAGE_EDITOR"), None)
    if area is None:
        area = _new_area(context)
    if area is None:
        return "open an image editor to paint"
    area.type = "IMAGE_EDITOR"
    space = area.spaces.active
    space.mode, space.image = "PAINT", image
    return "paint in the image editor"


def _new_area(context: bpy.types.Context) -> bpy.types.Area | None:
    """Half of the largest area of the window, which a 3D view is at most times."""
    areas = list(context.window.screen.areas)
    largest = max(areas, key=lambda area: area.width * area.height)
    with context.temp_override(window=context.window, area=largest, region=largest.regions[-1]):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    return next((area for area in context.window.screen.areas if area not in areas), None)


def scene_frame_of(scene: Scene) -> int:
    """The clip's frame that the scene shows, from 0."""
    return scene.frame_current - state.of(scene).first_frame
