# SPDX-License-Identifier: Apache-2.0
"""From the settings of a request to the two providers that run: what `auto` picks, and what cannot work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reangle.contract import FileRef, GeometrySettings
from reangle.contract.file_kinds import is_camera_file, is_depth_map
from reangle.errors import UserError
from reangle.geometry.availability import can_run, first_installed, fits, weights_of
from reangle.geometry.camera.providers import camera_named
from reangle.geometry.depth.providers import BEST_FIRST, DEPTHS, depth_named
from reangle.geometry.provider import ProviderSpec
from reangle.weights.registry import find_checkpoint

AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """The providers of a job, and why: a note for the artist about each that `auto` picked, else "".

    camera_files, depth_files: those of the request's files that each of them reads.
    """

    camera: ProviderSpec
    depth: ProviderSpec
    camera_note: str = ""
    depth_note: str = ""
    camera_files: tuple[FileRef, ...] = ()
    depth_files: tuple[FileRef, ...] = ()


def choose(settings: GeometrySettings, data: Path) -> Choice:
    """Both providers. data: the data folder.

    Raises UserError for unknown providers and for settings that they cannot use. Weights are read for `auto` alone.
    """
    camera, camera_note = _camera(settings)
    depth, depth_note = _depth(settings, data)
    _check(settings, camera, depth)
    cameras = tuple(ref for ref in settings.files if is_camera_file(ref.name))
    return Choice(
        camera,
        depth,
        camera_note,
        depth_note,
        cameras if camera.name == "files" else (),
        # A camera file says how depth maps store depth.
        settings.files if depth.name == "files" else (),
    )


def camera_weights(choice: Choice, settings: GeometrySettings, data: Path) -> str:
    """The checkpoint of stage `camera`, "" for none. Raises UserError as `weights_of` does."""
    shared = choice.camera.name == choice.depth.name
    return weights_of(choice.camera, settings.checkpoint if shared else None, data)


def depth_weights(choice: Choice, settings: GeometrySettings, data: Path) -> str:
    """The checkpoint of stage `geometry`, "" for none. Raises UserError as `weights_of` does."""
    return weights_of(choice.depth, settings.checkpoint, data)


def _camera(settings: GeometrySettings) -> tuple[ProviderSpec, str]:
    if settings.camera != AUTO:
        return camera_named(settings.camera), ""
    if any(is_camera_file(ref.name) for ref in settings.files):
        return camera_named("files"), "Camera: from the camera file that was sent."
    if settings.given is not None:
        return camera_named("given"), "Camera: the one that was given."
    solve = camera_named("solve")
    if can_run(solve):
        return solve, "Camera: solved from the clip, since none was given."
    return camera_named("still"), (
        f"Camera: assumed to stand still, since the package {solve.packages[0]} that solves it is not installed."
    )


def _depth(settings: GeometrySettings, data: Path) -> tuple[ProviderSpec, str]:
    if settings.depth != AUTO:
        return depth_named(settings.depth), ""
    if any(is_depth_map(ref.name) for ref in settings.files):
        return depth_named("files"), "Depth: from the depth maps that were sent."
    if settings.checkpoint is not None:
        folder = find_checkpoint(settings.checkpoint, data)
        for spec in DEPTHS:
            if spec.checkpoints and "checkpoint" in spec.settings and fits(spec, folder):
                return spec, f"Depth: {spec.label}, which the chosen weights are for."
    for spec in map(depth_named, BEST_FIRST):
        known = first_installed(spec, data)
        if known is not None and known.licence.commercial_ok and can_run(spec):
            return spec, f"Depth: {known.title}, the best installed weights that may be used commercially."
    last = depth_named(BEST_FIRST[-1])
    return last, f"Depth: {last.label}, since no better weights are installed that may be used commercially."


def _check(settings: GeometrySettings, camera: ProviderSpec, depth: ProviderSpec) -> None:
    reading = [spec for spec in (camera, depth) if "files" in spec.settings]
    if reading and not settings.files:
        what = "a camera file" if reading == [camera] else "depth maps"
        raise UserError(
            f"Geometry from files needs {what}, and no file was sent.",
            advice="Give the folder that holds them, or choose another source.",
        )
    if settings.files and not reading:
        raise UserError(
            f"Camera {camera.name} and depth {depth.name} take no depth maps or camera files.",
            advice="Send files with camera or depth from files, and with no other.",
        )
    if camera.name == "given" and settings.given is None:
        raise UserError("No camera was given.", advice="Choose the camera that you solved, or let it be solved.")
    if settings.given is not None and camera.name != "given":
        raise UserError(
            f"Camera {camera.name} takes no given camera.", advice="Choose camera given, or leave the camera out."
        )
    if settings.checkpoint is not None and "checkpoint" not in depth.settings:
        raise UserError(f"Depth {depth.name} takes no checkpoint.", advice="Leave the checkpoint out.")
