# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""The demo's mode static: the clip from three held cameras, whose starting images agree.

python3.11 scripts/demo.py --mode static
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo import HERE, Demo, DemoError


class StaticDemo(Demo):
    """Paints the starting images each by itself, then so that they agree, and renders from the latter."""

    def add_cameras(self) -> None:
        import bpy
        import cameras

        shot = self.shot
        self.unit = self.measure_unit()
        if self.is_sample:
            shot.focus = self.unit * cameras.ORBIT_FOCUS_M
        bpy.context.scene.frame_set(shot.first_frame)
        for name, move, degrees in cameras.STATIC_VIEWS:
            self.press("apply_move", move=move, amount=degrees, name=name, hold=True, follow=False)
        names = [name for name, _, _ in cameras.STATIC_VIEWS]
        self.steps.done("cameras", f"added the held cameras {', '.join(names)} by presets")

    def render(self) -> None:
        self.shot.engine = "reangle"
        self.shot.learning.caption = self.caption
        starting = self.shot.starting
        judge = starting.judge
        if starting.painter == "auto":
            starting.painter = "mini"
        starting.judge, starting.carry, starting.approve = "none", False, True
        self.press("render")
        self.wait()
        self.unguided = self.starts()
        self.steps.done("starts_unguided", f"painted {len(self.unguided)} starting images, each by itself")
        self.press("remove_job", job=self.job.name)
        starting.judge, starting.carry, starting.approve = judge, True, False
        self.render_with("reangle")

    def starts(self) -> dict[str, str]:
        """The folders of the newest job's starting images, by camera."""
        import bpy

        return {camera.name: bpy.path.abspath(camera.start) for camera in self.job.cameras if camera.start}

    def report(self) -> None:
        import cameras

        guided = self.starts()
        if not guided:
            raise DemoError("No camera has a starting image: all begin at the clip's camera.")
        request = {
            "source": str(self.source_frames()),
            "cameras": self.folders(),
            "unguided": self.unguided,
            "guided": guided,
            "truth": {name: str(self.truth / cameras.file_name(name)) for name in guided} if self.truth else {},
            "sheet": str(self.out / "contact_sheet.png"),
        }
        answer = self.ask(HERE / "demo_static_report.py", request)
        self.steps.done("report", "compared with the true renders and drew the contact sheet")
        about = {
            **self.about(answer["geometry"]),
            "mode": "static",
            "agreement": answer["agreement"],
            "cameras": {
                name: {"folder": Path(folder).relative_to(self.out).as_posix(), **answer["cameras"][name]}
                for name, folder in self.folders().items()
            },
        }
        (self.out / "report.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        print_static_figures(about, self.out)


def print_static_figures(report: dict[str, Any], out: Path) -> None:
    """Print what guidance brought, and the figures of each camera."""
    print(f"{report['seconds']['total']:6.1f} s  in all; see {out}")
    agreement = report["agreement"]
    print(
        f"          starting images, MEt3R between views by {agreement['by']}: "
        f"{agreement['unguided']:.3f} each by itself, {agreement['guided']:.3f} judged and carried on"
    )
    for name, camera in report["cameras"].items():
        print(f"          {name}: {camera['hidden']:.1%} of its first frame is hidden")
        if camera["psnr"]:
            shown = ", ".join(f"{part} {value:.1f} dB" for part, value in camera["psnr"].items() if value)
            starts = ", ".join(f"{part} {value:.1f} dB" for part, value in camera["start_psnr"].items())
            print(f"          {name}: PSNR against the true render: {shown}")
            print(f"          {name}: hidden part of its starting image: {starts}")
    for note in report["notes"]:
        print(f"          {note}")
