# SPDX-License-Identifier: Apache-2.0
"""Pack meshes, textures and skies with free licences into one file for training scenes.

    python -m scripts.train.meshes.pack_assets FOLDER [--out out/train/assets.npz]

FOLDER holds, in any depth, unpacked furniture libraries of Sweet Home 3D (folders with a
PluginFurnitureCatalog.properties; the Debian package sweethome3d-furniture has five of them as .sh3f, which are ZIP
archives), EXR skies, and the .exr.js files of the npm package @pmndrs/assets. Needs Pillow, OpenEXR,
fast-simplification and scipy. Writes who made what under which licence to ATTRIBUTION.md beside this file.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import lzma
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.train.meshes.obj import Material, Model, read_obj, thin, weld

MESH_LIMIT = 3500
"""Triangles of a mesh."""
TEXTURE_SIDE = 256
SKY_WIDTH = 768
SUPPORTS = 4
"""Surfaces per mesh on which things can stand."""
ROLES = ("furniture", "small", "wall", "ceiling", "person", "vehicle", "outdoor")
INDOORS = ("apartment", "hall", "interior", "lab", "lobby", "studio", "warehouse", "workshop")
"""Skies that are rooms."""
LICENCES = {
    "BlendSwap-CC-0": ("CC0 1.0", "Blend Swap"),
    "BlendSwap-CC-BY": ("CC BY 3.0", "Blend Swap"),
    "Kator": ("CC BY 3.0 US", "Andrew Kator and Jennifer Legaz"),
    "Reallusion": ("CC BY 3.0 US", "Reallusion"),
    "Scopia": ("CC BY 3.0", "Scopia"),
}


@dataclass
class Entry:
    """One row of a furniture catalogue. size: metres, x, y (up), z."""

    name: str
    file: Path
    role: str
    size: np.ndarray
    turn: np.ndarray
    licence: str
    author: str
    source: str


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack meshes, textures and skies for training scenes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/train/assets.npz"))
    options = parser.parse_args()
    entries = [entry for path in _catalogues(options.folder) for entry in _entries(path)]
    meshes, textures, palette = [], Textures(), []
    for entry in entries:
        try:
            model = _placed(read_obj(entry.file), entry)
        except ValueError as error:
            print(f"left out: {error}")
            continue
        meshes.append((model, entry, len(palette)))
        palette += [(material, textures.index_of(material)) for material in model.palette]
    skies = [(name, *_sky(image)) for name, image in _skies(options.folder)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    _write(options.out, meshes, palette, textures, skies)
    attribution = Path(__file__).with_name("ATTRIBUTION.md")
    attribution.write_text(_attribution([entry for _, entry, _ in meshes], [name for name, *_ in skies]))
    size = options.out.stat().st_size / 2**20
    triangles = sum(len(model.corners) for model, _, _ in meshes)
    print(f"{len(meshes)} meshes ({triangles} triangles), {len(textures.files)} textures, {len(skies)} skies")
    print(f"{options.out}: {size:.1f} MiB")


def _catalogues(folder: Path) -> list[Path]:
    return sorted(folder.rglob("PluginFurnitureCatalog.properties"))


def _entries(catalogue: Path) -> Iterator[Entry]:
    """The rows of a catalogue that a depth map can hold: no doors that are mostly glass, no text."""
    rows: dict[int, dict[str, str]] = {}
    for line in catalogue.read_text("latin-1").splitlines():
        if match := re.match(r"(\w+)#(\d+)=(.*)", line):
            rows.setdefault(int(match[2]), {})[match[1]] = match[3].strip()
    licence, author = next(value for key, value in LICENCES.items() if key in str(catalogue.parent))
    for row in rows.values():
        file = catalogue.parent / row["model"].lstrip("/")
        if not file.is_file():
            continue
        size = np.array([float(row[key]) for key in ("width", "height", "depth")]) / 100
        turn = np.array(row.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), float).reshape(3, 3)
        maker = row.get("creator", author)
        yield Entry(row["name"], file, _role(row, size), size, turn, licence, maker, _source(file.parent, author))


def _role(row: dict[str, str], size: np.ndarray) -> str:
    category, raised = row["category"], float(row.get("elevation", 0)) / 100
    if category == "Characters":
        return "person"
    if category == "Vehicles":
        return "vehicle"
    if row.get("doorOrWindow") == "true" or category == "Doors and windows":
        return "wall"
    if category == "Lights" and raised > 1.5:
        return "ceiling"
    if category in ("Exterior", "Staircases"):
        return "outdoor"
    if raised > 0.6 and row.get("movable") == "false":
        return "wall"
    return "small" if size.max() < 0.5 else "furniture"


def _source(folder: Path, collection: str) -> str:
    """Title and address of the work that a Blend Swap model was cut from, or its collection."""
    for file in folder.glob("*LICENSE*.txt"):
        text = file.read_text("latin-1")
        title, address = re.search(r'downloading "(.+?)" by', text), re.search(r"from (https?://\S+)", text)
        if title:
            return f'"{" ".join(title[1].split())}"' + (f", {address[1]}" if address else "")
    return collection


def _placed(model: Model, entry: Entry) -> Model:
    """The mesh in metres, x right, y down, standing on y = 0 around the origin, thinned to the limit."""
    points = model.points @ entry.turn.T
    low, high = points.min(0), points.max(0)
    points = (points - (low + high) / 2) * (entry.size / np.maximum(high - low, 1e-6))
    points[:, 1] += entry.size[1] / 2
    model.points = points * [1, -1, -1]
    return thin(weld(model), MESH_LIMIT)


def _supports(model: Model) -> np.ndarray:
    """Flat surfaces on which things can stand: SUPPORTS x 5, y, x0, x1, z0, z1 in metres; rows of zeros for none."""
    a, b, c = (model.points[model.corners[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1) / 2
    flat = np.abs(normal[:, 1]) > 1.96 * area
    middle, area = ((a + b + c) / 3)[flat], area[flat]
    found = np.zeros((SUPPORTS, 5), np.float32)
    bins = np.round(middle[:, 1] / 0.015).astype(int)
    totals = sorted(((area[bins == level].sum(), level) for level in np.unique(bins)), reverse=True)
    # A board has two faces: things stand on the upper one only.
    taken: list[float] = []
    for total, level in totals:
        at = bins == level
        y = float(middle[at, 1].min())
        if total < 0.03 or len(taken) == SUPPORTS or y > -0.1 or any(-0.02 < y - other < 0.12 for other in taken):
            continue
        if any(-0.12 < y - other < 0 for other in taken):
            continue
        corners = np.concatenate([part[flat][at] for part in (a, b, c)])
        (x0, _, z0), (x1, _, z1) = corners.min(0), corners.max(0)
        if total > 0.55 * (x1 - x0) * (z1 - z0):
            found[len(taken)] = y, x0, x1, z0, z1
            taken.append(y)
    return found


class Textures:
    """Images of the materials, each once, as WebP."""

    def __init__(self) -> None:
        self.files: list[bytes] = []
        self._known: dict[str, int] = {}

    def index_of(self, material: Material) -> int:
        """The index of a material's texture, or -1."""
        if material.texture is None:
            return -1
        data = material.texture.read_bytes()
        key = hashlib.sha256(data).hexdigest()
        if key not in self._known:
            try:
                image = Image.open(io.BytesIO(data))
                image.load()
            except OSError:
                self._known[key] = -1
                return -1
            image = image.convert("RGBA" if image.mode in ("RGBA", "LA", "P") else "RGB")
            image.thumbnail((TEXTURE_SIDE, TEXTURE_SIDE), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            image.save(out, "WEBP", quality=72, method=6)
            self._known[key] = len(self.files)
            self.files.append(out.getvalue())
        return self._known[key]


def _skies(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    import OpenEXR

    for path in sorted([*folder.rglob("*.exr"), *folder.rglob("*.exr.js")]):
        data = path.read_bytes()
        if path.suffix == ".js":
            match = re.search(rb"base64,([A-Za-z0-9+/=]+)", data)
            if match is None:
                continue
            path = Path("/tmp") / path.stem
            path.write_bytes(base64.b64decode(match[1]))
            name = f"{path.stem} (@pmndrs/assets, from Poly Haven)"
        else:
            name = f"{path.stem} (Blender's studio lights, from Poly Haven)"
        with OpenEXR.File(str(path)) as file:
            channels = file.channels()
            image = channels["RGB" if "RGB" in channels else "RGBA"].pixels[..., :3].astype(np.float32)
        yield name, np.clip(np.nan_to_num(image, posinf=3e4), 0, 3e4)


def _sky(image: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A sky as WebP of (x / (1 + x))^(1/2.2) with mean luminance 1, and its sun: direction (y down) and light."""
    height, width = image.shape[:2]
    rows = (np.arange(height) + 0.5) / height * np.pi
    columns = (np.arange(width) + 0.5) / width * 2 * np.pi - np.pi
    solid = np.sin(rows)[:, None] * np.ones(width)
    image = image / (image @ [0.3, 0.6, 0.1] * solid).sum() * solid.sum()
    direction = np.stack(
        [
            np.sin(rows)[:, None] * np.sin(columns),
            -np.cos(rows)[:, None] * np.ones(width),
            np.sin(rows)[:, None] * np.cos(columns),
        ],
        -1,
    )
    bright = np.maximum(image - 6, 0) * (solid * (np.pi / height) * (2 * np.pi / width))[..., None]
    weight = bright.sum(-1)
    sun = np.zeros(6, np.float32)
    if weight.sum() > 0:
        peak = direction[np.unravel_index(weight.argmax(), weight.shape)]
        near = direction @ peak > 0.95
        towards = (direction * (weight * near)[..., None]).sum((0, 1))
        sun[:3] = towards / np.linalg.norm(towards)
        sun[3:] = bright[near].sum(0)
    image = np.minimum(image, 6 + np.log1p(np.maximum(image - 6, 0)))
    encoded = (image / (1 + image)) ** (1 / 2.2)
    picture = Image.fromarray((encoded * 255 + 0.5).astype(np.uint8))
    size = min(SKY_WIDTH, width)
    out = io.BytesIO()
    picture.resize((size, size // 2), Image.Resampling.LANCZOS).save(out, "WEBP", quality=85, method=6)
    return out.getvalue(), sun


def _write(out: Path, meshes: list, palette: list, textures: Textures, skies: list) -> None:
    models = [model for model, _, _ in meshes]
    low = np.array([model.points.min(0) for model in models], np.float32)
    high = np.array([model.points.max(0) for model in models], np.float32)
    points = [
        np.round((model.points - a) / np.maximum(b - a, 1e-6) * 65535).astype(np.uint16)
        for model, a, b in zip(models, low, high, strict=True)
    ]
    columns: dict[str, np.ndarray] = {
        "low": low,
        "high": high,
        "counts": np.array([[len(m.points), len(m.corners), len(m.uv)] for m in models], np.int32),
        "points": _packed(np.concatenate(points).T),
        "uv": _packed(np.concatenate([m.uv for m in models]).clip(-500, 500).astype(np.float16).T),
        "corners": _packed(np.concatenate([_steps(m.corners) for m in models])),
        "uv_corners": _packed(np.concatenate([_steps(m.uv_corners) for m in models])),
        "materials": _packed(np.concatenate([m.materials + first for m, _, first in meshes]).astype(np.uint16)),
        "palette": np.array([[*m.colour, m.shine, texture] for m, texture in palette], np.float32),
        "supports": np.array([_supports(model) for model in models], np.float32),
        "roles": np.array([ROLES.index(entry.role) for _, entry, _ in meshes], np.uint8),
        "names": np.array([entry.name for _, entry, _ in meshes]),
        "indoors": np.array([name.split(".")[0].split(" ")[0] in INDOORS for name, _, _ in skies]),
        "suns": np.array([sun for _, _, sun in skies], np.float32),
    }
    for name, files in (("textures", textures.files), ("skies", [data for _, data, _ in skies])):
        columns[name] = np.frombuffer(b"".join(files), np.uint8)
        columns[f"{name}_ends"] = np.cumsum([len(data) for data in files])
    np.savez(out, **columns)


def _steps(corners: np.ndarray) -> np.ndarray:
    """Corner indices as differences, which compress well."""
    return np.diff(corners.reshape(-1), prepend=0).astype(np.int32).astype(np.uint16)


def _packed(array: np.ndarray) -> np.ndarray:
    """The array's low bytes, then its high bytes, under LZMA."""
    data = np.ascontiguousarray(array).view(np.uint8).reshape(-1, 2).T
    return np.frombuffer(lzma.compress(np.ascontiguousarray(data).tobytes(), preset=6), np.uint8)


def _attribution(entries: list[Entry], skies: list[str]) -> str:
    lines = [
        "# What the training scenes are made of",
        "",
        "Networks trained on `scripts/train/meshes` saw pictures of these works. The meshes were simplified and their",
        "textures scaled down; colours and textures were exchanged at random.",
        "",
        "| model | author | licence | source |",
        "| --- | --- | --- | --- |",
    ]
    rows = {f"| {e.name} | {e.author} | {e.licence} | {e.source} |" for e in entries}
    lines += sorted(rows, key=str.lower)
    lines += [
        "",
        "Models reached this project through the Debian package `sweethome3d-furniture`.",
        "",
        "## Skies (CC0 1.0)",
        "",
    ]
    lines += [f"- {name}" for name in skies]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
