# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera saves of its starting image: the artist's seed, image, words and anchors. Sent with each render."""

from __future__ import annotations

from bpy.props import BoolProperty, CollectionProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from bpy.types import PropertyGroup

from .. import compat
from ..core.contract import PromptEdit

JOB_SEED = -1
"""The seed that the job gives."""


class ReangleStartImage(PropertyGroup):
    """An image file of the artist's, and the content that it had when it was taken."""

    path: StringProperty(subtype="FILE_PATH", options=compat.PATH_OPTIONS)
    sha256: StringProperty(description="Of the file when it was taken")


class ReangleAnchor(PropertyGroup):
    """What a later frame shall look like."""

    frame: IntProperty(description="Of the clip's used frames, from 1 on; 0 is the starting image", min=1)
    image: PointerProperty(type=ReangleStartImage)


class ReangleStart(PropertyGroup):
    """What the artist asks. image: the copy that is sent. source: the file that the artist works on, with the content
    that was taken of it last; is_painting: it was made to be painted. made_for: the view that the image was first sent
    for, as JSON.
    """

    seed: IntProperty(
        description="Selects one of many starting images; -1 is the job's own", default=JOB_SEED, min=JOB_SEED
    )
    image: PointerProperty(type=ReangleStartImage)
    source: PointerProperty(type=ReangleStartImage)
    is_painting: BoolProperty()
    made_for: StringProperty()
    edit_source: StringProperty(description="What the image shows", maxlen=2000)
    edit_target: StringProperty(description="What it shall show; empty changes nothing", maxlen=2000)
    edit_strength: FloatProperty(default=PromptEdit.strength, min=0.01, max=1)
    anchors: CollectionProperty(type=ReangleAnchor)

    @property
    def is_own(self) -> bool:
        """Whether the artist gave an image, words or anchors, or has begun to paint."""
        return bool(self.image.path or self.source.path or self.edit_target or len(self.anchors))

    @property
    def files(self) -> list[ReangleStartImage]:
        """Every image that a path may name."""
        return [self.image, self.source, *(anchor.image for anchor in self.anchors)]

    def forget_image(self) -> None:
        """Take back the artist's image and words; the seed and the anchors stay."""
        for file in (self.image, self.source):
            file.path = file.sha256 = ""
        self.is_painting, self.made_for = False, ""
        self.edit_source = self.edit_target = ""

    def forget_own(self) -> None:
        """Take back all that `is_own` asks for; the seed stays."""
        self.forget_image()
        self.anchors.clear()
