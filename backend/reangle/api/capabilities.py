# SPDX-License-Identifier: Apache-2.0
"""What this backend can do: the contract's own facts, and the providers and suites on this machine."""

from __future__ import annotations

from pathlib import Path

from reangle.contract import CONTRACT_VERSION
from reangle.contract.capabilities import (
    Capabilities,
    Limits,
    SuiteInfo,
    easing_infos,
    engine_infos,
    move_infos,
    settings_groups,
)
from reangle.evaluation.agreement.listing import judge_infos
from reangle.geometry.listing import camera_infos, depth_infos
from reangle.starting.painters import painter_infos
from reangle.version import VERSION
from reangle.weights.part_info import part_info
from reangle.weights.suites import SUITES, Suite


def capabilities_of(data: Path) -> Capabilities:
    """Reads the weights' folders, so it belongs into a thread. data: the data folder."""
    return Capabilities(
        contract=CONTRACT_VERSION,
        version=VERSION,
        engines=engine_infos(),
        camera_providers=camera_infos(data),
        depth_providers=depth_infos(data),
        suites=tuple(_suite(suite, data) for suite in SUITES),
        settings=settings_groups(),
        moves=move_infos(),
        easings=easing_infos(),
        limits=Limits(),
        judges=judge_infos(data),
        painters=painter_infos(data),
    )


def _suite(suite: Suite, data: Path) -> SuiteInfo:
    own = tuple(part_info(known, data) for known in suite.parts)
    return SuiteInfo(
        name=suite.name,
        label=suite.name,
        help=suite.title,
        licence="; ".join(dict.fromkeys(part.licence for part in own)),
        commercial_ok=all(part.commercial_ok for part in own),
        size=sum(part.size for part in own),
        parts=own,
    )
