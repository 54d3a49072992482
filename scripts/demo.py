# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Render a clip from new cameras, through Blender and back.

    python3.11 scripts/demo.py                       the sample, into out/demo
    python3.11 scripts/demo.py --geometry files      the sample with its true depth
    python3.11 scripts/demo.py --engine preview      without a video model, in a fifth of the time
    python3.11 scripts/demo.py --mode static         three held cameras, whose starting images agree
    python3.11 scripts/demo.py --clip FILE           a clip of yours

Runs the real add-on in the real Blender, which starts the real backend. Writes demo.blend, the image sequences of both
cameras, report.json, contact_sheet.png and losses.png, the training losses.
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
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "sample"))

from demo_options import GEOMETRIES, SAMPLE_CAPTION, Steps, arguments, print_figures
from environments import REPOSITORY, SetupError, canceled, environment_variables, python_of

MODULE = "bl_ext.user_default.reangle"
# They end what hangs; a busy machine may take many times what an idle one does.
START_TIMEOUT_S = 600.0
JOB_TIMEOUT_S = 4 * 3600.0
ESTIMATED = (
    "PSNR and camera error include the geometry's own error: depth, lens and camera are estimated, in a scale in which "
    "the middle of the first frame is as far away as in truth."
)


class DemoError(Exception):
    """Why the demo ends early, in words for the artist."""


