# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""The whole loop through Blender: a clip in, two new angles out.

    python3.11 scripts/demo.py                       the sample, into out/demo
    python3.11 scripts/demo.py --clip FILE --geometry files:DIR

Runs the real add-on in the real Blender, which starts the real backend. Leaves demo.blend, the image sequences of both
cameras, report.json and contact_sheet.png.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "sample")]

from environments import REPOSITORY, SetupError, environment_variables, python_of

MODULE = "bl_ext.user_default.reangle"
JOB_TIMEOUT_S = 3600.0


class DemoError(Exception):
    """What ends the demo early, in words for the artist."""


class Steps:
    """Prints each step when it is done, and remembers how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = self._start = time.perf_counter()

    def done(self, name: str, words: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._since, 2)
        print(f"{now - self._since:6.1f} s  {words}", flush=True)
        self._since = now

    @property
    def total(self) -> float:
        return round(time.perf_counter() - self._start, 2)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A clip in, two new angles out, through Blender and back.")
    parser.add_argument("--engine", choices=["preview"], default="preview", help="how the new angles are made")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="a movie of yours (default: the sample)")
    parser.add_argument("--geometry", metavar="HOW", help="files:DIR, dust3r or depth-anything (default)")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="first frame used, from 0")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="how many frames (default: all that remain)")
    parser.add_argument("--size", type=size, metavar="WxH", help="working size (default: the clip's)")
    parser.add_argument(
        "--sample",
        type=Path,
        default=REPOSITORY / "scripts" / "sample" / "footage",
        metavar="DIR",
        help="another sample",
    )
    parser.add_argument("--out", type=Path, default=REPOSITORY / "out" / "demo", metavar="DIR")
    return parser.parse_args()


def size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    return int(width), int(height)


def main() -> int:
    chosen = arguments()
    out = chosen.out.absolute()
    steps = Steps()
    work = out / "work"
    clear(work)
    (work / "backend").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "results", ignore_errors=True)
    for name in ("demo.blend", "report.json", "contact_sheet.png"):
        (out / name).unlink(missing_ok=True)
    # Blender reads this once, when it is imported: the artist's own Blender stays as it is.
    os.environ["BLENDER_USER_RESOURCES"] = str(work / "blender")
    try:
        demo = Demo(chosen, out, steps)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        demo.run()
    except DemoError as reason:
        print(reason, file=sys.stderr)
        return 2
    finally:
        demo.end()
    clear(work)
    return 0


def clear(work: Path) -> None:
    """Remove what a demo needed while it ran, but for weights: the backend may have asked to put them there."""
    backend = work / "backend"
    for path in (*backend.glob("*"), *work.glob("*")):
        if path not in (backend, backend / "models"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


class Demo:
    """One run. The extension's modules are reached by name, as it is installed while this runs."""

    def __init__(self, chosen: argparse.Namespace, out: Path, steps: Steps) -> None:
        self.chosen, self.out, self.work, self.steps = chosen, out, out / "work", steps
        self.backend_python = python_of("backend")
        self.is_sample = chosen.clip is None
        self.truth = (
            chosen.sample.absolute() / "truth" if self.is_sample and not (chosen.start or chosen.frames) else None
        )

    def run(self) -> None:
        self.install()
        self.start_backend()
        self.import_clip()
        self.add_cameras()
        self.render()
        self.load_results()
        self.report()

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{MODULE}.{name}")

    @property
    def shot(self) -> Any:
        """What the add-on remembers in the open scene."""
        import bpy

        return self.module("state").of(bpy.context.scene)

    def install(self) -> None:
        import bpy
        from build_extension import build

        archive = build(self.work)
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.ops.extensions.package_install_files(filepath=str(archive), repo="user_default", enable_on_install=True)
        preferences = bpy.context.preferences.addons[MODULE].preferences
        preferences.data_folder, preferences.results_folder = str(self.work / "backend"), "//results"
        bpy.context.preferences.filepaths.save_version = 0
        self.save()
        version = bpy.app.version_string
        self.steps.done("install", f"built {archive.name} and installed it in Blender {version}")

    def save(self) -> None:
        import bpy

        bpy.ops.wm.save_as_mainfile(filepath=str(self.out / "demo.blend"), check_existing=False)

    def start_backend(self) -> None:
        data = self.work / "backend"
        about = {
            "command": [str(self.backend_python), "-m", "backend.cli"],
            "environment": {"PYTHONPATH": str(REPOSITORY)},
        }
        (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
        self.press("start_backend")
        connection = self.module("connection")
        self.module("jobs").pump_until(lambda: connection.now.state in ("on", "failed"), timeout_s=90)
        if connection.now.failure is not None:
            raise DemoError(f"{connection.now.failure.message} {connection.now.failure.advice}")
        self.steps.done("start_backend", f"started the backend, version {connection.now.version}")

    def end(self) -> None:
        """End the backend, whatever happened."""
        core = f"{MODULE}.core.backend_process"
        if core in sys.modules:
            backend_process = sys.modules[core]
            running = backend_process.find(self.work / "backend")
            if running is not None:
                backend_process.stop(running)

    def press(self, button: str, **properties: Any) -> None:
        """Press one of the add-on's buttons. Raises DemoError with its words where it refuses."""
        import bpy

        try:
            getattr(bpy.ops.reangle, button)(**properties)
        except RuntimeError as error:
            raise DemoError(str(error).strip().removeprefix("Error: ").split("\nLocation:")[0]) from None

    def import_clip(self) -> None:
        clip = self.shot.clip
        clip.path = str((self.chosen.clip or self.chosen.sample / "clip.mp4").absolute())
        clip.start, clip.frames = self.chosen.start, self.chosen.frames
        how = self.chosen.geometry or (f"files:{self.chosen.sample / 'depth'}" if self.is_sample else "depth-anything")
        provider, _, folder = how.partition(":")
        try:
            clip.provider = provider
        except TypeError:
            raise DemoError(f"There is no geometry {provider!r}. Give files:DIR, dust3r or depth-anything.") from None
        clip.geometry_folder = str(Path(folder).absolute()) if folder else ""
        if self.chosen.size:
            clip.use_own_size = False
            clip.width, clip.height = self.chosen.size
        self.press("import_clip")
        self.wait()
        shot = self.shot
        points = len(shot.cloud.data.vertices)
        size = f"{shot.shot_width}x{shot.shot_height}"
        self.steps.done(
            "import", f"imported {shot.shot_frames} frames of {size} as a cloud of {points:,} points with its camera"
        )

    def add_cameras(self) -> None:
        """One camera by a preset, one keyed by hand with a changing lens."""
        import bpy
        import cameras

        shot = self.shot
        if self.is_sample:
            shot.focus = cameras.ORBIT_FOCUS_M
        self.press("apply_move", move=cameras.ORBIT_MOVE, amount=cameras.ORBIT_DEGREES, name=cameras.ORBIT_NAME)
        bpy.context.scene.frame_set(shot.first_frame)
        self.press("add_camera", name=cameras.HAND_NAME)
        camera = bpy.context.active_object
        # In another clip the same keys reach as far in proportion, and over its own length.
        unit = lens_unit = 1.0
        if not self.is_sample:
            unit = self.module("scene.moves").focus_depth(bpy.context.scene) / cameras.ORBIT_FOCUS_M
            lens_unit = camera.data.lens / cameras.SOURCE_LENS_MM
        for key, location, degrees, lens in cameras.HAND_KEYS:
            frame = shot.first_frame + (key - 1) * (shot.shot_frames - 1) / (cameras.FRAMES - 1)
            camera.location = [unit * value for value in location]
            camera.rotation_euler = [math.radians(angle) for angle in degrees]
            camera.data.lens = lens_unit * lens
            camera.keyframe_insert("location", frame=frame)
            camera.keyframe_insert("rotation_euler", frame=frame)
            camera.data.keyframe_insert("lens", frame=frame)
        words = f"added {cameras.ORBIT_NAME} by preset and {cameras.HAND_NAME} by hand, with a changing lens"
        self.steps.done("cameras", words)

    def render(self) -> None:
        self.shot.engine = self.chosen.engine
        self.press("render")
        self.wait()
        count = len(self.job.cameras)
        self.steps.done("render", f"rendered {count} cameras with the engine {self.chosen.engine!r} and fetched them")

    @property
    def job(self) -> Any:
        return self.shot.jobs[-1]

    def wait(self) -> None:
        """Until the newest job is done and what it made is here. Raises DemoError with its error."""
        stage = ""

        def settled() -> bool:
            nonlocal stage
            job = self.job
            if job.stage and job.stage != stage:
                stage = job.stage
                print(f"          {stage}", flush=True)
            return job.is_final and (job.loaded or job.state != "done" or bool(job.message))

        self.module("jobs").pump_until(settled, timeout_s=JOB_TIMEOUT_S)
        if self.job.message or not self.job.loaded:
            raise DemoError(f"{self.job.message or 'The job was canceled.'} {self.job.advice}".strip())

    def load_results(self) -> None:
        job = self.job.name
        self.press("results_to_sequencer", job=job, with_clip=True)
        self.press("results_to_backgrounds", job=job)
        self.press("results_to_compositor", job=job)
        self.save()
        self.steps.done("results", "put the results on the sequencer, behind the cameras and into the compositor")

    def report(self) -> None:
        """Judge the pictures, which needs the backend's packages, and write report.json."""
        import bpy
        import cameras

        shot = self.shot
        folders = {camera.name: bpy.path.abspath(camera.folder) for camera in self.job.cameras}
        asked = {
            "source": str(Path(bpy.path.abspath(shot.shot_folder)) / "source" / "frames"),
            "cameras": folders,
            "truth": {name: str(self.truth / cameras.file_name(name)) for name in folders} if self.truth else {},
            "sheet": str(self.out / "contact_sheet.png"),
        }
        command = [self.backend_python, HERE / "demo_report.py"]
        done = subprocess.run(
            command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, env=environment_variables()
        )
        if done.returncode:
            raise DemoError("The pictures could not be judged; see above.")
        found = json.loads(done.stdout)
        self.steps.done("report", "compared with the true renders and drew the contact sheet")
        about = {
            "clip": shot.clip.path,
            "geometry": shot.clip.provider,
            "engine": self.chosen.engine,
            "frames": shot.shot_frames,
            "width": shot.shot_width,
            "height": shot.shot_height,
            "fps": shot.shot_fps,
            "blender": bpy.app.version_string,
            "seconds": {**self.steps.seconds, "total": self.steps.total},
            "cameras": {
                name: {"folder": Path(folder).relative_to(self.out).as_posix(), **found[name]}
                for name, folder in folders.items()
            },
        }
        (self.out / "report.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        print(f"{self.steps.total:6.1f} s  in all; see {self.out}")
        for name, camera in about["cameras"].items():
            shares = ", ".join(f"{share:.1%} {what}" for what, share in camera["coverage"].items())
            print(f"          {name}: {shares}")
            if camera["psnr"]:
                figures = ", ".join(f"{what} {value:.1f} dB" for what, value in camera["psnr"].items() if value)
                print(f"          {name}: PSNR against the true render: {figures}")


if __name__ == "__main__":
    from environments import enter

    enter("bpy")
    sys.exit(main())
