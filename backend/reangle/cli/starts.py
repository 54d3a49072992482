# SPDX-License-Identifier: Apache-2.0
"""Options about cameras' starting images: `--start-image`, `--start-seed`, `--edit` and `--anchor`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from reangle.cli.request import checked
from reangle.contract import AnchorImage, CameraStart, FileRef, PromptEdit
from reangle.errors import UserError
from reangle.runtime.data_folder import user_path
from reangle.runtime.store import Store

ARROW = "->"


def read_starts(options: Namespace, names: Sequence[str], store: Store) -> tuple[CameraStart, ...]:
    """What the options say, by camera. names: of the cameras. Raises UserError for a camera that is not among them."""
    told = {name: CameraStart(name) for name in names}

    def put(camera: str, **values: object) -> None:
        if camera not in told:
            raise UserError(
                f"There is no camera {camera!r}.", advice=f"The cameras are named {', '.join(names) or 'by --move'}."
            )
        told[camera] = checked(f"The starting image of {camera}", lambda: replace(told[camera], **values))

    for text in options.start_image:
        camera, place = _split(text, "--start-image", "CAMERA=FILE")
        put(camera, image=_file(place, store))
    for text in options.start_seed:
        camera, number = _split(text, "--start-seed", "CAMERA=N")
        if not number.isdecimal():
            raise UserError(f"{number!r} is no seed.", advice="Write a whole number, as in --start-seed orbit-left=7.")
        put(camera, seed=int(number))
    for text in options.edit:
        camera, words = _split(text, "--edit", "CAMERA=OLD->NEW")
        source, arrow, target = words.partition(ARROW)
        if not (arrow and source.strip() and target.strip()):
            raise UserError(
                f"--edit {text!r} does not say what is changed into what.",
                advice='Write --edit "orbit-left=a red box->a blue box".',
            )
        put(camera, edit=PromptEdit(source.strip(), target.strip()))
    for text in options.anchor:
        where, place = _split(text, "--anchor", "CAMERA@FRAME=FILE")
        camera, _, number = where.rpartition("@")
        if not (camera and number.isdecimal() and int(number) > 1):
            raise UserError(f"--anchor {text!r} names no later frame.", advice="Write --anchor orbit-left@25=FILE.")
        anchor = AnchorImage(int(number) - 1, _file(place, store))
        put(camera, anchors=(*(told[camera].anchors if camera in told else ()), anchor))
    return tuple(start for start in told.values() if start != CameraStart(start.camera))


def _split(text: str, option: str, form: str) -> tuple[str, str]:
    camera, sign, value = text.partition("=")
    if not (sign and camera and value):
        raise UserError(f"{option} {text!r} is not understood.", advice=f"Write {option} {form}.")
    return camera, value


def _file(place: str, store: Store) -> FileRef:
    path = user_path(place)
    if not path.is_file():
        raise UserError(f"There is no file {path}.", advice="Check the image's name.")
    return store.add_file(path, path.name)
