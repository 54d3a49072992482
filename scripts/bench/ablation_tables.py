# SPDX-License-Identifier: Apache-2.0
"""The tables that `ablations.py` prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from reangle.evaluation.controls import CONTROLS
from reangle.evaluation.verdict import (
    HIDDEN,
    LEAST_TEXTURE,
    SURE,
    Results,
    best_control,
    difference,
    mean,
    values,
    verdict,
)

SHOWN = {
    "seen": "psnr_visible",
    "moving": "psnr_moving",
    "edges": "edges_occluded",
    "camera px": "camera_px",
    "texture": "texture",
    "patches": "patches",
    "overlap hid": "overlap_hidden",
    "overlap seen": "overlap_seen",
}
SPLITS = {
    "rim": "psnr_rim",
    "disoccluded": "psnr_disoccluded",
    "invented": "psnr_invented",
    "still camera": f"{HIDDEN}/still",
    "moving camera": f"{HIDDEN}/moving",
}
PAIRS = (
    ("full", "lora_original", "warps, beside the clip alone"),
    ("unseen", "lora_original", "warps to other cameras, beside the clip alone"),
    ("unseen", "base", "warps to other cameras, beside nothing learned"),
    ("full", "base", "all warps, beside nothing learned"),
    ("full", "lora_nomask", "the mask"),
    ("default", "default_unlearned", "learning, in the default"),
)
"""The paper's findings: a row, another one, and what sets them apart."""
NAME = 41

Keep = Callable[[str, str, float], None]
"""Takes a figure's name, a row and a value."""


def print_tables(results: Results, words: Mapping[str, str], title: str) -> dict[str, float]:
    """words: of each row. title: what was run, for the caption. Returns the main figures, FIGURE_ROW."""
    rows = list(results[0][0])
    figures: dict[str, float] = {}

    def keep(figure: str, row: str, value: float) -> None:
        if np.isfinite(value):
            figures[f"{figure}_{row}"] = round(value, 3)

    several = len(results[0]) > 1
    shown = {name: figure for name, figure in SHOWN.items() if any(figure in results[0][0][row] for row in rows)}
    print(
        f"\n{title}.\n"
        "Means; PSNR in dB. Hidden: what the source camera does not see in the same frame. Against preview: mean\n"
        "difference of hidden, its standard error over scenes, and the number of scenes where it is positive. Seeds:\n"
        "standard deviation of hidden over seeds. Texture, patches: of hidden pixels that no frame of the clip saw,\n"
        "mean |Laplacian| beside the truth's (1 is the truth's) and distance of Laplacian patches (0 is the truth's)."
    )
    if "overlap_hidden" in shown.values():
        print("Overlap: contrast of the model's frames where windows overlap, by others' and the truth's (1 is right).")
    print(f"{'':{NAME}}{'hidden':>8}{'against preview':>24}{'seeds':>8}" + "".join(f"{name:>13}" for name in shown))
    for row in rows:
        hidden = values(results, row, HIDDEN)
        gain = difference(results, row, "preview") if "preview" in rows else None
        against = str(gain) if gain is not None else ""
        spread = f"{hidden.std(axis=1, ddof=1).mean():.2f}" if several else ""
        others = "".join(_cell(mean(results, row, figure)) for figure in shown.values())
        print(f"{words[row]:{NAME}}{hidden.mean():8.2f}{against:>24}{spread:>8}{others}")
        keep("hidden", row, hidden.mean())
        for name, figure in shown.items():
            keep(name.replace(" ", "_"), row, mean(results, row, figure))
        if gain is not None:
            keep("against_preview", row, gain.mean)
    _print_pairs(results, rows)
    control = best_control(results)
    if control:
        _print_verdicts(results, words, control, keep)
        _print_splits(results, words, keep)
    return figures


def _print_pairs(results: Results, rows: Sequence[str]) -> None:
    pairs = [(row, other, words) for row, other, words in PAIRS if row in rows and other in rows]
    if pairs:
        print("\nWhat it adds to hidden, in dB, and the scenes where it does:")
    for row, other, words in pairs:
        print(f"{words:50}{difference(results, row, other)!s:>24}")


def _cell(value: float) -> str:
    return f"{value:13.2f}" if np.isfinite(value) else " " * 13


def _print_verdicts(results: Results, words: Mapping[str, str], control: str, keep: Keep) -> None:
    print(
        f"\nHidden against the better control, {words[control].removeprefix('control: ')}.\n"
        f"Better: by more than {SURE:g} standard errors, with at least {LEAST_TEXTURE} of the truth's texture;\n"
        "blurred: with less texture."
    )
    print(f"{'':{NAME}}{'against control':>24}{'texture':>9}  verdict")
    for row in results[0][0]:
        gain, texture = difference(results, row, control), mean(results, row, "texture")
        judged = "" if row in CONTROLS else verdict(gain, texture)
        print(f"{words[row]:{NAME}}{gain!s:>24}{texture:9.2f}  {judged}")
        keep("against_control", row, gain.mean)


def _print_splits(results: Results, words: Mapping[str, str], keep: Keep) -> None:
    controls = {name: best_control(results, figure) for name, figure in SPLITS.items()}
    print(
        "\nHidden by place (rim: regions that touch the picture's rim; disoccluded: the others; invented: seen\n"
        "by no frame) and by camera, each with the difference to the control that is better there: "
        + ", ".join(f"{name} {control}" for name, control in controls.items())
    )
    print(f"{'':{NAME}}" + "".join(f"{name:>31}" for name in SPLITS))
    for row in results[0][0]:
        cells = ""
        for name, figure in SPLITS.items():
            value = mean(results, row, figure)
            gain = difference(results, row, controls[name] or row, figure)
            cells += f"{value:9.2f}{gain!s:>22}" if np.isfinite(value) else " " * 31
            keep(name.replace(" ", "_"), row, value)
        print(f"{words[row]:{NAME}}{cells}")
