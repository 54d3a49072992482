# SPDX-License-Identifier: Apache-2.0
"""The demo's second half, in the backend's environment: PSNR against true renders, and the contact sheet.

Reads JSON from standard input: source (folder of the clip's frames), cameras (name: folder of the result), previews
(name: folder of the same by the engine preview, if there is one), truth (name: path of its .mp4 and .json without the
suffix), unit (the geometry's units in one unit of the truth), sheet and losses (the PNGs to write; losses only where a
model was trained). Prints as JSON: cameras (name: figures), and geometry from the manifests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Before this folder, whose `reangle.py` would hide the package.
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "backend")]

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from reangle.contract import CameraPath, from_json
from reangle.folders import ResultFolder
from reangle.media.decode import decode_frames, select
from reangle.media.probe import probe_clip
from reangle.media.write import read_images

COLUMNS = 4
CELL_WIDTH, GAP, MARGIN, LABELS = 400, 6, 28, 118
COLOURS = ((236, 234, 228), (240, 160, 70), (90, 180, 240))
GROUND, HOLE, BRIGHT, DIM = (22, 23, 26), (58, 40, 66), (236, 234, 228), (150, 150, 154)


def main() -> None:
    request = json.load(sys.stdin)
    source = Path(request["source"])
    answer: dict[str, Any] = {"cameras": {}}
    blocks, curves = [], {}
    for name, folder in request["cameras"].items():
        truth = load_truth(request["truth"].get(name, ""))
        result = ResultFolder(Path(folder))
        manifest = json.loads(result.manifest_file.read_text(encoding="utf-8"))
        answer["geometry"] = manifest["geometry"]
        preview = request["previews"].get(name)
        answer["cameras"][name], block = measure(
            name, result, source, truth, manifest, request["unit"], ResultFolder(Path(preview)) if preview else None
        )
        blocks.append(block)
        if manifest["generation"]:
            curves[name] = manifest["generation"]["curves"]
    if any(curves.values()):
        draw_losses(curves).save(request["losses"], optimize=True)
    draw_sheet(blocks).save(request["sheet"], optimize=True)
    print(json.dumps(answer))


def load_truth(stem: str) -> tuple[CameraPath, np.ndarray] | None:
    """The true camera and its frames, T x H x W x 3 uint8; None if there are none for this camera."""
    about, movie = Path(f"{stem}.json"), Path(f"{stem}.mp4")
    if not (about.is_file() and movie.is_file()):
        return None
    path = from_json(CameraPath, about.read_bytes())
    info = probe_clip([(movie.name, movie)])
    return path, np.stack([frame.rgb for frame in decode_frames(info, select(info))])


def measure(
    name: str,
    result: ResultFolder,
    source: Path,
    truth: tuple[CameraPath, np.ndarray] | None,
    manifest: dict[str, Any],
    unit: float,
    preview: ResultFolder | None,
) -> tuple[dict[str, Any], tuple[str, str, dict[str, list[np.ndarray]]]]:
    """Figures of one camera, and its block of the contact sheet: title, subtitle, row name -> one frame a column."""
    frames = read_images(result.frames)
    previewed = read_images(preview.frames) if preview else None
    seen = read_images(result.visibility) > 127
    remembered = (read_images(result.memory) > 127) & ~seen
    count, height, width = seen.shape
    sets = {"seen": seen, "remembered": remembered, "filled": ~(seen | remembered)}
    figures: dict[str, Any] = {
        "frames": count,
        "coverage": {what: round(float(mask.mean()), 4) for what, mask in sets.items()},
        "seconds": manifest["seconds"],
        "psnr": None,
        "preview_psnr": None,
        "camera_error_px": None,
    }
    true_frames = None
    if truth is not None and len(truth[1]) == count:
        path, images = truth
        if images.shape[1:3] != (height, width):
            images = np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images])
        true_frames = images
        figures["psnr"] = psnr_of_parts(frames, images, sets)
        if previewed is not None:
            figures["preview_psnr"] = psnr_of_parts(previewed, images, sets)
        figures["camera_error_px"] = round(camera_error(manifest, path, unit), 4)
    picks = np.unique(np.linspace(0, count - 1, COLUMNS).round().astype(int)).tolist()
    clip = sorted(source.glob("*.png"))
    rows = {"source": [read_picture(clip[manifest["clip_frames"][n]]) for n in picks]}
    warped = sorted(result.warped.glob("*.png"))
    rows["warp"] = []
    for n in picks:
        picture = read_picture(warped[n])
        picture[sets["filled"][n]] = HOLE
        rows["warp"].append(picture)
    if previewed is not None:
        rows["preview"] = [previewed[n] for n in picks]
    rows["result"] = [frames[n] for n in picks]
    if true_frames is not None:
        rows["truth"] = [true_frames[n] for n in picks]
    shares = figures["coverage"]
    subtitle = f"{shares['seen']:.0%} seen, {shares['remembered']:.1%} remembered, {shares['filled']:.1%} filled"
    if figures["psnr"]:
        subtitle += f"   ·   {figures['psnr']['seen']:.1f} dB where seen"
    return figures, (name, f"{subtitle}   ·   frames {', '.join(str(n + 1) for n in picks)}", rows)


def psnr_of_parts(frames: np.ndarray, truth: np.ndarray, parts: dict[str, np.ndarray]) -> dict[str, float | None]:
    """PSNR in dB of all pixels, and of each part, a T x h x w mask; frames and truth are T x h x w x 3 uint8."""
    error = np.stack([np.square(a.astype(np.float32) - b).mean(-1) for a, b in zip(frames, truth, strict=True)])
    return {"all": psnr(error), **{part: psnr(error[mask]) for part, mask in parts.items()}}


def psnr(error: np.ndarray) -> float | None:
    """PSNR in dB from squared errors of 8-bit values; None if there are none."""
    return round(float(10 * np.log10(255**2 / max(float(error.mean()), 1e-3))), 2) if error.size else None


def camera_error(manifest: dict[str, Any], path: CameraPath, unit: float) -> float:
    """Largest distance in pixels between both cameras' projections of points in the true view, 2 to 8 units away.

    unit: the manifest's units in one of the path's.
    """
    scale = np.diag([manifest["width"] / path.width, manifest["height"] / path.height, 1.0])
    u, v, z = np.meshgrid((0.05, 0.5, 0.95), (0.05, 0.5, 0.95), (2.0, 5.0, 8.0))
    pixels = np.stack([u.ravel() * manifest["width"], v.ravel() * manifest["height"], np.ones(u.size)])
    worst = 0.0
    poses = np.array(manifest["world_from_camera"])
    poses[:, :3, 3] /= unit
    ours = zip(np.array(manifest["K"]), poses, strict=True)
    for (K, at), true_K, true_at in zip(
        ours, scale @ np.asarray(path.K), np.asarray(path.world_from_camera), strict=True
    ):
        points = np.linalg.inv(true_K) @ pixels * z.ravel()
        there = np.linalg.inv(at) @ true_at
        projected = K @ (there[:3, :3] @ points + there[:3, 3:])
        worst = max(worst, float(np.linalg.norm(projected[:2] / projected[2] - pixels[:2], axis=0).max()))
    return worst


def read_picture(path: Path) -> np.ndarray:
    return np.array(Image.open(path).convert("RGB"))


def draw_sheet(blocks: list[tuple[str, str, dict[str, list[np.ndarray]]]]) -> Image.Image:
    """All cameras below each other: a title, and a row of frames each of source, warp, result and truth."""
    first = blocks[0][2]["source"][0]
    cell = (CELL_WIDTH, round(CELL_WIDTH * first.shape[0] / first.shape[1]))
    columns = max(len(pictures) for _, _, rows in blocks for pictures in rows.values())
    heads = 76
    heights = [heads + len(rows) * (cell[1] + GAP) for _, _, rows in blocks]
    width = MARGIN * 2 + LABELS + columns * (cell[0] + GAP) - GAP
    sheet = Image.new("RGB", (width, MARGIN * 2 + sum(heights) + MARGIN * (len(blocks) - 1)), GROUND)
    pen = ImageDraw.Draw(sheet)
    title, text = ImageFont.load_default(34), ImageFont.load_default(21)
    top = MARGIN
    for (name, subtitle, rows), height in zip(blocks, heights, strict=True):
        pen.text((MARGIN + LABELS, top), name, BRIGHT, title)
        pen.text((width - MARGIN, top + 32), subtitle, DIM, text, anchor="rs")
        for row, (label, pictures) in enumerate(rows.items()):
            y = top + heads - 16 + row * (cell[1] + GAP)
            pen.text((MARGIN, y + cell[1] / 2), label, BRIGHT if label == "result" else DIM, text, anchor="lm")
            for column, picture in enumerate(pictures):
                small = Image.fromarray(picture).resize(cell, Image.Resampling.LANCZOS)
                sheet.paste(small, (MARGIN + LABELS + column * (cell[0] + GAP), y))
        top += height + MARGIN
    return sheet


def draw_losses(curves: dict[str, list[list[list[float]]]]) -> Image.Image:
    """Plot how each camera's loss on always the same draws falls, phase after phase.

    curves: camera -> for each phase, (steps done, loss).
    """
    width, height, left, bottom = 1100, 420, 90, 60
    sheet = Image.new("RGB", (width, height), GROUND)
    pen, text = ImageDraw.Draw(sheet), ImageFont.load_default(21)
    points = [point for phases in curves.values() for phase in phases for point in phase]
    least, most = min(loss for _, loss in points), max(loss for _, loss in points)
    low = max(0.0, least - 0.1 * (most - least))
    longest = max(sum(phase[-1][0] for phase in phases) for phases in curves.values())

    def place(step: float, loss: float) -> tuple[float, float]:
        across = step / max(1, longest) * (width - left - MARGIN)
        up = (loss - low) / max(most - low, 1e-9)
        return left + across, height - bottom - up * (height - bottom - 2 * MARGIN)

    for share in (0, 0.5, 1):
        loss = low + share * (most - low)
        y = place(0, loss)[1]
        pen.line([(left, y), (width - MARGIN, y)], HOLE, 1)
        pen.text((left - 10, y), f"{loss:.2f}", DIM, text, anchor="rm")
    taken: list[float] = []
    for row, (name, phases) in enumerate(curves.items()):
        colour = COLOURS[row % len(COLOURS)]
        before, y = 0.0, 0.0
        for phase in phases:
            places = [place(before + step, loss) for step, loss in phase]
            pen.line(places, colour, 3)
            for x, y in places:
                pen.ellipse([x - 4, y - 4, x + 4, y + 4], colour)
            before += phase[-1][0]
        # Each name stands above the end of its curve, and above a name that is there already.
        y -= 20
        while any(abs(y - other) < 26 for other in taken):
            y -= 26
        taken.append(y)
        pen.text((width - MARGIN, y), name, colour, text, anchor="rm")
    pen.text(
        (left, height - 20),
        f"loss on always the same noise and times, over {longest:.0f} training steps of each camera",
        DIM,
        text,
        anchor="lm",
    )
    return sheet


if __name__ == "__main__":
    main()
