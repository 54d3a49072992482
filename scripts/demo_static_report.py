# SPDX-License-Identifier: Apache-2.0
"""The second half of the demo's mode static, in the backend's environment: figures and the contact sheet.

Reads JSON from standard input: source (folder of the clip's frames), cameras (name: folder of the result), unguided and
guided (name: folder of the starting image), truth (name: path of its .mp4 and .json without the suffix), sheet (the PNG
to write). Prints as JSON: cameras (name: figures), agreement of the starting images, and geometry from the manifests.
"""

from __future__ import annotations

import json
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Before this folder, whose `reangle.py` would hide the package.
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "backend")]

import cv2
import numpy as np
from demo_report import (
    BRIGHT,
    CELL_WIDTH,
    DIM,
    GAP,
    GROUND,
    HOLE,
    LABELS,
    MARGIN,
    load_truth,
    psnr,
    psnr_of_parts,
    read_picture,
)
from PIL import Image, ImageDraw, ImageFont
from reangle.evaluation.agreement.features import open_mini
from reangle.evaluation.agreement.judges import open_network
from reangle.evaluation.agreement.met3r import met3r
from reangle.folders import ResultFolder, StartFolder
from reangle.media.write import read_image, read_images
from reangle.weights.shipped import check_shipped
from reangle.weights.suites import MINI

UNGUIDED, GUIDED = "unguided", "guided"
"""Painted each by itself; judged against the view before, and with what was painted into that one."""


def main() -> None:
    request = json.load(sys.stdin)
    starts = {
        kind: {name: StartFolder(Path(path)) for name, path in request[kind].items()} for kind in (UNGUIDED, GUIDED)
    }
    source = read_picture(sorted(Path(request["source"]).glob("*.png"))[0])
    answer: dict[str, Any] = {"cameras": {}, "agreement": agreement(starts)}
    columns: dict[str, dict[str, np.ndarray]] = {}
    for name, folder in request["cameras"].items():
        result = ResultFolder(Path(folder))
        answer["geometry"] = json.loads(result.manifest_file.read_text(encoding="utf-8"))["geometry"]
        pair = {kind: some[name] for kind, some in starts.items() if name in some}
        answer["cameras"][name], columns[name] = measure(result, pair, source, request["truth"].get(name, ""))
    draw(columns).save(request["sheet"], optimize=True)
    print(json.dumps(answer))


def agreement(starts: dict[str, dict[str, StartFolder]]) -> dict[str, Any]:
    """MEt3R between the starting images of all pairs of cameras; lower is better."""
    network, features = open_network(check_shipped(MINI.geometry.beside[0])), open_mini(check_shipped(MINI.geometry))
    about: dict[str, Any] = {"by": f"{MINI.geometry.beside[0].name} and features of {features.name}"}
    for kind, some in starts.items():
        pictures = [read_image(start.image) for start in some.values()]
        scores = [one.score for one in met3r(network, features, list(combinations(pictures, 2)))]
        about[kind] = round(float(np.nanmean(scores)), 5) if scores else None
    return about


def measure(
    result: ResultFolder, starts: dict[str, StartFolder], source: np.ndarray, truth_stem: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Figures of one camera, and its column of the contact sheet."""
    frames, seen = read_images(result.frames), read_images(result.visibility) > 127
    remembered = (read_images(result.memory) > 127) & ~seen
    hole = ~(seen[0] | remembered[0])
    warp = read_image(sorted(result.warped.glob("*.png"))[0])
    warp[hole] = HOLE
    column = {"source": source, "warp": warp}
    column |= {f"start, {kind}": read_image(start.image) for kind, start in starts.items()}
    column |= {"result": frames[0], "result, last": frames[-1]}
    figures: dict[str, Any] = {"frames": len(frames), "hidden": round(float(hole.mean()), 4), "psnr": None}
    truth = load_truth(truth_stem)
    if truth is not None and max(truth[0].frames) < len(frames):
        path, images = truth
        height, width = hole.shape
        images = np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images])
        chosen = list(path.frames)
        parts = {"seen": seen[chosen], "remembered": remembered[chosen], "filled": ~(seen | remembered)[chosen]}
        figures["psnr"] = psnr_of_parts(frames[chosen], images, parts)
        figures["start_psnr"] = {
            kind: psnr(np.square(read_image(start.image).astype(np.float32) - images[0]).mean(-1)[hole])
            for kind, start in starts.items()
        }
        column |= {"truth": images[0], "truth, last": images[-1]}
    return figures, column


def draw(columns: dict[str, dict[str, np.ndarray]]) -> Image.Image:
    """A column for each camera; a row for each stage."""
    rows = list(next(iter(columns.values())))
    height, width = next(iter(columns.values()))["source"].shape[:2]
    cell = (CELL_WIDTH, round(CELL_WIDTH * height / width))
    heads, labels = 60, LABELS + 60
    size = (
        MARGIN * 2 + labels + len(columns) * (cell[0] + GAP) - GAP,
        MARGIN * 2 + heads + len(rows) * (cell[1] + GAP) - GAP,
    )
    sheet = Image.new("RGB", size, GROUND)
    pen, title, text = ImageDraw.Draw(sheet), ImageFont.load_default(30), ImageFont.load_default(21)
    for across, (name, column) in enumerate(columns.items()):
        x = MARGIN + labels + across * (cell[0] + GAP)
        pen.text((x, MARGIN), name, BRIGHT, title)
        for down, row in enumerate(rows):
            y = MARGIN + heads + down * (cell[1] + GAP)
            if not across:
                pen.text((MARGIN, y + cell[1] / 2), row, BRIGHT if "result" in row else DIM, text, anchor="lm")
            sheet.paste(Image.fromarray(column[row]).resize(cell, Image.Resampling.LANCZOS), (x, y))
    return sheet


if __name__ == "__main__":
    main()
