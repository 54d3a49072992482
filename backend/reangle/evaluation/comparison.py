# SPDX-License-Identifier: Apache-2.0
"""Several engines over the same scenes: one table, with controls that no engine counts without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reangle.evaluation.controls import CONTROLS
from reangle.evaluation.judge import mean_of
from reangle.evaluation.verdict import HIDDEN, LEAST_TEXTURE, SURE, Results, best_control, difference, mean, verdict

COLUMNS = {
    "seen dB": ("psnr_visible", 2),
    "SSIM": ("ssim_visible", 3),
    "hidden dB": (HIDDEN, 2),
    "texture": ("texture", 2),
    "flicker": ("flicker", 2),
    "camera px": ("camera_px", 2),
}
"""Title -> name of the figure and its decimals."""
NOTES = f"""\
Means over scenes. Seen, SSIM: pixels that the source camera sees in the same frame; hidden: the others. Texture,
flicker: where no frame of the clip saw; mean |Laplacian| beside the truth's (1 is the truth's), and grey levels of
change a frame where the truth stands still. Seconds: of all stages, as long as each took when it ran. Controls know
nothing: the preview's fill blurred, and averaged with OpenCV's. Against control: hidden dB above the better control,
its standard error, scenes where it is positive. Better: by more than {SURE:g} errors, with a texture of at least
{LEAST_TEXTURE}; blurred: with less."""


@dataclass
class Row:
    """An engine's figures, or a control's. name: for people. suite: of the engine's weights, "" for none. seconds: of
    all stages; 0 for a control. views: scene, camera and figures of each view.
    """

    name: str
    engine: str
    suite: str = ""
    seconds: float = 0.0
    views: list[dict[str, Any]] = field(default_factory=list)

    def add(self, scene: str, camera: str, figures: Mapping[str, float]) -> None:
        self.views.append({"scene": scene, "camera": camera, **figures})

    def mean(self, scene: str | None = None) -> dict[str, float]:
        """Of each figure over the views, or over those of one scene."""
        views = [view for view in self.views if scene in (None, view["scene"])]
        return mean_of({name: value for name, value in view.items() if isinstance(value, float)} for view in views)

    def as_data(self) -> dict[str, Any]:
        """What figures.json says of it."""
        return {
            "engine": self.engine,
            "name": self.name,
            "suite": self.suite,
            "seconds": round(self.seconds, 1),
            "views": self.views,
            "mean": self.mean(),
        }


def comparison_table(rows: Sequence[Row]) -> str:
    """For people. Rows that are named as in CONTROLS are the controls."""
    scenes = list(dict.fromkeys(view["scene"] for row in rows for view in row.views))
    results: Results = [[{row.name: row.mean(scene) for row in rows}] for scene in scenes]
    control = best_control(results)
    width = max(len(_title(row)) for row in rows)
    lines = [
        f"Scenes: {len(scenes)}, cameras: {len(rows[0].views)}.",
        f"{'':{width}}" + "".join(f"{title:>11}" for title in COLUMNS) + f"{'seconds':>9}{'against control':>23}",
    ]
    for row in rows:
        cells = "".join(_cell(mean(results, row.name, figure), digits) for figure, digits in COLUMNS.values())
        judged = ""
        if control and row.name not in CONTROLS:
            gain = difference(results, row.name, control)
            judged = f"{gain!s:>23}  {verdict(gain, mean(results, row.name, 'texture'))}"
        seconds = f"{row.seconds:9.0f}" if row.seconds else " " * 9
        lines.append(f"{_title(row):{width}}{cells}{seconds}{judged}".rstrip())
    return "\n".join([*lines, NOTES])


def _title(row: Row) -> str:
    if row.name in CONTROLS:
        return f"control {row.name}"
    return f"{row.engine} ({row.suite})" if row.suite else row.engine


def _cell(value: float, digits: int) -> str:
    return f"{value:11.{digits}f}" if np.isfinite(value) else " " * 11
