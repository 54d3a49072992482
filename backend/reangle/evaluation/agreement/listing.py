# SPDX-License-Identifier: Apache-2.0
"""The judges of starting images as clients list them. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from reangle.contract.capabilities import ProviderInfo
from reangle.geometry.availability import can_run, status_of, weights_of
from reangle.geometry.depth.providers import depth_named
from reangle.weights import checkpoints
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.identity import CHECKPOINT_SEPARATOR
from reangle.weights.licences import APACHE_2
from reangle.weights.part_info import part_info
from reangle.weights.registry import find_installed, is_installed


def judge_infos(data: Path) -> tuple[ProviderInfo, ...]:
    """The default first. data: the data folder."""
    geometry = ProviderInfo(
        name="geometry",
        number=0,
        label="Scene Points",
        help="Compares candidates with the view before them at the scene's own points",
        licence=APACHE_2.terms,
        commercial_ok=True,
        available=True,
        message="The scene's own points; no network.",
        advice="",
        settings=(),
    )
    spec = depth_named("dust3r")
    status = status_of(spec, data)
    dust3r = ProviderInfo(
        number=1,
        label=spec.label,
        help="Compares candidates with the views before them where DUSt3R sees that they overlap; slow",
        settings=(),
        weights=tuple(part_info(known, data) for known in spec.checkpoints) if can_run(spec) else (),
        **status,
    )
    none = ProviderInfo(
        name="none",
        number=2,
        label="None",
        help="Compares nothing: each view is painted by itself",
        licence=APACHE_2.terms,
        commercial_ok=True,
        available=True,
        message="Each view is painted by itself, so views may disagree in what no frame shows.",
        advice="",
        settings=(),
    )
    return geometry, dust3r, none


def features_used(data: Path) -> Checkpoint:
    """The weights whose features judges compare: DINOv2 if it is installed, else the mini suite's."""
    installed = is_installed(checkpoints.DINOV2_SMALL, data)
    return checkpoints.DINOV2_SMALL if installed else checkpoints.MINI_DEPTH


def judging_weights(judge: str, data: Path) -> str:
    """The folders of the weights that a judge runs, as a stage's `checkpoint`; "" where it runs none.

    Raises UserError for "dust3r" where its weights or its code are missing.
    """
    if judge != "dust3r":
        return ""
    network, features = weights_of(depth_named("dust3r"), None, data), find_installed(features_used(data), data)
    return CHECKPOINT_SEPARATOR.join((network, str(features)))
