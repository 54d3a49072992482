# SPDX-License-Identifier: Apache-2.0
"""Measure quality and speed of the preview engine, on the sample or on any ground-truth scene folder.

    python3.11 scripts/bench/preview.py                    the sample and its true renders
    python3.11 scripts/bench/preview.py --scene DIR        a folder with scene.json, source/, depth/, targets/

Pixels are split in three, by the same rule for every method: `seen` is covered by a plain 2 x 2 numpy splat of the
output frame's own source frame; `remembered` is not, but is covered by the splat of other frames' static pixels;
`invented` is the rest. PSNR is over all pixels of a set in all target frames together. `numpy` is that splat, nearest
frames first, with Telea in what is left; `preview` is the product, with memory and fill.

The sets depend on where the points of a splat land, not on what is truly visible there: the truth may show another
surface in front of them that no frame sees. No method is right at such pixels; they are in the figures of all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
    from environments import enter

    enter("backend")

import cv2
import numpy as np
from reangle.contract import CameraPath, from_data, from_json
from reangle.errors import UserError
from reangle.finishing.fill import Filler
from reangle.finishing.spec import DELIVER, FILL, DeliverParams, FillParams
from reangle.finishing.stage import deliver, fill
from reangle.folders import CameraFolder, ClipMetadata, DecodedClip, GeometryFolder
from reangle.geometry.camera.stage import find_camera
from reangle.geometry.spec import CAMERA, GEOMETRY, CameraParams, GeometryParams
from reangle.geometry.stage import estimate
from reangle.geometry.video_geometry import VideoGeometry
from reangle.media.exr import read_exr_depth
from reangle.media.spec import DECODE, DecodeParams
from reangle.media.stage import decode
from reangle.media.write import read_images, write_images
from reangle.runtime.stage import StageContext
from reangle.warping.background import background_views
from reangle.warping.cameras import pixel_transform, target_from_source
from reangle.warping.memory import Memory
from reangle.warping.spec import WARP, WarpParams
from reangle.warping.stage import warp
from reangle.warping.surface import make_surface
from reangle.warping.types import WarpedFrame
from reangle.warping.video import Warper, warp_frames

from scripts.environments import REPOSITORY

METHODS = ("numpy", "preview")
SUFFIXES = {"numpy": "_numpy", "preview": ""}
"""Suffix of each method's keys in the figures."""
SETS = ("seen", "remembered", "invented")
TELEA_RADIUS = 5


@dataclass(frozen=True)
class Scene:
    """frames: T x H x W x 3 uint8. targets: path and true frames, N x H x W x 3 uint8."""

    frames: np.ndarray
    geometry: VideoGeometry
    targets: list[tuple[CameraPath, np.ndarray]]


def load_scene(folder: Path) -> Scene:
    """A ground-truth scene folder."""
    about = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    frames = read_images(folder / "source")
    depth = np.stack([read_exr_depth(path) for path in sorted((folder / "depth").glob("*.exr"))])
    valid = (depth > 0) & (depth < 1e6)
    geometry = VideoGeometry(
        np.where(valid, depth, 0).astype(np.float32),
        valid,
        valid.astype(np.float32),
        np.array(about["source"]["K"], np.float64),
        np.array(about["source"]["world_from_camera"], np.float64),
        "metric",
        "files",
        "files",
    )
    size = {key: about[key] for key in ("fps", "width", "height")}
    targets = [
        (from_data(CameraPath, {**size, **target}), read_images(folder / "targets" / target["name"]))
        for target in about["targets"]
    ]
    return Scene(frames, geometry, targets)