def main() -> int:
    chosen = arguments()
    out = chosen.out.absolute()
    steps = Steps()
    work = out / "work"
    try:
        clear(work)
        (work / "backend").mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out / "results", ignore_errors=True)
        for name in ("demo.blend", "report.json", "contact_sheet.png", "losses.png"):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        print(f"{error.filename or out} cannot be written: {error.strerror}. Give another --out.", file=sys.stderr)
        return 2
    # Blender reads this once, on import: the artist's own Blender stays as it is.
    os.environ["BLENDER_USER_RESOURCES"] = str(work / "blender")
    try:
        demo = demo_class(chosen.mode)(chosen, out, steps)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        demo.run()
    except DemoError as reason:
        print(reason, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return canceled()
    finally:
        demo.end()
    clear(work)
    return 0


def demo_class(mode: str) -> type[Demo]:
    if mode == "static":
        # Imported late, as it builds on this module, which has another name when it is run.
        sys.modules.setdefault("demo", sys.modules[__name__])
        from demo_static import StaticDemo

        return StaticDemo
    return Demo


def clear(work: Path) -> None:
    """Remove the demo's working files, except weights that the user put there."""
    backend = work / "backend"
    for path in (*backend.glob("*"), *work.glob("*")):
        if path not in (backend, backend / "models"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


class Demo:
    """One run. The extension's modules are imported by name, because the run itself installs them."""

    def __init__(self, chosen: argparse.Namespace, out: Path, steps: Steps) -> None:
        self.chosen, self.out, self.work, self.steps = chosen, out, out / "work", steps
        self.backend_python = python_of("backend")
        self.is_sample = chosen.clip is None
        self.unit = 1.0
        self.previews: dict[str, str] = {}
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
        """The add-on's properties in the open scene."""
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
            "command": [str(self.backend_python), "-m", "reangle"],
            "environment": {"PYTHONPATH": str(REPOSITORY / "backend")},
        }
        (data / "backend.json").write_text(json.dumps(about), encoding="utf-8")
        self.press("start_backend")
        connection = self.module("exchange.connection")
        self.module("exchange.main_thread").pump_until(
            lambda: connection.now.state in ("on", "failed"), timeout_s=START_TIMEOUT_S
        )
        if connection.now.failure is not None:
            raise DemoError(f"{connection.now.failure.message} {connection.now.failure.advice}")
        self.steps.done("start_backend", f"started the backend, version {connection.now.version}")

    def end(self) -> None:
        """End the backend if it runs."""
        core = f"{MODULE}.core.backend_process"
        if core in sys.modules:
            backend_process = sys.modules[core]
            running = backend_process.find(self.work / "backend")
            if running is not None:
                backend_process.stop(running)

    def press(self, button: str, **properties: Any) -> None:
        """Press one of the add-on's buttons. Raises DemoError with its message if it refuses."""
        import bpy

        try:
            getattr(bpy.ops.reangle, button)(**properties)
        except RuntimeError as error:
            # A grey button's reason follows the name of its poll.
            reason = str(error).strip().removeprefix("Error: ").rpartition(".poll() ")[2]
            raise DemoError(reason.split("\nLocation:")[0]) from None

    def import_clip(self) -> None:
        clip = self.shot.clip
        clip.path = str((self.chosen.clip or self.chosen.sample / "clip.mp4").absolute())
        clip.start, clip.frames = self.chosen.start, self.chosen.frames
        name, _, folder = self.chosen.geometry.partition(":")
        camera, _, depth = name.rpartition("+")
        if not camera:
            migration, kinds = self.module("core.contract.migration"), self.module("core.contract.file_kinds")
            beside = (
                [one.name for one in Path(folder).iterdir()] if folder and Path(folder).is_dir() else ["camera.json"]
            )
            has_camera = any(map(kinds.is_camera_file, beside))
            camera, depth = migration.camera_and_depth(depth, camera_file=has_camera)
        try:
            clip.camera, clip.depth = camera, depth
        except TypeError:
            raise DemoError(f"There is no geometry {name!r}. Give {GEOMETRIES}.") from None
        if "files" in (camera, depth) and not folder and self.is_sample:
            folder = self.chosen.sample / "depth"
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
        for note in self.job.notes.splitlines():
            print(f"          {note}", flush=True)

    def add_cameras(self) -> None:
        """Add one camera by a preset, and one keyed by hand with a changing lens."""
        import bpy
        import cameras

        shot = self.shot
        self.unit = self.measure_unit()
        if self.is_sample:
            shot.focus = self.unit * cameras.ORBIT_FOCUS_M
        self.press("apply_move", move=cameras.ORBIT_MOVE, amount=cameras.ORBIT_DEGREES, name=cameras.ORBIT_NAME)
        bpy.context.scene.frame_set(shot.first_frame)
        self.press("add_camera", name=cameras.HAND_NAME)
        camera = bpy.context.active_object
        # In another clip the same keys reach as far in proportion, over that clip's length.
        lens_unit = 1.0 if self.is_true else camera.data.lens / cameras.SOURCE_LENS_MM
        for key, location, degrees, lens in cameras.HAND_KEYS:
            frame = shot.first_frame + (key - 1) * (shot.shot_frames - 1) / (cameras.FRAMES - 1)
            camera.location = [self.unit * value for value in location]
            camera.rotation_euler = [math.radians(angle) for angle in degrees]
            camera.data.lens = lens_unit * lens
            camera.keyframe_insert("location", frame=frame)
            camera.keyframe_insert("rotation_euler", frame=frame)
            camera.data.keyframe_insert("lens", frame=frame)
        message = f"added {cameras.ORBIT_NAME} by preset and {cameras.HAND_NAME} by hand, with a changing lens"
        self.steps.done("cameras", message)

    @property
    def is_true(self) -> bool:
        """Whether depth, lens and scale are those of the sample's scene, not estimated."""
        return self.is_sample and self.shot.clip.camera == self.shot.clip.depth == "files"

    def measure_unit(self) -> float:
        """The geometry's units in one metre of the cameras: estimated geometry has a scale of its own."""
        import bpy
        import cameras

        if self.is_true:
            return 1.0
        middle = self.module("scene.moves").focus_depth(bpy.context.scene)
        return middle / (cameras.MIDDLE_DEPTH_M if self.is_sample else cameras.ORBIT_FOCUS_M)

    def render(self) -> None:
        if self.chosen.engine == "reangle":
            # For comparison; the two share all stages but the last.
            self.render_with("preview")
            self.previews = self.folders()
            self.shot.learning.caption = self.caption
        self.render_with(self.chosen.engine)

    def render_with(self, engine: str) -> None:
        self.shot.engine = engine
        self.press("render")
        self.wait()
        count = len(self.job.cameras)
        name = "render" if engine == self.chosen.engine else f"render_{engine}"
        self.steps.done(name, f"rendered {count} cameras with the engine {engine!r} and fetched them")

    @property
    def caption(self) -> str:
        return self.chosen.caption or (SAMPLE_CAPTION if self.is_sample else "")

    def folders(self) -> dict[str, str]:
        """The result folders of the newest job, by camera."""
        import bpy

        return {camera.name: bpy.path.abspath(camera.folder) for camera in self.job.cameras}

    @property
    def job(self) -> Any:
        return self.shot.jobs[-1]

    def wait(self) -> None:
        """Wait until the newest job is done and its results are here. Raises DemoError with its error."""
        stage = ""

        def settled() -> bool:
            nonlocal stage
            job = self.job
            if job.stage and job.stage != stage:
                stage = job.stage
                print(f"          {stage}", flush=True)
            return job.is_final and (job.loaded or job.state != "done" or bool(job.message))

        self.module("exchange.main_thread").pump_until(settled, timeout_s=JOB_TIMEOUT_S)
        if self.job.message or not self.job.loaded:
            raise DemoError(f"{self.job.message or 'The job was canceled.'} {self.job.advice}".strip())

    def load_results(self) -> None:
        job = self.job.name
        self.press("results_to_sequencer", job=job, with_clip=True)
        self.press("results_to_backgrounds", job=job)
        self.press("results_to_compositor", job=job)
        self.save()
        self.steps.done("results", "put the results into an edit scene, behind the cameras and into a node group")

    def report(self) -> None:
        """Compare the frames with true renders, which needs the backend's packages, and write report.json."""
        import cameras

        folders = self.folders()
        request = {
            "source": str(self.source_frames()),
            "cameras": folders,
            "previews": self.previews,
            "truth": {name: str(self.truth / cameras.file_name(name)) for name in folders} if self.truth else {},
            "unit": self.unit,
            "sheet": str(self.out / "contact_sheet.png"),
            "losses": str(self.out / "losses.png"),
        }
        answer = self.ask(HERE / "demo_report.py", request)
        self.steps.done("report", "compared with the true renders and drew the contact sheet")
        about = {
            **self.about(answer["geometry"]),
            "cameras": {
                name: {"folder": Path(folder).relative_to(self.out).as_posix(), **answer["cameras"][name]}
                for name, folder in folders.items()
            },
        }
        (self.out / "report.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        print_figures(about, self.out)

    def source_frames(self) -> Path:
        import bpy

        return Path(bpy.path.abspath(self.shot.shot_folder)) / "source" / "frames"

    def ask(self, script: Path, request: dict[str, Any]) -> dict[str, Any]:
        """The answer of a script that runs in the backend's environment."""
        done = subprocess.run(
            [self.backend_python, script],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            text=True,
            env=environment_variables(),
        )
        if done.returncode:
            raise DemoError("The frames could not be compared with true renders; see above.")
        return json.loads(done.stdout)

    def about(self, geometry: dict[str, Any]) -> dict[str, Any]:
        """What report.json says of the whole run. geometry: of a manifest."""
        import bpy

        shot = self.shot
        return {
            "clip": shot.clip.path,
            "geometry": self.chosen.geometry.partition(":")[0],
            "geometry_notes": geometry["notes"],
            "notes": [] if self.is_true or not self.truth else [ESTIMATED],
            "engine": self.chosen.engine,
            "frames": shot.shot_frames,
            "width": shot.shot_width,
            "height": shot.shot_height,
            "fps": shot.shot_fps,
            "blender": bpy.app.version_string,
            "seconds": {**self.steps.seconds, "total": self.steps.total},
        }


if __name__ == "__main__":
    from environments import enter

    enter("bpy")
    sys.exit(main())
