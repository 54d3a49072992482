# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""Starting images: first frames of cameras that begin elsewhere than the source camera, as the artist wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .fields import Length, Range, Setting, check_fields
from .names import FileName
from .settings import FileRef, Share

Judge = Literal["geometry", "dust3r", "none"]
MAX_ANCHORS = 16


@dataclass(frozen=True)
class StartSettings:
    """How starting images are painted, and how they are made to agree. None takes what suits the weights."""

    painter: Annotated[
        str,
        Setting(
            "Image Model",
            "What paints the parts of a starting image that the clip does not show: auto, fill for the preview's own "
            "fill, a model's name, or a folder",
        ),
        Length(1, 1024),
    ] = "auto"
    judge: Annotated[
        Judge,
        Setting(
            "Judge",
            "What decides which candidate agrees best with the views before it: the scene's own points, DUSt3R, or "
            "nothing",
        ),
    ] = "geometry"
    carry: Annotated[
        bool,
        Setting(
            "Share What Is Painted",
            "Show in each view what was painted into the nearest view before it, where both show it",
            option="paint-apart",
            option_help="paint each view by itself, without what was painted into the one before it",
        ),
    ] = True
    candidates: Annotated[
        int | None,
        Setting("Candidates", "How many candidates each guided step draws; 1 guides nothing", suggested=10),
        Range(minimum=1, maximum=64),
    ] = None
    fresh_noise: Annotated[
        float | None,
        Setting("Fresh Noise", "How far apart the candidates of a step are drawn", suggested=0.8),
        Share,
    ] = None
    guided_from: Annotated[
        float | None,
        Setting("Guided from", "Share of the denoising that is done when guidance begins", suggested=0.0),
        Share,
    ] = None
    guided_to: Annotated[
        float | None,
        Setting("Guided to", "Share of the denoising that is done when guidance ends", suggested=0.15),
        Share,
    ] = None
    painting_steps: Annotated[
        int | None,
        Setting("Painting Steps", "Denoising steps of the image model", suggested=30),
        Range(minimum=1, maximum=1000),
    ] = None

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class PromptEdit:
    """A change of a starting image by words. source: what it shows. target: what it shall show. strength: share of the
    denoising that is walked again; more changes more.
    """

    source: Annotated[str, Length(1, 2000)]
    target: Annotated[str, Length(1, 2000)]
    strength: Annotated[float, Range(above=0, maximum=1)] = 0.7

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class AnchorImage:
    """What a later frame shall look like. frame: of the camera's output, from 1 on."""

    frame: Annotated[int, Range(minimum=1)]
    image: FileRef

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class CameraStart:
    """What the artist says of one camera's starting image.

    camera: the path's name. seed: for another one than the job's seed gives. image: the artist's own, a PNG, JPEG or
    EXR file of the camera's aspect, taken as it is. edit: changes the image, whichever it is, by words. anchors: images
    of later frames, where the video model allows them.
    """

    camera: FileName
    seed: Annotated[int, Range(minimum=0, maximum=2**63 - 1)] | None = None
    image: FileRef | None = None
    edit: PromptEdit | None = None
    anchors: Annotated[tuple[AnchorImage, ...], Length(0, MAX_ANCHORS)] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def file_refs(self) -> tuple[FileRef, ...]:
        return (*((self.image,) if self.image else ()), *(anchor.image for anchor in self.anchors))
