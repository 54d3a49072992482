# SPDX-License-Identifier: GPL-3.0-or-later
"""Image sequences as camera backgrounds."""

from __future__ import annotations

from pathlib import Path

from bpy.types import Object

from . import images


def show_behind(camera: Object, folder: Path, label: str, first_frame: int) -> None:
    """Show the frames in `folder` as the camera's background; one from the same folder is reused."""
    image = images.load_sequence(folder, label)
    backgrounds = camera.data.background_images
    background = next((item for item in backgrounds if item.image == image), None) or backgrounds.new()
    background.image = image
    background.alpha = 1.0
    background.display_depth = "BACK"
    background.frame_method = "FIT"
    images.show_from(background.image_user, first_frame, len(images.sequence_files(folder)))
    for item in backgrounds:
        item.show_background_image = item == background
    camera.data.show_background_images = True