def load_sample() -> Scene:
    """The repository's sample, decoded and with geometry from the product's stages."""
    sample = REPOSITORY / "scripts" / "sample" / "footage"
    depth = sorted((sample / "depth").iterdir())
    with tempfile.TemporaryDirectory() as temporary:
        decoded, solved, estimated = (Path(temporary) / name for name in ("decode", "camera", "geometry"))
        frames = decoded_frames(sample / "clip.mp4", decoded)
        solved.mkdir()
        estimated.mkdir()
        clip, files = DecodedClip(decoded), {"geometry": tuple((file.name, file) for file in depth)}
        camera = CameraFolder(solved)
        find_camera(StageContext(params=CameraParams(camera="files"), out=camera, inputs={"decode": clip}, files=files))
        estimate(
            StageContext(
                params=GeometryParams(depth="files"),
                out=GeometryFolder(estimated),
                inputs={"decode": clip, "camera": camera},
                files=files,
            )
        )
        geometry = VideoGeometry.load(GeometryFolder(estimated))
        targets = [
            (
                from_json(CameraPath, file.read_text(encoding="utf-8")),
                decoded_frames(file.with_suffix(".mp4"), Path(temporary) / file.stem),
            )
            for file in sorted((sample / "truth").glob("*.json"))
        ]
    return Scene(frames, geometry, targets)


def decoded_frames(movie: Path, folder: Path) -> np.ndarray:
    """A movie's frames, T x H x W x 3 uint8, read by the decode stage, which writes to a new folder."""
    folder.mkdir()
    out = DecodedClip(folder)
    decode(StageContext(params=DecodeParams(), out=out, files={"clip": ((movie.name, movie),)}))
    return read_images(out.frames)


