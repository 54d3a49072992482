# SPDX-License-Identifier: Apache-2.0
"""manifest.json: what ran, with which settings and licences, how much was seen, and every file's hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reangle.contract import CONTRACT_VERSION, CameraPath
from reangle.runtime.stage import StageContext
from reangle.runtime.store import hash_file


def write_manifest(context: StageContext, path: CameraPath) -> None:
    """Write manifest.json beside the other files of a result, all of which must be there."""
    params, inputs = context.params, context.inputs
    warp = json.loads((inputs["warp"] / "warp.json").read_text(encoding="utf-8"))
    about = {
        "contract": CONTRACT_VERSION,
        "camera": path.name,
        "title": params["title"],
        "engine": params["engine"],
        "settings": dict(params["settings"]),
        "seed": params["seed"],
        "fps": path.fps,
        "width": path.width,
        "height": path.height,
        "frames": len(path.frames),
        "clip_frames": list(path.frames),
        "K": path.K,
        "world_from_camera": path.world_from_camera,
        "clip": _clip(inputs["decode"]),
        "geometry": _geometry(inputs["geometry"]),
        "generation": _generation(inputs["preview"]),
        "coverage": warp["coverage"],
        "coverage_by_frame": warp["coverage_by_frame"],
        "notes": warp["notes"],
        "seconds": {role: _seconds(folder) for role, folder in inputs.items()},
        "files": [
            {"path": file.relative_to(context.out).as_posix(), "sha256": hash_file(file), "size": file.stat().st_size}
            for file in sorted(file for file in context.out.rglob("*") if file.is_file())
        ],
    }
    (context.out / "manifest.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


GENERATION = "generation.json"
CLIP_KEYS = ("start", "fps", "fps_is_variable", "timestamps", "width", "height", "frames", "notes")


def _clip(decode: Path) -> dict[str, Any]:
    about = json.loads((decode / "clip.json").read_text(encoding="utf-8"))
    return {key: about[key] for key in CLIP_KEYS}


def _geometry(folder: Path) -> dict[str, Any]:
    about = json.loads((folder / "geometry.json").read_text(encoding="utf-8"))
    return {key: about[key] for key in ("provider", "checkpoint", "licence", "scale", "notes")}


def _generation(folder: Path) -> dict[str, Any] | None:
    """Which video model made the frames, what it had learned from, and how; None where none did."""
    about = folder / GENERATION
    return json.loads(about.read_text(encoding="utf-8")) if about.exists() else None


def _seconds(folder: Path) -> float | None:
    """How long the stage that wrote this folder took, if it lies in the store."""
    try:
        return json.loads((folder / "artifact.json").read_text(encoding="utf-8"))["about"]["seconds"]
    except FileNotFoundError:
        return None
