# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""The engines: their names, labels, and what each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class EngineKind:
    """What people read about an engine.

    number: of its item in Blender's menus; never changed or reused. settings: the fields of `JobRequest` with its
    settings. needs: the roles of the weights it runs, each an entry of a suite.
    """

    number: int
    label: str
    help: str
    settings: tuple[str, ...]
    needs: tuple[str, ...] = ()


ENGINES: Mapping[str, EngineKind] = MappingProxyType(
    {
        "preview": EngineKind(
            0, "Preview", "Moves the pixels of the clip and fills the rest from around; no video model", ("preview",)
        ),
        "reangle": EngineKind(
            1,
            "Reangle",
            "Learns the clip's motion and generates unseen areas with a video model",
            ("preview", "reangle", "starting"),
            ("video",),
        ),
        "inpaint": EngineKind(
            2,
            "Inpaint",
            "Shows the moved pixels to a video model that was trained to fill their holes; learns nothing by default",
            ("preview", "reangle", "starting"),
            ("inpainting",),
        ),
    }
)
