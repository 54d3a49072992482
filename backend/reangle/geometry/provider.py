# SPDX-License-Identifier: Apache-2.0
"""How a provider of the source camera or of depth is declared. Imports nothing heavy."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reangle.errors import UserError
from reangle.weights.checkpoints import Checkpoint
from reangle.weights.licences import APACHE_2, Licence

if TYPE_CHECKING:
    from reangle.geometry.clip_camera import ClipCamera
    from reangle.geometry.footage import Footage
    from reangle.geometry.frame_depth import ExactDepth, FrameDepth
    from reangle.geometry.spec import CameraContext, DepthContext


class CameraProvider(Protocol):
    """Finds the camera of all frames of the footage. Raises UserError for what the artist can correct."""

    def __call__(self, footage: Footage, context: CameraContext) -> ClipCamera: ...


class DepthProvider(Protocol):
    """Finds the depth of all frames of the footage, whose camera is known. Raises UserError as CameraProvider does."""

    def __call__(self, footage: Footage, camera: ClipCamera, context: DepthContext) -> FrameDepth | ExactDepth: ...


@dataclass(frozen=True)
class Cost:
    """Seconds on two cores without a GPU: once, for each frame, and for each million pixels of a frame."""

    once: float = 1.0
    frame: float = 0.0
    megapixel: float = 0.0

    def seconds(self, frames: int, width: int, height: int) -> float:
        return self.once + frames * (self.frame + self.megapixel * width * height / 1e6)


@dataclass(frozen=True)
class ProviderSpec:
    """A provider's declaration.

    name: in requests and on the command line. number: of its item in Blender's menus; never changed or reused. label,
    help: for people. run: "module:function" of a `CameraProvider` or a `DepthProvider`, imported only in the stage's
    process. settings: the fields of `GeometrySettings` that it reads. cost: about how long it takes.
    packages: Python packages that it imports. checkpoints: the weights it can run with, the recommended one first.
    licence_without_weights: of its code, or of the files that it reads.
    """

    name: str
    number: int
    label: str
    help: str
    run: str
    settings: tuple[str, ...] = ()
    cost: Cost = Cost()
    packages: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    licence_without_weights: Licence = APACHE_2

    @property
    def licence(self) -> Licence:
        """Of the recommended weights, if it has any."""
        return self.checkpoints[0].licence if self.checkpoints else self.licence_without_weights

    def load(self) -> Any:
        """Import the provider's function."""
        module, function = self.run.split(":")
        return getattr(importlib.import_module(module), function)


def spec_named(specs: Sequence[ProviderSpec], what: str, name: str) -> ProviderSpec:
    """Raises UserError that lists the providers if there is none of this name. what: "camera" or "depth"."""
    for spec in specs:
        if spec.name == name:
            return spec
    raise UserError(
        f"There is no {what} provider {name!r}.",
        advice=f"Use one of: auto, {', '.join(spec.name for spec in specs)}.",
    )
