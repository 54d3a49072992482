# SPDX-License-Identifier: Apache-2.0
"""The cameras of the sample, as plain numbers: what made the clip, and the two that the demo adds.

Standard library only, because the scene's script and the demo both read it.
"""

from __future__ import annotations

FRAMES = 49
FPS = 24
WIDTH, HEIGHT = 720, 480

SOURCE_FOCUS = (0.05, 1.1, 0.92)
"""Blender world. The camera looks here in every frame."""
SOURCE_FROM, SOURCE_TO = (0.3, -4.25, 1.62), (-0.05, -4.12, 1.66)
"""Blender world. It drifts from one to the other, as a hand or a slow slider would: a clip from a locked-off camera
would not show that the camera of the clip is tracked, nor what other frames see behind the moving things."""
SOURCE_LENS_MM = 34.0

ORBIT_NAME, ORBIT_MOVE, ORBIT_DEGREES, ORBIT_FOCUS_M = "Orbit Left", "orbit-left", 9.0, 5.4
"""The add-on's own move, around a point that far along the source camera's axis, on top of that camera's drift."""

MIDDLE_DEPTH_M = 7.089
"""The clip's true depth in the middle of its first frame, as the add-on measures a focus. Over it, estimated geometry's
own measure gives the geometry's units in a metre."""

HAND_NAME = "Push In"
HAND_KEYS = (
    # scene frame, location in metres, XYZ rotation in degrees, lens in millimetres
    (1, (0.0, 0.0, 0.0), (90.0, 0.0, 0.0), 34.0),
    (25, (0.22, 0.3, 0.06), (88.8, 0.0, 2.2), 37.0),
    (49, (0.4, 0.62, 0.2), (86.8, 0.0, 4.4), 42.0),
)
"""Children of the geometry's origin: y runs along the first source camera's axis, and z is that camera's up."""


def file_name(camera: str) -> str:
    """How files of a camera are called."""
    return camera.lower().replace(" ", "-")
