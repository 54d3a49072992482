# SPDX-License-Identifier: Apache-2.0
"""The cameras of the sample as numbers: the clip's camera, and those that the demo adds.

Standard library only, because Blender's Python and the demo import it.
"""

from __future__ import annotations

FRAMES = 49
FPS = 24
WIDTH, HEIGHT = 720, 480

SOURCE_FOCUS = (0.05, 1.1, 0.92)
"""Target of the camera in every frame, in Blender's world."""
SOURCE_FROM, SOURCE_TO = (0.3, -4.25, 1.62), (-0.05, -4.12, 1.66)
"""Start and end, in Blender's world. The clip's camera moves, because a clip of a still camera would show neither
camera tracking nor what other frames see behind the moving objects."""
SOURCE_LENS_MM = 34.0

ORBIT_NAME, ORBIT_MOVE, ORBIT_DEGREES, ORBIT_FOCUS_M = "Orbit Left", "orbit-left", 9.0, 5.4
"""The add-on's move around the point at the focus distance, added to the source camera's motion."""

MIDDLE_DEPTH_M = 7.089
"""True depth in the middle of the first frame, measured like the add-on's focus. The same measure of estimated geometry
divided by this gives the geometry's units per metre."""

HAND_NAME = "Push In"
HAND_KEYS = (
    # scene frame, location in metres, XYZ rotation in degrees, lens in millimetres
    (1, (0.0, 0.0, 0.0), (90.0, 0.0, 0.0), 34.0),
    (25, (0.22, 0.3, 0.06), (88.8, 0.0, 2.2), 37.0),
    (49, (0.4, 0.62, 0.2), (86.8, 0.0, 4.4), 42.0),
)
"""Relative to the geometry's origin: y along the first source camera's axis, z up."""

STATIC_VIEWS = (
    # camera, the add-on's move, degrees
    ("Static Left", "orbit-left", 10.0),
    ("Static Right", "orbit-right", 10.0),
    ("Static Up", "orbit-up", 8.0),
)
"""Held cameras beside the first source camera, around the point at ORBIT_FOCUS_M (the demo's mode static)."""
STATIC_EVERY = 4
"""Of their true pictures, every fourth frame is rendered."""


def file_name(camera: str) -> str:
    """Name of a camera in file names."""
    return camera.lower().replace(" ", "-")
