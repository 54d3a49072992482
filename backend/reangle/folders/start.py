# SPDX-License-Identifier: Apache-2.0
"""What stage `start` leaves: a camera's starting image."""

from __future__ import annotations

from pathlib import Path

from pydantic.dataclasses import dataclass

from reangle.folders.records import Matrix, read_record, write_record
from reangle.runtime.stage import STRICT, StageFolder

LOOK_CHANGED = 0.0005
"""Share of seen pixels from which a starting image changes what the clip shows, instead of adding what it does not."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StartRecord:
    """How a starting image was made.

    made_by: "clip" where nothing was hidden, "fill", a painter's name, or "artist". licence: of the weights that
    painted or edited it, "" if none did. judge, backbone: what judged the candidates, "" if nothing did;
    judged_against: how many views, the source frame among them. scores: of the candidates, for each guided step;
    chosen: the best of each. calls: of the image model, for one candidate each. hidden: share of the picture that the
    warp did not show. changed: share of the pixels that it did show which differ from it. edit: from which words to
    which, or "". K, world_from_camera: of the picture.
    """

    made_by: str
    licence: str = ""
    judge: str = ""
    backbone: str = ""
    judged_against: int = 0
    seed: int
    prompt: str = ""
    edit: str = ""
    scores: tuple[tuple[float, ...], ...] = ()
    chosen: tuple[int, ...] = ()
    calls: int = 0
    hidden: float
    changed: float
    width: int
    height: int
    K: Matrix
    world_from_camera: Matrix
    notes: tuple[str, ...] = ()

    @property
    def changes_the_look(self) -> bool:
        """Whether its camera has to be generated as a whole: pixels of the clip would undo what was changed."""
        return self.changed > LOOK_CHANGED


class StartFolder(StageFolder):
    """The starting image, what of it was painted, and how it was made."""

    @property
    def image(self) -> Path:
        """The picture, 8-bit RGB of the camera's size."""
        return self.path / "start.png"

    @property
    def painted(self) -> Path:
        """255 where the picture is not the warp's: painted, or changed by the artist."""
        return self.path / "painted.png"

    @property
    def candidates(self) -> Path:
        """Thumbnails of the candidates of the last guided step, the chosen one first; missing without guidance."""
        return self.path / "candidates"

    @property
    def depth(self) -> Path:
        """Planar z of every pixel, in painted ones that of the filled scene; 0 where even that has none, and in all
        that the warp hides where the preview's fill stays.
        """
        return self.path / "depth.exr"

    @property
    def record_file(self) -> Path:
        return self.path / "start.json"

    def record(self) -> StartRecord:
        """Raises OSError or ValueError if the file is missing or damaged."""
        return read_record(self.record_file, StartRecord)

    def write_record(self, record: StartRecord) -> None:
        write_record(self.record_file, record)
