# SPDX-License-Identifier: Apache-2.0
# generated from backend/reangle/contract by scripts/vendor_contract.py; do not edit
"""What a user may set: the clip, geometry and the engines.

A new setting is one field here and the code that reads it: the command line's options, the add-on's properties, the
API's schema and `GET /v1/capabilities` follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .camera_path import MAX_FRAMES, MAX_SIDE, SourceCamera
from .errors import ContractError
from .fields import Length, Range, Setting, check_fields
from .names import FileName, Sha256

Steps = Range(minimum=0, maximum=100_000)
Share = Range(minimum=0, maximum=1)


@dataclass(frozen=True)
class FileRef:
    """A file known by its content; `name` only tells its kind and order. size: bytes."""

    name: FileName
    sha256: Sha256
    size: Annotated[int, Range(minimum=0)]

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class Clip:
    """One movie file, or an image sequence in order, and the part of it that is used."""

    files: Annotated[tuple[FileRef, ...], Length(1, 100_000)]
    start: Annotated[int, Setting("Start", "First frame used, from 0"), Range(minimum=0)] = 0
    frames: Annotated[
        int | None,
        Setting("Frames", "How many frames are used; all that remain if not set"),
        Range(minimum=1, maximum=MAX_FRAMES),
    ] = None
    width: Annotated[
        int | None,
        Setting("Width", "Working width; the clip's own if not set; another aspect crops", "pixels", option=""),
        Range(minimum=16, maximum=MAX_SIDE),
    ] = None
    height: Annotated[
        int | None,
        Setting("Height", "Working height; the clip's own if not set; another aspect crops", "pixels", option=""),
        Range(minimum=16, maximum=MAX_SIDE),
    ] = None
    fps: Annotated[
        float | None,
        Setting("Frame Rate", "Frame rate of an image sequence", "frames per second"),
        Range(above=0, maximum=1000),
    ] = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.width is None) != (self.height is None):
            raise ContractError("width and height go together", advice="Set both or none.")


@dataclass(frozen=True)
class GeometrySettings:
    """Where the source camera and the depth come from; each is fitted to the other.

    camera, depth: names that `GET /v1/capabilities` lists, with the settings that they use; the backend refuses others.
    "auto" picks what suits the request and the weights on the machine, never anything that is not for commercial work.
    files: depth maps, a camera file, or both, for the providers that read them. given: the artist's own solved camera.
    """

    camera: Annotated[str, Length(1, 100)] = "auto"
    depth: Annotated[str, Length(1, 100)] = "auto"
    files: tuple[FileRef, ...] = ()
    given: SourceCamera | None = None
    checkpoint: Annotated[
        str | None, Setting("Checkpoint", "Weights for the depth: a folder or a name"), Length(0, 1024)
    ] = None
    horizontal_fov_deg: Annotated[
        float | None,
        Setting(
            "Field of View",
            "Horizontal field of view of the clip's lens, where it is known",
            "degrees",
            option="fov",
            suggested=50.0,
        ),
        Range(above=1, below=170),
    ] = None
    depth_files_scale: Annotated[
        float, Setting("Depth Scale", "Multiplies depth that is read from files", option="depth-scale"), Range(above=0)
    ] = 1.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class PreviewSettings:
    """Settings of the engine `preview`. The other engines warp with them, too."""

    memory: Annotated[
        bool,
        Setting(
            "Use Other Frames",
            "Fill holes from other frames where the scene stands still",
            option="no-memory",
            option_help="do not fill holes from other frames",
        ),
    ] = True
    edge_filter: Annotated[
        float,
        Setting("Edge Filter", "How readily the surface is cut where depth jumps; 0 cuts only at the largest jumps"),
        Share,
    ] = 0.5
    confidence_filter: Annotated[
        float,
        Setting("Confidence Filter", "Depth that is less certain than this is left out, as a hole"),
        Share,
    ] = 0.0

    fill: Annotated[
        Literal["continued", "painted"],
        Setting(
            "Fill",
            "How what no frame shows is filled: continued from around, or painted by an image model, once for all "
            "frames of a camera",
        ),
    ] = "continued"

    frame_format: Annotated[
        Literal["png", "png-16-bit", "exr-half"],
        Setting(
            "Output",
            "Files of the result's frames: PNG of 8 or 16 bits, or scene-linear OpenEXR of half floats. What the clip "
            "shows has all its bits; what a model made or filled has 8",
        ),
    ] = "png"

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ReangleSettings:
    """Settings of the engines that run a video model, `reangle` and `inpaint`. None takes what suits the weights.

    suite: "auto" takes the largest suite on the backend's machine that runs there and is free for commercial work.
    """

    suite: Annotated[
        str,
        Setting("Weights", "A suite's name, auto for the best that runs here, or a folder with a video model"),
        Length(1, 1024),
    ] = "auto"
    caption: Annotated[
        str, Setting("Caption", "What the clip shows, in a few words, for the video model"), Length(0, 2000)
    ] = ""
    shared_steps: Annotated[
        int | None,
        Setting(
            "Shared Steps",
            "Training steps on the clip and its warps to preset moves, once for all cameras; "
            "more in proportion for clips longer than the model's. 0 leaves this out",
            suggested=400,
        ),
        Steps,
    ] = None
    path_steps: Annotated[
        int | None,
        Setting(
            "Camera Steps",
            "Training steps on each camera's own warp; more in proportion for cameras longer than the model's clips. "
            "0 leaves this out",
            suggested=100,
        ),
        Steps,
    ] = None
    rank: Annotated[int | None, Setting("Rank", "Rank of the LoRA", suggested=128), Range(minimum=1, maximum=1024)] = (
        None
    )
    alpha: Annotated[
        float | None, Setting("Alpha", "Strength of the LoRA", suggested=128.0), Range(above=0, maximum=4096)
    ] = None
    rate: Annotated[
        float | None,
        Setting("Learning Rate", "Learning rate of the training", suggested=1e-4),
        Range(above=0, maximum=1),
    ] = None
    sampling_steps: Annotated[
        int | None,
        Setting("Sampling Steps", "Denoising steps of the video model", suggested=50),
        Range(minimum=1, maximum=1000),
    ] = None
    guidance: Annotated[
        float | None,
        Setting("Guidance", "How closely the caption is followed", suggested=6.0),
        Range(minimum=1, maximum=50),
    ] = None
    dynamic_guidance: Annotated[
        bool | None, Setting("Dynamic", "Change the guidance over the denoising steps", suggested=False)
    ] = None
    warp_guidance: Annotated[
        float | None,
        Setting(
            "Warp Guidance",
            "Share of the denoising steps in which seen areas are held to the warp",
            suggested=0.0,
        ),
        Share,
    ] = None
    fill_share: Annotated[
        float | None,
        Setting("Fill Share", "How much preview fill is blended into unseen areas", suggested=0.0),
        Share,
    ] = None
    exact_where_seen: Annotated[
        bool,
        Setting(
            "Keep the Clip's Pixels",
            "Show the clip's own pixels wherever the camera saw them; generated ones elsewhere",
            option="generate-all",
            option_help="show generated pixels also where the camera saw the clip's own",
        ),
    ] = True

    def __post_init__(self) -> None:
        check_fields(self)
