# SPDX-License-Identifier: Apache-2.0
"""Which layer of an EXR is the picture and which channel is depth, by the channels' names in the file's order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from reangle.contract.file_kinds import DEPTH_WORDS, says_depth, says_inverse, words_of

PICTURES = ("combined", "beauty", "rgba", "rgb", "ci", "c")
"""Names that renderers give the picture's layer."""
LIKELY_PICTURES = ("color", "colour", "final", "image", "main", "primary", "default")
NOT_PICTURES = re.compile(
    r"(^| )(albedo|alb|ao|ambient|occlusion|diff\w*|spec\w*|gloss\w*|reflect\w*|refract\w*|transm\w*|transp\w*|emi\w*|"
    r"normals?|n|positions?|p(os|ref|world|z)?|z?depth|z|mist|fog|shadows?|light\w*|direct|indirect|gi|denois\w*|noisy|"
    r"crypto\w*|vectors?|motion\w*|velocity|uv|sss|subsurface|volume\w*|env\w*|background|coat|sheen|masks?|mattes?|"
    r"masking|proxy|ids?|index|variance)( |$)"
)
"""Searched in the words of a layer's name."""
DEPTH_LETTERS = ("Z", "DEPTH", "PZ", "V", "Y", "R")
"""Last part of a depth channel's name, most certain first. Blender writes "Z", "ViewLayer.Depth.Z" or, from a File
Output node, a single "V" or "Y"; others write grey layers, such as "WorldDepth.R"."""
NOT_PLANAR = re.compile(
    r"denois|mist|fog|normal|position|vector|velocity|motion|crypto|"
    r"(^| )(uv|n|p(os|ref|world)?|distance|length|field)( |$)"
)
"""Words of passes whose Z is no distance along the camera's axis: the denoiser's depth is the length of the ray,
averaged at edges, and mist runs from 0 to 1."""
STEREO = ("left", "right")

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


def picture_layers(channels: Sequence[str], views: Sequence[str] = STEREO) -> list[str]:
    """The layers with colour, the picture's first; those of grey alone only if there is no other. May be empty.

    views: the names of a stereo or other multi-view render's views, the main one first.
    """
    layers = layers_of(channels)
    colour = [layer for layer, letters in layers.items() if {"R", "G", "B"} <= set(letters)]
    # Beside an X or a Z, a Y belongs to a vector.
    grey = [layer for layer, letters in layers.items() if "Y" in letters and not {"X", "Z"} & set(letters)]
    found = colour or grey
    return sorted(
        found,
        key=lambda layer: (_picture_rank(_without_view(layer, views)), _view_rank(layer, views), found.index(layer)),
    )


def _picture_rank(layer: str) -> int:
    """layer: without its view."""
    whole, words = layer.casefold(), _words(layer)
    first, last = whole.partition(".")[0], whole.rpartition(".")[2]
    if last in PICTURES and first == "composite":
        # Blender's name for what its compositor made, which is what the artist sees.
        return 0
    if not whole or last in PICTURES:
        return 1
    found = set(words.split())
    if NOT_PICTURES.search(words) and not ("denoised" in found and found & {*PICTURES[:4]}):
        return 5
    if last in LIKELY_PICTURES:
        return 2
    if found & {*PICTURES[:4], *LIKELY_PICTURES}:
        return 3
    return 4


def depth_channels(
    channels: Sequence[str], *, is_grey: Callable[[str], bool], views: Sequence[str] = STEREO
) -> list[str]:
    """The channels that can be planar depth, the most certain first.

    is_grey: whether a layer's R, G and B hold the same values; asked only where that decides. views: as of
    `picture_layers`.
    """
    layers = layers_of(channels)
    opaque = [key for key in channels if split_name(key)[1] != "A"]
    for letter in DEPTH_LETTERS:
        keys = [key for key in channels if key.rpartition(".")[2].upper() == letter and is_planar(key, views)]
        if letter == "Z":
            # Beside an X, a Z belongs to a normal, a position or a motion vector.
            keys = [key for key in keys if f"{key[:-1]}{'X' if key[-1] == 'Z' else 'x'}" not in channels]
        # A colour image's V, Y or R is depth only if its layer is named so or the file has nothing else.
        alone = letter in ("Z", "DEPTH", "PZ") or len(opaque) == 1
        found = [key for key in keys if alone or _is_named_depth(key, layers, is_grey, views)]
        if not found and letter == "R" and len(channels) <= 4 and is_grey(""):
            found = keys
        if found:
            return sorted(
                found, key=lambda key: (_depth_rank(key, views), _view_rank(_layer(key), views), found.index(key))
            )
    return []


def is_planar(channel: str, views: Sequence[str] = STEREO) -> bool:
    """Whether a channel's layer may hold distances along the camera's axis, by its name."""
    words = _words(_without_view(_layer(channel), views))
    return not (NOT_PLANAR.search(words) or says_inverse(words))


def _is_named_depth(
    channel: str, layers: Mapping[str, Mapping[str, str]], is_grey: Callable[[str], bool], views: Sequence[str]
) -> bool:
    """Whether a V, Y or R belongs to a layer named as depth; of R, G and B these must be the same."""
    layer = _layer(channel)
    words = _words(_without_view(layer, views))
    if not ("depth" in words or says_depth(words)):
        return False
    return split_name(channel)[1] != "R" or "G" not in layers[layer] or is_grey(layer)


def _depth_rank(channel: str, views: Sequence[str]) -> int:
    last = _without_view(_layer(channel), views).casefold().rpartition(".")[2]
    if last in DEPTH_WORDS:
        return 0
    return 1 if not last else 2 if "depth" in last else 3


def _layer(channel: str) -> str:
    return channel.rpartition(".")[0]


def _words(layer: str) -> str:
    """The words of the layer's last part, in lower case: "VRayZDepth" is "v ray z depth"."""
    return words_of(layer.rpartition(".")[2])


def _view_of(layer: str, views: Sequence[str]) -> str:
    """The view that the layer's name ends with, "" if none."""
    whole = layer.casefold()
    return next((view for view in views if re.search(rf"(^|[._ -]){re.escape(view.casefold())}$", whole)), "")


def _without_view(layer: str, views: Sequence[str]) -> str:
    view = _view_of(layer, views)
    return layer[: max(0, len(layer) - len(view) - 1)] if view else layer


def _view_rank(layer: str, views: Sequence[str]) -> int:
    view = _view_of(layer, views)
    return views.index(view) if view else 0