def numpy_splat(
    rgb: np.ndarray,
    depth: np.ndarray,
    mask: np.ndarray,
    A: np.ndarray,
    b: np.ndarray,
    width: int,
    height: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The baseline: every point covers 2 x 2 pixels, the nearest wins. Returns colours and covered pixels."""
    y, x = np.nonzero(mask)
    q = A @ np.stack([x + 0.5, y + 0.5, np.ones(len(x))]) * depth[mask] + b[:, None]
    front = q[2] > 0
    q, colour = q[:, front], rgb[mask][front]
    left, top = np.floor(q[0] / q[2] - 0.5).astype(int), np.floor(q[1] / q[2] - 0.5).astype(int)
    at, z, point = [], [], []
    for i, j in ((0, 0), (1, 0), (0, 1), (1, 1)):
        inside = (left + i >= 0) & (left + i < width) & (top + j >= 0) & (top + j < height)
        at.append(((top + j) * width + left + i)[inside])
        z.append(q[2][inside])
        point.append(np.nonzero(inside)[0])
    at, z, point = np.concatenate(at), np.concatenate(z), np.concatenate(point)
    far_first = np.argsort(-z, kind="stable")
    out = np.zeros((height * width, 3), np.uint8)
    covered = np.zeros(height * width, np.bool_)
    out[at[far_first]] = colour[point[far_first]]
    covered[at] = True
    return out.reshape(height, width, 3), covered.reshape(height, width)


def numpy_frame(scene: Scene, memory: Memory, path: CameraPath, n: int, every: int) -> tuple[np.ndarray, np.ndarray]:
    """The baseline's frame with Telea in the holes, and each pixel's set (0 seen, 1 remembered, 2 invented)."""
    t, K, at = path.frames[n], np.asarray(path.K)[n], np.asarray(path.world_from_camera)[n]
    geometry, K_source = scene.geometry, scene.geometry.K_at(*scene.frames.shape[2:0:-1])

    height, width = scene.frames.shape[1:3]
    own = make_surface(geometry.depth[t], geometry.valid[t], width, height)

    def splat(k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = target_from_source(at, geometry.world_from_camera[k])
        surface = memory.surface_of(k) or own
        terms = pixel_transform(K_source[k], there, K)
        return numpy_splat(scene.frames[k], surface.depth, mask, *terms, path.width, path.height)

    static = dict(zip(memory.numbers.tolist(), memory.static, strict=True))
    rgb, seen = splat(t, own.depth > 0)
    known = seen.copy()
    for k in sorted(list(static)[::every], key=lambda k: abs(k - t)):
        if k != t:
            colour, covered = splat(k, static[k])
            new = covered & ~known
            rgb[new] = colour[new]
            known |= new
    rgb = cv2.inpaint(rgb, (~known).astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA)
    return rgb, np.where(seen, 0, np.where(known, 1, 2))


def product(scene: Scene, memory: Memory, path: CameraPath) -> tuple[list[WarpedFrame], list[np.ndarray]]:
    """Warped and finished frames of the path, from the product's stages."""
    warper = Warper(scene.frames, scene.geometry, memory)
    warped = list(warp_frames(warper, path))
    unknown = [float(np.mean(~frame.known)) for frame in warped]
    filler = Filler(background_views(warper, path, unknown))
    cameras = zip(warped, np.asarray(path.K), np.asarray(path.world_from_camera), strict=True)
    return warped, [filler.fill(w.rgb, w.known, w.depth, K, at) for w, K, at in cameras]


def thinned(path: CameraPath, numbers: list[int]) -> CameraPath:
    """Some frames of a path."""
    pick = {key: tuple(getattr(path, key)[n] for n in numbers) for key in ("frames", "world_from_camera", "K")}
    return replace(path, **pick)


def split_psnr(scene: Scene, memory: Memory, most: int, every: int) -> tuple[dict[str, float], dict[str, float]]:
    """PSNR in dB of each set and method over all targets, and each set's share of the picture."""
    errors: dict[tuple[str, str], list[np.ndarray]] = {}
    for path, truth in scene.targets:
        numbers = np.unique(np.linspace(0, len(truth) - 1, min(most, len(truth))).round().astype(int)).tolist()
        few = thinned(path, numbers)
        finished = product(scene, memory, few)[1]
        for index, n in enumerate(numbers):
            baseline, sets = numpy_frame(scene, memory, path, n, every)
            for method, image in zip(METHODS, (baseline, finished[index]), strict=True):
                error = np.square(image.astype(np.float32) - truth[n]).mean(-1)
                for number, name in enumerate(SETS):
                    errors.setdefault((name, method), []).append(error[sets == number])
    pooled = {key: np.concatenate(parts) for key, parts in errors.items()}
    figures = {
        f"{name}_db{SUFFIXES[method]}": 10 * np.log10(255**2 / max(float(values.mean()), 1e-9))
        for (name, method), values in pooled.items()
        if len(values)
    }
    total = sum(len(pooled[name, "numpy"]) for name in SETS)
    return figures, {name: len(pooled[name, "numpy"]) / total for name in SETS}


def flicker(scene: Scene, memory: Memory, frames: int) -> tuple[float, float]:
    """Mean change between neighbouring frames of pixels invented in both: Telea frame by frame, and the product.

    The camera is still, at the end of the first path, and so is the hidden background: every change is flicker.
    """
    path, _ = scene.targets[0]
    count = min(frames, len(scene.frames))
    still = replace(
        path,
        frames=tuple(range(count)),
        world_from_camera=path.world_from_camera[-1:] * count,
        K=path.K[-1:] * count,
    )
    warped, filled = product(scene, memory, still)
    holes = [~frame.known for frame in warped]
    telea = [
        cv2.inpaint(frame.rgb, hole.astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA)
        for frame, hole in zip(warped, holes, strict=True)
    ]

    def change(images: list[np.ndarray]) -> float:
        steps = [
            np.abs(images[n + 1].astype(int) - images[n])[holes[n] & holes[n + 1]].ravel() for n in range(count - 1)
        ]
        return float(np.concatenate(steps).mean()) if steps else 0.0

    return change(telea), change(filled)


def time_stages(scene: Scene, count: int = 49, width: int = 720, height: int = 480) -> dict[str, float]:
    """Seconds of the stages warp, fill and deliver, from PNG files to the delivered folder, for one camera."""
    pick = np.arange(count) % len(scene.frames)
    path = scene.targets[0][0]
    size = np.diag([width / path.width, height / path.height, 1])
    along = np.linspace(0, len(path.frames) - 1, count).round().astype(int)
    camera = CameraPath(
        name="timed",
        fps=path.fps,
        width=width,
        height=height,
        frames=tuple(range(count)),
        world_from_camera=tuple(path.world_from_camera[n] for n in along),
        K=(size @ np.asarray(path.K)[along]).tolist(),
    )
    stages = [
        (warp, WARP, WarpParams(path=camera)),
        (fill, FILL, FillParams(path=camera)),
        (deliver, DELIVER, DeliverParams(path=camera, engine="preview", settings={}, seed=42, title="")),
    ]
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        specs = (DECODE, CAMERA, GEOMETRY, WARP, FILL, DELIVER)
        folders = {spec.kind: spec.writes(Path(temporary) / spec.kind) for spec in specs}
        for folder in folders.values():
            folder.path.mkdir()
        clip = folders["decode"]
        write_images(clip.frames, _resized(scene.frames[pick], width, height))
        times = tuple(n / path.fps for n in range(count))
        clip.write_metadata(ClipMetadata(fps=path.fps, timestamps=times, width=width, height=height, frames=count))
        geometry = scene.geometry
        depth = np.stack([cv2.resize(geometry.depth[k], (width, height), interpolation=0) for k in pick])
        VideoGeometry(
            depth,
            depth > 0,
            (depth > 0).astype(np.float32),
            geometry.K_at(width, height)[pick],
            geometry.world_from_camera[pick],
            geometry.scale,
            geometry.camera_from,
            geometry.depth_from,
        ).save(folders["geometry"])
        for function, spec, params in stages:
            inputs = {role: folders[role] for role in spec.inputs if role in folders}
            started = time.perf_counter()
            function(StageContext(params=params, out=folders[spec.kind], inputs=inputs))
            seconds[spec.kind] = time.perf_counter() - started
    return seconds


def _resized(frames: np.ndarray, width: int, height: int) -> Iterator[np.ndarray]:
    for frame in frames:
        yield cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality and speed of the preview engine.")
    parser.add_argument("--scene", type=Path, help="a ground-truth scene folder instead of the sample")
    parser.add_argument("--full", action="store_true", help="every target frame, and every frame remembered by numpy")
    args = parser.parse_args()
    try:
        scene = load_scene(args.scene) if args.scene else load_sample()
    except UserError as error:
        sys.exit(str(error))
    count, height, width = scene.frames.shape[:3]
    print(f"{args.scene or 'the sample'}: {count} frames of {width}x{height}, {len(scene.targets)} cameras")
    memory = Memory.of_clip(scene.frames, scene.geometry)
    most, every = (10**6, 1) if args.full else (9, max(1, count // 12))
    figures, shares = split_psnr(scene, memory, most, every)
    print(f"\nPSNR, dB{'':12}" + "".join(f"{method:>10}" for method in METHODS) + "     share")
    for name in SETS:
        row = "".join(f"{figures.get(f'{name}_db{SUFFIXES[method]}', float('nan')):10.2f}" for method in METHODS)
        print(f"{name:20}{row}{shares[name]:10.1%}")
    print("Sets by where the numpy splat lands; some pixels show surfaces that no frame sees, for all methods alike.")
    figures["flicker_telea"], figures["flicker_fill"] = flicker(scene, memory, 49 if args.full else 16)
    print(f"\nflicker of invented pixels, grey levels a frame: Telea {figures['flicker_telea']:.2f}, ", end="")
    print(f"fill {figures['flicker_fill']:.2f}")
    seconds = sorted((time_stages(scene) for _ in range(3)), key=lambda run: sum(run.values()))[1]
    figures["seconds_49"] = sum(seconds.values())
    steps = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    print("\n49 frames of 720x480 to one camera, PNG to delivered folder, median of 3 runs: ", end="")
    print(f"{figures['seconds_49']:.1f} s ({steps})")
    if not args.full:
        print(f"Left out without --full: target frames beyond {most} a camera; the numpy splat, and with")
        print(f"it the set `remembered`, knows one in {every} of the other frames.")
    rounded = {key: round(value, 3) for key, value in figures.items()}
    print(json.dumps({"bench": "preview", "figures": rounded}))


if __name__ == "__main__":
    main()
