# SPDX-License-Identifier: Apache-2.0
"""The providers of camera and depth as clients list them, with what `auto` would pick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reangle.contract import GeometrySettings
from reangle.contract.capabilities import PartInfo, ProviderInfo
from reangle.geometry.availability import can_run, status_of
from reangle.geometry.camera.providers import CAMERAS
from reangle.geometry.choose import AUTO, choose
from reangle.geometry.depth.providers import BEST_FIRST, DEPTHS
from reangle.geometry.provider import ProviderSpec
from reangle.weights.part_info import part_info

BETTER = "depth-anything"
"""The depth whose recommended weights are offered with "auto" where it has none but those that ship."""


def camera_infos(data: Path) -> tuple[ProviderInfo, ...]:
    """`auto` first. data: the data folder."""
    choice = choose(GeometrySettings(depth="mini"), data)
    help_ = "A camera file or a given camera if there is one, else solved from the clip"
    return provider_infos(CAMERAS, data, 0, help_, choice.camera, choice.camera_note)


def depth_infos(data: Path) -> tuple[ProviderInfo, ...]:
    """`auto` first. data: the data folder."""
    choice = choose(GeometrySettings(camera="still"), data)
    help_ = "Depth maps if there are some, else the best installed weights that may be used commercially"
    infos = provider_infos(DEPTHS, data, 5, help_, choice.depth, choice.depth_note)
    if choice.depth.name != BEST_FIRST[-1]:
        return infos
    auto, *others = infos
    better = next(one.weights[:1] for one in others if one.name == BETTER)
    return replace(auto, weights=better), *others


def provider_infos(
    specs: Sequence[ProviderSpec], data: Path, number: int, help_: str, chosen: ProviderSpec, note: str
) -> tuple[ProviderInfo, ...]:
    """`auto` first. number, help_: of `auto`. chosen: what it would pick, with a note that says why."""
    infos = {spec.name: _info(spec, data) for spec in specs}
    auto = infos[chosen.name]
    settings = tuple(dict.fromkeys(name for spec in specs for name in spec.settings))
    first = ProviderInfo(
        name=AUTO,
        number=number,
        label="Automatic",
        help=help_,
        licence=auto.licence,
        commercial_ok=auto.commercial_ok,
        available=auto.available,
        message=(note or auto.message) if auto.available else auto.message,
        advice=auto.advice,
        settings=settings,
        seconds=auto.seconds,
        seconds_per_frame=auto.seconds_per_frame,
        seconds_per_megapixel=auto.seconds_per_megapixel,
    )
    return (first, *infos.values())


def _info(spec: ProviderSpec, data: Path) -> ProviderInfo:
    return ProviderInfo(
        number=spec.number,
        label=spec.label,
        help=spec.help,
        settings=spec.settings,
        seconds=spec.cost.once,
        seconds_per_frame=spec.cost.frame,
        seconds_per_megapixel=spec.cost.megapixel,
        weights=_weights(spec, data),
        **status_of(spec, data),
    )


def _weights(spec: ProviderSpec, data: Path) -> tuple[PartInfo, ...]:
    if not can_run(spec):
        return ()
    # What ships is there; what must be downloaded besides is offered, too.
    beside = (one for known in spec.checkpoints for one in known.beside if not one.shipped)
    return tuple(part_info(known, data) for known in (*spec.checkpoints, *beside))
