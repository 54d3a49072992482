# SPDX-License-Identifier: Apache-2.0
"""Which layer of an EXR is the picture and which channel is depth, by the channels' names in the file's order."""

from __future__ import annotations

import re
from collections.abc import Sequence

PICTURES = ("combined", "beauty", "rgba", "rgb", "ci", "c")
"""Names that renderers give the picture's layer."""
LIKELY_PICTURES = ("color", "colour", "image", "main", "primary", "default")
NOT_PICTURES = re.compile(
    r"(^|[^a-z])(albedo|alb|ao|ambient|occlusion|diff\w*|spec\w*|gloss\w*|reflect\w*|refract\w*|transm\w*|emi\w*|emission|"
    r"normals?|n|position|p|depth|z|mist|fog|shadow|light\w*|direct|indirect|denois\w*|noisy|crypto\w*|vector|motion\w*|"
    r"velocity|uv|sss|subsurface|volume\w*|environment|background|coat|sheen|mask|matte|id|index|variance)([^a-z]|$)"
)
DEPTH_LETTERS = ("Z", "DEPTH", "V", "Y", "R")
"""Last part of a depth channel's name, most certain first. Blender writes "Z", "ViewLayer.Depth.Z" or, from a File
Output node, a single "V" or "Y"."""
NOT_PLANAR = re.compile(r"denois|mist|fog|normal|position|vector|velocity|motion|crypto|(^|[^a-z])uv([^a-z]|$)")
"""Passes whose Z is no distance along the camera's axis: the denoiser's depth is the length of the ray, averaged at
edges, and mist runs from 0 to 1."""

_VIEW = re.compile(r"[._ -](left|right)$")
_COLOURS = {"r": "R", "red": "R", "g": "G", "green": "G", "b": "B", "blue": "B", "a": "A", "alpha": "A"}


def split_name(channel: str) -> tuple[str, str]:
    """(layer, letter) of a channel: "ViewLayer.Combined.R" is ("ViewLayer.Combined", "R"); "red" is "R"."""
    layer, _, letter = channel.rpartition(".")
    return layer, _COLOURS.get(letter.casefold(), letter)


def layers_of(channels: Sequence[str]) -> dict[str, dict[str, str]]:
    """Layer -> letter -> channel, in the file's order."""
    layers: dict[str, dict[str, str]] = {}
    for channel in channels:
        layer, letter = split_name(channel)
        layers.setdefault(layer, {}).setdefault(letter, channel)
    return layers


def picture_layers(channels: Sequence[str]) -> list[str]:
    """The layers with colour, the picture's first; those of grey alone only if there is no other. May be empty."""
    layers = layers_of(channels)
    colour = [layer for layer, letters in layers.items() if {"R", "G", "B"} <= set(letters)]
    # Beside an X or a Z, a Y belongs to a vector.
    grey = [layer for layer, letters in layers.items() if "Y" in letters and not {"X", "Z"} & set(letters)]
    found = colour or grey
    return sorted(found, key=lambda layer: (_picture_rank(layer), found.index(layer)))


def _picture_rank(layer: str) -> int:
    whole = _VIEW.sub("", layer.casefold())
    first, last = whole.partition(".")[0], whole.rpartition(".")[2]
    if last in PICTURES and first == "composite":
        # Blender's name for what its compositor made, which is what the artist sees.
        return 0
    if not whole or last in PICTURES:
        return 1
    if NOT_PICTURES.search(last):
        return 5
    if last in LIKELY_PICTURES:
        return 2
    if set(re.split(r"[^a-z]+", last)) & {*PICTURES[:4], *LIKELY_PICTURES}:
        return 3
    return 4


def depth_channels(channels: Sequence[str], *, is_grey: bool) -> list[str]:
    """The channels that can be planar depth, the most certain first. is_grey: R, G and B hold the same values."""
    for letter in DEPTH_LETTERS:
        keys = [key for key in channels if key.rpartition(".")[2].upper() == letter and is_planar(key)]
        if letter == "Z":
            # Beside an X, a Z belongs to a normal, a position or a motion vector.
            keys = [key for key in keys if f"{key[:-1]}{'X' if key[-1] == 'Z' else 'x'}" not in channels]
        named = [key for key in keys if "depth" in key.rpartition(".")[0].lower()]
        # A colour image's V, Y or R is depth only if its layer is named so or the file has nothing else.
        alone = letter in ("Z", "DEPTH") or len(channels) == 1 or is_grey
        found = keys if alone else named if letter != "R" else []
        if found:
            return sorted(found, key=lambda key: (_depth_rank(key), found.index(key)))
    return []


def is_planar(channel: str) -> bool:
    """Whether a channel's layer may hold distances along the camera's axis, by its name."""
    layer = _VIEW.sub("", channel.rpartition(".")[0].casefold())
    return not NOT_PLANAR.search(layer.rpartition(".")[2])


def _depth_rank(channel: str) -> int:
    last = _VIEW.sub("", channel.rpartition(".")[0].casefold()).rpartition(".")[2]
    if last in ("depth", "z", "zdepth", "pz"):
        return 0
    return 1 if not last else 2 if "depth" in last else 3
