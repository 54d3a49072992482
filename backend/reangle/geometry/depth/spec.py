# SPDX-License-Identifier: Apache-2.0
"""The interface of a geometry provider."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reangle.weights.checkpoints import Checkpoint
from reangle.weights.licences import APACHE_2, Licence

if TYPE_CHECKING:
    from reangle.geometry.footage import Footage
    from reangle.geometry.spec import GeometryContext
    from reangle.geometry.video_geometry import VideoGeometry


class Provider(Protocol):
    """Makes the geometry of all frames of the footage. Raises UserError for what the artist can correct."""

    def __call__(self, footage: Footage, context: GeometryContext) -> VideoGeometry: ...


@dataclass(frozen=True)
class ProviderSpec:
    """A provider's declaration.

    name: in requests and on the command line. number: of its item in Blender's menus; never changed or reused. label,
    help: for people. run: "module:function" of a `Provider`, imported only in the stage's process.
    settings: the fields of `GeometrySettings` that it reads. seconds: about how long it takes, for a job's progress.
    packages: Python packages that it imports. checkpoints: the weights it can run with, the recommended one first.
    partner: another provider whose weights it also uses if they are installed and the camera comes from it.
    licence_without_weights: of its code, or of the files that it reads.
    """

    name: str
    number: int
    label: str
    help: str
    run: str
    settings: tuple[str, ...]
    seconds: float
    packages: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    partner: str = ""
    licence_without_weights: Licence = APACHE_2

    @property
    def licence(self) -> Licence:
        """Of the recommended weights, if it has any."""
        return self.checkpoints[0].licence if self.checkpoints else self.licence_without_weights

    def load(self) -> Provider:
        """Import the provider's function."""
        module, function = self.run.split(":")
        return getattr(importlib.import_module(module), function)
