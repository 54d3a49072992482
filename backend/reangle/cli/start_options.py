# SPDX-License-Identifier: Apache-2.0
"""The command line's options about single cameras' starting images, which `starts.py` reads."""

from __future__ import annotations

import argparse


def add_start_options(group: argparse._ActionsContainer) -> None:
    """The options, each of which may be repeated, once for a camera."""
    for option, metavar, text in (
        ("--start-image", "CAMERA=FILE", "your own image as a camera's first frame"),
        ("--start-seed", "CAMERA=N", "another painting of a camera's first frame"),
        ("--edit", "CAMERA=OLD->NEW", "change a camera's first frame by words: what it shows, what it shall show"),
        ("--anchor", "CAMERA@FRAME=FILE", "an image for a later frame, from 2 on, where the video model takes one"),
    ):
        group.add_argument(option, action="append", default=[], metavar=metavar, help=text)
