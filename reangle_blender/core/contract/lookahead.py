# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""What new cameras would see of an imported clip, asked before anything is rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .camera_path import CameraPath
from .fields import Length, Range, check_fields
from .settings import PreviewSettings

MAX_LOOK_FRAMES = 64
"""Output frames that one request may ask for: a client that changes its mind waits for one request at most."""

UNKNOWN, REMEMBERED, VISIBLE = 0, 128, 255
"""Fourth byte of a warped pixel: no frame shows it; another frame of the clip shows it; this very frame shows it."""

Shares = Annotated[tuple[Annotated[float, Range(minimum=0, maximum=1)], ...], Length(1, MAX_LOOK_FRAMES)]


@dataclass(frozen=True)
class LookRequest:
    """Output frames of a camera that is not rendered yet.

    path: the camera at these frames, of which there are at most MAX_LOOK_FRAMES. preview: how the clip is warped.
    """

    path: CameraPath
    preview: PreviewSettings

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Coverages:
    """Shares of the picture, one for each output frame that was asked for.

    visible: pixels that the output frame's own source frame shows. remembered: pixels that only other frames show.
    """

    visible: Shares
    remembered: Shares

    def __post_init__(self) -> None:
        check_fields(self)
