# SPDX-License-Identifier: Apache-2.0
"""All kinds of stages. Importing this imports no torch."""

from __future__ import annotations

from typing import Any

from reangle.finishing.spec import DELIVER, FILL, FINISH
from reangle.generation.spec import GENERATE
from reangle.geometry.spec import CAMERA, GEOMETRY, GLANCE
from reangle.media.spec import DECODE, DECODE_16
from reangle.motion.spec import LEARN
from reangle.runtime.stage import StageSpec
from reangle.starting.spec import START
from reangle.warping.spec import WARP, WARP_16

STAGES: dict[str, StageSpec[Any, Any]] = {
    spec.kind: spec
    for spec in (
        *(DECODE, GLANCE, CAMERA, GEOMETRY, WARP, FILL, START, LEARN, GENERATE, FINISH),
        *(DECODE_16, WARP_16, DELIVER),
    )
}
"""kind -> spec, in the order in which a job runs them. The process of a stage looks up here which function to run."""
