# SPDX-License-Identifier: Apache-2.0
"""Declares stage `decode`."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from reangle.folders import DecodedClip, PreciseClip
from reangle.runtime.stage import STRICT, StageContext, StageSpec


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DecodeParams:
    """Which part of the clip is used, as in `contract.Clip`."""

    start: int = 0
    frames: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None


DECODE = StageSpec(
    kind="decode",
    version=5,
    params=DecodeParams,
    files=("clip",),
    writes=DecodedClip,
    run="reangle.media.stage:decode",
)
DecodeContext = StageContext[DecodeParams, DecodedClip]

DECODE_16 = StageSpec(
    kind="decode-16",
    version=1,
    params=DecodeParams,
    files=("clip",),
    writes=PreciseClip,
    run="reangle.media.stage:decode_16",
)
"""Of its own, so that geometry, which reads `decode`, comes from the cache whatever the output's format."""
PreciseContext = StageContext[DecodeParams, PreciseClip]
